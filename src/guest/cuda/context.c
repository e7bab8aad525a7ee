/* SPDX-License-Identifier: MIT */
/*
 * The beginning of all, and ends of contexts, which free what was allocated in them (CUDA driver
 * API, 6.2, 6.7 and 6.8).
 */
#include "guest/cuda/memory.h"
#include "guest/cuda/results.h"
#include "guest/front/resolve.h"

#include <stddef.h>

#define DEVICES_MAX 64

static _Atomic(void *)
    primaries[DEVICES_MAX]; /* of each device, once somebody has had it */

/* A program that is on a vGPU and has no account of it would be without a limit. */
int tessera_cuInit(unsigned flags);
int
tessera_cuInit(unsigned flags)
{
    typedef int init_fn(unsigned);
    const int result = ((init_fn *)front_real(NR_cuInit))(flags);

    if (result == CUDA_SUCCESS && vgpus_open() < 0)
        return CUDA_ERROR_SYSTEM_NOT_READY;
    return result;
}

static void
context_is_gone(const void *context)
{
    struct ledger_entry e;

    while (ledger_take_of_context(context, &e))
        memory_give(&e);
}

#define CTX_DESTROY(name)                                                                \
    int tessera_##name(void *context);                                                   \
    int tessera_##name(void *context)                                                    \
    {                                                                                    \
        typedef int destroy_fn(void *);                                                  \
        const int result = ((destroy_fn *)front_real(NR_##name))(context);               \
                                                                                         \
        if (result == CUDA_SUCCESS)                                                      \
            context_is_gone(context);                                                    \
        return result;                                                                   \
    }

CTX_DESTROY(cuCtxDestroy)
CTX_DESTROY(cuCtxDestroy_v2)

int tessera_cuDevicePrimaryCtxRetain(void **ret, int device);
int
tessera_cuDevicePrimaryCtxRetain(void **ret, int device)
{
    typedef int retain_fn(void **, int);
    const int result =
        ((retain_fn *)front_real(NR_cuDevicePrimaryCtxRetain))(ret, device);

    if (result == CUDA_SUCCESS && device >= 0 && device < DEVICES_MAX)
        atomic_store_explicit(&primaries[device], *ret, memory_order_relaxed);
    return result;
}

/* Its last user has gone, or it was reset. */
static void
primary_may_be_gone(int device)
{
    typedef int state_fn(int, unsigned *, int *);
    state_fn *const get = (state_fn *)front_real(NR_cuDevicePrimaryCtxGetState);
    unsigned flags;
    int active = 1;

    if (device < 0 || device >= DEVICES_MAX || !get ||
        get(device, &flags, &active) != CUDA_SUCCESS || active)
        return;
    context_is_gone(atomic_load_explicit(&primaries[device], memory_order_relaxed));
}

#define PRIMARY_ENDS(name)                                                               \
    int tessera_##name(int device);                                                      \
    int tessera_##name(int device)                                                       \
    {                                                                                    \
        typedef int end_fn(int);                                                         \
        const int result = ((end_fn *)front_real(NR_##name))(device);                    \
                                                                                         \
        if (result == CUDA_SUCCESS)                                                      \
            primary_may_be_gone(device);                                                 \
        return result;                                                                   \
    }

PRIMARY_ENDS(cuDevicePrimaryCtxRelease)
PRIMARY_ENDS(cuDevicePrimaryCtxRelease_v2)
PRIMARY_ENDS(cuDevicePrimaryCtxReset)
PRIMARY_ENDS(cuDevicePrimaryCtxReset_v2)
