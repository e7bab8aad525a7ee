/* SPDX-License-Identifier: MIT */
/*
 * Turn by turn, and within a turn command by command: no queue of events, since only the holder of
 * the turn changes anything and each guest's next command is known.
 */
#include "policy/sim.h"

#include <math.h>
#include <string.h>

#define PROGRESS_TURNS 4096

struct guest {
    struct sched_vgpu v;
    const struct sim_guest *is;
    struct sim_result *r;
    uint64_t rng;
    uint64_t head_ns;  /* when its next command comes, or came */
    size_t next_trace; /* the one after that */
};

struct sim {
    const struct sim_params *p;
    struct sched sched;
    struct guest g[SIM_VGPUS_MAX];
    unsigned n;
    uint64_t now_ns;
    const struct guest *last; /* who held the turn before */
    struct sim_gpu *gpu;
};

/* ---- chance ------------------------------------------------------------------------ */

static uint64_t
random_word(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* In (0, 1]. */
static double
random_unit(uint64_t *state)
{
    return (double)((random_word(state) >> 11) + 1) * 0x1p-53;
}

static uint64_t
draw(const struct sim_dist *d, uint64_t *state)
{
    switch (d->shape) {
    case SIM_EXPONENTIAL:
        return (uint64_t)fmin(-log(random_unit(state)) * (double)d->a_ns,
                              (double)SIM_TIME_MAX_NS);
    case SIM_UNIFORM:
        return d->a_ns + (uint64_t)(random_unit(state) * (double)(d->b_ns - d->a_ns));
    case SIM_CONSTANT:
        break;
    }
    return d->a_ns;
}

/* A kernel of no length would make a busy guest's turn endless. */
static uint64_t
kernel_length(struct guest *g)
{
    const uint64_t ns = g->is->arrival == SIM_TRACE
                            ? g->is->trace[g->next_trace - 1].length_ns
                            : draw(&g->is->kernel, &g->rng);

    return ns > 0 ? ns : 1;
}

/* ---- guests ------------------------------------------------------------------------ */

static void
next_of_trace(struct guest *g)
{
    g->head_ns = SIM_NEVER;
    if (g->next_trace < g->is->trace_length)
        g->head_ns = g->is->start_ns + g->is->trace[g->next_trace++].at_ns;
}

/* Its command has ended: when does the next one come? */
static void
next_command(struct guest *g, uint64_t end_ns)
{
    switch (g->is->arrival) {
    case SIM_CLOSED:
        g->head_ns = end_ns + draw(&g->is->gap, &g->rng);
        break;
    case SIM_OPEN:
        g->head_ns += draw(&g->is->gap, &g->rng);
        break;
    case SIM_TRACE:
        next_of_trace(g);
        break;
    case SIM_BUSY:
        g->head_ns = end_ns;
        break;
    }
}

static unsigned
wait_bucket(uint64_t ns)
{
    const unsigned log2 = ns < 16 ? 0 : 63 - (unsigned)__builtin_clzll(ns);

    return log2 == 0 ? (unsigned)ns : (log2 - 3) * 16 + (unsigned)(ns >> (log2 - 4) & 15);
}

static void
run_command(struct sim *s, struct guest *g)
{
    const uint64_t waited = s->now_ns - g->head_ns, length = kernel_length(g);

    g->r->waits.n++;
    g->r->waits.bucket[wait_bucket(waited)]++;
    g->r->commands++;
    g->r->used_ns += length;
    s->now_ns += length;
    next_command(g, s->now_ns);
}

/* Who has a command by now; returns when the next one of the others comes. */
static uint64_t
look(struct sim *s, const struct guest *but)
{
    uint64_t soonest = SIM_NEVER;

    for (unsigned i = 0; i < s->n; i++) {
        struct guest *g = &s->g[i];

        if (g->head_ns <= s->now_ns)
            sched_ready(&s->sched, &g->v);
        else
            sched_idle(&s->sched, &g->v);
        if (g != but && g->head_ns < soonest)
            soonest = g->head_ns;
    }
    return soonest;
}

/* ---- turns ------------------------------------------------------------------------- */

static void
pass(struct sim *s, uint64_t until_ns)
{
    s->gpu->idle_ns += until_ns - s->now_ns;
    s->now_ns = until_ns;
}

/* Commands until the slice is over; time without them passes with its owner. */
static void
run_owned(struct sim *s, struct guest *g, uint64_t end_ns)
{
    while (s->now_ns < end_ns) {
        if (g->head_ns <= s->now_ns)
            run_command(s, g);
        else
            pass(s, g->head_ns < end_ns ? g->head_ns : end_ns);
    }
}

/* Commands until the slice is over, or the guest has none for longer than the linger. */
static void
run_shared(struct sim *s, struct guest *g, uint64_t end_ns)
{
    while (s->now_ns < end_ns) {
        if (g->head_ns > s->now_ns + s->p->linger_ns) {
            pass(s, s->now_ns + s->p->linger_ns);
            return;
        }
        if (g->head_ns > s->now_ns)
            pass(s, g->head_ns);
        run_command(s, g);
    }
}

static uint64_t
sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/*
 * Alone, until somebody else comes, who may have come during the hand-over: what it takes after
 * that is a debt.
 */
static void
run_open(struct sim *s, struct guest *g, const struct sched_turn *turn)
{
    const uint64_t begin = s->now_ns, comes = sooner(look(s, g), s->p->length_ns);
    const uint64_t newcomer = comes > begin ? comes : begin;

    do {
        run_command(s, g);
    } while (s->now_ns < newcomer && g->head_ns <= s->now_ns);
    sched_charge(&s->sched, turn, sooner(s->now_ns, newcomer) - begin);
    if (s->now_ns > newcomer) {
        look(s, NULL);
        sched_debt(&s->sched, &g->v, s->now_ns - newcomer);
    }
}

static void
hand_over(struct sim *s, const struct guest *g)
{
    if (g != s->last) {
        s->now_ns += s->p->handover_ns;
        s->gpu->handover_ns += s->p->handover_ns;
    }
    s->last = g;
}

static void
run_turn(struct sim *s, const struct sched_turn *turn)
{
    struct guest *g = turn->vgpu ? container_of(turn->vgpu, struct guest, v) : NULL;
    uint64_t begin;

    s->gpu->turns++;
    if (!g) {
        pass(s, s->now_ns + turn->slice_ns);
        sched_charge(&s->sched, turn, turn->slice_ns);
        return;
    }
    begin = s->now_ns;
    hand_over(s, g);
    if (turn->open) {
        run_open(s, g, turn);
    } else if (turn->owned) {
        /* The hand-over is part of its owner's slice. */
        run_owned(s, g, begin + turn->slice_ns);
        sched_charge(&s->sched, turn, s->now_ns - begin);
    } else {
        run_shared(s, g, s->now_ns + turn->slice_ns);
        sched_charge(&s->sched, turn, s->now_ns - begin);
    }
    g->r->held_ns += s->now_ns - begin;
}

/* ---- the whole --------------------------------------------------------------------- */

static void
sim_init(struct sim *s, const struct sim_guest *guests, struct sim_result *ret)
{
    sched_init(&s->sched, s->p->policy, &s->p->sched);
    for (unsigned i = 0; i < s->n; i++) {
        struct guest *g = &s->g[i];

        g->is = &guests[i];
        g->r = &ret[i];
        g->rng = (s->p->seed + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ (i + 1) << 20;
        g->rng += g->rng == 0;
        g->v.share = guests[i].share;
        random_word(&g->rng);
        g->head_ns = guests[i].start_ns;
        if (guests[i].arrival == SIM_TRACE)
            next_of_trace(g);
        else if (guests[i].arrival == SIM_OPEN)
            g->head_ns += draw(&guests[i].gap, &g->rng);
    }
}

/* Guests whose time has come join; returns when the next one does. */
static uint64_t
join_started(struct sim *s)
{
    uint64_t next = SIM_NEVER;

    for (unsigned i = 0; i < s->n; i++) {
        if (s->g[i].is->start_ns <= s->now_ns)
            sched_join(&s->sched, &s->g[i].v);
        else
            next = sooner(next, s->g[i].is->start_ns);
    }
    return next;
}

void
sim_run(const struct sim_params *p, const struct sim_guest *guests, unsigned n,
        struct sim_gpu *ret_gpu, struct sim_result *ret)
{
    struct sim s = {.p = p, .n = n, .gpu = ret_gpu};
    uint64_t joins = 0;

    memset(ret_gpu, 0, sizeof *ret_gpu);
    memset(ret, 0, n * sizeof *ret);
    sim_init(&s, guests, ret);
    while (s.now_ns < p->length_ns) {
        struct sched_turn turn;
        uint64_t soonest;

        if (p->progress && ret_gpu->turns % PROGRESS_TURNS == 0)
            p->progress(s.now_ns);
        if (s.now_ns >= joins)
            joins = join_started(&s);
        soonest = look(&s, NULL);
        if (sched_pick(&s.sched, &turn))
            run_turn(&s, &turn);
        else
            pass(&s, sooner(sooner(soonest, joins), p->length_ns));
    }
    for (unsigned i = 0; i < n; i++)
        if (p->policy != SCHED_BEST_EFFORT)
            ret[i].promised = sched_promised(&s.sched, &s.g[i].v);
}

uint64_t
sim_waits_quantile(const struct sim_waits *w, double q)
{
    const uint64_t rank = (uint64_t)(q * (double)w->n);
    uint64_t seen = 0;

    for (unsigned i = 0; i < SIM_WAIT_BUCKETS && w->n > 0; i++) {
        seen += w->bucket[i];
        if (seen > rank || seen == w->n) /* the bucket's lower end */
            return i < 16 ? i : (UINT64_C(16) + i % 16) << (i / 16 - 1);
    }
    return 0;
}

void
sim_waits_add(struct sim_waits *to, const struct sim_waits *from)
{
    to->n += from->n;
    for (unsigned i = 0; i < SIM_WAIT_BUCKETS; i++)
        to->bucket[i] += from->bucket[i];
}

double
sim_jain(const double *x, unsigned n)
{
    double sum = 0, squares = 0;

    for (unsigned i = 0; i < n; i++) {
        sum += x[i];
        squares += x[i] * x[i];
    }
    return squares > 0 ? sum * sum / (n * squares) : 1;
}
