/* SPDX-License-Identifier: MIT */
/*
 * Who wakes whom:
 *
 *   arbiter, gate before us ─▶ offer, given (link/turn.h) ─▶ keeper, and who waits for a turn
 *   who has put work there  ─▶ kick                       ─▶ keeper: it waits for the end
 *   keeper                  ─▶ news                       ─▶ who waits: something has ended
 */
#include "guest/cuda/turns.h"

#include "base/futex.h"
#include "base/io.h"
#include "guest/cuda/recordings.h"
#include "guest/cuda/turns_internal.h"

#include <limits.h>
#include <string.h>

/*
 * Of what waits for another command of its own program (a flag in memory, a collective operation)
 * nobody knows the end: what has waited so long for work that has not ended goes to join it.
 */
#define STUCK_NS 200000000u

#define THREADS_MAX 64u /* that put work on the device at the very same time */

_Atomic uint32_t turns_asking;

/* ---- asking ------------------------------------------------------------------------- */

void
turns_set_asks(struct turns *u, bool asks)
{
    if (atomic_exchange(&u->asks, asks) == asks)
        return;
    if (asks)
        atomic_fetch_add(&turns_asking, 1);
    else
        atomic_fetch_sub(&turns_asking, 1);
}

void
turns_forget_all(void)
{
    atomic_store(&turns_asking, 0);
    recordings_forget();
}

void
turns_open(struct turns *u, struct gate_page *page, const struct turn_view *view)
{
    static struct costs costs; /* of all: who takes part in them is no matter */

    memset(u, 0, sizeof *u);
    gate_init(&u->gate, page);
    gate_govern(&u->gate, view, GATE_HAND_OVER_QUEUED_NS);
    flights_init(&u->flights);
    pthread_mutex_init(&u->lock, NULL);
    u->costs = &costs;
    turns_set_asks(u, true);
}

/* ---- words -------------------------------------------------------------------------- */

void
turns_ring(_Atomic uint32_t *word)
{
    atomic_fetch_add(word, 1);
    futex_wake(word, INT_MAX);
}

void
turns_kick(struct turns *u)
{
    atomic_fetch_add(&u->kick, 1);
    if (atomic_load(&u->keeper_sleeps))
        futex_wake(&u->kick, INT_MAX);
}

void
turns_sleep_on(_Atomic uint32_t *word, uint32_t seen, const struct gate_words *w,
               uint64_t until_ns)
{
    const struct futex_word words[] = {
        {word, seen}, {w->offer, w->offer_seen}, {w->given, w->given_seen}};
    const unsigned n = !w->offer ? 1 : !w->given ? 2 : 3;

    futex_wait_any(words, n, until_ns);
}

/* ---- what has ended ----------------------------------------------------------------- */

static void
learn(struct turns *u, const struct flight *f, const struct gate_times *at)
{
    cost_learn(u->costs, f->key, at->end_ns - at->start_ns);
    if (f->like)
        cost_learn(u->costs, f->like, at->end_ns - at->start_ns);
}

void
turns_collect(struct turns *u)
{
    struct flight f;
    struct gate_times at;
    bool any = false;

    while (flights_collect(&u->flights, &f, &at)) {
        /* One of those that passed: what was before it in the queue is not known. */
        if (!f.ticket.counted)
            continue;
        learn(u, &f, &at);
        gate_complete(&u->gate, &f.ticket, &at);
        any = true;
    }
    if (any && atomic_load(&u->waiting) > 0)
        turns_ring(&u->news);
}

/* ---- a vGPU that is suspended ------------------------------------------------------- */

void
turns_open_slot(struct turns *u, struct account_slot *slot,
                const struct turns_owner *owner)
{
    u->owner = owner;
    atomic_store(&u->slot, slot);
}

void
turns_move(struct turns *u, struct account_slot *slot, const struct turn_view *view)
{
    gate_move(&u->gate, &slot->gate, view);
    atomic_store(&slot->answers, 1);
    atomic_store(&u->slot, slot);
}

uint32_t
turns_hold_of(struct turns *u)
{
    struct account_slot *const slot =
        atomic_load_explicit(&u->slot, memory_order_acquire);

    return slot ? atomic_load_explicit(&slot->hold, memory_order_relaxed) : SLOT_GOES_ON;
}

/* It is the one who holds: what it does, it does before. */
static bool
is_keeper(const struct turns *u)
{
    return pthread_equal(atomic_load(&u->keeper), pthread_self());
}

/* The keeper asks for another grant: it must be there, also where nothing was launched yet. */
bool
turns_wait_while_held(struct turns *u)
{
    for (;;) {
        const uint32_t seen = atomic_load(&u->news);

        if (atomic_load(&u->lost))
            return false;
        if (turns_hold_of(u) == SLOT_GOES_ON || is_keeper(u))
            return true;
        if (!keeper_is_there(u))
            return false;
        turns_kick(u);
        futex_wait_until(&u->news, seen, now_ns() + HELD_LOOK_NS);
    }
}

