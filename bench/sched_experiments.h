/* SPDX-License-Identifier: MIT */
/* The experiments of bench-sched: what each does, by name. */
#ifndef BENCH_SCHED_EXPERIMENTS_H
#define BENCH_SCHED_EXPERIMENTS_H

#include "sched_crew.h"

struct experiment {
    const char *name, *about;
    int (*run)(const struct round *r, const struct experiment *x, struct err *e);
    const char *word; /* what it means is the function's */
    unsigned number;  /* the same */
    bool quick;       /* part of the quick form */
};

/* All, ended by one without a name. */
extern const struct experiment experiments[];

extern const char *const policy_words[3]; /* best effort, equal share, fixed share */

/* One round each; they fill r->figures. */
int run_shares(const struct round *r, const struct experiment *x, struct err *e);
int run_one_busy(const struct round *r, const struct experiment *x, struct err *e);
int run_mixed(const struct round *r, const struct experiment *x, struct err *e);
int run_long(const struct round *r, const struct experiment *x, struct err *e);
int run_bully(const struct round *r, const struct experiment *x, struct err *e);
int run_bully_wait(const struct round *r, const struct experiment *x, struct err *e);
int run_trick(const struct round *r, const struct experiment *x, struct err *e);
int run_endless(const struct round *r, const struct experiment *x, struct err *e);
int run_cost(const struct round *r, const struct experiment *x, struct err *e);
int run_training(const struct round *r, const struct experiment *x, struct err *e);
int run_changes(const struct round *r, const struct experiment *x, struct err *e);
int run_manager(const struct round *r, const struct experiment *x, struct err *e);

/* Adds a figure of this experiment and round. */
struct figure_id figure_of(const struct round *r, const struct experiment *x,
                           const char *policy);

/* Keeps what a plot needs under "EXPERIMENT[ pinned] POLICY". Takes the reference. */
void series_set(const struct round *r, const struct experiment *x, const char *policy,
                json_t *value);
json_t *numbers_json(const double *v, unsigned n);

#endif
