/* SPDX-License-Identifier: MIT */
/* Streams and events: all that was put into one is done, and events tell the device's clock. */
#include "tests/cuda/fake/fake.h"

#include <stdlib.h>

struct CUstream_st {
    const struct CUctx_st *context;
};

struct CUevent_st {
    bool recorded;
    uint64_t at_ns;
};

CUresult
cuStreamCreateWithPriority(CUstream *ret, unsigned flags, int priority)
{
    struct CUctx_st *context;

    (void)flags, (void)priority;
    FAKE_ENTER_CONTEXT(context);
    *ret = calloc(1, sizeof **ret);
    if (!*ret)
        return CUDA_ERROR_OUT_OF_MEMORY;
    (*ret)->context = context;
    return CUDA_SUCCESS;
}

CUresult
cuStreamCreate(CUstream *ret, unsigned flags)
{
    return cuStreamCreateWithPriority(ret, flags, 0);
}

CUresult
cuStreamDestroy_v2(CUstream stream)
{
    FAKE_ENTER();
    if (!stream)
        return CUDA_ERROR_INVALID_HANDLE;
    free(stream);
    return CUDA_SUCCESS;
}

static CUresult
done(const char *name)
{
    struct CUctx_st *context;

    return fake_enter_context(name, &context);
}

CUresult
cuStreamSynchronize(CUstream stream)
{
    (void)stream;
    return done(__func__);
}

CUresult
cuStreamSynchronize_ptsz(CUstream stream)
{
    (void)stream;
    return done(__func__);
}

CUresult
cuStreamQuery(CUstream stream)
{
    (void)stream;
    return done(__func__);
}

CUresult
cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags)
{
    (void)stream, (void)flags;
    return event ? done(__func__) : CUDA_ERROR_INVALID_HANDLE;
}

CUresult
cuEventCreate(CUevent *ret, unsigned flags)
{
    struct CUctx_st *context;

    (void)flags;
    FAKE_ENTER_CONTEXT(context);
    *ret = calloc(1, sizeof **ret);
    return *ret ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult
cuEventRecord(CUevent event, CUstream stream)
{
    struct CUctx_st *context;

    (void)stream;
    FAKE_ENTER_CONTEXT(context);
    if (!event)
        return CUDA_ERROR_INVALID_HANDLE;
    pthread_mutex_lock(&fake_lock);
    event->at_ns = fake_devices[context->device].clock_ns;
    event->recorded = true;
    pthread_mutex_unlock(&fake_lock);
    return CUDA_SUCCESS;
}

CUresult
cuEventQuery(CUevent event)
{
    return event ? done(__func__) : CUDA_ERROR_INVALID_HANDLE;
}

CUresult
cuEventSynchronize(CUevent event)
{
    return event ? done(__func__) : CUDA_ERROR_INVALID_HANDLE;
}

CUresult
cuEventDestroy_v2(CUevent event)
{
    FAKE_ENTER();
    if (!event)
        return CUDA_ERROR_INVALID_HANDLE;
    free(event);
    return CUDA_SUCCESS;
}

CUresult
cuEventElapsedTime_v2(float *ret_ms, CUevent from, CUevent to)
{
    return cuEventElapsedTime(ret_ms, from, to);
}

CUresult
cuEventElapsedTime(float *ret_ms, CUevent from, CUevent to)
{
    FAKE_ENTER();
    if (!from || !to || !from->recorded || !to->recorded)
        return CUDA_ERROR_INVALID_HANDLE;
    *ret_ms = (float)((double)(to->at_ns - from->at_ns) / 1e6);
    return CUDA_SUCCESS;
}
