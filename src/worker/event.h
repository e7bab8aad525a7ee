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
    uint64_t behind;     /* so many commands of its lane (watch.h) */
    bool open;           /* a user event that is not set yet */
    struct held
        *held; /* the command that is held back; NULL: it is with the driver, or over */
    uint64_t held_ns; /* for so long it was, before the driver had it */
    uint64_t *
        times; /* of one that was made again (event_times_of); NULL: the driver's; owned */
    struct held_edge *dependents; /* of a user event: who is held back for it */
};

/* Makes the event of a submission that ended with rc. 0, or a negative errno. */
int event_new(struct session *s, const struct submission *sub, cl_int rc);

/* > 0 not complete, 0 complete, < 0 failed. */
cl_int event_object_status(struct session *s, const struct object *o);

/* Queued, submitted, started, ended, complete, in ns of the device's clock. */
#define EVENT_TIMES 5

/* CL_PROFILING_INFO_NOT_AVAILABLE, or the driver's error, and zeros. */
cl_int event_times(struct session *s, const struct event *e, uint64_t times[EVENT_TIMES]);

/* What the guest is to be told of events: a clWaitForEvents, or a callback of one event. */
struct event_question {
    uint64_t tag;
    int64_t type; /* of a callback: what it waits for */
    bool callback;
    bool failed; /* one of the events has failed already */
    unsigned n;
    struct object **events; /* that are not there yet */
};

/*
 * Dispatcher, the driver has nothing: calls each for what is still to be answered, since only the
 * guest can bring it about. 0; -EAGAIN: the driver's callbacks are not all through; -ENOMEM.
 */
typedef void event_question_fn(void *ctx, const struct event_question *q);
int event_questions(struct session *s, event_question_fn *each, void *ctx);

/* Asks such a question again. */
void event_ask(struct session *s, const struct event_question *q);

void event_fini(struct session *s, struct object *o);

#endif
