/* SPDX-License-Identifier: MIT */
#include "guest/cuda/calls.h"

#include "guest/front/resolve.h"

#include <stddef.h>

enum {
    EVENT_BLOCKING_SYNC = 1,
    CAPTURE_NONE = 0,
    CAPTURE_MODE_RELAXED = 2,
};

/* What the driver calls a function of these parameters, or "it has none". */
#define CALL(number, parameters, ...)                                                    \
    do {                                                                                 \
        typedef int call_fn parameters;                                                  \
        call_fn *const call = (call_fn *)front_real(number);                             \
                                                                                         \
        return call ? call(__VA_ARGS__) : CUDA_ERROR_NOT_SUPPORTED;                      \
    } while (0)

int
call_push(void *context)
{
    CALL(NR_cuCtxPushCurrent_v2, (void *), context);
}

static int
pop(void **ret)
{
    CALL(NR_cuCtxPopCurrent_v2, (void **), ret);
}

void
call_pop(void)
{
    void *context;

    pop(&context);
}

static int
current(void **ret)
{
    CALL(NR_cuCtxGetCurrent, (void **), ret);
}

void *
call_current(void)
{
    void *context = NULL;

    return current(&context) == CUDA_SUCCESS ? context : NULL;
}

static int
context_of(void *stream, void **ret)
{
    CALL(NR_cuStreamGetCtx, (void *, void **), stream, ret);
}

void *
call_context_of(void *stream)
{
    void *context = NULL;

    if (stream == CALL_STREAM_LEGACY || stream == CALL_STREAM_PER_THREAD)
        return NULL;
    return context_of(stream, &context) == CUDA_SUCCESS ? context : NULL;
}

int
call_synchronize(void)
{
    typedef int synchronize_fn(void);
    synchronize_fn *const call = (synchronize_fn *)front_real(NR_cuCtxSynchronize);

    return call ? call() : CUDA_ERROR_NOT_SUPPORTED;
}

static int
is_capturing(void *stream, int *ret_status)
{
    CALL(NR_cuStreamIsCapturing, (void *, int *), stream, ret_status);
}

bool
call_is_capturing(void *stream)
{
    int status = CAPTURE_NONE;
    const int result = is_capturing(stream, &status);

    /* Before drivers had graphs. */
    if (result == CUDA_ERROR_NOT_SUPPORTED)
        return false;
    return result != CUDA_SUCCESS || status != CAPTURE_NONE;
}

static int
exchange_mode(int *mode)
{
    CALL(NR_cuThreadExchangeStreamCaptureMode, (int *), mode);
}

struct call_relaxed
call_relax(void)
{
    struct call_relaxed r = {CAPTURE_MODE_RELAXED};

    if (exchange_mode(&r.mode) != CUDA_SUCCESS)
        r.mode = CAPTURE_MODE_RELAXED;
    return r;
}

void
call_unrelax(struct call_relaxed before)
{
    if (before.mode != CAPTURE_MODE_RELAXED)
        exchange_mode(&before.mode);
}

int
call_event_new(void **ret)
{
    CALL(NR_cuEventCreate, (void **, unsigned), ret, EVENT_BLOCKING_SYNC);
}

static int
destroy(void *event)
{
    CALL(NR_cuEventDestroy_v2, (void *), event);
}

void
call_event_free(void *event)
{
    destroy(event);
}

int
call_event_record(void *event, void *stream)
{
    CALL(NR_cuEventRecord, (void *, void *), event, stream);
}

int
call_event_query(void *event)
{
    CALL(NR_cuEventQuery, (void *), event);
}

int
call_event_wait(void *event)
{
    CALL(NR_cuEventSynchronize, (void *), event);
}

static int
elapsed_ms(float *ret, void *from, void *to)
{
    CALL(NR_cuEventElapsedTime, (float *, void *, void *), ret, from, to);
}

int
call_event_elapsed(void *from, void *to, uint64_t *ret_ns)
{
    float ms;
    const int result = elapsed_ms(&ms, from, to);

    if (result == CUDA_SUCCESS)
        *ret_ns = ms > 0 ? (uint64_t)((double)ms * 1e6) : 0;
    return result;
}
