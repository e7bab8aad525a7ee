/* SPDX-License-Identifier: MIT */
/*
 * What puts work on the device (CUDA driver API, 6.13, 6.22, 6.24): every one of api/cuda.txt's
 * [submit], made of that list. Alone on its device a program does not come here: what stands before
 * these functions (api/generate_front.py) is a look at turns_asking and a jump to the driver's.
 *
 * None of them has a floating-point argument, and a struct by value only where that fits a
 * register: so they travel on as numbers of 64 bits, as they came.
 */
#include "guest/cuda/calls.h"
#include "guest/cuda/recordings.h"
#include "guest/cuda/turns.h"
#include "guest/cuda/vgpu.h"
#include "guest/front/resolve.h"

#include <stddef.h>

enum { NONE = -1, IN_CONFIG = -2 };

struct submit {
    unsigned number;   /* of the entry */
    int stream, bytes; /* which arguments; NONE */
    bool per_thread;   /* its default stream */
};

/* The beginning of CUlaunchConfig (6.1). */
struct launch_config {
    unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes;
    void *stream;
};

static void *
stream_of(const struct submit *s, const uint64_t *args)
{
    uint64_t stream = 0;

    if (s->stream == IN_CONFIG && args[0])
        stream = (uintptr_t)((const struct launch_config *)(uintptr_t)args[0])->stream;
    else if (s->stream >= 0)
        stream = args[s->stream];
    if (stream)
        return (void *)(uintptr_t)stream;
    return s->per_thread ? CALL_STREAM_PER_THREAD : CALL_STREAM_LEGACY;
}

static struct turns_work
launch_of(uint64_t function, uint64_t x, uint64_t y, uint64_t z)
{
    uint64_t key = cost_mix(function, (unsigned)x);

    key = cost_mix(cost_mix(key, (unsigned)y), (unsigned)z);
    return (struct turns_work){key | 1, cost_mix(function, 0) | 1, true};
}

static struct turns_work
work_of(const struct submit *s, const uint64_t *args)
{
    switch (s->number) {
    case NR_cuLaunchKernel:
    case NR_cuLaunchKernel_ptsz:
    case NR_cuLaunchCooperativeKernel:
    case NR_cuLaunchCooperativeKernel_ptsz:
        return launch_of(args[0], args[1], args[2], args[3]);
    case NR_cuLaunchKernelEx:
    case NR_cuLaunchKernelEx_ptsz:
        if (args[0]) {
            const struct launch_config *const c = (const void *)(uintptr_t)args[0];

            return launch_of(args[1], c->grid_x, c->grid_y, c->grid_z);
        }
        break;
    case NR_cuLaunch:
    case NR_cuLaunchGrid:
    case NR_cuLaunchGridAsync:
    case NR_cuLaunchCooperativeKernelMultiDevice:
    case NR_cuGraphLaunch:
    case NR_cuGraphLaunch_ptsz:
        return launch_of(args[0], 1, 1, 1);
    default:
        break;
    }
    return (struct turns_work){
        .key = cost_key_copy(s->number, s->bytes >= 0 ? args[s->bytes] : 0)};
}

/* What is recorded into a graph runs when that is launched. */
static void
enter(const struct submit *s, const uint64_t *args, void **ret_stream,
      struct turns_entry *ret)
{
    struct turns *u;

    *ret = (struct turns_entry){.refused = !vgpus_wait_while_held()};
    if (ret->refused)
        return;
    u = turns_of_current();
    *ret_stream = stream_of(s, args);
    if (u && !call_is_capturing(*ret_stream)) {
        const struct turns_work w = work_of(s, args);

        turns_enter(u, &w, ret);
    }
}

#define P(i) uint64_t a##i
#define A(i) a##i
#define LIST_1(X) X(0)
#define LIST_2(X) LIST_1(X), X(1)
#define LIST_3(X) LIST_2(X), X(2)
#define LIST_4(X) LIST_3(X), X(3)
#define LIST_5(X) LIST_4(X), X(4)
#define LIST_6(X) LIST_5(X), X(5)
#define LIST_8(X) LIST_6(X), X(6), X(7)
#define LIST_9(X) LIST_8(X), X(8)
#define LIST_10(X) LIST_9(X), X(9)
#define LIST_11(X) LIST_10(X), X(10)

