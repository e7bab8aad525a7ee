/* SPDX-License-Identifier: MIT */
/*
 * One thread of the guest that waits for one answer. Each has a word of its own in the channel
 * page, so that whoever answers in the worker wakes that thread and no other, as a driver does
 * natively; the answer's status comes in the word's neighbour, without the replies ring.
 *
 *   guest:  FREE ─▶ WAITS ◀─▶ SLEEPS     worker:  any ─▶ DONE            the status is there
 *             ▲       ▲         │                 WAITS, SLEEPS ─▶ LOOK  read the replies ring
 *             └─ DONE └─ LOOK ◀─┘
 *
 * A message names its waiter in its tag (below). An answer that is more than a status, or that
 * kernels' text must precede, goes through the ring; LOOK follows it. LOOK may also come for
 * nothing. The words are in shared memory: what the other side writes there can only mislead the
 * guest's own threads.
 */
#ifndef TESSERA_WIRE_WAITER_H
#define TESSERA_WIRE_WAITER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANNEL_WAITERS 64u /* threads beyond wait by the replies ring alone */

enum waiter_state {
    WAITER_FREE = 0,
    WAITER_WAITS = 1,
    WAITER_SLEEPS = 2, /* in a futex wait on the word */
    WAITER_LOOK = 3,
    WAITER_DONE = 4,
};

/* A cache line each. */
struct waiter {
    _Alignas(64) _Atomic uint32_t state; /* enum waiter_state */
    _Atomic int64_t status;              /* valid in DONE */
};

/*
 * A tag: the lower 48 bits are the guest's own, the upper 16 its waiter's number from 1;
 * 0: none.
 */
#define TAG_WAITER_SHIFT 48

static inline uint64_t
tag_make(uint64_t own, unsigned waiter)
{
    return own | (uint64_t)waiter << TAG_WAITER_SHIFT;
}

static inline uint64_t
tag_own(uint64_t tag)
{
    return tag & ((1ull << TAG_WAITER_SHIFT) - 1);
}

/* The waiter that a tag names, NULL when none: a number that is too large is as good as none. */
static inline struct waiter *
tag_waiter(struct waiter *waiters, uint64_t tag)
{
    const uint64_t n = tag >> TAG_WAITER_SHIFT;

    return n >= 1 && n <= CHANNEL_WAITERS ? &waiters[n - 1] : NULL;
}

/* Worker: the answer is the status. */
void waiter_done(struct waiter *w, int64_t status);

/* Worker: what the waiter wants may be in the replies ring. */
void waiter_look(struct waiter *w);

/* Worker: lets one sleeping guest thread look into the ring. false: none sleeps. */
bool waiters_look(struct waiter *all);

/*
 * Guest: sleeps until the worker changed the word, somebody woke it or timeout_ms have
 * passed. Only from WAITS, and back in WAITS afterwards unless the worker wrote.
 */
void waiter_sleep(struct waiter *w, int timeout_ms);

/* Guest: wakes a thread that sleeps on it, without a change of the word. */
void waiter_wake(struct waiter *w);

#endif
