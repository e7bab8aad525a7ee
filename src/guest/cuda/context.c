/* SPDX-License-Identifier: MIT */
/*
 * The beginning of all; contexts and modules, which take memory by themselves; and ends of
 * contexts, which free what was allocated in them (CUDA driver API, 6.2, 6.7, 6.8, 6.10, 6.12).
 */
#include "guest/cuda/changes.h"
#include "guest/cuda/claim.h"
#include "guest/cuda/implicit.h"
#include "guest/cuda/pool.h"
#include "guest/cuda/turns.h"

#include <stdbool.h>
#include <stddef.h>

#define DEVICES_MAX 64

/* Of each device, once somebody has had it; and how many have it now. */
static _Atomic(void *) primaries[DEVICES_MAX];
static _Atomic int primary_users[DEVICES_MAX];

/* A program that is on a vGPU and has no account of it would be without a limit. */
int tessera_cuInit(unsigned flags);
int
tessera_cuInit(unsigned flags)
{
    typedef int init_fn(unsigned);
    int result;

    /* First: it may say which devices the driver is to show. */
    if (vgpus_open() < 0)
        return CUDA_ERROR_SYSTEM_NOT_READY;
    result = ((init_fn *)front_real(NR_cuInit))(flags);
    if (result == CUDA_SUCCESS)
        implicit_before_contexts();
    return result;
}

static void
settle_all(void)
{
    for (int device = 0; device < DEVICES_MAX && vgpu_of_device(device); device++)
        implicit_settle(device);
}

static void
context_comes(int device, void *context)
{
    struct turns *const u = turns_of_device(device);

    if (u)
        turns_context_begins(u, context);
}

/* Before it does. */
static void
context_goes(const void *context)
{
    for (int device = 0; device < DEVICES_MAX && vgpu_of_device(device); device++) {
        struct turns *const u = turns_of_device(device);

        if (u)
            turns_context_ends(u, context);
    }
}

static void
context_is_gone(const void *context)
{
    struct ledger_entry e;

    while (ledger_take_of_context(context, &e))
        claim_give(&e);
    pools_settle_graphs();
}

