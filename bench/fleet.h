/* SPDX-License-Identifier: MIT */
/*
 * Rows about many vGPUs at once, on managers of their own with software GPUs that hold
 * that many: what idle guests cost, and what a vGPU's beginning costs. They are no part of
 * the rounds; each fills its result's rounds by itself.
 */
#ifndef BENCH_FLEET_H
#define BENCH_FLEET_H

#include "base/err.h"
#include "rows.h"

struct fleet {
    const char *build;
    bool discrete, quick;
    struct result *results; /* the caller's: one for each row that is wanted */
    unsigned nresults;
    void (*progress)(const char *round, const char *what); /* as in measure.h */
};

/* Is it one of ours? */
bool fleet_has(const struct row *row);

/* Fills our results, or says in their problem why not. -EINTR when interrupted. */
int fleet_run(const struct fleet *f, struct err *e);

/* The two of them, on a host made for them; an error becomes the result's problem. */
struct host;
int fleet_idle(const struct fleet *f, const struct host *h, struct result *r,
               struct err *e);
int fleet_start(const struct fleet *f, const struct host *h, struct result *r,
                struct err *e);

#endif
