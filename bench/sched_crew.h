/* SPDX-License-Identifier: MIT */
/* Programs with a vGPU each, what they do alone and together, and what part each then had. */
#ifndef BENCH_SCHED_CREW_H
#define BENCH_SCHED_CREW_H

#include "sched_figures.h"
#include "sched_load.h"

#define CREW_MAX 64

/* One round of one experiment. */
struct round {
    const struct site *site;
    struct figures *figures;
    bool quick;
};

/* As long as a full or a quick run has. */
unsigned round_ms(const struct round *r, unsigned full, unsigned quick);

struct crew_member {
    unsigned
        instances; /* of its vGPU's type on the GPU; 0: the vGPU of the member before */
    struct load_spec spec;
};

struct crew {
    const struct site *site;
    struct program programs[CREW_MAX], *list[CREW_MAX];
    unsigned n;
    unsigned solo_warm_ms; /* of crew_solo(), before the time that counts */
};

/* Makes the vGPUs v0, v1, ... and starts the programs on them. crew_end() in any case. */
int crew_begin(struct crew *c, const struct site *s, const struct crew_member *m,
               unsigned n, struct err *e);
void crew_end(struct crew *c);

/* The first `n` of them at once; each has answered, or the error says who has not. */
int crew_run(struct crew *c, unsigned n, const struct window *w, struct accounts *ret,
             struct err *e);

/* The speed of one alone, under best effort; the others rest. */
int crew_solo(struct crew *c, unsigned i, unsigned ms, double *ret, struct err *e);

/*
 * The first n together under a policy. The machine's own speed changes from second to second, so
 * time is cut into pieces, with moments alone between them: a share is held against what the
 * program did alone right before and after.
 */
struct split {
    const char *policy, *slice;
    unsigned n;          /* that work; the others rest, with their programs open */
    unsigned pieces, ms; /* of each */
    unsigned solo_ms;
    unsigned nsolo; /* program i is as fast alone as program i % nsolo */
};

/* Medians of the pieces; shares are of the GPU's time, 1 = all. */
struct split_result {
    double share[CREW_MAX];   /* work done, over work done alone in that time */
    double part[CREW_MAX];    /* that, over the sum of all: not of the machine's speed */
    double account[CREW_MAX]; /* as the manager tells; NAN: it does not */
    double sum;
    double arbiter_cpu; /* of a core; NAN: not told */
};

int crew_split(struct crew *c, const struct split *s, struct split_result *ret,
               struct err *e);

#endif
