/* SPDX-License-Identifier: MIT */
/*
 * Events that the guest knows. One without a driver's event is complete (a copy that the guest did
 * itself) or failed (the command never reached the driver).
 */
#ifndef TESSERA_WORKER_EVENT_H
#define TESSERA_WORKER_EVENT_H

#include "worker/queue.h"

struct event {
    struct object o;
    struct queue *queue; /* counted; NULL: a user event */
    bool open;           /* a user event that is not set yet */
    struct held
        *held; /* the command that is held back; NULL: it is with the driver, or over */
    uint64_t held_ns;             /* for so long it was, before the driver had it */
    struct held_edge *dependents; /* of a user event: who is held back for it */
};

/* Makes the event of a submission that ended with rc. 0, or a negative errno. */
int event_new(struct session *s, const struct submission *sub, cl_int rc);

/* > 0 not complete, 0 complete, < 0 failed. */
cl_int event_object_status(struct session *s, const struct object *o);

void event_fini(struct session *s, struct object *o);

#endif
