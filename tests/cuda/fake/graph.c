/* SPDX-License-Identifier: MIT */
/*
 * Recording of launches, and graphs of them. Whatever must not be called meanwhile spoils the
 * recording, as it does with the real driver: all of them are told at their ends.
 */
#include "tests/cuda/fake/fake.h"

#include <stdlib.h>
#include <string.h>

struct CUgraph_st {
    struct fake_launch *launches;
    unsigned n;
    struct fake_graph_memory memory;
};

static _Atomic int recordings; /* in mode global */
static _Atomic bool spoiled;
static _Thread_local int mode; /* CU_STREAM_CAPTURE_MODE_GLOBAL */

CUresult
cuThreadExchangeStreamCaptureMode(int *exchanged)
{
    const int was = mode;

    mode = *exchanged;
    *exchanged = was;
    return CUDA_SUCCESS;
}

CUresult
fake_disturbs(void)
{
    if (recordings == 0)
        return CUDA_SUCCESS;
    spoiled = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult
fake_may_disturb(void)
{
    return mode == CU_STREAM_CAPTURE_MODE_RELAXED ? CUDA_SUCCESS : fake_disturbs();
}

static bool
is_default(CUstream stream)
{
    return (uintptr_t)stream <= 2;
}

CUresult
cuStreamBeginCapture_v2(CUstream stream, int how)
{
    FAKE_ENTER();
    (void)how;
    if (is_default(stream) || stream->graph)
        return CUDA_ERROR_INVALID_VALUE;
    stream->graph = calloc(1, sizeof *stream->graph);
    if (!stream->graph)
        return CUDA_ERROR_OUT_OF_MEMORY;
    if (recordings++ == 0)
        spoiled = false;
    return CUDA_SUCCESS;
}

CUresult
cuStreamEndCapture(CUstream stream, CUgraph *ret)
{
    FAKE_ENTER();
    if (is_default(stream) || !stream->graph)
        return CUDA_ERROR_INVALID_VALUE;
    recordings--;
    *ret = stream->graph;
    stream->graph = NULL;
    return spoiled ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
}

CUresult
cuStreamIsCapturing(CUstream stream, int *ret)
{
    FAKE_ENTER();
    if (is_default(stream) && recordings)
        return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    *ret = !is_default(stream) && stream->graph;
    return CUDA_SUCCESS;
}

bool
fake_is_recorded(CUstream stream)
{
    return !is_default(stream) && stream->graph;
}

CUresult
fake_record(CUstream stream, const struct fake_launch *l)
{
    struct CUgraph_st *const g = stream->graph;
    struct fake_launch *const more =
        realloc(g->launches, (g->n + 1) * sizeof *g->launches);

    if (!more)
        return CUDA_ERROR_OUT_OF_MEMORY;
    g->launches = more;
    g->launches[g->n++] = *l;
    return CUDA_SUCCESS;
}

CUresult
cuGraphCreate(CUgraph *ret, unsigned flags)
{
    FAKE_ENTER();
    (void)flags;
    *ret = calloc(1, sizeof **ret);
    return *ret ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

struct fake_graph_memory *
fake_memory_of(CUgraph graph)
{
    return &graph->memory;
}

struct fake_graph_memory *
fake_memory_recorded(CUstream stream)
{
    return &stream->graph->memory;
}

/* The graph itself: nothing of it can be changed. */
static CUresult
instantiate(CUgraphExec *ret, CUgraph graph)
{
    *ret = calloc(1, sizeof **ret);
    if (!*ret)
        return CUDA_ERROR_OUT_OF_MEMORY;
    (*ret)->launches = calloc(graph->n ? graph->n : 1, sizeof *graph->launches);
    if (!(*ret)->launches) {
        free(*ret);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    memcpy((*ret)->launches, graph->launches, graph->n * sizeof *graph->launches);
    (*ret)->n = graph->n;
    fake_graph_memory_copy(&(*ret)->memory, &graph->memory);
    return CUDA_SUCCESS;
}

CUresult
cuGraphInstantiateWithFlags(CUgraphExec *ret, CUgraph graph, uint64_t flags)
{
    FAKE_ENTER();
    (void)flags;
    return instantiate(ret, graph);
}

CUresult
cuGraphInstantiateWithParams(CUgraphExec *ret, CUgraph graph,
                             CUDA_GRAPH_INSTANTIATE_PARAMS *p)
{
    CUresult result;

    FAKE_ENTER();
    result = instantiate(ret, graph);
    if (result == CUDA_SUCCESS && p->flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD)
        result = fake_graph_memory_map(&(*ret)->memory);
    return result;
}

CUresult
cuGraphUpload(CUgraphExec graph, CUstream stream)
{
    FAKE_ENTER();
    (void)stream;
    return fake_graph_memory_map(&graph->memory);
}

CUresult
cuGraphLaunch(CUgraphExec graph, CUstream stream)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    if (fake_graph_memory_map(&graph->memory) != CUDA_SUCCESS)
        return CUDA_ERROR_OUT_OF_MEMORY;
    for (unsigned i = 0; i < graph->n; i++)
        fake_run(context, &graph->launches[i], stream);
    return CUDA_SUCCESS;
}

CUresult
cuGraphLaunch_ptsz(CUgraphExec graph, CUstream stream)
{
    return cuGraphLaunch(graph, stream);
}

CUresult
cuGraphDestroy(CUgraph graph)
{
    FAKE_ENTER();
    fake_graph_memory_free(&graph->memory);
    free(graph->launches);
    free(graph);
    return CUDA_SUCCESS;
}

CUresult
cuGraphExecDestroy(CUgraphExec graph)
{
    return cuGraphDestroy(graph);
}
