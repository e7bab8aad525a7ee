/* SPDX-License-Identifier: MIT */
/*
 * Changes under way: what the driver has given and what the account holds are not the same between
 * the one and the other. Who compares them does that while there is none, or knows that he cannot
 * be sure.
 */
#ifndef TESSERA_GUEST_CUDA_CHANGES_H
#define TESSERA_GUEST_CUDA_CHANGES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern _Atomic uint64_t changes_begun, changes_ended;

static inline void
change_begins(void)
{
    atomic_fetch_add(&changes_begun, 1);
}

static inline void
change_ends(void)
{
    atomic_fetch_add(&changes_ended, 1);
}

/* Is there none? *ret is for changes_since(). */
static inline bool
changes_none(uint64_t *ret)
{
    const uint64_t ended = atomic_load(&changes_ended);

    *ret = atomic_load(&changes_begun);
    return *ret == ended;
}

/* Has one begun since? */
static inline bool
changes_since(uint64_t begun)
{
    return atomic_load(&changes_begun) != begun;
}

/* The process is a child: those of its parent's threads do not end here. */
static inline void
changes_forget(void)
{
    atomic_store(&changes_begun, 0);
    atomic_store(&changes_ended, 0);
}

#endif
