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

void watches_init(struct watches *w);

/* Calls done(arg) when the event is at `type` (CL_COMPLETE …) or beyond, or has failed. */
void watch_event(struct session *s, cl_event event, cl_int type, watch_fn *done,
                 void *arg);

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
