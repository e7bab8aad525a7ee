/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_WORKER_CONTEXT_H
#define TESSERA_WORKER_CONTEXT_H

#include "worker/object.h"

/*
 * Parts of a device that a context was made of. They live as long as the driver's context, not our
 * object: queues and memory outlive that. Drivers do not all see to it themselves (PoCL 3.1).
 */
struct context_parts;

struct context {
    struct object o;
    bool watched;       /* the guest is told when the driver has destroyed it */
    uint64_t watch_tag; /* by this answer; 0: it was told that it will not be */
    struct context_parts
        *parts; /* NULL: none, or the driver tells of its context's end */
};

void context_fini(struct session *s, struct object *o);

#endif
