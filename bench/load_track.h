/* SPDX-License-Identifier: MIT */
/*
 * How far a queue has come at any time. Between two completions work is taken to grow evenly, so
 * that a window that begins or ends within a long kernel counts the right part of it. Pure.
 */
#ifndef BENCH_LOAD_TRACK_H
#define BENCH_LOAD_TRACK_H

#include <stdint.h>

#define TRACK_MAX 400000 /* completions of one queue in one run */

struct track {
    uint64_t begin_ns; /* when its first piece of work could start */
    uint64_t *done_ns; /* growing; owned */
    unsigned n, cap;
};

/* Forgets all completions; work begins at begin_ns. */
void track_begin(struct track *t, uint64_t begin_ns);

/* One more piece is done; -ENOSPC, -ENOMEM. */
int track_done(struct track *t, uint64_t at_ns);

/* Pieces done at that time, with the part of the one under way. */
double track_at(const struct track *t, uint64_t at_ns);

void track_fini(struct track *t);

#endif
