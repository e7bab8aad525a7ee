/* SPDX-License-Identifier: MIT */
/*
 * A lock that a fork() cannot leave behind: its word is the holder's process, and one that is not
 * ours is nobody's. What it guards may then be half written: whoever uses it keeps the number of
 * the process that it is of beside it, and begins anew in a child.
 */
#ifndef TESSERA_GUEST_FRONT_LOCK_H
#define TESSERA_GUEST_FRONT_LOCK_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

struct process_lock {
    _Atomic int32_t holder; /* 0: nobody */
};

static inline bool
process_trylock(struct process_lock *l)
{
    const int32_t pid = (int32_t)getpid();
    int32_t seen = 0;

    if (atomic_compare_exchange_strong_explicit(
            &l->holder, &seen, pid, memory_order_acquire, memory_order_relaxed))
        return true;
    return seen != pid && atomic_compare_exchange_strong_explicit(&l->holder, &seen, pid,
                                                                  memory_order_acquire,
                                                                  memory_order_relaxed);
}

/* It is held for microseconds, but for where its holder waits for a vGPU to be resumed. */
static inline void
process_lock(struct process_lock *l)
{
    const struct timespec nap = {0, 1000000};

    for (unsigned tries = 0; !process_trylock(l); tries++) {
        if (tries < 1000)
            sched_yield();
        else
            nanosleep(&nap, NULL);
    }
}

static inline void
process_unlock(struct process_lock *l)
{
    atomic_store_explicit(&l->holder, 0, memory_order_release);
}

#endif
