/* SPDX-License-Identifier: MIT */
/* How much memory there is (CUDA driver API, 6.5 and 6.13): the vGPU's framebuffer. */
#include "guest/cuda/results.h"
#include "guest/cuda/vgpu.h"
#include "guest/front/resolve.h"

#include <limits.h>
#include <stddef.h>

static uint64_t
less(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Never more than the device has, or has left. */
#define MEM_GET_INFO(name, size, most)                                                   \
    int tessera_##name(size *ret_free, size *ret_total);                                 \
    int tessera_##name(size *ret_free, size *ret_total)                                  \
    {                                                                                    \
        typedef int info_fn(size *, size *);                                             \
        const int result = ((info_fn *)front_real(NR_##name))(ret_free, ret_total);      \
        const struct vgpu *const v = result == CUDA_SUCCESS ? vgpu_current() : NULL;     \
                                                                                         \
        if (v && ret_free)                                                               \
            *ret_free =                                                                  \
                (size)less(*ret_free, less(account_free_bytes(v->account), most));       \
        if (v && ret_total)                                                              \
            *ret_total = (size)less(*ret_total, less(v->account->limit_bytes, most));    \
        return result;                                                                   \
    }
#define DEVICE_TOTAL_MEM(name, size, most)                                               \
    int tessera_##name(size *ret, int device);                                           \
    int tessera_##name(size *ret, int device)                                            \
    {                                                                                    \
        typedef int total_fn(size *, int);                                               \
        const int result = ((total_fn *)front_real(NR_##name))(ret, device);             \
        const struct vgpu *const v =                                                     \
            result == CUDA_SUCCESS ? vgpu_of_device(device) : NULL;                      \
                                                                                         \
        if (v)                                                                           \
            *ret = (size)less(*ret, less(v->account->limit_bytes, most));                \
        return result;                                                                   \
    }

MEM_GET_INFO(cuMemGetInfo, unsigned, UINT_MAX)
MEM_GET_INFO(cuMemGetInfo_v2, size_t, SIZE_MAX)
DEVICE_TOTAL_MEM(cuDeviceTotalMem, unsigned, UINT_MAX)
DEVICE_TOTAL_MEM(cuDeviceTotalMem_v2, size_t, SIZE_MAX)
