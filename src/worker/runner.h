/* SPDX-License-Identifier: MIT */
/*
 * Who hands held commands on. A thread sleeps until it is this session's turn, until there is room
 * in the window, or until a turn must end; and wakes the next gate by giving it back. Whoever runs
 * commands holds the session's run lock: the dispatcher while it handles messages, and this thread.
 * The dispatcher takes a step itself when a message changed something.
 */
#ifndef TESSERA_WORKER_RUNNER_H
#define TESSERA_WORKER_RUNNER_H

#include "gate/gate.h"

#include <CL/cl.h>
#include <pthread.h>
#include <stdbool.h>

struct session;

struct runner {
    pthread_mutex_t lock;     /* the run lock */
    pthread_cond_t resumed;   /* paused is false again */
    _Atomic bool paused;      /* nobody but who paused it gets the run lock */
    _Atomic bool asked;       /* the thread waits for it */
    _Atomic uint32_t word;    /* counted up to wake the thread */
    _Atomic uint64_t look_ns; /* until when it sleeps */
    _Atomic bool drain_watched;
    bool due;       /* run lock: take a step before the lock is let go */
    cl_event first; /* run lock: a first launch that is with the driver; counted */
};

void runner_init(struct runner *r);

/* The thread: never returns. */
_Noreturn void runner_main(struct session *s);

/*
 * Around all that runs commands or touches objects. Takes a step on the way out if one is due: 0,
 * or a negative errno when a held command's message was bad, and the session must end.
 */
void runner_enter(struct session *s);
int runner_leave(struct session *s);

/*
 * Takes the run lock as soon as who has it lets go; dispatcher and runner stand still until
 * runner_resume() gives it back. What the driver has goes on to its end, and its callbacks.
 */
void runner_pause(struct runner *r);
void runner_resume(struct runner *r);

/* Run lock held: is there a step to take, or does the thread wait for the lock? */
bool runner_must_leave(const struct session *s);

/* A first launch has gone to the driver. */
void runner_first(struct session *s, cl_event event);

#endif
