/* SPDX-License-Identifier: MIT */
/* The arbiter's vGPUs and their sessions' gates: who wants, who owes, who must end. */
#include "manager/arbiter_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void
arbiter_core_add(struct arbiter_core *c, struct arbiter_vgpu *v, const char *name,
                 uint64_t share)
{
    *v = (struct arbiter_vgpu){.sched = {.share = share}};
    list_init(&v->sched.node);
    list_init(&v->gates);
    snprintf(v->name, sizeof v->name, "%s", name);
    list_add_tail(&c->vgpus, &v->link);
}

void
arbiter_core_remove(struct arbiter_core *c, struct arbiter_vgpu *v)
{
    arbiter_forget_turns(c, v);
    list_del(&v->link);
}

void
arbiter_core_set_share(struct arbiter_core *c, struct arbiter_vgpu *v, uint64_t share)
{
    if (v->sched.share == share)
        return;
    if (v->sched.joined)
        sched_leave(&c->sched, &v->sched);
    v->sched.share = share;
    if (v->n_gates == 0)
        return;
    sched_join(&c->sched, &v->sched);
    if (v->n_wanting > 0)
        sched_ready(&c->sched, &v->sched);
}

/* Who wants, and how it counts for the vGPU. */

static void
vgpu_waits(struct arbiter_core *c, struct arbiter_vgpu *v, bool waits)
{
    if (arbiter_holds(c, v))
        return; /* settled when the turn is over */
    if (waits)
        v->waits_from_ns = c->now_ns;
    else if (v->waits_from_ns > 0)
        v->preempted_ns += arbiter_since(c, v->waits_from_ns);
    if (!waits)
        v->waits_from_ns = 0;
}

static void
gate_set_wants(struct arbiter_core *c, struct arbiter_gate *g, bool wants)
{
    struct arbiter_vgpu *v = g->vgpu;

    if (g->wants == wants)
        return;
    /* Before the policy hears of the newcomer. Who has the current turn cuts only the next one. */
    if (wants && c->current.kind == ARBITER_HELD && c->current.gate == g - c->gates)
        arbiter_cut_open_next(c);
    else if (wants)
        arbiter_cut_open(c);
    g->wants = wants;
    if (wants) {
        /* Who comes late, or after a pause, has no claim on what the others have had. */
        if (g->had_ns < v->had_floor_ns)
            g->had_ns = v->had_floor_ns;
        c->n_wanting++;
        if (v->n_wanting++ > 0)
            return;
        vgpu_waits(c, v, true);
        sched_ready(&c->sched, &v->sched);
        return;
    }
    c->n_wanting--;
    if (--v->n_wanting > 0)
        return;
    vgpu_waits(c, v, false);
    sched_idle(&c->sched, &v->sched);
}

static void
gate_sentence(struct arbiter_core *c, struct arbiter_gate *g, enum arbiter_sentence why)
{
    if (g->sentence != SENTENCE_NONE)
        return;
    g->sentence = why;
    c->has_sentences = true;
}

/* Device time outside of turns: never more of it than time has passed. */
static void
gate_charge_debt(struct arbiter_core *c, struct arbiter_gate *g, uint64_t debt_ns)
{
    const uint64_t most = g->debt_before_ns + (c->now_ns - g->registered_ns);

    if (debt_ns > most)
        debt_ns = most;
    if (debt_ns <= g->debt_seen_ns)
        return;
    sched_debt(&c->sched, &g->vgpu->sched, debt_ns - g->debt_seen_ns);
    if (g - c->gates == c->before_gate)
        c->current.late_ns += debt_ns - g->debt_seen_ns;
    g->debt_seen_ns = debt_ns;
}

/* Its last words: what ran out of turn when it died counts, too, though nobody saw its end. */
static void
gate_charge_last(struct arbiter_core *c, struct arbiter_gate *g)
{
    const unsigned n = (unsigned)(g - c->gates);
    const uint64_t since = atomic_load(&arbiter_page(c, n)->since_ns);
    uint64_t debt = atomic_load(&arbiter_page(c, n)->debt_ns);

    if (since > 0 && since < c->now_ns && debt <= UINT64_MAX - c->now_ns &&
        !(c->current.kind == ARBITER_HELD && c->current.gate == n))
        debt += c->now_ns - since;
    gate_charge_debt(c, g, debt);
}

