/* SPDX-License-Identifier: MIT */
/* Whose turn is next: it is offered while the one before still runs. */
#include "manager/arbiter_internal.h"

#include <string.h>

/* So many slices of a turn that got late are made up for at once; the rest when called again. */
#define CATCH_UP_MAX 64

/* Other sessions of its vGPU than t's want something. */
static bool
siblings_want(const struct arbiter_core *c, const struct arbiter_turn *t)
{
    return t->vgpu->n_wanting > (c->gates[t->gate].wants ? 1u : 0u);
}

static uint64_t
linger_of(const struct arbiter_core *c, const struct arbiter_turn *t)
{
    if (t->open)
        return TURN_KEEP;
    if (!t->sched.owned)
        return ARBITER_LINGER_NS;
    /* What it gives back early is its siblings', but once the next vGPU is promised the rest. */
    if (siblings_want(c, t) && c->next.kind != ARBITER_HELD)
        return ARBITER_LINGER_NS;
    return TURN_KEEP;
}

/* Offers t, which opens when `after` is given back; NULL: at once. slice_ns: if it is not open. */
static void
turn_promise(struct arbiter_core *c, struct arbiter_turn *t, unsigned gate,
             uint64_t slice_ns, const struct arbiter_turn *after)
{
    struct turn_terms terms;

    t->kind = ARBITER_HELD;
    t->gate = gate;
    t->number = ++c->last_number;
    t->slice_ns = t->open ? TURN_OPEN : slice_ns;
    t->opened_ns = c->now_ns;
    t->late_ns = 0;
    t->held_seen_ns = 0;
    t->idle_from_ns = 0;
    t->linger_ns = linger_of(c, t);
    terms = (struct turn_terms){.turn = t->number,
                                .slice_ns = t->slice_ns,
                                .linger_ns = t->linger_ns,
                                .after_gate = after ? after->gate : TURN_NO_GATE,
                                .after_turn = after ? after->number : 0};
    turn_offer(c->file, gate, &terms);
}

/* Asks the policy. */
static bool
turn_pick(struct arbiter_core *c, struct arbiter_turn *ret)
{
    struct sched_turn s;

    if (c->n_wanting == 0 || !sched_pick(&c->sched, &s))
        return false;
    *ret = (struct arbiter_turn){.kind = ARBITER_PENDING, .sched = s};
    if (s.vgpu)
        ret->vgpu = container_of(s.vgpu, struct arbiter_vgpu, sched);
    /* To the policy a vGPU is alone; its sessions are not. */
    ret->open = s.open && !s.owned && c->n_wanting == 1;
    return true;
}

static unsigned
turn_gate_of(const struct arbiter_core *c, const struct arbiter_turn *t)
{
    return t->vgpu ? arbiter_pick_gate(c, t->vgpu) : GATE_NONE;
}

static void
start(struct arbiter_core *c)
{
    struct arbiter_turn *t = &c->current;
    unsigned gate;

    if (!turn_pick(c, t)) {
        t->kind = ARBITER_NONE;
        return;
    }
    gate = turn_gate_of(c, t);
    if (gate != GATE_NONE) {
        turn_promise(c, t, gate, t->sched.slice_ns, NULL);
        return;
    }
    t->kind = ARBITER_PASSING;
    t->begin_ns = t->opened_ns = c->now_ns;
    t->end_ns = c->now_ns + t->sched.slice_ns;
}

/* Its owner has come: it gets the rest; if it was there in time, the whole from when it begins. */
static void
resume(struct arbiter_core *c)
{
    struct arbiter_turn *t = &c->current;
    const unsigned gate = turn_gate_of(c, t);
    const uint64_t rest_ns = t->end_ns > c->now_ns ? t->end_ns - c->now_ns : 0;

    if (gate == GATE_NONE || rest_ns < ARBITER_REST_NS)
        return;
    if (c->now_ns <= t->begin_ns)
        t->begin_ns = t->end_ns = 0;
    else
        arbiter_segment_passed(c);
    turn_promise(c, t, gate, rest_ns, NULL);
}

/* To an ordinary slice, or what it has had if that is more: it has overrun nothing yet. */
static void
turn_cut(struct arbiter_core *c, struct arbiter_turn *t, uint64_t held_ns)
{
    t->open = false;
    t->sched.open = false;
    t->slice_ns = held_ns > c->params.slice_ns ? held_ns : c->params.slice_ns;
    turn_set_slice(c->file, t->gate, t->slice_ns);
}

void
arbiter_cut_open_next(struct arbiter_core *c)
{
    if (c->next.kind == ARBITER_HELD && c->next.open)
        turn_cut(c, &c->next, 0);
}

