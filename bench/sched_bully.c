/* SPDX-License-Identifier: MIT */
/*
 * A bully: one vGPU with long kernels and a deep queue, beside one with short kernels. Each owns
 * one half. On the bare driver, without an arbiter, the same two programs show what that is worth.
 */
#include "sched_experiments.h"

#include "base/cleanup.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define INSTANCES 2
#define SLICE "2ms"
#define SMALL_US 500
#define EARLIER_MS 2000
#define NATIVE "bare driver"

#define SPLIT_ERROR 0.02
#define ACCOUNT_ERROR 0.01
#define OWNED 0.95

enum { BULLY, SMALL, BOTH };

/* As many as make about two seconds, or what the experiment is about: 200. */
static struct load_spec
bully_spec(const struct round *r, const struct experiment *x)
{
    struct load_spec s = {.length_us = x->number, .depth = x->number > 50000 ? 6 : 16};

    if (x->word) {
        s.depth = round_ms(r, 200, 50);
        s.flag = strcmp(x->word, "event") == 0 ? "--behind-event" : NULL;
    }
    return s;
}

static unsigned
earlier_ms(const struct experiment *x)
{
    return x->word && strcmp(x->word, "before") == 0 ? EARLIER_MS : 0;
}

/* On a vGPU each, or both on the bare driver. */
static int
begin(struct crew *c, const struct round *r, const struct load_spec spec[BOTH],
      bool native, struct err *e)
{
    const struct crew_member m[] = {{INSTANCES, spec[BULLY]}, {INSTANCES, spec[SMALL]}};
    int rc = 0;

    if (!native)
        return crew_begin(c, r->site, m, BOTH, e);
    *c = (struct crew){.site = r->site, .solo_warm_ms = 100};
    for (unsigned i = 0; i < BOTH && rc == 0; i++) {
        rc = program_start(&c->programs[i], r->site, NULL, &spec[i], e);
        c->list[i] = &c->programs[i];
        c->n = i + 1;
    }
    for (unsigned i = 0; i < c->n && rc == 0; i++)
        rc = program_ready(&c->programs[i], e);
    return rc;
}

/* Speeds alone. */
static int
solo_both(struct crew *c, const struct round *r, double ret[BOTH], struct err *e)
{
    int rc = c->list[BULLY]->vgpu[0] ? site_policy(r->site, "best-effort", SLICE, e) : 0;

    if (rc == 0)
        rc = crew_solo(c, BULLY, round_ms(r, 1000, 500), &ret[BULLY], e);
    if (rc == 0)
        rc = crew_solo(c, SMALL, round_ms(r, 1000, 500), &ret[SMALL], e);
    return rc;
}

/* (a) Both always have work queued. */

/* What each did in each tenth of a second, as a part of the GPU. */
static json_t *
buckets_json(const struct crew *c, const double solo[BOTH])
{
    json_t *o = json_object();

    for (unsigned i = 0; i < BOTH; i++) {
        const json_t *from = c->list[i]->last.buckets;
        json_t *to = json_array();

        for (size_t k = 0; k < json_array_size(from); k++)
            json_array_append_new(
                to, json_real(json_number_value(json_array_get(from, k)) * 10 / solo[i]));
        json_object_set_new(o, i == BULLY ? "bully" : "small", to);
    }
    return o;
}

/* The manager's account of the small one, against both: NAN where there is none. */
static double
account_part(const struct accounts *a, const struct crew *c)
{
    const double bully = site_share(a->before, a->after, c->list[BULLY]->vgpu, "used_ns");
    const double small = site_share(a->before, a->after, c->list[SMALL]->vgpu, "used_ns");

    return small / (bully + small);
}

static void
add_queue(const struct round *r, const struct experiment *x, const char *policy,
          const double solo[BOTH], const struct crew *c, double account)
{
    const bool native = strcmp(policy, NATIVE) == 0;
    const double bully = c->list[BULLY]->last.rate / solo[BULLY];
    const double small = c->list[SMALL]->last.rate / solo[SMALL];
    const double part = small / (small + bully);
    struct figure_id id = figure_of(r, x, policy);

    id.what = "the small one's part";
    id.unit = FIGURE_SHARE;
    figure_add(r->figures, &id, part);
    id.what = "accounts against work done";
    id.unit = FIGURE_POINTS;
    id.aim = AIM_AT_MOST;
    id.target = ACCOUNT_ERROR;
    figure_add(r->figures, &id, fabs(part - account));
    id.what = "error of the split";
    id.aim = native ? AIM_NONE : AIM_AT_MOST;
    id.target = SPLIT_ERROR;
    figure_add(r->figures, &id, fabs(part - 0.5));
    series_set(r, x, policy, buckets_json(c, solo));
}

