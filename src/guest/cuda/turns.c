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
#include "guest/cuda/calls.h"
#include "guest/cuda/recordings.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

/* While it is passed: how often one who comes by is looked at. */
#define LOOK_PERIOD_NS 100000000u

/* The gate is passed no longer when what was looked at has not ended after that time. */
#define QUEUE_MAX_NS 1000000000u

/*
 * Of what waits for another command of its own program (a flag in memory, a collective operation)
 * nobody knows the end: what has waited so long for work that has not ended goes to join it.
 */
#define STUCK_NS 200000000u

/* A graph that is being recorded may be waited for so long. */
#define CAPTURE_PATIENCE_NS 50000000u
#define CAPTURE_LOOK_NS 1000000u

/* An end that is so near is waited for by the clock. */
#define NEAR_NS 500000u

/* The driver takes memory by itself. */
#define RECONCILE_PERIOD_NS 1000000000u

#define THREADS_MAX 64u /* that put work on the device at the very same time */

/* How often one who is held looks, in case nobody rings. */
#define HELD_LOOK_NS 50000000u

#define KEEPER_STACK (512u << 10) /* the driver's functions run on it */

_Atomic uint32_t turns_asking;

/* ---- asking ------------------------------------------------------------------------- */

static void
set_asks(struct turns *u, bool asks)
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
    set_asks(u, true);
}

/* ---- words -------------------------------------------------------------------------- */

static void
ring(_Atomic uint32_t *word)
{
    atomic_fetch_add(word, 1);
    futex_wake(word, INT_MAX);
}

static void
kick(struct turns *u)
{
    atomic_fetch_add(&u->kick, 1);
    if (atomic_load(&u->keeper_sleeps))
        futex_wake(&u->kick, INT_MAX);
}

static void
sleep_on(_Atomic uint32_t *word, uint32_t seen, const struct gate_words *w,
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

static void
collect(struct turns *u)
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
        ring(&u->news);
}

static void end_pass(struct turns *u);

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

static uint32_t
hold_of(struct turns *u)
{
    struct account_slot *const slot =
        atomic_load_explicit(&u->slot, memory_order_acquire);

    return slot ? atomic_load_explicit(&slot->hold, memory_order_relaxed) : SLOT_GOES_ON;
}

static bool keeper_is_there(struct turns *u);

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
        if (hold_of(u) == SLOT_GOES_ON || is_keeper(u))
            return true;
        if (!keeper_is_there(u))
            return false;
        kick(u);
        futex_wait_until(&u->news, seen, now_ns() + HELD_LOOK_NS);
    }
}

/* Everything that has gone to the device ends, and nothing else goes: until the manager says so. */
static void
hold(struct turns *u)
{
    struct account_slot *const slot = atomic_load(&u->slot);
    uint32_t what;

    end_pass(u);
    while (flights_wait(&u->flights, false))
        collect(u);
    gate_step(&u->gate, false);
    atomic_store(&slot->holds, 1);
    while ((what = atomic_load(&slot->hold)) == SLOT_HOLDS)
        futex_wait_until(&slot->hold, SLOT_HOLDS, now_ns() + HELD_LOOK_NS);
    atomic_store(&slot->holds, 0);
    if (what == SLOT_MOVES && !u->owner->move(u))
        atomic_store(&u->lost, true);
    ring(&u->news);
}

/* ---- the keeper --------------------------------------------------------------------- */

