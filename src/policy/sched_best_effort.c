/* SPDX-License-Identifier: MIT */
/*
 * Best effort: of those that are ready, the one with the least clock. Nobody owns time, so time
 * not asked for is gone:
 *
 *   least clock of the ready ── slice ──┤m
 *            ○ was further back ──▶     ●        when it is ready again
 *
 * It is moved up by no more than what others got meanwhile, so that a pause in which nobody else
 * got anything (a guest that launches and waits, within its turn) costs nothing of what is owed to
 * it. But that is never more than a slice and the longest overrun: who pauses after each turn does
 * not save up, beside long kernels, what it could not use. Who took time while nobody else wanted
 * any owes nothing for it.
 */
#include "policy/sched_internal.h"

static struct sched_vgpu *
least_ready(const struct sched *s)
{
    struct sched_vgpu *least = NULL, *v;

    sched_for_each (v, s)
        if (v->ready && (!least || v->clock_ns < least->clock_ns))
            least = v;
    return least;
}

/* Where those start who come when nobody is ready, else those who have had least. */
static uint64_t
least_clock(const struct sched *s)
{
    const struct sched_vgpu *v = least_ready(s);

    return v ? v->clock_ns : s->clock_ns;
}

/* The clock of one that is idle, if it were ready now. */
static uint64_t
clock_when_ready(const struct sched *s, const struct sched_vgpu *v, uint64_t least)
{
    const uint64_t floor = least - s->params.slice_ns;
    const uint64_t most = s->owed_most_ns;
    /* What was charged in advance is given back. */
    uint64_t passed = s->spent_ns > v->left_ns ? s->spent_ns - v->left_ns : 0;

    if (v->clock_ns >= floor)
        return v->clock_ns;
    if (floor - v->clock_ns > most && passed < floor - v->clock_ns - most)
        passed = floor - v->clock_ns - most;
    return passed < floor - v->clock_ns ? v->clock_ns + passed : floor;
}

static uint64_t
best_effort_due(const struct sched *s)
{
    const uint64_t least = least_clock(s);
    uint64_t due = least;
    struct sched_vgpu *v;

    sched_for_each (v, s) {
        const uint64_t clock = v->ready ? v->clock_ns : clock_when_ready(s, v, least);

        if (clock < due)
            due = clock;
    }
    return due;
}

static void
advance(struct sched *s, const struct sched_vgpu *v)
{
    if (v->clock_ns > s->clock_ns)
        s->clock_ns = v->clock_ns;
}

static struct sched_vgpu *
best_effort_pick(struct sched *s, struct sched_turn *ret)
{
    struct sched_vgpu *first = NULL, *v;

    sched_for_each (v, s)
        if (v->ready && (!first || sched_foreseen(s, v) < sched_foreseen(s, first)))
            first = v;
    ret->open = s->n_ready == 1;
    if (first)
        advance(s, first);
    return first;
}

static void
best_effort_ready(struct sched *s, struct sched_vgpu *v)
{
    v->clock_ns = clock_when_ready(s, v, least_clock(s));
}

/* The last one's clock is where those start who come after a pause of all. */
static void
best_effort_idle(struct sched *s, struct sched_vgpu *v)
{
    if (s->n_ready == 0)
        advance(s, v);
}

static void
best_effort_charge(struct sched *s, struct sched_vgpu *v, const struct sched_turn *turn)
{
    struct sched_vgpu *other;

    if (s->n_ready == v->ready) {
        advance(s, v);
        return;
    }
    if (!turn || !turn->open)
        return;
    /* They came while it was alone: its time before that was nobody's loss. */
    sched_for_each (other, s) {
        const uint64_t floor = v->clock_ns - s->params.slice_ns;

        if (other->ready && other != v && other->clock_ns < floor)
            other->clock_ns = floor;
    }
}

const struct sched_ops sched_best_effort = {
    .name = "best-effort",
    .summary = "whoever has work and has had least goes next; idle vGPUs cede",
    .forgives = true,
    .weigh = sched_weigh_all_alike,
    .due = best_effort_due,
    .pick = best_effort_pick,
    .ready = best_effort_ready,
    .idle = best_effort_idle,
    .charge = best_effort_charge,
};
