/* SPDX-License-Identifier: MIT */
#include "sched_crew.h"

#include "base/cleanup.h"
#include "stats.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOLO_WARM_MS 100
#define WARM_MS 250
#define PIECES_MAX 32
#define SOLO_SLICE "2ms"

unsigned
round_ms(const struct round *r, unsigned full, unsigned quick)
{
    return r->quick ? quick : full;
}

/* Beginning and end. */

static int
start_member(struct crew *c, unsigned i, const struct crew_member *m, char *name,
             size_t cap, struct err *e)
{
    int rc = 0;

    if (m->instances) {
        snprintf(name, cap, "v%u", i);
        rc = site_create(c->site, name, m->instances, e);
    }
    if (rc == 0)
        rc = program_start(&c->programs[i], c->site, name, &m->spec, e);
    if (rc == 0) {
        c->list[i] = &c->programs[i];
        c->n = i + 1;
    }
    return rc;
}

int
crew_begin(struct crew *c, const struct site *s, const struct crew_member *m, unsigned n,
           struct err *e)
{
    char name[32] = "";
    int rc = 0;

    *c = (struct crew){.site = s, .solo_warm_ms = SOLO_WARM_MS};
    for (unsigned i = 0; i < n && i < CREW_MAX && rc == 0; i++)
        rc = start_member(c, i, &m[i], name, sizeof name, e);
    for (unsigned i = 0; i < c->n && rc == 0; i++)
        rc = program_ready(&c->programs[i], e);
    return rc;
}

void
crew_end(struct crew *c)
{
    _cleanup_err_ struct err e = ERR_INIT;

    /* The vGPUs first: that ends a kernel that never would. */
    if (c->site && site_delete_all(c->site, &e) < 0)
        fprintf(stderr, "bench-sched: tessera delete all: %s\n", err_msg(&e));
    for (unsigned i = 0; i < c->n; i++)
        program_stop(&c->programs[i]);
    c->n = 0;
}

/* Running. */

int
crew_run(struct crew *c, unsigned n, const struct window *w, struct accounts *ret,
         struct err *e)
{
    int rc = programs_run(c->site, c->list, n, w, ret, e);

    for (unsigned i = 0; i < n && rc == 0; i++) {
        if (!c->list[i]->last.problem[0])
            continue;
        rc = err_set(e, -EIO, "%s: %s", c->list[i]->vgpu, c->list[i]->last.problem);
        if (ret)
            accounts_fini(ret);
    }
    return rc;
}

int
crew_solo(struct crew *c, unsigned i, unsigned ms, double *ret, struct err *e)
{
    const struct window w = {.warm_ms = c->solo_warm_ms, .ms = ms};
    struct program *const one[] = {c->list[i]};
    int rc = programs_run(c->site, one, 1, &w, NULL, e);

    if (rc == 0 && one[0]->last.problem[0])
        rc = err_set(e, -EIO, "%s: %s", one[0]->vgpu, one[0]->last.problem);
    if (rc == 0)
        *ret = one[0]->last.rate;
    return rc;
}

/* Pieces. */

/* Too large for a stack frame. */
struct pieces {
    double share[CREW_MAX][PIECES_MAX], part[CREW_MAX][PIECES_MAX];
    double account[CREW_MAX][PIECES_MAX];
    double sum[PIECES_MAX], arbiter[PIECES_MAX];
    double before[CREW_MAX], after[CREW_MAX]; /* speeds alone */
    double rate[CREW_MAX];
};

static int
solo_all(struct crew *c, const struct split *s, double *ret, struct err *e)
{
    int rc = site_policy(c->site, "best-effort", SOLO_SLICE, e);

    for (unsigned i = 0; i < s->nsolo && rc == 0; i++)
        rc = crew_solo(c, i, s->solo_ms, &ret[i], e);
    return rc;
}

static int
together(struct crew *c, const struct split *s, struct pieces *p, unsigned piece,
         struct err *e)
{
    const struct window w = {.warm_ms = WARM_MS, .ms = s->ms, .accounts = true};
    struct accounts a = {NULL, NULL};
    int rc = site_policy(c->site, s->policy, s->slice, e);

    if (rc == 0)
        rc = crew_run(c, s->n, &w, &a, e);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < s->n; i++) {
        p->rate[i] = c->list[i]->last.rate;
        p->account[i][piece] = site_share(a.before, a.after, c->list[i]->vgpu, "used_ns");
    }
    p->arbiter[piece] = site_share(a.before, a.after, NULL, "arbiter_cpu_ns");
    accounts_fini(&a);
    return 0;
}

static void
count_piece(const struct split *s, struct pieces *p, unsigned piece)
{
    p->sum[piece] = 0;
    for (unsigned i = 0; i < s->n; i++) {
        const unsigned k = i % s->nsolo;

        p->share[i][piece] = p->rate[i] * 2 / (p->before[k] + p->after[k]);
        p->sum[piece] += p->share[i][piece];
    }
    for (unsigned i = 0; i < s->n; i++)
        p->part[i][piece] = p->share[i][piece] / p->sum[piece];
}

static void
conclude(const struct split *s, const struct pieces *p, struct split_result *ret)
{
    for (unsigned i = 0; i < s->n; i++) {
        ret->share[i] = stats_median(p->share[i], s->pieces);
        ret->part[i] = stats_median(p->part[i], s->pieces);
        ret->account[i] = stats_median(p->account[i], s->pieces);
    }
    ret->sum = stats_median(p->sum, s->pieces);
    ret->arbiter_cpu = stats_median(p->arbiter, s->pieces);
}

int
crew_split(struct crew *c, const struct split *s, struct split_result *ret, struct err *e)
{
    _cleanup_free_ struct pieces *p = calloc(1, sizeof *p);
    int rc;

    if (!p)
        return err_set(e, -ENOMEM, "out of memory");
    rc = solo_all(c, s, p->before, e);
    for (unsigned i = 0; i < s->pieces && rc == 0; i++) {
        rc = together(c, s, p, i, e);
        if (rc == 0)
            rc = solo_all(c, s, p->after, e);
        if (rc < 0)
            break;
        count_piece(s, p, i);
        memcpy(p->before, p->after, sizeof p->before);
    }
    if (rc == 0)
        conclude(s, p, ret);
    return rc;
}
