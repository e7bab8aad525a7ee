/* SPDX-License-Identifier: MIT */
/*
 * What Tessera asks of the driver by itself to follow a program's work: contexts, streams and
 * events (CUDA driver API, 6.8, 6.18, 6.19). A driver that has no such function answers
 * CUDA_ERROR_NOT_SUPPORTED.
 */
#ifndef TESSERA_GUEST_CUDA_CALLS_H
#define TESSERA_GUEST_CUDA_CALLS_H

#include "guest/cuda/results.h"

#include <stdbool.h>
#include <stdint.h>

/* Handles of streams that every context has. */
#define CALL_STREAM_LEGACY ((void *)(uintptr_t)1)
#define CALL_STREAM_PER_THREAD ((void *)(uintptr_t)2)

int call_push(void *context);
void call_pop(void);

/* The current context, NULL: there is none. */
void *call_current(void);

/* The context of a stream; NULL: that of no stream of the program's making. */
void *call_context_of(void *stream);

/* Waits for all that was put into the context. It must be the current one. */
int call_synchronize(void);

/* Does the stream record a graph, or would it disturb one to use it? */
bool call_is_capturing(void *stream);

/* Of this thread: what may not be done elsewhere while a graph is recorded may be done here. */
struct call_relaxed {
    int mode;
};
struct call_relaxed call_relax(void);
void call_unrelax(struct call_relaxed before);

/* An event that is waited for asleep, and tells the time. */
int call_event_new(void **ret);
void call_event_free(void *event);
int call_event_record(void *event, void *stream);
int call_event_query(void *event);
int call_event_wait(void *event);

/* Device time between two that have ended. */
int call_event_elapsed(void *from, void *to, uint64_t *ret_ns);

#endif