void
arbiter_cut_open(struct arbiter_core *c)
{
    struct arbiter_turn *t = &c->current;

    arbiter_cut_open_next(c);
    if (t->kind != ARBITER_HELD || !t->open)
        return;
    t->begin_ns = arbiter_current_begin(c);
    t->charged_ns = arbiter_since(c, t->begin_ns);
    sched_charge(&c->sched, &t->sched, t->charged_ns);
    t->sched.slice_ns = 0;
    turn_cut(c, t, t->charged_ns);
}

/* The same gate goes on. */
static void
extend(struct arbiter_core *c, const struct arbiter_turn *more)
{
    struct arbiter_turn *t = &c->current;
    const uint64_t held = arbiter_since(c, arbiter_current_begin(c));

    t->sched.slice_ns += more->sched.slice_ns;
    t->sched.owned = more->sched.owned;
    t->open = more->open;
    /* A slice that is owned goes on where the one before ended by the clock. */
    if (!t->sched.owned && t->slice_ns < held)
        t->slice_ns = held;
    t->slice_ns += more->sched.slice_ns;
    if (t->end_ns > 0)
        t->end_ns += more->sched.slice_ns;
    turn_set_slice(c->file, t->gate, t->open ? TURN_OPEN : t->slice_ns);
}

/* When the turn after the current one must be picked. */
static uint64_t
next_due(const struct arbiter_core *c)
{
    const struct arbiter_turn *t = &c->current;
    const uint64_t end = arbiter_current_begin(c) + t->slice_ns;
    const bool late = t->sched.owned && t->vgpu->n_gates > 1;

    if (t->open)
        return UINT64_MAX; /* until somebody else comes, who cuts it */
    return end - (late ? ARBITER_LATE_NS : c->params.slice_ns);
}

/* false: there is nothing to pick, or the next is there. */
static bool
pick_next(struct arbiter_core *c)
{
    struct arbiter_turn t;
    unsigned gate;

    if (c->next.kind != ARBITER_NONE || next_due(c) > c->now_ns)
        return false;
    if (!turn_pick(c, &t))
        return false;
    gate = turn_gate_of(c, &t);
    if (t.vgpu && t.vgpu == c->current.vgpu &&
        (gate == GATE_NONE || gate == c->current.gate)) {
        extend(c, &t);
        return true;
    }
    c->next = t;
    return false;
}

static void
plan_next(struct arbiter_core *c)
{
    unsigned gate;

    for (unsigned i = 0; i < CATCH_UP_MAX && pick_next(c); i++)
        ;
    if (c->next.kind != ARBITER_PENDING)
        return;
    gate = turn_gate_of(c, &c->next);
    if (gate != GATE_NONE)
        turn_promise(c, &c->next, gate, c->next.sched.slice_ns, &c->current);
}

static void
plan_current(struct arbiter_core *c)
{
    struct arbiter_turn *t = &c->current;
    uint64_t linger;

    if (t->open && t->idle_from_ns > 0 &&
        c->now_ns - t->idle_from_ns >= ARBITER_OPEN_IDLE_NS)
        arbiter_cut_open(c);
    linger = linger_of(c, t);
    if (linger == t->linger_ns)
        return;
    t->linger_ns = linger;
    turn_set_linger(c->file, t->gate, linger);
}

/* Nobody's slices in a row are one: nobody can come and ask for the rest. */
static void
plan_after_nobody(struct arbiter_core *c)
{
    struct arbiter_turn *t = &c->current, more;

    for (unsigned i = 0; i < CATCH_UP_MAX && c->next.kind == ARBITER_NONE; i++) {
        if (!turn_pick(c, &more))
            return;
        if (more.vgpu) {
            c->next = more;
            return;
        }
        t->sched.slice_ns += more.sched.slice_ns;
        t->end_ns += more.sched.slice_ns;
    }
}

void
arbiter_plan(struct arbiter_core *c)
{
    if (c->current.kind == ARBITER_NONE)
        start(c);
    if (c->current.kind == ARBITER_PASSING && c->current.vgpu)
        resume(c);
    else if (c->current.kind == ARBITER_PASSING)
        plan_after_nobody(c);
    if (c->current.kind != ARBITER_HELD)
        return;
    plan_next(c);
    plan_current(c);
}

uint64_t
arbiter_plan_due(const struct arbiter_core *c)
{
    uint64_t due;

    if (c->current.kind == ARBITER_PASSING)
        return c->current.end_ns;
    if (c->current.kind != ARBITER_HELD || c->next.kind != ARBITER_NONE)
        return UINT64_MAX;
    due = next_due(c);
    /* Tried just now: what could change it rings. */
    return due > c->now_ns ? due : UINT64_MAX;
}
