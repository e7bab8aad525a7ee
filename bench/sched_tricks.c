/* SPDX-License-Identifier: MIT */
/* Ways to take more than one's share, beside an honest vGPU that keeps its queue full. */
#include "sched_experiments.h"

#include "base/cleanup.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define INSTANCES 2
#define SLICE "2ms"
#define TOLERANCE 0.02
#define BUCKETS_PER_SECOND 10
#define WATCHDOG "1s"
#define WATCHDOG_S 1.0

static const struct load_spec honest = {.length_us = 500, .depth = 16};

static const struct trick {
    struct load_spec spec;
    unsigned programs, programs_quick;
    bool no_kernels; /* takes no device time: the honest one loses none */
} tricks[] = {
    [0] = {{.length_us = 500}, 1, 1, false},
    [1] = {{.depth = 8, .batch = 100}, 1, 1, false},
    [2] = {{.depth = 4, .flag = "--copies"}, 1, 1, false},
    [3] = {{.flag = "--builds"}, 1, 1, true},
    [4] = {{.length_us = 2000, .depth = 2, .queues = 50}, 1, 1, false},
    [5] = {{.length_us = 1000, .depth = 2}, 50, 8, false},
};

static void
add_trick(const struct round *r, const struct experiment *x, const struct split *s,
          const struct split_result *got)
{
    const struct trick *t = &tricks[x->number];
    const bool best = strcmp(s->policy, "best-effort") == 0;
    struct figure_id id = figure_of(r, x, s->policy);

    id.unit = FIGURE_SHARE;
    id.what = "the honest one's share";
    id.aim = AIM_AT_LEAST;
    id.target = (best && t->no_kernels ? 1.0 : 0.5) - TOLERANCE;
    figure_add(r->figures, &id, got->share[0]);
    id.what = "the other's share, as accounted";
    id.aim = best ? AIM_NONE : AIM_AT_MOST;
    id.target = 0.5 + TOLERANCE;
    figure_add(r->figures, &id, got->account[1]);
}

int
run_trick(const struct round *r, const struct experiment *x, struct err *e)
{
    const struct trick *t = &tricks[x->number];
    const unsigned n = 1 + round_ms(r, t->programs, t->programs_quick);
    struct crew_member m[CREW_MAX];
    static struct crew c;
    int rc;

    m[0] = (struct crew_member){INSTANCES, honest};
    for (unsigned i = 1; i < n; i++)
        m[i] = (struct crew_member){i == 1 ? INSTANCES : 0, t->spec};
    rc = crew_begin(&c, r->site, m, n, e);
    for (unsigned k = 0; k < 2 && rc == 0; k++) {
        const struct split s = {.policy = policy_words[k],
                                .slice = SLICE,
                                .n = n,
                                .pieces = round_ms(r, 5, 1),
                                .ms = round_ms(r, 1000, 500),
                                .solo_ms = 300,
                                .nsolo = 1};
        struct split_result got;

        rc = crew_split(&c, &s, &got, e);
        if (rc == 0)
            add_trick(r, x, &s, &got);
    }
    crew_end(&c);
    return rc;
}

/* A kernel that never ends. */

/* The longest time without any work, in seconds, to a tenth. */
static double
longest_gap(const json_t *buckets)
{
    unsigned longest = 0, now = 0;

    for (size_t i = 0; i < json_array_size(buckets); i++) {
        now = json_number_value(json_array_get(buckets, i)) < 1.0 ? now + 1 : 0;
        longest = now > longest ? now : longest;
    }
    return (double)longest / BUCKETS_PER_SECOND;
}

static void
add_endless(const struct round *r, const struct experiment *x, const struct crew *c)
{
    struct figure_id id = figure_of(r, x, "equal-share");

    id.what = "the honest one stood still, at longest";
    id.unit = FIGURE_TIME;
    id.aim = AIM_AT_MOST;
    id.target = (WATCHDOG_S + 1.0) * 1e9;
    figure_add(r->figures, &id, longest_gap(c->list[0]->last.buckets) * 1e9);
    id.what = "the honest one got errors";
    id.unit = FIGURE_COUNT;
    id.target = 0;
    figure_add(r->figures, &id, c->list[0]->last.problem[0] != '\0');
    id.what = "the endless one was ended with an error";
    id.aim = AIM_AT_LEAST;
    id.target = 1;
    figure_add(r->figures, &id, strstr(c->list[1]->last.problem, "OpenCL error") != NULL);
}

int
run_endless(const struct round *r, const struct experiment *x, struct err *e)
{
    const struct window w = {.warm_ms = 0, .ms = round_ms(r, 8000, 5000)};
    const struct crew_member m[] = {{INSTANCES, honest},
                                    {INSTANCES, {.depth = 1, .flag = "--endless"}}};
    static struct crew c;
    int rc = crew_begin(&c, r->site, m, 2, e);

    if (rc == 0)
        rc = site_policy(r->site, "equal-share", SLICE, e);
    if (rc == 0)
        rc = site_set(r->site, "--watchdog", WATCHDOG, e);
    if (rc == 0)
        rc = programs_run(r->site, c.list, 2, &w, NULL, e);
    if (rc == 0)
        add_endless(r, x, &c);
    crew_end(&c);
    if (rc == 0)
        rc = site_set(r->site, "--watchdog", "off", e);
    return rc;
}
