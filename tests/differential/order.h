/* SPDX-License-Identifier: MIT */
/*
 * Which commands may run at the same time. Each command that is not known to be complete is
 * one bit; from wait lists, queues in order, barriers and what the host waited for follows
 * what is complete before a new command starts. Where two commands use the same bytes, one
 * of them to write, and neither is before the other, a wait is put between them: a wait
 * list, or the host waits. Nothing waits for a user event that nobody sets any more. A
 * blocking read or map is complete when it returns, a blocking write need not be (5.2.2).
 */
#ifndef TESSERA_TESTS_DIFFERENTIAL_ORDER_H
#define TESSERA_TESTS_DIFFERENTIAL_ORDER_H

#include "world.h"

/* A command on its way. */
struct enqueue {
    struct queue *queue;
    cl_event waits[WAITS];
    cl_uint n;
    cl_event event;
    struct event *slot; /* NULL: no event is asked for */
    cl_command_type type;
    struct command command;
    char text[160]; /* queue, wait list and event, for the transcript */
};

/* Takes any queue and some wait list. */
void enqueue_begin(struct world *w, struct enqueue *e, cl_command_type type);

/* The command uses these bytes of m. */
void enqueue_use(struct enqueue *e, const struct memory *m, size_t lo, size_t bytes,
                 bool write);

/* Makes it safe; false: a mapping forbids the command, and nothing was called. */
bool enqueue_order(struct world *w, struct enqueue *e, bool blocking);

/* What to hand to the call. */
const cl_event *enqueue_waits(const struct enqueue *e);
cl_event *enqueue_event(struct enqueue *e);

/* After the call. Gives the command's index, or -1 where it failed. */
int enqueue_end(struct world *w, struct enqueue *e, cl_int status, bool blocking);

/* A queue's barrier: what is enqueued later waits for it. */
void queue_fence(struct world *w, struct queue *q, int command);

/* All that q has been given. */
uint64_t queue_reach(const struct queue *q);

/* A user event; its index as a command. */
int user_event_add(struct world *w, struct event *slot);
void user_event_set(struct world *w, unsigned command);

/* Sets every user event among these, so that the host may wait for them. */
void unblock(struct world *w, uint64_t commands);

/* These are complete: prints what they were to bring. */
void complete(struct world *w, uint64_t commands);

/* The host waits for a command, one way or another. */
void host_wait(struct world *w, int command);

/* Nothing is left to run. */
void finish_all(struct world *w);

/* No command that is not complete uses these bytes otherwise, nor does a mapping. */
bool mapping_allows(const struct world *w, const struct access *a);

#endif
