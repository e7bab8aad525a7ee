/* SPDX-License-Identifier: MIT */
/* What changes under load: policy and slice, the manager, and, for long, the load itself. */
#include "sched_experiments.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define INSTANCES 8
#define SLICE "2ms"
#define MS_NS UINT64_C(1000000)
#define BUCKET_MS 100

static const struct load_spec deep = {.length_us = 1000, .depth = 6};

/* Policy and slice, a hundred times. */

#define CHANGES 100

static int
change_often(void *arg, uint64_t from_ns, uint64_t end_ns, struct err *e)
{
    static const char *const slices[] = {"1ms", "2ms", "5ms", "30ms", "default"};
    const struct round *r = arg;
    const unsigned n = r->quick ? CHANGES / 5 : CHANGES;
    int rc = 0;

    for (unsigned i = 0; i < n && rc == 0; i++) {
        site_sleep_until(from_ns + (end_ns - from_ns) * i / n);
        /* 3 and 5 have no common factor: all pairs come. */
        rc = site_policy(r->site, policy_words[i % 3], slices[i % 5], e);
    }
    return rc;
}

int
run_changes(const struct round *r, const struct experiment *x, struct err *e)
{
    const struct window w = {.warm_ms = 100,
                             .ms = round_ms(r, 12000, 3000),
                             .during = change_often,
                             .arg = (void *)r};
    struct figure_id id = figure_of(r, x, "");
    struct crew_member m[INSTANCES];
    static struct crew c;
    uint64_t lost = 0, hung = 0;
    int rc;

    for (unsigned i = 0; i < INSTANCES; i++)
        m[i] = (struct crew_member){INSTANCES, deep};
    rc = crew_begin(&c, r->site, m, INSTANCES, e);
    if (rc == 0)
        rc = programs_run(r->site, c.list, INSTANCES, &w, NULL, e);
    for (unsigned i = 0; i < INSTANCES && rc == 0; i++) {
        lost += c.list[i]->last.launched - c.list[i]->last.completed;
        hung += c.list[i]->last.problem[0] != '\0';
    }
    if (rc == 0) {
        id.unit = FIGURE_COUNT;
        id.aim = AIM_AT_MOST;
        id.what = "commands lost";
        figure_add(r->figures, &id, (double)lost);
        id.what = "programs that failed or hung";
        figure_add(r->figures, &id, (double)hung);
    }
    crew_end(&c);
    return rc;
}

/* The manager is killed, and comes back. */

static int
kill_and_revive(void *arg, uint64_t from_ns, uint64_t end_ns, struct err *e)
{
    const struct round *r = arg;
    const uint64_t third = (end_ns - from_ns) / 3;
    int rc;

    site_sleep_until(from_ns + third);
    rc = site_kill_manager(r->site, e);
    if (rc < 0)
        return rc;
    site_sleep_until(from_ns + 2 * third);
    return site_revive(r->site, e);
}

/* The mean of a part of the buckets, as a share of what is done alone. */
static double
share_between(const json_t *buckets, double from, double to, double solo)
{
    const size_t n = json_array_size(buckets);
    const size_t first = (size_t)(from * (double)n), end = (size_t)(to * (double)n);
    double sum = 0;

    for (size_t i = first; i < end; i++)
        sum += json_number_value(json_array_get(buckets, i));
    return sum / (double)(end - first) * (1000.0 / BUCKET_MS) / solo;
}

static double
standstill_ms(const json_t *buckets)
{
    unsigned now = 0, longest = 0;

    for (size_t i = 0; i < json_array_size(buckets); i++) {
        now = json_number_value(json_array_get(buckets, i)) < 1 ? now + 1 : 0;
        longest = now > longest ? now : longest;
    }
    return longest * BUCKET_MS;
}

static void
add_manager(const struct round *r, const struct experiment *x, const struct crew *c,
            double solo)
{
    struct figure_id id = figure_of(r, x, "fixed-share");
    const json_t *buckets = c->list[0]->last.buckets;
    const double before = share_between(buckets, 0.05, 0.3, solo);
    const double after = share_between(buckets, 0.85, 0.98, solo);

    id.unit = FIGURE_POINTS;
    id.aim = AIM_AT_MOST;
    id.target = 0.02;
    id.what = "error of the share before";
    figure_add(r->figures, &id, fabs(before - 1.0 / INSTANCES));
    id.what = "error of the share once it is back";
    figure_add(r->figures, &id, fabs(after - 1.0 / INSTANCES));
    id.unit = FIGURE_TIME;
    id.target = 1e9;
    id.what = "programs stood still, at longest";
    figure_add(r->figures, &id,
               fmax(standstill_ms(buckets), standstill_ms(c->list[1]->last.buckets)) *
                   1e6);
    id.unit = FIGURE_SHARE;
    id.aim = AIM_NONE;
    id.what = "share without a manager";
    figure_add(r->figures, &id, share_between(buckets, 0.5, 0.63, solo));
    series_set(r, x, "fixed-share",
               json_pack("{sO sf}", "work", buckets, "solo_per_second", solo));
}

