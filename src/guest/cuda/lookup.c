/* SPDX-License-Identifier: MIT */
/*
 * cuGetProcAddress (CUDA driver API, 6.31): the CUDA runtime finds nearly every function by it, and
 * itself, too. The driver answers first; then what it found is looked for among those that have a
 * function of ours, by the address. A name that we do not know stays the driver's.
 */
#include "guest/cuda/results.h"
#include "guest/front/resolve.h"

#include <stddef.h>
#include <stdint.h>

typedef int get_fn(const char *symbol, void **ret, int version, uint64_t flags);
typedef int get_v2_fn(const char *symbol, void **ret, int version, uint64_t flags,
                      int *ret_status);

int tessera_cuGetProcAddress(const char *symbol, void **ret, int version, uint64_t flags);
int tessera_cuGetProcAddress_v2(const char *symbol, void **ret, int version,
                                uint64_t flags, int *ret_status);

static int
answer(int result, const char *symbol, void **ret)
{
    if (result == CUDA_SUCCESS && symbol && ret && *ret)
        *ret = front_own(*ret, symbol);
    return result;
}

/* Trampolines lead here only where the driver has the function. */
int
tessera_cuGetProcAddress(const char *symbol, void **ret, int version, uint64_t flags)
{
    get_fn *const real = (get_fn *)front_real(NR_cuGetProcAddress);

    return answer(real(symbol, ret, version, flags), symbol, ret);
}

int
tessera_cuGetProcAddress_v2(const char *symbol, void **ret, int version, uint64_t flags,
                            int *ret_status)
{
    get_v2_fn *const real = (get_v2_fn *)front_real(NR_cuGetProcAddress_v2);

    return answer(real(symbol, ret, version, flags, ret_status), symbol, ret);
}
