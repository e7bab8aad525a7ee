/* SPDX-License-Identifier: MIT */
/*
 * How long to spin before sleeping, learnt from how long the waits were (as KVM's halt
 * polling does): as long as waits end within the bound it grows to cover them, and where
 * they do not, no core is burnt for them.
 */
#ifndef TESSERA_WIRE_SPIN_H
#define TESSERA_WIRE_SPIN_H

#include <stdatomic.h>
#include <stdint.h>

/* Threads may share one: what a race loses is one lesson. */
struct spin {
    _Atomic uint64_t now_ns; /* spin this long */
    uint64_t max_ns;         /* what waiting is worth; 0: never spin */
};

#define SPIN_FIRST_NS 10000u

static inline void
spin_init(struct spin *s, uint64_t max_ns)
{
    atomic_init(&s->now_ns, max_ns);
    s->max_ns = max_ns;
}

static inline uint64_t
spin_ns(const struct spin *s)
{
    return atomic_load_explicit(&s->now_ns, memory_order_relaxed);
}

/* A wait that was longer than the spin, and took so long in all. */
static inline void
spin_learn(struct spin *s, uint64_t waited_ns)
{
    uint64_t ns = spin_ns(s);

    if (waited_ns > s->max_ns)
        ns = ns > SPIN_FIRST_NS ? ns / 2 : 0;
    else
        ns = ns < SPIN_FIRST_NS ? SPIN_FIRST_NS : 2 * ns;
    atomic_store_explicit(&s->now_ns, ns < s->max_ns ? ns : s->max_ns,
                          memory_order_relaxed);
}

#endif
