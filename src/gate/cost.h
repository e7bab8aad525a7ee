/* SPDX-License-Identifier: MIT */
/*
 * What commands cost, as far as is known: device time by kind of command, measured. A kernel's kind
 * is its program, its name and the sizes it is launched with; another command's is what it is.
 * Tables of fixed size: what has no room any more is unknown again.
 *
 * Any thread, without a lock: two that learn at once may lose one measurement, or leave a new key
 * with an old time. These are estimates.
 */
#ifndef TESSERA_GATE_COST_H
#define TESSERA_GATE_COST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define COSTS (1u << 12)

/* Of what was never measured: so long that one goes at a time. */
#define COST_UNKNOWN_NS UINT64_C(30000000)

struct cost {
    _Atomic uint64_t key; /* 0: free */
    _Atomic uint64_t ns;  /* a moving average; meaningless while n is 0 */
    _Atomic uint32_t n;   /* how many were measured, up to a bound */
};

struct costs {
    struct cost slot[COSTS];
    _Atomic uint64_t compiled[COSTS]; /* keys of launches whose machine code is there */
};

/* Mixes a number into a key. */
static inline uint64_t
cost_mix(uint64_t key, uint64_t n)
{
    key = (key ^ n) * UINT64_C(0x9e3779b97f4a7c15);
    return key ^ (key >> 29);
}

uint64_t cost_key_text(const char *text);

/* What a command is like. 0: there is no such. */
struct cost_keys {
    uint64_t cost; /* others take as long */
    uint64_t like; /* of a launch: the same with any arguments */
    uint64_t code; /* of a launch: the same machine code, made at the first one */
};

/* Of a copy or a fill: its message, and how many bytes, to a power of two. */
static inline uint64_t
cost_key_copy(unsigned op, uint64_t bytes)
{
    return cost_mix(op, bytes ? 64 - (unsigned)__builtin_clzll(bytes) : 0) | 1;
}

/* false: unknown. */
bool cost_known(struct costs *c, uint64_t key, uint64_t *ret_ns);

/* One more was measured. */
void cost_learn(struct costs *c, uint64_t key, uint64_t ns);

/* Has a launch of that machine code gone to the driver? */
bool cost_compiled(struct costs *c, uint64_t key);
void cost_note_compiled(struct costs *c, uint64_t key);

#endif
