/* SPDX-License-Identifier: MIT */
/*
 * Continuations: "call me when that event gets there". The driver's callback is the fast way.
 * Drivers exist that forget it when a command fails (PoCL 3.1), so the dispatcher also looks at
 * all watched events now and then; whoever comes first runs the continuation, once.
 */
#ifndef TESSERA_WORKER_WATCH_H
#define TESSERA_WORKER_WATCH_H

#include "base/list.h"

#include <CL/cl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct queue;
struct session;

/*
 * Runs on any thread, perhaps before watch_event() returns: it may reply, unref objects and query
 * events, but not wait. status: CL_SUCCESS, or the event's error. Owns arg.
 */
typedef void watch_fn(struct session *s, void *arg, cl_int status);

struct watches {
    pthread_mutex_t lock;
    struct list armed;
    unsigned count;
    unsigned running; /* continuations of what is armed no more; under the lock */
};

/*
 * Of a queue that is in order: drivers call back from several threads, but the guest must not hear
 * of a command before it has what those before it read. All under the lock of the watches.
 */
struct lane {
    struct list commands;  /* armed, in the queue's order */
    struct list ready;     /* to be run, in the order to be told */
    bool runs;             /* some thread is at them */
    uint64_t made;         /* commands so far; the dispatcher's */
    _Atomic uint64_t told; /* as many, from the first, whose continuations have ended */
};

void watches_init(struct watches *w);
void lane_init(struct lane *l);

/*
 * Calls done(arg) when the event is at `type` (CL_COMPLETE …) or beyond, or has failed; after that
 * of the commands before it in its queue q (NULL: of none). event NULL: it is there.
 */
void watch_event(struct session *s, struct queue *q, cl_event event, cl_int type,
                 watch_fn *done, void *arg);

/* Dispatcher: the same of the command that was enqueued last, when it is complete. */
void watch_command(struct session *s, struct queue *q, cl_event event, watch_fn *done,
                   void *arg);

/*
 * Dispatcher: returns when all has been told of as many commands of the queue, which are complete.
 * It runs what is left of it, or waits for who does.
 */
void lane_tell(struct session *s, struct queue *q, uint64_t commands);

/* Dispatcher: has it been told of all its commands? */
bool lane_is_clear(const struct lane *l);

/* Dispatcher: runs what the driver forgot. */
void watches_poll(struct session *s);

/* Calls each for all that is watched, under the lock. */
typedef void watch_each_fn(void *ctx, cl_event event, watch_fn *done, void *arg);
void watches_each(struct session *s, watch_each_fn *each, void *ctx);

/* Does a continuation run just now? It may be about to reply. */
bool watches_run(struct watches *w);

/* Is anything watched? A hint: no lock. */
bool watches_any(const struct watches *w);

/* The execution status of an event: > 0 not there yet, 0 complete, < 0 failed. */
cl_int event_status(struct session *s, cl_event event);

#endif
