/* SPDX-License-Identifier: MIT */
#include "worker/runner.h"

#include "base/futex.h"
#include "base/io.h"
#include "worker/queue.h"
#include "worker/session.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

/* Commands per look at the gate: it must not miss the end of a turn for long. */
#define PUMP_BATCH 16

void
runner_init(struct runner *r)
{
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->resumed, NULL);
    atomic_init(&r->look_ns, 0);
}

static void
runner_wake(struct runner *r)
{
    atomic_fetch_add(&r->word, 1);
    futex_wake(&r->word, 1);
}

/* ---- the end of what is with the driver -------------------------------------------- */

/* Any thread, mostly a driver's: the hand-over must not wait for another one to wake up. */
static void
drained(struct session *s, void *arg, cl_int status)
{
    (void)arg;
    (void)status;
    atomic_store(&s->runner.drain_watched, false);
    queues_busy(s);
    if (!gate_drained(&s->gate,
                      atomic_load_explicit(&s->held.waiting, memory_order_relaxed) > 0))
        runner_wake(&s->runner);
}

static void
runner_watch_drain(struct session *s)
{
    cl_event newest;

    if (atomic_exchange(&s->runner.drain_watched, true))
        return;
    newest = queues_newest_counted(s);
    if (!newest) {
        atomic_store(&s->runner.drain_watched, false);
        return;
    }
    watch_event(s, NULL, newest, CL_COMPLETE, drained, NULL);
    s->cl->clReleaseEvent(newest);
}

/* ---- first launches ---------------------------------------------------------------- */

void
runner_first(struct session *s, cl_event event)
{
    if (s->runner.first)
        s->cl->clReleaseEvent(s->runner.first);
    s->runner.first = event;
    s->cl->clRetainEvent(event);
}

static void
runner_look_at_first(struct session *s)
{
    struct runner *r = &s->runner;
    cl_int status;

    if (!r->first)
        return;
    status = event_status(s, r->first);
    if (status == CL_RUNNING)
        gate_first_runs(&s->gate);
    if (status > CL_COMPLETE)
        return;
    queues_busy(s);
    s->cl->clReleaseEvent(r->first);
    r->first = NULL;
}

/* ---- steps ------------------------------------------------------------------------- */

static bool
runner_waiting(const struct session *s)
{
    return s->held.ready.n > 0;
}

/* Run lock held. *ret_look_ns: when to look again. 0, or a negative errno. */
static int
runner_step(struct session *s, uint64_t *ret_look_ns)
{
    struct gate_state st;
    int n;

    s->runner.due = false;
    runner_look_at_first(s);
    if (gate_inflight(&s->gate) > 0)
        queues_busy(s);
    do {
        gate_step(&s->gate, runner_waiting(s));
        n = held_pump(s, PUMP_BATCH);
        if (n < 0)
            return n;
    } while (n == PUMP_BATCH);
    st = gate_step(&s->gate, runner_waiting(s));
    if (st.drain)
        runner_watch_drain(s);
    *ret_look_ns = st.look_ns;
    return 0;
}

bool
runner_must_leave(const struct session *s)
{
    return s->runner.due ||
           atomic_load_explicit(&s->runner.asked, memory_order_relaxed) ||
           atomic_load_explicit(&s->runner.paused, memory_order_relaxed);
}

/* Its thread and the dispatcher; not while the session is paused. */
static void
runner_lock(struct runner *r)
{
    pthread_mutex_lock(&r->lock);
    while (atomic_load_explicit(&r->paused, memory_order_relaxed))
        pthread_cond_wait(&r->resumed, &r->lock);
}

void
runner_pause(struct runner *r)
{
    /* Before the lock, so that who holds it leaves. */
    atomic_store_explicit(&r->paused, true, memory_order_relaxed);
    pthread_mutex_lock(&r->lock);
}

void
runner_resume(struct runner *r)
{
    atomic_store_explicit(&r->paused, false, memory_order_relaxed);
    pthread_cond_broadcast(&r->resumed);
    pthread_mutex_unlock(&r->lock);
    runner_wake(r);
}

void
runner_enter(struct session *s)
{
    runner_lock(&s->runner);
}

int
runner_leave(struct session *s)
{
    bool earlier = false;
    uint64_t look = UINT64_MAX;
    int rc = 0;

    if (s->runner.due) {
        rc = runner_step(s, &look);
        earlier = look < atomic_load_explicit(&s->runner.look_ns, memory_order_relaxed);
    }
    pthread_mutex_unlock(&s->runner.lock);
    if (earlier)
        runner_wake(&s->runner);
    return rc;
}

/* ---- sleep ------------------------------------------------------------------------- */

static void
runner_sleep(struct runner *r, const struct gate_words *w, uint32_t seen,
             uint64_t until_ns)
{
    const struct futex_word words[] = {
        {&r->word, seen}, {w->offer, w->offer_seen}, {w->given, w->given_seen}};
    const unsigned n = !w->offer ? 1 : !w->given ? 2 : 3;

    futex_wait_any(words, n, until_ns);
}

_Noreturn void
runner_main(struct session *s)
{
    struct runner *r = &s->runner;
    struct gate_words words;

    /* The kernel would add 50 us to each sleep: a turn's linger is as long. */
    prctl(PR_SET_TIMERSLACK, 1000ul);
    for (;;) {
        const uint32_t seen = atomic_load(&r->word);
        uint64_t look = UINT64_MAX;
        int rc;

        atomic_store_explicit(&r->asked, true, memory_order_relaxed);
        runner_lock(r);
        atomic_store_explicit(&r->asked, false, memory_order_relaxed);
        gate_words(&s->gate, &words);
        rc = runner_step(s, &look);
        if (rc < 0)
            session_end(s, "%s", s->reason[0] ? s->reason : strerror(-rc));
        atomic_store_explicit(&r->look_ns, look, memory_order_relaxed);
        pthread_mutex_unlock(&r->lock);
        runner_sleep(r, &words, seen, look);
    }
}
