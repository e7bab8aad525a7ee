/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic on numbers from outside: each returns false on overflow and leaves *ret
 * alone.
 */
#ifndef TESSERA_BASE_CHECKED_H
#define TESSERA_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool
checked_add(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t v;

    if (__builtin_add_overflow(a, b, &v))
        return false;
    *ret = v;
    return true;
}

static inline bool
checked_mul(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t v;

    if (__builtin_mul_overflow(a, b, &v))
        return false;
    *ret = v;
    return true;
}

/* Does [off, off + len) lie inside [0, size)? An empty range at the end does. */
static inline bool
range_inside(uint64_t off, uint64_t len, uint64_t size)
{
    return off <= size && len <= size - off;
}

/* a must be a power of two, v at most UINT64_MAX - a. */
static inline uint64_t
align_up(uint64_t v, uint64_t a)
{
    return (v + a - 1) & ~(a - 1);
}

#endif
