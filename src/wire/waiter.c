/* SPDX-License-Identifier: MIT */
#include "wire/waiter.h"

#include "base/futex.h"

void
waiter_done(struct waiter *w, int64_t status)
{
    atomic_store_explicit(&w->status, status, memory_order_relaxed);
    /* Pairs with the guest's acquire load of the state: the status is visible with it. */
    if (atomic_exchange_explicit(&w->state, WAITER_DONE, memory_order_acq_rel) ==
        WAITER_SLEEPS)
        futex_wake(&w->state, 1);
}

/*
 * Another thread of the guest may have read the frame already, and the waiter be another
 * message's by now: a DONE stays.
 */
void
waiter_look(struct waiter *w)
{
    uint32_t state = atomic_load_explicit(&w->state, memory_order_relaxed);

    while (state == WAITER_WAITS || state == WAITER_SLEEPS) {
        /* Release: the frame is in the ring before. Its partner is the guest's acquire load. */
        if (!atomic_compare_exchange_weak_explicit(&w->state, &state, WAITER_LOOK,
                                                   memory_order_release,
                                                   memory_order_relaxed))
            continue;
        if (state == WAITER_SLEEPS)
            futex_wake(&w->state, 1);
        return;
    }
}

bool
waiters_look(struct waiter *all)
{
    for (unsigned i = 0; i < CHANNEL_WAITERS; i++) {
        uint32_t state = WAITER_SLEEPS;

        if (atomic_load_explicit(&all[i].state, memory_order_relaxed) != WAITER_SLEEPS)
            continue;
        if (atomic_compare_exchange_strong_explicit(&all[i].state, &state, WAITER_LOOK,
                                                    memory_order_acq_rel,
                                                    memory_order_relaxed)) {
            futex_wake(&all[i].state, 1);
            return true;
        }
    }
    return false;
}

void
waiter_sleep(struct waiter *w, int timeout_ms)
{
    uint32_t state = WAITER_WAITS;

    if (!atomic_compare_exchange_strong_explicit(
            &w->state, &state, WAITER_SLEEPS, memory_order_acq_rel, memory_order_acquire))
        return;
    futex_wait(&w->state, WAITER_SLEEPS, timeout_ms);
    state = WAITER_SLEEPS;
    atomic_compare_exchange_strong_explicit(&w->state, &state, WAITER_WAITS,
                                            memory_order_acq_rel, memory_order_acquire);
}

void
waiter_wake(struct waiter *w)
{
    futex_wake(&w->state, 1);
}
