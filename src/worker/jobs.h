/* SPDX-License-Identifier: MIT */
/*
 * Work that may block, beside the dispatcher: builds, asks for memory, waits of drivers that call
 * nobody back. Threads are made when needed, up to a bound, and stay.
 */
#ifndef TESSERA_WORKER_JOBS_H
#define TESSERA_WORKER_JOBS_H

#include <pthread.h>
#include <stdbool.h>

#define JOBS_QUEUED 4096 /* waiting for a thread; a guest that asks for more is told so */

struct job {
    struct job *next;
    void (*run)(struct job *j); /* frees what the job is part of */
};

struct jobs {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    struct job *first, **last;
    unsigned threads, idle, queued, max_threads;
    int nice; /* of its threads: set before the first job */
};

void jobs_init(struct jobs *j, unsigned max_threads);

/* Is nothing running, and nothing waiting for a thread? */
bool jobs_idle(struct jobs *j);

/* 0, or a negative errno when the job will never run: -EAGAIN too many, or no thread. */
int jobs_start(struct jobs *j, struct job *job);

#endif
