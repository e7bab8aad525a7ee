/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_WORKER_RESTORE_LOG_H
#define TESSERA_WORKER_RESTORE_LOG_H

#include "snapshot/snapshot.h"
#include "worker/holes.h"
#include "worker/restore.h"
#include "worker/saved.h"

/* An object by its serial. */
struct made {
    uint64_t serial;
    struct object
        *object; /* counted: whatever the log says, it is there to the end of it */
};

/* Restoring, as far as it has come. */
struct restorer {
    struct session *s;
    const struct restore_options *options;
    struct snapshot_reader *reader;
    struct err *e;
    struct saved_session head;
    uint16_t *ops; /* our numbers of the snapshot's operations; owned */
    size_t n_ops;
    struct made *made; /* the oldest first; owned */
    size_t n_made, cap_made;
    uint64_t last_moment;
    bool fresh;         /* the heap is new; else it is the guest's, with its bytes */
    struct holes holes; /* of the guest's heap: to be filled again */
    uint64_t done;
};

/* Reads the section of that name, or the whole log. 0, or a negative errno with words in r->e. */
int restore_ops(struct restorer *r);
int restore_log(struct restorer *r);

/* Lets go of the objects, which are the table's, or of what needs them. */
void restored_objects_free(struct restorer *r);

/* NULL: there is none. */
struct object *restored_object(const struct restorer *r, uint64_t serial);

/* More was done; a negative errno: to be ended. */
int restore_progress(struct restorer *r, uint64_t bytes);

/* The section is damaged in a way that checksums do not find. */
int restore_bad(struct restorer *r, const char *what);

#endif