static int
queue_under(struct crew *c, const struct round *r, const struct experiment *x,
            const char *policy, const double solo[BOTH], struct err *e)
{
    const bool native = strcmp(policy, NATIVE) == 0;
    const struct window w = {.warm_ms = 300,
                             .ms = round_ms(r, 10000, 2000),
                             .accounts = !native,
                             .first_ms = earlier_ms(x)};
    struct accounts a = {NULL, NULL};
    int rc = native ? 0 : site_policy(r->site, policy, SLICE, e);

    if (rc == 0)
        rc = crew_run(c, BOTH, &w, &a, e);
    if (rc == 0)
        add_queue(r, x, policy, solo, c, native ? NAN : account_part(&a, c));
    accounts_fini(&a);
    return rc;
}

static int
queues(const struct round *r, const struct experiment *x, bool native, struct err *e)
{
    const struct load_spec spec[BOTH] = {bully_spec(r, x),
                                         {.length_us = SMALL_US, .depth = 16}};
    static struct crew c;
    double solo[BOTH] = {0};
    int rc = begin(&c, r, spec, native, e);

    if (rc == 0)
        rc = solo_both(&c, r, solo, e);
    for (unsigned k = 0; k < (native ? 1 : 3) && rc == 0; k++)
        rc = queue_under(&c, r, x, native ? NATIVE : policy_words[k], solo, e);
    crew_end(&c);
    return rc;
}

int
run_bully(const struct round *r, const struct experiment *x, struct err *e)
{
    int rc = queues(r, x, false, e);

    return rc == 0 ? queues(r, x, true, e) : rc;
}

/* (b) The small one launches and waits. */

static void
add_latency(const struct round *r, const struct experiment *x, const char *policy,
            const struct outcome *o)
{
    struct figure_id id = figure_of(r, x, policy);

    id.unit = FIGURE_TIME;
    id.what = "launch to end, p50";
    figure_add(r->figures, &id, o->p50_ns);
    id.what = "launch to end, p99";
    figure_add(r->figures, &id, o->p99_ns);
}

static int
wait_under(struct crew *c, const struct round *r, const struct experiment *x,
           const char *policy, struct err *e)
{
    const bool native = strcmp(policy, NATIVE) == 0;
    const struct window w = {.warm_ms = 300, .ms = round_ms(r, 6000, 1500)};
    struct figure_id id = figure_of(r, x, policy);
    double before[BOTH] = {0}, after[BOTH] = {0}, rate;
    int rc = solo_both(c, r, before, e);

    if (rc == 0 && !native)
        rc = site_policy(r->site, policy, SLICE, e);
    if (rc == 0)
        rc = crew_run(c, BOTH, &w, NULL, e);
    if (rc < 0)
        return rc;
    add_latency(r, x, policy, &c->list[SMALL]->last);
    rate = c->list[SMALL]->last.rate;
    rc = solo_both(c, r, after, e);
    if (rc < 0)
        return rc;
    add_latency(r, x, native ? "alone, bare driver" : "alone", &c->list[SMALL]->last);
    id.what = "the small one's work, over half of that alone";
    id.unit = FIGURE_RATIO;
    id.aim = native || strcmp(policy, "best-effort") == 0 ? AIM_NONE : AIM_AT_LEAST;
    id.target = OWNED;
    figure_add(r->figures, &id, rate / ((before[SMALL] + after[SMALL]) / 2) / 0.5);
    return 0;
}

static int
waits(const struct round *r, const struct experiment *x, bool native, struct err *e)
{
    const struct load_spec spec[BOTH] = {bully_spec(r, x), {.length_us = SMALL_US}};
    static struct crew c;
    int rc = begin(&c, r, spec, native, e);

    for (unsigned k = 0; k < (native ? 1 : 3) && rc == 0; k++)
        rc = wait_under(&c, r, x, native ? NATIVE : policy_words[k], e);
    crew_end(&c);
    return rc;
}

int
run_bully_wait(const struct round *r, const struct experiment *x, struct err *e)
{
    int rc = waits(r, x, false, e);

    return rc == 0 ? waits(r, x, true, e) : rc;
}
