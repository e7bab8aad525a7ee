/* SPDX-License-Identifier: MIT */
/*
 * The keeper: a thread for each of the process's vGPUs, which sleeps on the turns' words. It passes
 * the gate, ends that when somebody else wants the GPU, gives turns back, and holds still while the
 * vGPU is suspended.
 */
#include "base/futex.h"
#include "base/io.h"
#include "guest/cuda/calls.h"
#include "guest/cuda/recordings.h"
#include "guest/cuda/turns_internal.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

/* While it is passed: how often one who comes by is looked at. */
#define LOOK_PERIOD_NS 100000000u

/* The gate is passed no longer when what was looked at has not ended after that time. */
#define QUEUE_MAX_NS 1000000000u

/* A graph that is being recorded may be waited for so long. */
#define CAPTURE_PATIENCE_NS 50000000u
#define CAPTURE_LOOK_NS 1000000u

/* An end that is so near is waited for by the clock. */
#define NEAR_NS 500000u

/* The driver takes memory by itself. To look takes milliseconds: less often where others wait. */
#define RECONCILE_PERIOD_NS UINT64_C(1000000000)
#define RECONCILE_WITH_OTHERS_NS UINT64_C(10000000000)

#define KEEPER_STACK (512u << 10) /* the driver's functions run on it */

static void
wait_for_captures(void)
{
    const uint64_t until = now_ns() + CAPTURE_PATIENCE_NS;
    _Atomic uint32_t nobody_rings = 0;

    while (recordings_any() && now_ns() < until)
        futex_wait_until(&nobody_rings, 0, now_ns() + CAPTURE_LOOK_NS);
}

/* It may end at any time, but not from when somebody is known to wait in it. */
static void
wait_for_context(struct turns *u, void *context)
{
    if (!flights_wait_in(&u->flights, context))
        return;
    if (turns_know(u, context) && call_push(context) == CUDA_SUCCESS) {
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
    turns_set_asks(u, true);
    pthread_mutex_unlock(&u->lock);
    if (!gate_pass_ends(&u->gate, &all))
        return;
    wait_for_contexts(u);
    gate_complete(&u->gate, &all, &unknown);
    turns_ring(&u->news);
}

static void
begin_pass(struct turns *u)
{
    pthread_mutex_lock(&u->lock);
    if (!u->too_many && gate_pass(&u->gate)) {
        u->passing = u->seen = true;
        u->idle = false;
        u->look_ns = now_ns() + LOOK_PERIOD_NS;
        turns_set_asks(u, false);
    }
    pthread_mutex_unlock(&u->lock);
    if (u->passing)
        turns_ring(&u->news);
}

/* Lock held. Has anybody come by since the last look? The next one who does will be seen. */
static void
look(struct turns *u, uint64_t now)
{
    u->idle = !u->seen;
    u->seen = false;
    u->look_ns = u->idle ? UINT64_MAX : now + LOOK_PERIOD_NS;
    gate_pass_is_idle(&u->gate, u->idle);
    turns_set_asks(u, true);
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

/* Everything that has gone to the device ends, and nothing else goes: until the manager says so. */
static void
hold(struct turns *u)
{
    struct account_slot *const slot = atomic_load(&u->slot);
    uint32_t what;

    end_pass(u);
    while (flights_wait(&u->flights, false))
        turns_collect(u);
    gate_step(&u->gate, false);
    atomic_store(&slot->holds, 1);
    while ((what = atomic_load(&slot->hold)) == SLOT_HOLDS)
        futex_wait_until(&slot->hold, SLOT_HOLDS, now_ns() + HELD_LOOK_NS);
    atomic_store(&slot->holds, 0);
    if (what == SLOT_MOVES && !u->owner->move(u))
        atomic_store(&u->lost, true);
    turns_ring(&u->news);
}

/* What the driver has taken by itself meanwhile. */
static void
reconcile(struct turns *u)
{
    const uint64_t now = now_ns();

    if (!u->owner || now < u->reconcile_ns)
        return;
    u->reconcile_ns = now + (u->passing ? RECONCILE_PERIOD_NS : RECONCILE_WITH_OTHERS_NS);
    u->owner->reconcile(u);
}

/* Until when it may sleep; 0: it may not. */
static uint64_t
keep(struct turns *u)
{
    struct gate_state st;

    if (turns_hold_of(u) != SLOT_GOES_ON && !atomic_load(&u->lost)) {
        hold(u);
        return 0;
    }
    turns_collect(u);
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
    turns_sleep_on(&u->kick, seen, &words, until);
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
bool
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
