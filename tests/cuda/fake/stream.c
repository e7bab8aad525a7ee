/* SPDX-License-Identifier: MIT */
/* Streams and events: by when what was put into them has ended, on the device's clock. */
#include "tests/cuda/fake/fake.h"

#include <stdlib.h>

struct CUevent_st {
    struct CUctx_st *context; /* where it was recorded; NULL: not yet */
    _Atomic uint64_t at_ns;
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
synchronize(const char *name, CUstream stream)
{
    struct CUctx_st *context;
    const CUresult result = fake_enter_context(name, &context);

    if (result == CUDA_SUCCESS)
        fake_finish(context, stream);
    return result;
}

CUresult
cuStreamSynchronize(CUstream stream)
{
    return synchronize(__func__, stream);
}

CUresult
cuStreamSynchronize_ptsz(CUstream stream)
{
    return synchronize(__func__, stream);
}

static CUresult
at_or_not_ready(const struct CUctx_st *context, uint64_t ns)
{
    return fake_now(context->device) >= ns ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

CUresult
cuStreamQuery(CUstream stream)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    return at_or_not_ready(context, *fake_stream_end(context, stream));
}

CUresult
cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags)
{
    struct CUctx_st *context;

    (void)stream, (void)flags;
    FAKE_ENTER_CONTEXT(context);
    return event ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
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
    uint64_t now, end;

    FAKE_ENTER_CONTEXT(context);
    if (!event)
        return CUDA_ERROR_INVALID_HANDLE;
    if ((uintptr_t)stream <= 2 && fake_disturbs() != CUDA_SUCCESS)
        return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    now = fake_now(context->device);
    end = *fake_stream_end(context, stream);
    event->at_ns = end > now ? end : now;
    event->context = context;
    return CUDA_SUCCESS;
}

/* One that was never recorded has ended. */
CUresult
cuEventQuery(CUevent event)
{
    FAKE_ENTER();
    if (!event)
        return CUDA_ERROR_INVALID_HANDLE;
    if (fake_may_disturb() != CUDA_SUCCESS)
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    return event->context ? at_or_not_ready(event->context, event->at_ns) : CUDA_SUCCESS;
}

CUresult
cuEventSynchronize(CUevent event)
{
    FAKE_ENTER();
    if (!event)
        return CUDA_ERROR_INVALID_HANDLE;
    if (fake_may_disturb() != CUDA_SUCCESS)
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (event->context)
        fake_sleep_until(event->context->device, event->at_ns);
    return CUDA_SUCCESS;
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
    if (!from || !to || !from->context || from->context != to->context)
        return CUDA_ERROR_INVALID_HANDLE;
    if (at_or_not_ready(from->context, from->at_ns) != CUDA_SUCCESS ||
        at_or_not_ready(to->context, to->at_ns) != CUDA_SUCCESS)
        return CUDA_ERROR_NOT_READY;
    *ret_ms = (float)((double)(int64_t)(to->at_ns - from->at_ns) / 1e6);
    return CUDA_SUCCESS;
}