#define SUBMIT(name, n, at_stream, at_bytes, by_thread)                                  \
    int tessera_asked_##name(LIST_##n(P));                                               \
    int tessera_asked_##name(LIST_##n(P))                                                \
    {                                                                                    \
        typedef int submit_fn(LIST_##n(P));                                              \
        static const struct submit s = {NR_##name, at_stream, at_bytes, by_thread};      \
        const uint64_t args[] = {LIST_##n(A)};                                           \
        struct turns_entry e;                                                            \
        void *stream;                                                                    \
        int result;                                                                      \
                                                                                         \
        enter(&s, args, &stream, &e);                                                    \
        if (e.refused)                                                                   \
            return CUDA_ERROR_SYSTEM_NOT_READY;                                          \
        result = ((submit_fn *)front_real(NR_##name))(LIST_##n(A));                      \
        turns_leave(&e, stream, result == CUDA_SUCCESS);                                 \
        return result;                                                                   \
    }

#include "api/cuda_submits.h"

/* ---- recording ---------------------------------------------------------------------- */

#define BEGIN_CAPTURE(name, none, parameters, arguments)                                 \
    int tessera_##name parameters;                                                       \
    int tessera_##name parameters                                                        \
    {                                                                                    \
        typedef int capture_fn parameters;                                               \
        int result;                                                                      \
                                                                                         \
        recordings_change(stream ? stream : none, true);                                 \
        result = ((capture_fn *)front_real(NR_##name))arguments;                         \
        if (result != CUDA_SUCCESS)                                                      \
            recordings_change(stream ? stream : none, false);                            \
        return result;                                                                   \
    }
#define TO_GRAPH                                                                         \
    (void *stream, void *graph, const void *nodes, const void *edges, size_t n, int mode)

BEGIN_CAPTURE(cuStreamBeginCapture, NULL, (void *stream), (stream))
BEGIN_CAPTURE(cuStreamBeginCapture_ptsz, CALL_STREAM_PER_THREAD, (void *stream), (stream))
BEGIN_CAPTURE(cuStreamBeginCapture_v2, NULL, (void *stream, int mode), (stream, mode))
BEGIN_CAPTURE(cuStreamBeginCapture_v2_ptsz, CALL_STREAM_PER_THREAD,
              (void *stream, int mode), (stream, mode))
BEGIN_CAPTURE(cuStreamBeginCaptureToGraph, NULL, TO_GRAPH,
              (stream, graph, nodes, edges, n, mode))
BEGIN_CAPTURE(cuStreamBeginCaptureToGraph_ptsz, CALL_STREAM_PER_THREAD, TO_GRAPH,
              (stream, graph, nodes, edges, n, mode))

/* An end that fails may leave it recording: in another thread than it began in. */
#define END_CAPTURE(name, none)                                                          \
    int tessera_##name(void *stream, void **ret);                                        \
    int tessera_##name(void *stream, void **ret)                                         \
    {                                                                                    \
        typedef int end_fn(void *, void **);                                             \
        const int result = ((end_fn *)front_real(NR_##name))(stream, ret);               \
                                                                                         \
        if (result == CUDA_SUCCESS || !call_is_capturing(stream ? stream : none))        \
            recordings_change(stream ? stream : none, false);                            \
        return result;                                                                   \
    }
#define DESTROY_STREAM(name)                                                             \
    int tessera_##name(void *stream);                                                    \
    int tessera_##name(void *stream)                                                     \
    {                                                                                    \
        typedef int destroy_fn(void *);                                                  \
                                                                                         \
        recordings_change(stream, false);                                                \
        return ((destroy_fn *)front_real(NR_##name))(stream);                            \
    }

END_CAPTURE(cuStreamEndCapture, NULL)
END_CAPTURE(cuStreamEndCapture_ptsz, CALL_STREAM_PER_THREAD)
DESTROY_STREAM(cuStreamDestroy)
DESTROY_STREAM(cuStreamDestroy_v2)