int
run_manager(const struct round *r, const struct experiment *x, struct err *e)
{
    const struct window w = {.warm_ms = 300,
                             .ms = round_ms(r, 9000, 6000),
                             .during = kill_and_revive,
                             .arg = (void *)r};
    const struct crew_member m[] = {{INSTANCES, deep}, {INSTANCES, deep}};
    static struct crew c;
    double solo = NAN;
    int rc = crew_begin(&c, r->site, m, 2, e);

    if (rc == 0)
        rc = site_policy(r->site, "best-effort", SLICE, e);
    if (rc == 0)
        rc = crew_solo(&c, 0, round_ms(r, 1000, 400), &solo, e);
    if (rc == 0)
        rc = site_policy(r->site, "fixed-share", SLICE, e);
    if (rc == 0)
        rc = crew_run(&c, 2, &w, NULL, e);
    if (rc == 0)
        add_manager(r, x, &c, solo);
    crew_end(&c);
    return rc;
}

/* For long, with programs that work and rest in turn, each at its own pace. */

#define CUMULATIVE_ERROR 0.005

static bool
works(const struct load_spec *s, uint64_t ms)
{
    return !s->off_ms || ms % (s->on_ms + s->off_ms) < s->on_ms;
}

/* What each was promised over a window that begins warm_ms after the start. */
static void
promise(const struct crew *c, const char *policy, const struct window *w, double *ret)
{
    const bool best = strcmp(policy, "best-effort") == 0;

    memset(ret, 0, c->n * sizeof *ret);
    for (uint64_t ms = w->warm_ms; ms < w->warm_ms + w->ms; ms++) {
        unsigned busy = 0;

        for (unsigned i = 0; i < c->n; i++)
            busy += works(&c->list[i]->spec, ms);
        for (unsigned i = 0; i < c->n; i++) {
            if (works(&c->list[i]->spec, ms))
                ret[i] += 1.0 / (best ? busy : INSTANCES) / w->ms;
        }
    }
}

static double
worst_difference(const double *a, const double *b, unsigned n)
{
    double sum_a = 0, sum_b = 0, worst = 0;

    /* Each as a part of all that was done, so that the machine's speed is left out. */
    for (unsigned i = 0; i < n; i++) {
        sum_a += a[i];
        sum_b += b[i];
    }
    for (unsigned i = 0; i < n; i++)
        worst = fmax(worst, fabs(a[i] / sum_a - b[i] / sum_b) * sum_b);
    return worst;
}

static void
add_long(const struct round *r, const struct experiment *x, const struct crew *c,
         const struct accounts *a, const double *promised)
{
    struct figure_id id = figure_of(r, x, x->word);
    double work[INSTANCES], account[INSTANCES];

    for (unsigned i = 0; i < c->n; i++) {
        work[i] = c->list[i]->last.rate;
        account[i] = site_share(a->before, a->after, c->list[i]->vgpu, "used_ns");
    }
    id.unit = FIGURE_POINTS;
    id.aim = AIM_AT_MOST;
    id.target = CUMULATIVE_ERROR;
    id.what = "promised against work done, worst of all";
    figure_add(r->figures, &id, worst_difference(work, promised, c->n));
    id.what = "promised against accounts, worst of all";
    figure_add(r->figures, &id, worst_difference(account, promised, c->n));
    series_set(r, x, x->word,
               json_pack("{so so so}", "promised", numbers_json(promised, c->n), "rate",
                         numbers_json(work, c->n), "account",
                         numbers_json(account, c->n)));
}

int
run_long(const struct round *r, const struct experiment *x, struct err *e)
{
    static const unsigned paces_ms[INSTANCES][2] = {
        {1000, 0}, {5000, 5000}, {3000, 7000}, {7000, 3000},
        {1000, 0}, {2000, 2000}, {9000, 1000}, {4000, 6000}};
    const struct window w = {
        .warm_ms = 0, .ms = round_ms(r, x->number * 1000, 10000), .accounts = true};
    struct crew_member m[INSTANCES];
    double promised[INSTANCES];
    struct accounts a = {NULL, NULL};
    static struct crew c;
    int rc;

    for (unsigned i = 0; i < INSTANCES; i++) {
        m[i] = (struct crew_member){INSTANCES, {.length_us = 500, .depth = 6}};
        m[i].spec.on_ms = paces_ms[i][0];
        m[i].spec.off_ms = paces_ms[i][1];
    }
    rc = crew_begin(&c, r->site, m, INSTANCES, e);
    if (rc == 0)
        rc = site_policy(r->site, x->word, SLICE, e);
    if (rc == 0)
        rc = crew_run(&c, INSTANCES, &w, &a, e);
    if (rc == 0) {
        promise(&c, x->word, &w, promised);
        add_long(r, x, &c, &a, promised);
    }
    accounts_fini(&a);
    crew_end(&c);
    return rc;
}
