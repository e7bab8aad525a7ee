/* SPDX-License-Identifier: MIT */
/*
 * What being scheduled costs a vGPU that is alone: under best effort, and with no arbiter at all,
 * in turn. Without an arbiter is what a worker does whose manager was killed: it goes on by itself.
 */
#include "sched_experiments.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "stats.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#define INSTANCES 2
#define SLICE "2ms"
#define PIECES_MAX 8
#define SETTLE_NS                                                                        \
    UINT64_C(1300000000) /* until gates have noticed that a manager is gone, or back */
#define FREE_WARM_MS                                                                     \
    1200 /* who begins to work then looks for the manager for most of a second */
#define RATIO 0.99
#define TRAINING_MS 600000

enum { DEEP, NULLS, LOADS };

static const struct load_spec specs[LOADS] = {{.length_us = 1000, .depth = 6},
                                              {.length_us = 0, .depth = 0}};
static const char *const words[LOADS] = {"1 ms kernels", "null kernels, launch and wait"};

struct speeds {
    double gated[LOADS][PIECES_MAX], free[LOADS][PIECES_MAX], native[LOADS][PIECES_MAX];
};

static int
measure(struct crew *c, const struct round *r, double (*ret)[PIECES_MAX], unsigned first,
        unsigned piece, struct err *e)
{
    int rc = 0;

    for (unsigned i = 0; i < LOADS && rc == 0; i++)
        rc = crew_solo(c, first + i, round_ms(r, 1000, 400), &ret[i][piece], e);
    return rc;
}

static int
measure_free(struct crew *c, const struct round *r, struct speeds *s, unsigned piece,
             struct err *e)
{
    const unsigned warm_ms = c->solo_warm_ms;
    int rc = site_kill_manager(r->site, e);

    if (rc < 0)
        return rc;
    site_sleep_until(now_ns() + SETTLE_NS);
    c->solo_warm_ms = FREE_WARM_MS;
    rc = measure(c, r, s->free, 0, piece, e);
    c->solo_warm_ms = warm_ms;
    if (rc == 0)
        rc = site_revive(r->site, e);
    site_sleep_until(now_ns() + SETTLE_NS);
    return rc;
}

/* Of the pieces' ratios: each pair was measured within seconds. */
static double
ratio(const double *a, const double *b, unsigned n)
{
    double v[PIECES_MAX];

    for (unsigned i = 0; i < n; i++)
        v[i] = a[i] / b[i];
    return stats_median(v, n);
}

static void
add_cost(const struct round *r, const struct experiment *x, const struct speeds *s,
         unsigned n)
{
    struct figure_id id = figure_of(r, x, "best-effort");
    char what[96];

    for (unsigned i = 0; i < LOADS; i++) {
        id.what = what;
        id.unit = FIGURE_RATIO;
        id.aim = AIM_AT_LEAST;
        id.target = RATIO;
        snprintf(what, sizeof what, "alone, over no arbiter: %s", words[i]);
        figure_add(r->figures, &id, ratio(s->gated[i], s->free[i], n));
        id.aim = AIM_NONE;
        snprintf(what, sizeof what, "alone, over the bare driver: %s", words[i]);
        figure_add(r->figures, &id, ratio(s->gated[i], s->native[i], n));
    }
}

/* Two programs on one vGPU, and the same two on the bare driver behind them. */
static int
begin(struct crew *c, const struct round *r, struct err *e)
{
    const struct crew_member m[] = {{INSTANCES, specs[DEEP]}, {0, specs[NULLS]}};
    int rc = crew_begin(c, r->site, m, LOADS, e);

    for (unsigned i = 0; i < LOADS && rc == 0; i++) {
        struct program *p = &c->programs[LOADS + i];

        rc = program_start(p, r->site, NULL, &specs[i], e);
        c->list[LOADS + i] = p;
        c->n = LOADS + i + 1;
        if (rc == 0)
            rc = program_ready(p, e);
    }
    return rc;
}

int
run_cost(const struct round *r, const struct experiment *x, struct err *e)
{
    const unsigned n = round_ms(r, 5, 1);
    static struct speeds s;
    static struct crew c;
    int rc = begin(&c, r, e);

    if (rc == 0)
        rc = site_policy(r->site, "best-effort", SLICE, e);
    for (unsigned i = 0; i < n && rc == 0; i++) {
        rc = measure(&c, r, s.native, LOADS, i, e);
        if (rc == 0)
            rc = measure(&c, r, s.gated, 0, i, e);
        if (rc == 0)
            rc = measure_free(&c, r, &s, i, e);
    }
    if (rc == 0)
        add_cost(r, x, &s, n);
    crew_end(&c);
    return rc;
}

/* Training. */

/* The median step; with `orphaned`, the manager is killed once the program is under way. */
static int
train(const struct round *r, bool orphaned, double *ret, struct err *e)
{
    struct child child = CHILD_NONE;
    struct host_argv argv = {0};
    json_t *answer = NULL;
    int rc;

    for (const char *const *w =
             (const char *const[]){r->site->host.tessera, "run", "v0", "--",
                                   r->site->host.train, "--model", "small", "--steps",
                                   r->quick ? "60" : "100", "--no-eval", "--json",
                                   "--report", "0", NULL};
         *w; w++)
        host_add(&argv, *w);
    rc = child_start(&child, argv.v, e);
    if (rc == 0 && orphaned) {
        site_sleep_until(now_ns() + SETTLE_NS);
        rc = site_kill_manager(r->site, e);
    }
    /* Events first, one a line; the result is the one with the steps. */
    while (rc == 0) {
        json_decref(answer);
        answer = NULL;
        rc = child_answer(&child, TRAINING_MS, &answer, e);
        if (rc == 0 && json_object_get(answer, "step_median_s"))
            break;
    }
    if (rc == 0)
        *ret = json_number_value(json_object_get(answer, "step_median_s"));
    json_decref(answer);
    child_stop(&child);
    return rc;
}

int
run_training(const struct round *r, const struct experiment *x, struct err *e)
{
    const unsigned n = round_ms(r, PIECES_MAX, 1);
    struct figure_id id = figure_of(r, x, "best-effort");
    double gated[PIECES_MAX], orphaned[PIECES_MAX];
    static struct crew c; /* without programs: crew_end() deletes the vGPU */
    int rc = site_create(r->site, "v0", INSTANCES, e);

    c = (struct crew){.site = r->site};
    if (rc == 0)
        rc = site_policy(r->site, "best-effort", SLICE, e);
    for (unsigned i = 0; i < n && rc == 0; i++) {
        rc = train(r, false, &gated[i], e);
        if (rc == 0)
            rc = train(r, true, &orphaned[i], e);
        if (rc == 0)
            rc = site_revive(r->site, e);
    }
    if (rc == 0) {
        id.what = "a training step alone, over no arbiter (speed)";
        id.unit = FIGURE_RATIO;
        id.aim = AIM_AT_LEAST;
        id.target = RATIO;
        figure_add(r->figures, &id, ratio(orphaned, gated, n));
    }
    crew_end(&c);
    return rc;
}
