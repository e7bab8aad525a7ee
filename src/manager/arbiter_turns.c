/* SPDX-License-Identifier: MIT */
/* Closing turns: how long they were, who pays, and what goes to the log. */
#include "manager/arbiter_internal.h"

#include <stdio.h>
#include <string.h>

static uint64_t
clamp(uint64_t v, uint64_t least, uint64_t most)
{
    if (v > most)
        v = most;
    return v < least ? least : v;
}

static uint64_t
later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t
sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The log. */

void
arbiter_note(struct arbiter_core *c, const struct arbiter_vgpu *v, unsigned slot,
             uint64_t end_ns, uint64_t run_ns, uint64_t target_ns)
{
    struct arbiter_entry *e = &c->log[c->logged++ % ARBITER_LOG];

    *e = (struct arbiter_entry){.time_unix_ns = end_ns + c->unix_offset_ns,
                                .slot = v ? slot : ARBITER_NO_SLOT,
                                .total_run_ns = v ? v->run_ns : c->passed_ns,
                                .run_ns = run_ns,
                                .target_ns = target_ns,
                                .preempted_ns = v ? v->preempted_ns : 0};
    if (v)
        memcpy(e->vgpu, v->name, sizeof e->vgpu);
}

const struct arbiter_entry *
arbiter_core_entry(const struct arbiter_core *c, unsigned i)
{
    const uint64_t n = c->logged < ARBITER_LOG ? c->logged : ARBITER_LOG;

    return i < n ? &c->log[(c->logged - n + i) % ARBITER_LOG] : NULL;
}

/* How long it was. */

uint64_t
arbiter_current_begin(const struct arbiter_core *c)
{
    const struct arbiter_turn *t = &c->current;
    const struct turn_gate *page = arbiter_page(c, t->gate);

    if (atomic_load_explicit(&page->taken, memory_order_acquire) == t->number)
        return clamp(atomic_load_explicit(&page->taken_ns, memory_order_relaxed),
                     t->opened_ns,
                     sooner(t->opened_ns + ARBITER_TRUST_NS + t->late_ns, c->now_ns));
    /* Given back without a word: all the time that nobody else could have had it. */
    return turn_given(c->file, t->gate, t->number) ? t->opened_ns : c->now_ns;
}

/* By when it must have been over: the next one was taken then, or we look only now. */
static uint64_t
end_shown_ns(const struct arbiter_core *c)
{
    const struct arbiter_turn *next = &c->next;
    const struct turn_gate *page = arbiter_page(c, next->gate);

    if (next->kind != ARBITER_HELD ||
        atomic_load_explicit(&page->taken, memory_order_acquire) != next->number)
        return c->now_ns;
    return sooner(atomic_load_explicit(&page->taken_ns, memory_order_relaxed), c->now_ns);
}

static uint64_t
current_end(const struct arbiter_core *c, uint64_t begin_ns)
{
    const struct arbiter_turn *t = &c->current;
    const uint64_t given_ns =
        atomic_load_explicit(&arbiter_page(c, t->gate)->given_ns, memory_order_relaxed);
    const uint64_t shown = end_shown_ns(c);
    const uint64_t least =
        later(t->held_seen_ns, shown > ARBITER_TRUST_NS ? shown - ARBITER_TRUST_NS : 0);

    return clamp(given_ns, later(begin_ns, least), c->now_ns + ARBITER_AHEAD_NS);
}

/* Who pays. */

static void
turn_open(struct arbiter_turn *t, uint64_t now_ns)
{
    t->opened_ns = later(t->opened_ns, now_ns);
    if (t->kind != ARBITER_PENDING)
        return;
    t->kind = ARBITER_PASSING;
    t->begin_ns = now_ns;
    t->end_ns = now_ns + t->sched.slice_ns;
}

static void
current_finish(struct arbiter_core *c, uint64_t end_ns)
{
    const struct arbiter_turn *t = &c->current;
    uint64_t spent = end_ns > t->begin_ns ? end_ns - t->begin_ns : 0;

    if (spent < ARBITER_TURN_MIN_NS)
        spent = ARBITER_TURN_MIN_NS;
    sched_charge(&c->sched, &t->sched, spent > t->charged_ns ? spent - t->charged_ns : 0);
    c->current = c->next;
    c->next = (struct arbiter_turn){.kind = ARBITER_NONE};
    if (c->current.kind != ARBITER_NONE)
        turn_open(&c->current, end_ns);
}

/* Returns how much of it the vGPU ran, as its gate says. */
static uint64_t
gate_has_had(struct arbiter_core *c, const struct arbiter_turn *t, uint64_t begin_ns,
             uint64_t end_ns)
{
    struct arbiter_vgpu *v = t->vgpu;
    struct arbiter_gate *g = &c->gates[t->gate];
    const uint64_t used_ns =
        atomic_load_explicit(&arbiter_page(c, t->gate)->used_ns, memory_order_relaxed);
    const uint64_t ran = sooner(used_ns, end_ns - begin_ns);

    if (v->waits_from_ns > 0 && begin_ns > v->waits_from_ns)
        v->preempted_ns += begin_ns - v->waits_from_ns;
    v->waits_from_ns = v->n_wanting > 0 ? end_ns : 0;
    v->run_ns += ran;
    v->had_floor_ns = later(v->had_floor_ns, g->had_ns);
    g->had_ns += end_ns - begin_ns;
    return ran;
}

