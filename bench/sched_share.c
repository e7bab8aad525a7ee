/* SPDX-License-Identifier: MIT */
/*
 * Shares against what the policy promises: all busy, one busy, mixed sizes. Half of the programs
 * launch short kernels, half long ones, so that time is shared and not launches.
 */
#include "sched_experiments.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define INSTANCES 8
#define SLICE "2ms"

#define MEAN_ERROR 0.01
#define WORST_ERROR 0.02
#define ACCOUNT_ERROR 0.01
#define JAIN 0.999
#define SUM_OF_EIGHT 0.97
#define ARBITER_CPU 0.02

static const struct load_spec short_kernels = {.length_us = 200, .depth = 8, .batch = 4};
static const struct load_spec long_kernels = {.length_us = 2000, .depth = 4};
static const struct load_spec even_kernels = {.length_us = 1000, .depth = 6};

struct split_of {
    struct split split;
    const double *promised; /* of each */
};

static double
jain(const double *v, unsigned n)
{
    double sum = 0, squares = 0;

    for (unsigned i = 0; i < n; i++) {
        sum += v[i];
        squares += v[i] * v[i];
    }
    return squares > 0 ? sum * sum / (n * squares) : NAN;
}

struct errors {
    double mean, worst, account;
};

static struct errors
errors_of(const struct split_result *got, const double *promised, unsigned n)
{
    struct errors e = {0, 0, 0};

    for (unsigned i = 0; i < n; i++) {
        const double error = fabs(got->share[i] - promised[i]);

        e.mean += error / n;
        e.worst = fmax(e.worst, error);
        /* fmax() would pass over a NAN. */
        e.account = isnan(got->account[i])
                        ? NAN
                        : fmax(e.account, fabs(got->share[i] - got->account[i]));
    }
    return e;
}

static void
add_errors(const struct round *r, const struct experiment *x, const struct split_of *of,
           const struct split_result *got)
{
    struct figure_id id = figure_of(r, x, of->split.policy);
    const struct errors e = errors_of(got, of->promised, of->split.n);

    id.unit = FIGURE_POINTS;
    id.aim = AIM_AT_MOST;
    id.what = "error of the shares, mean";
    id.target = MEAN_ERROR;
    figure_add(r->figures, &id, e.mean);
    id.what = "error of the shares, worst";
    id.target = WORST_ERROR;
    figure_add(r->figures, &id, e.worst);
    id.what = "accounts against work done, worst";
    id.target = ACCOUNT_ERROR;
    figure_add(r->figures, &id, e.account);
    id.what = "arbiter's CPU, of a core";
    id.unit = FIGURE_SHARE;
    id.target = ARBITER_CPU;
    figure_add(r->figures, &id, got->arbiter_cpu);
    series_set(r, x, of->split.policy,
               json_pack("{so so so}", "promised",
                         numbers_json(of->promised, of->split.n), "share",
                         numbers_json(got->share, of->split.n), "account",
                         numbers_json(got->account, of->split.n)));
}

/* The split of the time among all, which does not depend on the machine's speed. */
static void
add_split(const struct round *r, const struct experiment *x, const char *policy,
          const struct split_result *got, unsigned n)
{
    struct figure_id id = figure_of(r, x, policy);
    double worst = 0;

    for (unsigned i = 0; i < n; i++)
        worst = fmax(worst, fabs(got->part[i] - 1.0 / n));
    id.what = "error of the split among them, worst";
    id.unit = FIGURE_POINTS;
    figure_add(r->figures, &id, worst);
    id.what = "Jain's index";
    id.unit = FIGURE_RATIO;
    id.aim = strcmp(policy, "equal-share") == 0 ? AIM_AT_LEAST : AIM_NONE;
    id.target = JAIN;
    figure_add(r->figures, &id, jain(got->part, n));
}

static void
add_sum(const struct round *r, const struct experiment *x, const char *policy,
        const struct split_result *got, unsigned n)
{
    struct figure_id id = figure_of(r, x, policy);

    id.what = "work of all, over that of one alone";
    id.unit = FIGURE_RATIO;
    id.aim = n == INSTANCES ? AIM_AT_LEAST : AIM_NONE;
    id.target = SUM_OF_EIGHT;
    figure_add(r->figures, &id, got->sum);
}

static struct split
split_for(const struct round *r, const char *policy, unsigned n, unsigned nsolo)
{
    return (struct split){.policy = policy,
                          .slice = SLICE,
                          .n = n,
                          .pieces = round_ms(r, 5, 1),
                          .ms = round_ms(r, 1000, 400),
                          .solo_ms = round_ms(r, 300, 150),
                          .nsolo = nsolo};
}