/* Lock held. */
static bool
has_context(const struct turns *u, const void *context)
{
    bool has = false;

    for (unsigned i = 0; i < u->n_contexts; i++)
        has |= u->contexts[i] == context;
    return has;
}

bool
turns_know(struct turns *u, const void *context)
{
    bool known;

    pthread_mutex_lock(&u->lock);
    known = has_context(u, context);
    pthread_mutex_unlock(&u->lock);
    return known;
}

/* ---- who puts work on the device ---------------------------------------------------- */

/* Passed: who comes by is seen, and nobody else has to stop here. */
static bool
goes_by(struct turns *u)
{
    bool passing, was_idle;

    pthread_mutex_lock(&u->lock);
    passing = u->passing;
    was_idle = u->idle;
    if (passing) {
        u->seen = true;
        turns_set_asks(u, false);
    }
    pthread_mutex_unlock(&u->lock);
    if (passing && was_idle)
        turns_kick(u);
    return passing;
}

static void
estimate(const struct turns *u, const struct turns_work *w, struct gate_ticket *t)
{
    *t = (struct gate_ticket){.counted = true, .kernel = w->kernel};
    if (cost_known(u->costs, w->key, &t->est_ns))
        return;
    t->guess = w->like && cost_known(u->costs, w->like, &t->est_ns);
    if (!t->guess)
        t->est_ns = COST_UNKNOWN_NS;
}

/* false: it needs none, the gate is passed. */
static bool
wait_for_turn(struct turns *u, struct gate_ticket *t)
{
    bool passes;

    atomic_fetch_add(&u->waiting, 1);
    for (;;) {
        const uint32_t seen = atomic_load(&u->news);
        struct gate_words words;
        struct gate_state st;

        turns_wait_while_held(u);
        passes = goes_by(u);
        if (passes)
            break;
        turns_collect(u);
        gate_words(&u->gate, &words);
        st = gate_step(&u->gate, true);
        if (gate_admit(&u->gate, t) == GATE_GO || gate_force(&u->gate, t, STUCK_NS))
            break;
        if (st.drain || st.pass_ends)
            turns_kick(u);
        if (st.look_ns > now_ns() + STUCK_NS)
            st.look_ns = now_ns() + STUCK_NS;
        turns_sleep_on(&u->news, seen, &words, st.look_ns);
    }
    atomic_fetch_sub(&u->waiting, 1);
    return !passes;
}

/* Each has an event behind it. There are never so many that one could not. */
static void
wait_for_room(struct turns *u)
{
    turns_collect(u);
    while (flights_count(&u->flights) + THREADS_MAX >= FLIGHTS_MAX &&
           flights_wait(&u->flights, true))
        turns_collect(u);
}

void
turns_enter(struct turns *u, const struct turns_work *w, struct turns_entry *ret)
{
    struct gate_ticket t;

    *ret = (struct turns_entry){0};
    if (!keeper_is_there(u))
        return;
    ret->refused = !turns_wait_while_held(u);
    if (ret->refused)
        return;
    estimate(u, w, &t);
    wait_for_room(u);
    if (goes_by(u) || (gate_admit(&u->gate, &t) != GATE_GO && !wait_for_turn(u, &t)))
        t = (struct gate_ticket){0}; /* its event tells how long the queue is */
    ret->turns = u;
    ret->flight = (struct flight){
        .ticket = t, .key = w->key, .like = w->like, .submit_ns = now_ns()};
}

void
turns_leave(struct turns_entry *e, void *stream, bool taken)
{
    const struct gate_times unknown = {0};
    struct turns *const u = e->turns;

    if (!u)
        return;
    if (!taken)
        gate_cancel(&u->gate, &e->flight.ticket);
    else if (!flights_add(&u->flights, &e->flight, stream))
        gate_complete(&u->gate, &e->flight.ticket, &unknown);
    if (e->flight.ticket.look)
        turns_kick(u);
}

/* ---- contexts --------------------------------------------------------------------- */

void
turns_context_begins(struct turns *u, void *context)
{
    keeper_is_there(u);
    pthread_mutex_lock(&u->lock);
    if (!has_context(u, context) && u->n_contexts < TURNS_CONTEXTS_MAX)
        u->contexts[u->n_contexts++] = context;
    else if (!has_context(u, context))
        u->too_many = true;
    pthread_mutex_unlock(&u->lock);
}

void
turns_context_ends(struct turns *u, const void *context)
{
    const struct gate_times unknown = {0};
    struct flight f;

    pthread_mutex_lock(&u->lock);
    for (unsigned i = 0; i < u->n_contexts; i++) {
        if (u->contexts[i] == context)
            u->contexts[i] = u->contexts[--u->n_contexts];
    }
    pthread_mutex_unlock(&u->lock);
    flights_let_go(&u->flights, context);
    while (flights_take_of_context(&u->flights, context, &f))
        gate_complete(&u->gate, &f.ticket, &unknown);
    turns_kick(u);
}
