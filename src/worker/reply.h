/* SPDX-License-Identifier: MIT */
/*
 * Frames to the guest: answers and reclaimed extents. Any thread may send; nothing here waits.
 * While the ring is full, frames queue up in private memory and the dispatcher writes them when
 * there is room; a guest that does not read its replies is ended at a bound.
 *
 * What kernels print (worker/print.h) goes from its pipe straight into the ring, never through
 * memory of ours. It comes before every answer that is sent after it was printed: an answer that
 * must wait in line has a mark before it, "here goes what is in the pipe".
 */
#ifndef TESSERA_WORKER_REPLY_H
#define TESSERA_WORKER_REPLY_H

#include "wire/frame.h"

#include <CL/cl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define REPLIES_WAITING_BYTES (64u << 20)

struct session;
struct waiting_frame;

struct replies {
    pthread_mutex_t lock; /* also the ring's writer side */
    struct waiting_frame *first, **last;
    size_t waiting_bytes;
    _Atomic bool waiting;
    bool still;  /* all wait in line: the session is paused, and its ring as it was */
    int text_fd; /* what kernels print; not blocking; -1: none */
    _Atomic bool text_expected; /* so look into the pipe before each answer */
};

void replies_init(struct replies *r);

void reply_status(struct session *s, uint64_t tag, int64_t status);

/*
 * A status and an answer in bytes: inside the frame when it is short, else in the request's `out`
 * extent, else only its length.
 */
void reply_bytes(struct session *s, uint64_t tag, int64_t status, const void *data,
                 size_t len, struct extent out);

/* The heap extent at that offset is the guest's again. EXTENT_NONE: nothing to say. */
void reply_reclaim(struct session *s, uint64_t offset);

/* Tells the guest that kernels may print from now on. */
void reply_announce_text(struct session *s);

/*
 * Writes what waits, then what kernels printed. false: something is left, for want of room. Any
 * thread.
 */
bool replies_pass_text(struct session *s);

/*
 * Nothing more gets into the ring: who saves the session must find it as its counter says. And it
 * may again.
 */
void replies_stand_still(struct session *s);
void replies_go_on(struct session *s);

/*
 * Paused: calls each for all frames that wait for room, with what kernels have printed among them.
 * reply_again() puts one in line.
 */
void replies_each(struct session *s,
                  void (*each)(void *ctx, const void *frame, size_t len), void *ctx);
void reply_again(struct session *s, const void *frame, uint32_t len);

/* Dispatcher: writes what waits, as far as there is room. true: nothing waits any more. */
bool replies_flush(struct session *s);

#endif