static void
close_held(struct arbiter_core *c)
{
    struct arbiter_turn *t = &c->current;
    const uint64_t begin = arbiter_current_begin(c), end = current_end(c, begin);
    uint64_t ran;

    if (t->begin_ns == 0)
        t->begin_ns = begin;
    if (t->end_ns == 0)
        t->end_ns = begin + t->slice_ns;
    ran = gate_has_had(c, t, begin, end);
    c->turns++;
    c->before_gate = t->gate;
    arbiter_note(c, t->vgpu, c->gates[t->gate].slot, end, ran, t->open ? 0 : t->slice_ns);
    /* The rest of an owned slice stays its owner's; if the next has it already, it is lost. */
    if (t->sched.owned && c->next.kind != ARBITER_HELD &&
        end + ARBITER_REST_NS < t->end_ns) {
        t->kind = ARBITER_PASSING;
        t->opened_ns = end;
        return;
    }
    current_finish(c, end);
}

void
arbiter_segment_passed(struct arbiter_core *c)
{
    const struct arbiter_turn *t = &c->current;
    const uint64_t passed = arbiter_since(c, t->opened_ns);

    if (passed == 0)
        return;
    c->passed_ns += passed;
    arbiter_note(c, NULL, ARBITER_NO_SLOT, c->now_ns, passed,
                 t->end_ns > t->opened_ns ? t->end_ns - t->opened_ns : 0);
}

void
arbiter_cut_passing(struct arbiter_core *c)
{
    if (c->current.kind != ARBITER_PASSING)
        return;
    c->current.sched.owned = false;
    c->current.end_ns = c->now_ns;
}

static void
close_passing(struct arbiter_core *c)
{
    c->before_gate = GATE_NONE;
    arbiter_segment_passed(c);
    /* Cut short, since nobody wants anything: it costs what has passed. */
    if (c->now_ns < c->current.end_ns)
        c->current.sched.owned = false;
    current_finish(c, c->now_ns);
}

static bool
current_is_over(const struct arbiter_core *c)
{
    const struct arbiter_turn *t = &c->current;

    if (t->kind == ARBITER_HELD)
        return turn_given(c->file, t->gate, t->number);
    return t->kind == ARBITER_PASSING &&
           (c->now_ns >= t->end_ns || c->n_wanting == 0 || (t->vgpu && !t->sched.owned));
}

/* It was given back before it opened: its gate wants no more, or is gone. */
static void
drop_next(struct arbiter_core *c)
{
    struct arbiter_turn *t = &c->next;

    if (t->sched.owned) {
        t->kind = ARBITER_PENDING;
        return;
    }
    sched_charge(&c->sched, &t->sched, ARBITER_TURN_MIN_NS);
    t->kind = ARBITER_NONE;
}

/* What was looked at, for what cannot be true later. */
static void
current_seen(struct arbiter_core *c)
{
    struct arbiter_turn *t = &c->current;

    if (t->kind != ARBITER_HELD)
        return;
    t->held_seen_ns = c->now_ns;
    if (!t->open || c->gates[t->gate].wants)
        t->idle_from_ns = 0;
    else if (t->idle_from_ns == 0)
        t->idle_from_ns = c->now_ns;
}

void
arbiter_advance(struct arbiter_core *c)
{
    /* Looked at before the current one: that this one was not over then shows the order. */
    const uint64_t next = c->next.kind == ARBITER_HELD ? c->next.number : 0;
    const bool next_given = next > 0 && turn_given(c->file, c->next.gate, next);

    while (current_is_over(c)) {
        if (c->current.kind == ARBITER_HELD)
            close_held(c);
        else
            close_passing(c);
    }
    if (next_given && c->next.kind == ARBITER_HELD && c->next.number == next)
        drop_next(c);
    current_seen(c);
}

/* Who leaves owes what it had, not what it was promised. */
static void
turn_forget(struct arbiter_core *c, struct arbiter_turn *t, uint64_t spent_ns)
{
    t->sched.owned = false;
    sched_charge(&c->sched, &t->sched, spent_ns);
    t->kind = ARBITER_NONE;
}

void
arbiter_forget_turns(struct arbiter_core *c, const struct arbiter_vgpu *v)
{
    if (c->current.kind == ARBITER_PASSING && c->current.vgpu == v)
        turn_forget(c, &c->current, arbiter_since(c, c->current.begin_ns));
    if (c->next.kind != ARBITER_NONE && c->next.vgpu == v)
        turn_forget(c, &c->next, 0);
}
