/* SPDX-License-Identifier: MIT */
#include "guest/opencl/wait.h"

#include "base/io.h"
#include "guest/opencl/rejoin.h"

#include <sched.h>

/* A futex does not notice a dead peer: so often the doorbell is looked at. */
#define LOOK_FIRST_MS 10
#define LOOK_MOST_MS 100

_Static_assert(CHANNEL_WAITERS == 64, "the free waiters are one word's bits");

void
waits_init(struct session *s)
{
    spin_init(&s->wait_spin, channel_spin_ns());
    /* A futex wakes nobody in another kernel: in a virtual machine all wait by the doorbell. */
    atomic_init(&s->waiters_free, s->heap_grows ? 0 : UINT64_MAX);
    atomic_init(&s->spinning, 0);
}

static struct waiter *
waiter_of(const struct session *s, unsigned number)
{
    return &s->channel.page->waiters[number - 1];
}

unsigned
wait_take(struct session *s, const struct pending *p)
{
    uint64_t free = atomic_load_explicit(&s->waiters_free, memory_order_relaxed);
    unsigned i;

    do {
        if (free == 0 || p->done)
            return 0;
        i = (unsigned)__builtin_ctzll(free);
    } while (!atomic_compare_exchange_weak_explicit(
        &s->waiters_free, &free, free & (free - 1), memory_order_acquire,
        memory_order_relaxed));
    atomic_store_explicit(&waiter_of(s, i + 1)->state, WAITER_WAITS,
                          memory_order_relaxed);
    return i + 1;
}

void
wait_put(struct session *s, unsigned waiter)
{
    if (waiter == 0)
        return;
    atomic_store_explicit(&waiter_of(s, waiter)->state, WAITER_FREE,
                          memory_order_relaxed);
    atomic_fetch_or_explicit(&s->waiters_free, 1ull << (waiter - 1),
                             memory_order_release);
}

static uint32_t
waiter_state(const struct waiter *w)
{
    /* Pairs with the worker's stores in waiter.c. */
    return atomic_load_explicit(&w->state, memory_order_acquire);
}

/*
 * true: the answer is there. After LOOK the word is set back before the ring is read:
 * what comes into the ring later tells again.
 */
static bool
waiter_answered(struct session *s, struct waiter *w, struct pending *p)
{
    uint32_t state = waiter_state(w);

    if (state == WAITER_LOOK) {
        if (atomic_compare_exchange_strong_explicit(&w->state, &state, WAITER_WAITS,
                                                    memory_order_acq_rel,
                                                    memory_order_acquire))
            session_read(s);
    }
    if (state == WAITER_DONE) {
        p->status = atomic_load_explicit(&w->status, memory_order_relaxed);
        /* What was answered before it came through the ring: data of reads must be there by now. */
        session_read(s);
    }
    return state == WAITER_DONE ||
           atomic_load_explicit(&p->complete, memory_order_acquire);
}

/* Spins, one thread at a time. true: the worker has written the word. */
static bool
waiter_spin(struct session *s, const struct waiter *w)
{
    const uint64_t ns = spin_ns(&s->wait_spin);
    bool told = false;
    uint64_t end;

    if (ns == 0 || atomic_exchange_explicit(&s->spinning, 1, memory_order_relaxed))
        return false;
    end = now_ns() + ns;
    do {
        for (unsigned i = 0; i < 64 && !told; i++) {
            told = waiter_state(w) != WAITER_WAITS;
            cpu_relax();
        }
        /* The device's threads may need this core: they come first. */
        if (!told)
            sched_yield();
    } while (!told && now_ns() < end);
    atomic_store_explicit(&s->spinning, 0, memory_order_relaxed);
    return told;
}

/*
 * Woken by nobody: looks at what else may have happened. true: the answer is there after
 * all, or none will be.
 */
static bool
waiter_in_vain(struct session *s, struct waiter *w, struct pending *p)
{
    const bool gone = session_peer_hung_up(s);

    /*
     * What came before the end still counts. Who reads just now may have looked for the last
     * time before it came: after a hang-up that one's end is awaited.
     */
    if (gone)
        session_read(s);
    else
        session_pump(s);
    if (waiter_answered(s, w, p))
        return true;
    if (!gone || session_lost(s))
        return false;
    session_die(s);
    return true;
}

static void
waiter_wait(struct session *s, struct waiter *w, struct pending *p)
{
    const uint64_t began = now_ns();
    int ms = LOOK_FIRST_MS;

    if (waiter_spin(s, w))
        return;
    while (waiter_state(w) == WAITER_WAITS && !session_is_dead(s)) {
        waiter_sleep(w, ms);
        if (waiter_state(w) == WAITER_WAITS && waiter_in_vain(s, w, p))
            return;
        ms = ms * 2 < LOOK_MOST_MS ? ms * 2 : LOOK_MOST_MS;
    }
    spin_learn(&s->wait_spin, now_ns() - began);
}

/* After this no thread that reads replies touches the pending any more. */
static void
readers_leave(struct session *s)
{
    pthread_mutex_lock(&s->rx_lock);
    pthread_mutex_unlock(&s->rx_lock);
}

cl_int
wait_answer(struct session *s, struct pending *p)
{
    struct waiter *w = waiter_of(s, p->waiter);
    cl_int rc = CL_SUCCESS;

    while (rc == CL_SUCCESS && !waiter_answered(s, w, p)) {
        if (session_is_dead(s))
            rc = CL_OUT_OF_RESOURCES;
        else
            waiter_wait(s, w, p);
    }
    if (rc != CL_SUCCESS) {
        readers_leave(s);
        if (waiter_answered(s, w, p))
            rc = CL_SUCCESS;
        else
            p->status = rc;
    }
    wait_put(s, p->waiter);
    return rc;
}

void
waits_wake_all(struct session *s)
{
    for (unsigned i = 1; i <= CHANNEL_WAITERS; i++) {
        if (waiter_state(waiter_of(s, i)) == WAITER_SLEEPS)
            waiter_wake(waiter_of(s, i));
    }
}