static void
wait_for_captures(void)
{
    const uint64_t until = now_ns() + CAPTURE_PATIENCE_NS;
    _Atomic uint32_t nobody_rings = 0;

    while (recordings_any() && now_ns() < until)
        futex_wait_until(&nobody_rings, 0, now_ns() + CAPTURE_LOOK_NS);
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

static bool
is_known(struct turns *u, const void *context)
{
    bool known;

    pthread_mutex_lock(&u->lock);
    known = has_context(u, context);
    pthread_mutex_unlock(&u->lock);
    return known;
}

/* It may end at any time, but not from when somebody is known to wait in it. */
static void
wait_for_context(struct turns *u, void *context)
{
    if (!flights_wait_in(&u->flights, context))
        return;
    if (is_known(u, context) && call_push(context) == CUDA_SUCCESS) {
        call_synchronize();
        call_pop();
    }
    flights_waited(&u->flights);
}

/*
 * Nobody knows where work went while the device was passed: all contexts are waited for. While a
 * graph is recorded that would spoil it; then what is left runs on beside the next one's.
 */
static void
wait_for_contexts(struct turns *u)
{
    const struct call_relaxed before = call_relax();
    void *contexts[TURNS_CONTEXTS_MAX];
    unsigned n;

    wait_for_captures();
    pthread_mutex_lock(&u->lock);
    n = u->n_contexts;
    memcpy(contexts, u->contexts, n * sizeof *contexts);
    pthread_mutex_unlock(&u->lock);
    for (unsigned i = 0; i < n && !recordings_any(); i++)
        wait_for_context(u, contexts[i]);
    call_unrelax(before);
}

static void
end_pass(struct turns *u)
{
    const struct gate_times unknown = {0};
    struct gate_ticket all;

    pthread_mutex_lock(&u->lock);
    u->passing = false;
    set_asks(u, true);
    pthread_mutex_unlock(&u->lock);
    if (!gate_pass_ends(&u->gate, &all))
        return;
    wait_for_contexts(u);
    gate_complete(&u->gate, &all, &unknown);
    ring(&u->news);
}

static void
begin_pass(struct turns *u)
{
    pthread_mutex_lock(&u->lock);
    if (!u->too_many && gate_pass(&u->gate)) {
        u->passing = u->seen = true;
        u->idle = false;
        u->look_ns = now_ns() + LOOK_PERIOD_NS;
        set_asks(u, false);
    }
    pthread_mutex_unlock(&u->lock);
    if (u->passing)
        ring(&u->news);
}

/* Lock held. Has anybody come by since the last look? The next one who does will be seen. */
static void
look(struct turns *u, uint64_t now)
{
    u->idle = !u->seen;
    u->seen = false;
    u->look_ns = u->idle ? UINT64_MAX : now + LOOK_PERIOD_NS;
    gate_pass_is_idle(&u->gate, u->idle);
    set_asks(u, true);
}

static uint64_t
look_at_pass(struct turns *u)
{
    const uint64_t now = now_ns();
    uint64_t until;

    pthread_mutex_lock(&u->lock);
    if (u->idle && u->seen) {
        u->idle = false;
        u->look_ns = now + LOOK_PERIOD_NS;
        gate_pass_is_idle(&u->gate, false);
    } else if (now >= u->look_ns) {
        look(u, now);
    }
    until = u->look_ns;
    pthread_mutex_unlock(&u->lock);
    return until;
}

/* A newcomer would wait for all of it; and the watchdog takes it for one command. */
static bool
queue_is_long(struct turns *u)
{
    const uint64_t oldest = flights_oldest_ns(&u->flights), now = now_ns();

    return oldest < now && now - oldest > QUEUE_MAX_NS;
}

/* What the driver has taken by itself meanwhile. */
static void
reconcile(struct turns *u)
{
    const uint64_t now = now_ns();

    if (!u->owner || now < u->reconcile_ns)
        return;
    u->reconcile_ns = now + RECONCILE_PERIOD_NS;
    u->owner->reconcile(u);
}

/* Until when it may sleep; 0: it may not. */
static uint64_t
keep(struct turns *u)
{
    struct gate_state st;

    if (hold_of(u) != SLOT_GOES_ON && !atomic_load(&u->lost)) {
        hold(u);
        return 0;
    }
    collect(u);
    st = gate_step(&u->gate, atomic_load(&u->waiting) > 0);
    if (st.pass_ends || (u->passing && queue_is_long(u))) {
        end_pass(u);
        return 0;
    }
    if (!u->passing && atomic_load(&u->waiting) == 0)
        begin_pass(u);
    reconcile(u);
    if (u->passing)
        return look_at_pass(u);
    /* By the clock as long as that says when; then by the end itself. */
    if (st.drain && st.look_ns > now_ns() + NEAR_NS && flights_wait(&u->flights, false))
        return 0;
    return st.look_ns;
}

void
turns_keep(struct turns *u)
{
    const uint32_t seen = atomic_load(&u->kick);
    struct gate_words words;
    uint64_t until;

    gate_words(&u->gate, &words);
    until = keep(u);
    if (until == 0)
        return;
    atomic_store(&u->keeper_sleeps, true);
    sleep_on(&u->kick, seen, &words, until);
    atomic_store(&u->keeper_sleeps, false);
}

static void *
keeper_main(void *turns)
{
    struct turns *const u = turns;

    atomic_store(&u->keeper, pthread_self());
    /* The kernel would add 50 us to each sleep: a turn's linger is as long. */
    prctl(PR_SET_TIMERSLACK, 1000ul);
    prctl(PR_SET_NAME, "tessera");
    for (;;)
        turns_keep(u);
    return NULL;
}

/* Signals are the program's own threads'. */
static bool
start_keeper(struct turns *u)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    if (pthread_attr_init(&attr) != 0)
        return false;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, KEEPER_STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, &attr, keeper_main, u);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc == 0;
}

/* false: there is none, and without one no turn would ever be given back. */
static bool
keeper_is_there(struct turns *u)
{
    bool runs;

    pthread_mutex_lock(&u->lock);
    if (!u->keeper_runs) {
        struct account_slot *const slot = atomic_load(&u->slot);

        u->keeper_runs = start_keeper(u);
        if (u->keeper_runs && slot)
            atomic_store(&slot->answers, 1);
    }
    runs = u->keeper_runs;
    pthread_mutex_unlock(&u->lock);
    return runs;
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
        set_asks(u, false);
    }
    pthread_mutex_unlock(&u->lock);
    if (passing && was_idle)
        kick(u);
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
        collect(u);
        gate_words(&u->gate, &words);
        st = gate_step(&u->gate, true);
        if (gate_admit(&u->gate, t) == GATE_GO || gate_force(&u->gate, t, STUCK_NS))
            break;
        if (st.drain || st.pass_ends)
            kick(u);
        if (st.look_ns > now_ns() + STUCK_NS)
            st.look_ns = now_ns() + STUCK_NS;
        sleep_on(&u->news, seen, &words, st.look_ns);
    }
    atomic_fetch_sub(&u->waiting, 1);
    return !passes;
}

/* Each has an event behind it. There are never so many that one could not. */
static void
wait_for_room(struct turns *u)
{
    collect(u);
    while (flights_count(&u->flights) + THREADS_MAX >= FLIGHTS_MAX &&
           flights_wait(&u->flights, true))
        collect(u);
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
        kick(u);
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
    kick(u);
}
