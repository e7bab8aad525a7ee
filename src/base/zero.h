/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_BASE_ZERO_H
#define TESSERA_BASE_ZERO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Are there bytes, and all of them zero? */
static inline bool
is_zero(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;

    return len > 0 && p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

#endif
