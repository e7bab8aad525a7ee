/* SPDX-License-Identifier: MIT */
/* A paused session (pause.h) is written into a snapshot: saved.h. The run lock is held. */
#ifndef TESSERA_WORKER_SAVE_H
#define TESSERA_WORKER_SAVE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct session;
struct saving;

/*
 * Puts together what is to be written. copy: with copies of all bytes, so that the session may go
 * on while they are written. 0, or a negative errno with words.
 */
int saving_new(struct session *s, uint64_t number, bool copy, struct saving **ret,
               struct err *e);

/* Bytes of content, all together. */
uint64_t saving_bytes(const struct saving *g);

/* Called now and then; a negative errno ends the writing with it. */
typedef int saving_progress_fn(void *ctx, uint64_t done, uint64_t total);

/*
 * Writes a whole stream. *ret_written: the bytes that it took. stop_fd: ends it as soon as it is
 * readable; -1: nothing does.
 */
int saving_write(struct saving *g, int fd, int stop_fd, saving_progress_fn *progress,
                 void *ctx, uint64_t *ret_written, struct err *e);

void saving_free(struct saving *g);

#endif