static void
gate_look(struct arbiter_core *c, unsigned n)
{
    struct arbiter_gate *g = &c->gates[n];
    struct turn_gate *page = arbiter_page(c, n);
    const uint64_t offered =
        atomic_load_explicit(&c->file->offer[n].turn, memory_order_relaxed);

    if (g->desk)
        turn_copy_desk(c->file, n, g->desk);
    if (atomic_load_explicit(&page->given, memory_order_acquire) > offered)
        gate_sentence(c, g, SENTENCE_FORGED);
    if (g->adopted && turn_given(c->file, n, offered)) {
        g->adopted = false;
        c->n_adopted--;
    }
    gate_charge_debt(c, g, atomic_load_explicit(&page->debt_ns, memory_order_relaxed));
    gate_set_wants(c, g, g->sentence == SENTENCE_NONE && atomic_load(&page->wants) != 0);
}

/* The watchdog. */

static bool
gate_is_overdue(const struct arbiter_core *c, unsigned n)
{
    const struct arbiter_turn *t = &c->current;
    const uint64_t since = atomic_load(&arbiter_page(c, n)->since_ns);

    if (since > 0 && since < c->now_ns && c->now_ns - since >= c->watchdog_ns)
        return true;
    /* Whatever its page says: it keeps what it should have given back. */
    return t->kind == ARBITER_HELD && t->gate == n && !t->open &&
           c->now_ns > arbiter_current_begin(c) + t->slice_ns &&
           c->now_ns - arbiter_current_begin(c) - t->slice_ns >= c->watchdog_ns;
}

static void
gate_watch(struct arbiter_core *c, unsigned n)
{
    struct arbiter_gate *g = &c->gates[n];

    if (c->watchdog_ns > 0 && c->n_wanting > g->vgpu->n_wanting && gate_is_overdue(c, n))
        gate_sentence(c, g, SENTENCE_OVERDUE);
}

void
arbiter_look(struct arbiter_core *c)
{
    for (unsigned n = 0; n < c->gates_end; n++) {
        if (c->gates[n].vgpu)
            gate_look(c, n);
    }
    for (unsigned n = 0; n < c->gates_end && c->watchdog_ns > 0; n++) {
        if (c->gates[n].vgpu)
            gate_watch(c, n);
    }
}

bool
arbiter_core_runs(const struct arbiter_core *c, const struct arbiter_vgpu *v)
{
    for (const struct list *l = v->gates.next; l != &v->gates; l = l->next) {
        const struct arbiter_gate *g = container_of(l, struct arbiter_gate, link);

        if (atomic_load(&arbiter_page(c, (unsigned)(g - c->gates))->since_ns) > 0)
            return true;
    }
    return false;
}

int
arbiter_core_next_sentence(struct arbiter_core *c)
{
    for (unsigned n = 0; n < c->gates_end && c->has_sentences; n++) {
        struct arbiter_gate *g = &c->gates[n];

        if (!g->vgpu || g->sentence == SENTENCE_NONE || g->sentence_told)
            continue;
        g->sentence_told = true;
        return (int)n;
    }
    c->has_sentences = false;
    return -ENOENT;
}

/* Sessions. */

static void
gate_register(struct arbiter_core *c, struct arbiter_vgpu *v, unsigned slot, unsigned n,
              uint64_t now_ns)
{
    struct arbiter_gate *g = &c->gates[n];

    c->now_ns = now_ns;
    *g = (struct arbiter_gate){
        .vgpu = v, .slot = slot, .had_ns = v->had_floor_ns, .registered_ns = now_ns};
    list_add_tail(&v->gates, &g->link);
    if (n >= c->gates_end)
        c->gates_end = n + 1;
    if (v->n_gates++ > 0)
        return;
    /* Part of what was nobody's is its own now. */
    if (!c->current.vgpu)
        arbiter_cut_passing(c);
    sched_join(&c->sched, &v->sched);
}

