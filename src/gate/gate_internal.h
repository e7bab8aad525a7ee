/* SPDX-License-Identifier: MIT */
/* What gate.c and pass.c share. The lock is held in all of it. */
#ifndef TESSERA_GATE_GATE_INTERNAL_H
#define TESSERA_GATE_GATE_INTERNAL_H

#include "gate/gate.h"

/* So long without anybody else: then it may queue more, or be passed. */
#define ALONE_AFTER_NS 100000000u

static inline void
page_add(_Atomic uint64_t *counter, uint64_t n)
{
    /* One writer at a time, under the lock: readers see a number, old or new. */
    atomic_store_explicit(counter,
                          atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* Moves the time that was used until `now` into the accounts. */
void gate_settle_used(struct gate *g, uint64_t now);

/* A command comes while none was there. */
void gate_begins(struct gate *g, uint64_t now);

/* It goes to the driver. */
void gate_count(struct gate *g, struct gate_ticket *t, uint64_t now);

/* For the watchdog: since when the oldest command runs. */
void gate_show_since(struct gate *g);

/* Is there somebody else who waits for this turn's end? */
bool turn_is_shared(const struct gate *g);

#endif
