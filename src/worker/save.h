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

struct saving_options {
    int fd;
    int stop_fd; /* once it is readable the writing ends, even stuck; -1: it never does */
    saving_progress_fn *progress;
    void *ctx;
};

/* Writes a whole stream. *ret_written: the bytes that it took. */
int saving_write(struct saving *g, const struct saving_options *o, uint64_t *ret_written,
                 struct err *e);

void saving_free(struct saving *g);

#endif
