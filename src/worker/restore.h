/* SPDX-License-Identifier: MIT */
/*
 * A session is made again from a snapshot (saved.h): on the main thread of a worker that has no
 * guest yet and runs nothing. The bytes of the snapshot are as little trusted as a guest's, and go
 * the same way: through the decoders of its messages.
 *
 *   restore_session() ──▶ waits, as if paused ──▶ restored_ask_again() once its guest is there
 */
#ifndef TESSERA_WORKER_RESTORE_H
#define TESSERA_WORKER_RESTORE_H

#include "base/err.h"
#include "wire/hello.h"
#include "worker/event.h"

struct session;

/* The memory that a guest has brought along; -1: it has not, or is not there yet. */
struct guest_memory {
    uint8_t token[TOKEN_BYTES]; /* whose it is */
    int fds[2];
};

/* Called now and then; a negative errno ends the work with it. */
typedef int restore_progress_fn(void *ctx, uint64_t done, uint64_t total);

struct restore_options {
    int fd;          /* a stream of the snapshot begins here */
    int stop_fd;     /* once it is readable the reading ends, even stuck */
    uint64_t number; /* the snapshot's */
    const struct guest_memory *memory;
    restore_progress_fn *progress;
    void *ctx;
};

/*
 * 0, or a negative errno with words; the worker is of no use then. -EBADMSG: the snapshot is
 * damaged; -ENOSPC: it does not fit into the vGPU; -EPROTO: it cannot be made on this GPU.
 */
int restore_session(struct session *s, const struct restore_options *o, struct err *e);

/* What the guest still waits for, told as when it was saved. */
void restored_questions_each(struct session *s, event_question_fn *question,
                             void (*ask)(void *ctx, uint64_t tag, uint64_t bytes),
                             void *ctx);

/* The guest is there: answers may go. */
void restored_ask_again(struct session *s);

/* The session's bytes move into the memory that its guest brought; -EPROTO: it is not its own. */
int restored_move(struct session *s, const int fds[2]);

/* Of device and driver, in words: what binaries were made for. */
void saved_driver(const struct session *s, char *ret, size_t cap);

#endif