/* x->number programs, all busy, under each policy. */
int
run_shares(const struct round *r, const struct experiment *x, struct err *e)
{
    const unsigned n = x->number;
    struct crew_member m[INSTANCES];
    static struct crew c;
    int rc;

    for (unsigned i = 0; i < n; i++)
        m[i] = (struct crew_member){INSTANCES, i % 2 ? long_kernels : short_kernels};
    rc = crew_begin(&c, r->site, m, n, e);
    for (unsigned k = 0; k < 3 && rc == 0; k++) {
        double promised[INSTANCES];
        struct split_of of = {split_for(r, policy_words[k], n, n > 1 ? 2 : 1), promised};
        struct split_result got;

        for (unsigned i = 0; i < n; i++)
            promised[i] = k == 2 ? 1.0 / INSTANCES : 1.0 / n;
        rc = crew_split(&c, &of.split, &got, e);
        if (rc < 0)
            break;
        add_errors(r, x, &of, &got);
        if (n > 1)
            add_split(r, x, of.split.policy, &got, n);
        if (k < 2)
            add_sum(r, x, of.split.policy, &got, n);
    }
    crew_end(&c);
    return rc;
}

/* One busy, the others with a program open and nothing to do. */
int
run_one_busy(const struct round *r, const struct experiment *x, struct err *e)
{
    static const double promised[3] = {1.0, 1.0 / 4, 1.0 / INSTANCES};
    struct crew_member m[4];
    static struct crew c;
    int rc;

    for (unsigned i = 0; i < 4; i++)
        m[i] = (struct crew_member){INSTANCES, even_kernels};
    rc = crew_begin(&c, r->site, m, 4, e);
    for (unsigned k = 0; k < 3 && rc == 0; k++) {
        const struct split_of of = {split_for(r, policy_words[k], 1, 1), &promised[k]};
        struct split_result got;

        rc = crew_split(&c, &of.split, &got, e);
        if (rc == 0)
            add_errors(r, x, &of, &got);
    }
    crew_end(&c);
    return rc;
}

/* Mixed sizes, fixed share. */

struct mix {
    const char *word; /* in the figures */
    unsigned n;
};

static void
add_mix(const struct round *r, const struct experiment *x, const struct mix *mix,
        const double *promised, const struct split_result *got)
{
    static const char *const names[] = {"F/2", "F/20"};
    struct figure_id id = figure_of(r, x, "fixed-share");
    char what[64];

    for (unsigned i = 0; i < 2; i++) {
        snprintf(what, sizeof what, "error of %s, the rest %s", names[i], mix->word);
        id.what = what;
        id.unit = FIGURE_POINTS;
        id.aim = AIM_AT_MOST;
        id.target = 0.01;
        figure_add(r->figures, &id, fabs(got->share[i] - promised[i]));
        snprintf(what, sizeof what, "share of %s, the rest %s", names[i], mix->word);
        id.unit = FIGURE_SHARE;
        id.aim = AIM_NONE;
        figure_add(r->figures, &id, got->share[i]);
    }
    snprintf(what, sizeof what, "F/2 over F/20, 10 promised, the rest %s", mix->word);
    id.unit = FIGURE_RATIO;
    figure_add(r->figures, &id, got->share[0] / got->share[1]);
}

int
run_mixed(const struct round *r, const struct experiment *x, struct err *e)
{
    /* 2 GiB: F/20 is 102 MiB, rounded down. */
    static const double promised[] = {0.5, 102.0 / 2048};
    static const struct mix mixes[] = {{"idle", 2}, {"full", 4}};
    static const unsigned instances[] = {2, 20, 4, 8};
    struct crew_member m[4];
    static struct crew c;
    int rc = site_set(r->site, "--mode", "mixed-size", e);

    for (unsigned i = 0; i < 4; i++)
        m[i] = (struct crew_member){instances[i], even_kernels};
    if (rc == 0)
        rc = crew_begin(&c, r->site, m, 4, e);
    else
        c = (struct crew){.site = NULL};
    for (unsigned k = 0; k < 2 && rc == 0; k++) {
        const struct split s = split_for(r, "fixed-share", mixes[k].n, 1);
        struct split_result got;

        rc = crew_split(&c, &s, &got, e);
        if (rc == 0)
            add_mix(r, x, &mixes[k], promised, &got);
    }
    crew_end(&c);
    if (rc == 0)
        rc = site_set(r->site, "--mode", "equal-size", e);
    return rc;
}
