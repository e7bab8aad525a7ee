/* SPDX-License-Identifier: MIT */
/* Memory objects: buffers, sub-buffers, and the mappings of those that live in the heap. */
#ifndef TESSERA_WORKER_MEM_H
#define TESSERA_WORKER_MEM_H

#include "base/list.h"
#include "worker/object.h"

#define MAPPINGS_MAX (1u << 20) /* of one session at once */

struct charge;

struct mem {
    struct object o;
    struct charge
        *charge;  /* what the driver's destruction gives back; shared with the parent */
    bool watched; /* the guest is told when the driver has destroyed it */
    bool in_heap; /* its bytes are in the heap, where the guest sees them */
    struct list mappings;
};

void mem_fini(struct session *s, struct object *o);

#endif
