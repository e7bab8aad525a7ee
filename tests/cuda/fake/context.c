/* SPDX-License-Identifier: MIT */
/* Contexts, and which one each thread has. */
#include "tests/cuda/fake/fake.h"

#include <stdlib.h>

enum { STACK = 16 };

static _Thread_local struct CUctx_st *stack[STACK];
static _Thread_local unsigned depth; /* the current one is stack[depth - 1] */

static uint64_t
context_bytes(void)
{
    const char *const text = getenv("FAKECUDA_CONTEXT_BYTES");

    return text ? strtoull(text, NULL, 0) : UINT64_C(32) << 20;
}

static struct CUctx_st *all;

/* With fake_lock held. */
static struct CUctx_st *
context_new(CUdevice device)
{
    struct CUctx_st *const context = calloc(1, sizeof *context);

    if (!context)
        return NULL;
    context->device = device;
    if (fake_take(&fake_devices[device], context_bytes())) {
        context->next = all;
        all = context;
        return context;
    }
    free(context);
    return NULL;
}

/* With fake_lock held. Handles of contexts that are gone are not used again here: not freed. */
static void
context_end(struct CUctx_st *context)
{
    fake_free_all(context);
    fake_devices[context->device].used -= context_bytes();
    context->dead = CUDA_ERROR_INVALID_CONTEXT;
}

CUresult
cuDevicePrimaryCtxRetain(CUcontext *ret, CUdevice device)
{
    struct fake_device *const d = fake_device(device);

    FAKE_ENTER();
    if (!d)
        return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&fake_lock);
    if (!d->primary)
        d->primary = context_new(device);
    if (d->primary)
        d->primary_users++;
    *ret = d->primary;
    pthread_mutex_unlock(&fake_lock);
    return *ret ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult
cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
    struct fake_device *const d = fake_device(device);
    CUresult result = CUDA_SUCCESS;

    FAKE_ENTER();
    if (!d)
        return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&fake_lock);
    if (!d->primary_users) {
        result = CUDA_ERROR_INVALID_CONTEXT;
    } else if (--d->primary_users == 0) {
        context_end(d->primary);
        d->primary = NULL;
    }
    pthread_mutex_unlock(&fake_lock);
    return result;
}

CUresult
cuDevicePrimaryCtxReset_v2(CUdevice device)
{
    struct fake_device *const d = fake_device(device);

    FAKE_ENTER();
    if (!d)
        return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&fake_lock);
    if (d->primary)
        context_end(d->primary);
    d->primary = NULL;
    d->primary_users = 0;
    pthread_mutex_unlock(&fake_lock);
    return CUDA_SUCCESS;
}

CUresult
cuDevicePrimaryCtxGetState(CUdevice device, unsigned *ret_flags, int *ret_active)
{
    const struct fake_device *const d = fake_device(device);

    FAKE_ENTER();
    if (!d)
        return CUDA_ERROR_INVALID_DEVICE;
    *ret_flags = 0;
    *ret_active = d->primary != NULL;
    return CUDA_SUCCESS;
}

CUresult
cuCtxCreate_v2(CUcontext *ret, unsigned flags, CUdevice device)
{
    (void)flags;
    FAKE_ENTER();
    if (!fake_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&fake_lock);
    *ret = context_new(device);
    pthread_mutex_unlock(&fake_lock);
    return *ret ? cuCtxPushCurrent_v2(*ret) : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult
cuCtxDestroy_v2(CUcontext context)
{
    FAKE_ENTER();
    if (!context || context->dead == CUDA_ERROR_INVALID_CONTEXT)
        return CUDA_ERROR_INVALID_CONTEXT;
    pthread_mutex_lock(&fake_lock);
    context_end(context);
    pthread_mutex_unlock(&fake_lock);
    if (depth && stack[depth - 1] == context)
        depth--;
    return CUDA_SUCCESS;
}

CUresult
cuCtxSetCurrent(CUcontext context)
{
    FAKE_ENTER();
    if (depth)
        depth--;
    return context ? cuCtxPushCurrent_v2(context) : CUDA_SUCCESS;
}

CUresult
cuCtxGetCurrent(CUcontext *ret)
{
    *ret = depth ? stack[depth - 1] : NULL;
    return CUDA_SUCCESS;
}

CUresult
cuCtxPushCurrent_v2(CUcontext context)
{
    FAKE_ENTER();
    if (!context || depth == STACK)
        return CUDA_ERROR_INVALID_CONTEXT;
    stack[depth++] = context;
    return CUDA_SUCCESS;
}

CUresult
cuCtxPopCurrent_v2(CUcontext *ret)
{
    FAKE_ENTER();
    if (!depth)
        return CUDA_ERROR_INVALID_CONTEXT;
    depth--;
    if (ret)
        *ret = stack[depth];
    return CUDA_SUCCESS;
}

CUresult
cuCtxGetDevice(CUdevice *ret)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    *ret = context->device;
    return CUDA_SUCCESS;
}

CUresult
cuCtxSynchronize(void)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    if (fake_disturbs() != CUDA_SUCCESS)
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    fake_finish(context, NULL);
    return CUDA_SUCCESS;
}

CUresult
cuCtxGetDevice_v2(CUdevice *ret, CUcontext context)
{
    FAKE_ENTER();
    if (!context)
        return cuCtxGetDevice(ret);
    *ret = context->device;
    return context->dead;
}

CUresult
cuCtxSynchronize_v2(CUcontext context)
{
    FAKE_ENTER();
    if (!context)
        return cuCtxSynchronize();
    fake_finish(context, NULL);
    return context->dead;
}