#define CTX_DESTROY(name)                                                                \
    int tessera_##name(void *context);                                                   \
    int tessera_##name(void *context)                                                    \
    {                                                                                    \
        typedef int destroy_fn(void *);                                                  \
        int result;                                                                      \
                                                                                         \
        context_goes(context);                                                           \
        change_begins();                                                                 \
        result = ((destroy_fn *)front_real(NR_##name))(context);                         \
        if (result == CUDA_SUCCESS)                                                      \
            context_is_gone(context);                                                    \
        change_ends();                                                                   \
        settle_all();                                                                    \
        return result;                                                                   \
    }

CTX_DESTROY(cuCtxDestroy)
CTX_DESTROY(cuCtxDestroy_v2)

/* One that does not fit is not made. */
#define CTX_CREATE(name, destroy, parameters, arguments, device)                         \
    int tessera_##name parameters;                                                       \
    int tessera_##name parameters                                                        \
    {                                                                                    \
        typedef int create_fn parameters;                                                \
        typedef int destroy_fn(void *);                                                  \
        const int result = ((create_fn *)front_real(NR_##name))arguments;                \
                                                                                         \
        if (result == CUDA_SUCCESS)                                                      \
            context_comes(device, *ret);                                                 \
        if (result != CUDA_SUCCESS || implicit_settle(device))                           \
            return result;                                                               \
        context_goes(*ret);                                                              \
        ((destroy_fn *)front_real(NR_##destroy))(*ret);                                  \
        implicit_settle(device);                                                         \
        return CUDA_ERROR_OUT_OF_MEMORY;                                                 \
    }

CTX_CREATE(cuCtxCreate, cuCtxDestroy_v2, (void **ret, unsigned flags, int device),
           (ret, flags, device), device)
CTX_CREATE(cuCtxCreate_v2, cuCtxDestroy_v2, (void **ret, unsigned flags, int device),
           (ret, flags, device), device)
CTX_CREATE(cuCtxCreate_v3, cuCtxDestroy_v2,
           (void **ret, void *affinity, int n, unsigned flags, int device),
           (ret, affinity, n, flags, device), device)
CTX_CREATE(cuCtxCreate_v4, cuCtxDestroy_v2,
           (void **ret, void *params, unsigned flags, int device),
           (ret, params, flags, device), device)

static void
primary_release(int device)
{
    typedef int release_fn(int);
    release_fn *const release = (release_fn *)front_real(NR_cuDevicePrimaryCtxRelease_v2);

    atomic_fetch_sub(&primary_users[device], 1);
    if (release)
        release(device);
}

int tessera_cuDevicePrimaryCtxRetain(void **ret, int device);
int
tessera_cuDevicePrimaryCtxRetain(void **ret, int device)
{
    typedef int retain_fn(void **, int);
    const int result =
        ((retain_fn *)front_real(NR_cuDevicePrimaryCtxRetain))(ret, device);

    if (result != CUDA_SUCCESS || device < 0 || device >= DEVICES_MAX)
        return result;
    atomic_store_explicit(&primaries[device], *ret, memory_order_relaxed);
    atomic_fetch_add(&primary_users[device], 1);
    context_comes(device, *ret);
    if (implicit_settle(device))
        return result;
    primary_release(device);
    implicit_settle(device);
    return CUDA_ERROR_OUT_OF_MEMORY;
}

static void *
primary_of(int device)
{
    if (device < 0 || device >= DEVICES_MAX)
        return NULL;
    return atomic_load_explicit(&primaries[device], memory_order_relaxed);
}

/* Has its last user gone, or was it reset? */
static void
primary_may_be_gone(int device, void *context)
{
    typedef int state_fn(int, unsigned *, int *);
    state_fn *const get = (state_fn *)front_real(NR_cuDevicePrimaryCtxGetState);
    unsigned flags;
    int active = 1;

    if (!context || !get || get(device, &flags, &active) != CUDA_SUCCESS)
        return;
    if (active)
        context_comes(device, context);
    else
        context_is_gone(context);
}

/* Is it the last of its users who goes now? */
static bool
is_last_user(int device)
{
    if (device < 0 || device >= DEVICES_MAX)
        return false;
    if (atomic_fetch_sub(&primary_users[device], 1) > 1)
        return false;
    atomic_store(&primary_users[device], 0);
    return true;
}

static bool
all_users_go(int device)
{
    if (device >= 0 && device < DEVICES_MAX)
        atomic_store(&primary_users[device], 0);
    return true;
}

#define PRIMARY_ENDS(name, ends)                                                         \
    int tessera_##name(int device);                                                      \
    int tessera_##name(int device)                                                       \
    {                                                                                    \
        typedef int end_fn(int);                                                         \
        void *const context = primary_of(device);                                        \
        int result;                                                                      \
                                                                                         \
        if (ends(device) && context)                                                     \
            context_goes(context);                                                       \
        change_begins();                                                                 \
        result = ((end_fn *)front_real(NR_##name))(device);                              \
        primary_may_be_gone(device, context);                                            \
        change_ends();                                                                   \
        implicit_settle(device);                                                         \
        return result;                                                                   \
    }

PRIMARY_ENDS(cuDevicePrimaryCtxRelease, is_last_user)
PRIMARY_ENDS(cuDevicePrimaryCtxRelease_v2, is_last_user)
PRIMARY_ENDS(cuDevicePrimaryCtxReset, all_users_go)
PRIMARY_ENDS(cuDevicePrimaryCtxReset_v2, all_users_go)

/* Of those that are a part of another context, or counted by the driver, no more is known. */
#define OTHER_ENDS(name, context)                                                        \
    int tessera_##name(void *what);                                                      \
    int tessera_##name(void *what)                                                       \
    {                                                                                    \
        typedef int end_fn(void *);                                                      \
                                                                                         \
        context_goes(context);                                                           \
        return ((end_fn *)front_real(NR_##name))(what);                                  \
    }

static const void *
context_of_green(void *green)
{
    typedef int from_fn(void **, void *);
    from_fn *const from = (from_fn *)front_real(NR_cuCtxFromGreenCtx);
    void *context = NULL;

    return from && from(&context, green) == CUDA_SUCCESS ? context : NULL;
}

OTHER_ENDS(cuCtxDetach, what)
OTHER_ENDS(cuGreenCtxDestroy, context_of_green(what))

/* ---- modules ------------------------------------------------------------------------ */

/* Code and variables that do not fit are not loaded. */
#define LOAD(name, unload, parameters, arguments)                                        \
    int tessera_##name parameters;                                                       \
    int tessera_##name parameters                                                        \
    {                                                                                    \
        typedef int load_fn parameters;                                                  \
        typedef int unload_fn(void *);                                                   \
        const int result = ((load_fn *)front_real(NR_##name))arguments;                  \
                                                                                         \
        if (result != CUDA_SUCCESS || implicit_settle_current())                         \
            return result;                                                               \
        ((unload_fn *)front_real(NR_##unload))(*ret);                                    \
        *ret = NULL;                                                                     \
        implicit_settle_current();                                                       \
        return CUDA_ERROR_OUT_OF_MEMORY;                                                 \
    }
#define UNLOAD(name)                                                                     \
    int tessera_##name(void *what);                                                      \
    int tessera_##name(void *what)                                                       \
    {                                                                                    \
        typedef int unload_fn(void *);                                                   \
        const int result = ((unload_fn *)front_real(NR_##name))(what);                   \
                                                                                         \
        implicit_settle_current();                                                       \
        return result;                                                                   \
    }

LOAD(cuModuleLoad, cuModuleUnload, (void **ret, const char *path), (ret, path))
LOAD(cuModuleLoadData, cuModuleUnload, (void **ret, const void *image), (ret, image))
LOAD(cuModuleLoadFatBinary, cuModuleUnload, (void **ret, const void *image), (ret, image))
LOAD(cuModuleLoadDataEx, cuModuleUnload,
     (void **ret, const void *image, unsigned n, void *options, void **values),
     (ret, image, n, options, values))
LOAD(cuLibraryLoadData, cuLibraryUnload,
     (void **ret, const void *code, void *jit, void **jit_values, unsigned n_jit,
      void *options, void **values, unsigned n),
     (ret, code, jit, jit_values, n_jit, options, values, n))
LOAD(cuLibraryLoadFromFile, cuLibraryUnload,
     (void **ret, const char *path, void *jit, void **jit_values, unsigned n_jit,
      void *options, void **values, unsigned n),
     (ret, path, jit, jit_values, n_jit, options, values, n))
UNLOAD(cuModuleUnload)
UNLOAD(cuLibraryUnload)

int tessera_cuCtxSetLimit(int limit, size_t value);

/* Stacks and heaps. What does not fit is the driver's already: the next allocation feels it. */
int
tessera_cuCtxSetLimit(int limit, size_t value)
{
    typedef int set_fn(int, size_t);
    const int result = ((set_fn *)front_real(NR_cuCtxSetLimit))(limit, value);

    implicit_charge_current();
    return result;
}