int
arbiter_core_open_gate(struct arbiter_core *c, struct arbiter_vgpu *v, unsigned slot,
                       uint64_t now_ns)
{
    unsigned n = 0;
    struct turn_gate *page;

    while (n < TURN_GATES && c->gates[n].vgpu)
        n++;
    if (n == TURN_GATES)
        return -EBUSY;
    page = arbiter_page(c, n);
    /* Of who had the number before. Its turns are all given back, and stay so. */
    atomic_store(&page->given, atomic_load(&c->file->offer[n].turn));
    atomic_store(&page->taken, 0);
    atomic_store(&page->wants, 0);
    atomic_store(&page->debt_ns, 0);
    atomic_store(&page->since_ns, 0);
    gate_register(c, v, slot, n, now_ns);
    return (int)n;
}

void
arbiter_core_set_desk(struct arbiter_core *c, unsigned number, struct turn_gate *desk,
                      bool anew)
{
    c->gates[number].desk = desk;
    if (!anew)
        return;
    atomic_store(&desk->given, atomic_load(&arbiter_page(c, number)->given));
    atomic_store(&desk->taken, 0);
    atomic_store(&desk->wants, 0);
    atomic_store(&desk->debt_ns, 0);
    atomic_store(&desk->since_ns, 0);
}

int
arbiter_core_adopt_gate(struct arbiter_core *c, struct arbiter_vgpu *v, unsigned slot,
                        unsigned number, uint64_t now_ns)
{
    const uint64_t offered =
        number < TURN_GATES ? atomic_load(&c->file->offer[number].turn) : 0;

    if (number >= TURN_GATES || c->gates[number].vgpu)
        return -EBUSY;
    gate_register(c, v, slot, number, now_ns);
    /* What it owes from before has been paid, or forgiven, with the manager of then. */
    c->gates[number].debt_seen_ns = atomic_load(&arbiter_page(c, number)->debt_ns);
    c->gates[number].debt_before_ns = c->gates[number].debt_seen_ns;
    if (turn_given(c->file, number, offered))
        return 0;
    turn_revoke(c->file, number, offered);
    c->gates[number].adopted = true;
    c->n_adopted++;
    return 0;
}

void
arbiter_core_close_gate(struct arbiter_core *c, unsigned number, uint64_t now_ns)
{
    struct arbiter_gate *g = &c->gates[number];
    struct arbiter_vgpu *v = g->vgpu;

    c->now_ns = now_ns;
    if (g->desk)
        turn_copy_desk(c->file, number, g->desk);
    g->desk = NULL;
    gate_charge_last(c, g);
    gate_set_wants(c, g, false);
    turn_bury(c->file, number);
    if (g->adopted)
        c->n_adopted--;
    if (c->n_adopted == 0)
        arbiter_advance(c);
    list_del(&g->link);
    g->vgpu = NULL;
    atomic_store(&c->file->offer[number].owner, 0);
    if (--v->n_gates > 0)
        return;
    sched_leave(&c->sched, &v->sched);
    arbiter_forget_turns(c, v);
}

void
arbiter_core_settle_strays(struct arbiter_core *c)
{
    for (unsigned n = 0; n < TURN_GATES; n++) {
        const uint64_t offered = atomic_load(&c->file->offer[n].turn);

        if (offered > 0 && !c->gates[n].vgpu && !turn_given(c->file, n, offered))
            turn_bury(c->file, n);
    }
}

/* The session's turn in advance, so that its siblings are not overtaken twice. */
static uint64_t
gate_had(const struct arbiter_core *c, unsigned n)
{
    const struct arbiter_turn *t = &c->current;
    uint64_t held, had = c->gates[n].had_ns;

    if (t->kind != ARBITER_HELD || t->gate != n)
        return had;
    held = arbiter_since(c, arbiter_current_begin(c));
    return had + (!t->open && held < t->slice_ns ? t->slice_ns : held);
}

unsigned
arbiter_pick_gate(const struct arbiter_core *c, const struct arbiter_vgpu *v)
{
    unsigned best = GATE_NONE;
    uint64_t least = UINT64_MAX;

    for (const struct list *l = v->gates.next; l != &v->gates; l = l->next) {
        const struct arbiter_gate *g = container_of(l, struct arbiter_gate, link);
        const unsigned n = (unsigned)(g - c->gates);

        if (g->wants && gate_had(c, n) < least) {
            least = gate_had(c, n);
            best = n;
        }
    }
    return best;
}
