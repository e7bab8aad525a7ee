/* SPDX-License-Identifier: MIT */
/*
 * plan.h - what a worker does, and how long it thinks before: drawn ahead of the work, so
 * that the same seed gives the same sequence, however the work goes.
 */
#ifndef OFFICE_PLAN_H
#define OFFICE_PLAN_H

#include <stdint.h>

#include "common/rng.h"

struct plan {
    struct rng work, pauses;
    double think_s; /* mean; 0: no pauses */
};

struct task {
    unsigned kind;  /* of operations[] */
    struct rng rng; /* what the operation draws from */
    double think_s;
};

void plan_init(struct plan *ret_plan, uint64_t seed, double think_s);
struct task plan_next(struct plan *plan);

#endif
