/* SPDX-License-Identifier: MIT */
/*
 * Memory of the host that the device reaches, and that is never swapped out (CUDA driver API,
 * 6.13): it has a limit of its own.
 */
#include "guest/cuda/claim.h"

#include <stddef.h>

#define PINS(name, key, parameters, arguments)                                           \
    OWN(name) parameters;                                                                \
    OWN(name) parameters                                                                 \
    {                                                                                    \
        typedef int pin_fn parameters;                                                   \
        struct claim c;                                                                  \
        int result = claim_pinned(&c, bytes);                                            \
                                                                                         \
        if (result != CUDA_SUCCESS)                                                      \
            return result;                                                               \
        result = REAL(pin_fn, name) arguments;                                           \
        return CLAIM_SETTLE(&c, result, LEDGER_PINNED, (uintptr_t)(key));                \
    }
#define UNPINS(name)                                                                     \
    OWN(name)(void *at);                                                                 \
    OWN(name)(void *at)                                                                  \
    {                                                                                    \
        typedef int unpin_fn(void *);                                                    \
        struct ledger_entry e;                                                           \
                                                                                         \
        claim_strike(&e, LEDGER_PINNED, (uintptr_t)at);                                  \
        return claim_struck(&e, REAL(unpin_fn, name)(at));                               \
    }

/* Version 1 is of the days of 32 bits. */
PINS(cuMemAllocHost, *ret, (void **ret, unsigned bytes), (ret, bytes))
PINS(cuMemAllocHost_v2, *ret, (void **ret, size_t bytes), (ret, bytes))
PINS(cuMemHostAlloc, *ret, (void **ret, size_t bytes, unsigned flags),
     (ret, bytes, flags))
PINS(cuMemHostRegister, at, (void *at, size_t bytes, unsigned flags), (at, bytes, flags))
PINS(cuMemHostRegister_v2, at, (void *at, size_t bytes, unsigned flags),
     (at, bytes, flags))
UNPINS(cuMemFreeHost)
UNPINS(cuMemHostUnregister)
