/* SPDX-License-Identifier: MIT */
/*
 * Graphs that allocate (CUDA driver API, 6.20 and 6.21): their memory comes of a pool of the
 * device's as one is launched, or sent ahead, and stays there for the next. How much that will be
 * is known when a graph is made ready: all that its nodes allocate, at most. So much is taken of
 * the framebuffer before it is launched for the first time; then the driver tells what it was.
 */
#include "guest/cuda/changes.h"
#include "guest/cuda/claim.h"
#include "guest/cuda/pool.h"
#include "guest/cuda/turns.h"

#include <stdlib.h>

/* CUgraphNodeType; CUmemLocationType. */
enum {
    LOCATION_DEVICE = 1,
    NODE_GRAPH = 4,
    NODE_MEM_ALLOC = 10,
};

#define DEPTH_MAX 16 /* of graphs in graphs */
#define INSTANTIATE_UPLOAD 2u

/* CUDA_MEM_ALLOC_NODE_PARAMS; the first member is a CUmemPoolProps. */
struct alloc_node {
    struct {
        int type, handle_types;
        int location_type, location_id;
        void *security;
        uint64_t max_bytes;
        char reserved[56];
    } pool;
    const void *access;
    size_t n_access;
    size_t bytes;
    uint64_t at;
};

/* CUDA_GRAPH_INSTANTIATE_PARAMS. */
struct instantiate_params {
    uint64_t flags;
    void *stream, *error_node;
    int result;
};

/* What a graph allocates. Of several devices, what it does on the first: of the others that is seen
 * when it is there. */
struct need {
    int device; /* -1: none */
    uint64_t bytes;
};

/* So many of the process's graphs do; read before each launch of one. */
static _Atomic unsigned graphs_that_allocate;

static void
need_of_node(void *node, struct need *n)
{
    typedef int params_fn(void *, struct alloc_node *);
    params_fn *const get = REAL(params_fn, cuGraphMemAllocNodeGetParams);
    struct alloc_node a = {0};

    if (!get || get(node, &a) != CUDA_SUCCESS || a.pool.location_type != LOCATION_DEVICE)
        return;
    if (n->device < 0)
        n->device = a.pool.location_id;
    if (n->device == a.pool.location_id)
        n->bytes += a.bytes;
}

static void
need_of_graph(void *graph, struct need *n, unsigned depth)
{
    typedef int nodes_fn(void *, void **, size_t *);
    typedef int type_fn(void *, int *);
    typedef int child_fn(void *, void **);
    nodes_fn *const nodes_of = REAL(nodes_fn, cuGraphGetNodes);
    type_fn *const type_of = REAL(type_fn, cuGraphNodeGetType);
    child_fn *const child_of = REAL(child_fn, cuGraphChildGraphNodeGetGraph);
    size_t count = 0;
    void **nodes;

    if (!nodes_of || !type_of || depth == DEPTH_MAX ||
        nodes_of(graph, NULL, &count) != CUDA_SUCCESS)
        return;
    nodes = calloc(count ? count : 1, sizeof *nodes);
    if (!nodes || nodes_of(graph, nodes, &count) != CUDA_SUCCESS)
        count = 0;
    for (size_t i = 0; i < count; i++) {
        void *child;
        int type;

        if (type_of(nodes[i], &type) != CUDA_SUCCESS)
            continue;
        if (type == NODE_MEM_ALLOC)
            need_of_node(nodes[i], n);
        else if (type == NODE_GRAPH && child_of &&
                 child_of(nodes[i], &child) == CUDA_SUCCESS)
            need_of_graph(child, n, depth + 1);
    }
    free(nodes);
}

static struct need
need_of(void *graph)
{
    struct need n = {.device = -1};

    if (graph && vgpu_of_device(0))
        need_of_graph(graph, &n, 0);
    return n;
}

/* ---- what a launch may take ---------------------------------------------------------- */

static int
begins(struct pool_launch *l, int device, uint64_t bytes, unsigned age)
{
    const struct vgpu *const v = vgpu_of_device(device);
    void *const pool = pool_of_graphs(device);

    change_begins();
    if (!v || !pool || pool_launch_begins(l, pool, v, bytes, age) == 0 ||
        (pools_trim() && pool_launch_begins(l, pool, v, bytes, age) == 0))
        return CUDA_SUCCESS;
    /* It ran before, and what the pool has let go of since may have been others'. */
    if (age != 0 && pool_keeps(pool, bytes))
        return CUDA_SUCCESS;
    change_ends();
    return CUDA_ERROR_OUT_OF_MEMORY;
}

static void
ended(const struct pool_launch *l)
{
    pool_launch_ended(l);
    change_ends();
}

/* An entry of none: it allocates nothing. */
static int
before_launch(const void *graph, struct pool_launch *l, struct ledger_entry *e)
{
    if (!ledger_find(LEDGER_GRAPH, (uintptr_t)graph, e))
        *e = (struct ledger_entry){0};
    return e->vgpu ? begins(l, e->device, e->bytes, e->age) : CUDA_SUCCESS;
}

static void
after_launch(const struct pool_launch *l, struct ledger_entry *e, int result)
{
    if (!e->vgpu)
        return;
    ended(l);
    if (!l->pool || result != CUDA_SUCCESS || e->age == l->age)
        return;
    e->age = l->age;
    ledger_add(e);
}

#define GOES(name, call)                                                                 \
    OWN(name)(void *graph, void *stream);                                                \
    OWN(name)(void *graph, void *stream)                                                 \
    {                                                                                    \
        struct pool_launch l = {0};                                                      \
        struct ledger_entry e;                                                           \
        int result;                                                                      \
                                                                                         \
        if (atomic_load_explicit(&graphs_that_allocate, memory_order_relaxed) == 0)      \
            return call(graph, stream);                                                  \
        result = before_launch(graph, &l, &e);                                           \
        if (result != CUDA_SUCCESS)                                                      \
            return result;                                                               \
        result = call(graph, stream);                                                    \
        after_launch(&l, &e, result);                                                    \
        return result;                                                                   \
    }

typedef int goes_fn(void *graph, void *stream);

/* Past the gate while nobody has to ask. */
#define LAUNCH(name)                                                                     \
    int tessera_asked_##name(uint64_t graph, uint64_t stream);                           \
    static int launch_by_##name(void *graph, void *stream)                               \
    {                                                                                    \
        if (atomic_load_explicit(&turns_asking, memory_order_relaxed) == 0)              \
            return REAL(goes_fn, name)(graph, stream);                                   \
        return tessera_asked_##name((uintptr_t)graph, (uintptr_t)stream);                \
    }                                                                                    \
    GOES(name, launch_by_##name)

LAUNCH(cuGraphLaunch)
LAUNCH(cuGraphLaunch_ptsz)
GOES(cuGraphUpload, REAL(goes_fn, cuGraphUpload))
GOES(cuGraphUpload_ptsz, REAL(goes_fn, cuGraphUpload_ptsz))

/* ---- graphs that are ready ----------------------------------------------------------- */

/* Where it is there may have been another one, whose context has ended. */
static void
enter(const void *graph, const struct need *n, unsigned age)
{
    struct ledger_entry before;
    const struct ledger_entry e = {.key = (uintptr_t)graph,
                                   .bytes = n->bytes,
                                   .vgpu = vgpu_of_device(n->device),
                                   .device = n->device,
                                   .age = age,
                                   .kind = LEDGER_GRAPH};

    if (atomic_load(&graphs_that_allocate) > 0 &&
        ledger_take(LEDGER_GRAPH, e.key, &before))
        atomic_fetch_sub(&graphs_that_allocate, 1);
    if (!e.vgpu)
        return;
    atomic_fetch_add(&graphs_that_allocate, 1);
    ledger_add(&e);
}

#define INSTANTIATE(name, parameters, arguments)                                         \
    OWN(name) parameters;                                                                \
    OWN(name) parameters                                                                 \
    {                                                                                    \
        typedef int instantiate_fn parameters;                                           \
        const struct need n = need_of(graph);                                            \
        const int result = REAL(instantiate_fn, name) arguments;                         \
                                                                                         \
        if (result == CUDA_SUCCESS)                                                      \
            enter(*ret, &n, 0);                                                          \
        return result;                                                                   \
    }
#define WITH_LOG (void **ret, void *graph, void *error_node, char *log, size_t n_log)
#define WITH_FLAGS (void **ret, void *graph, unsigned long long flags)

INSTANTIATE(cuGraphInstantiate, WITH_LOG, (ret, graph, error_node, log, n_log))
INSTANTIATE(cuGraphInstantiate_v2, WITH_LOG, (ret, graph, error_node, log, n_log))
INSTANTIATE(cuGraphInstantiateWithFlags, WITH_FLAGS, (ret, graph, flags))

/* This one may send it ahead at once. */
#define INSTANTIATE_WITH_PARAMS(name)                                                    \
    OWN(name)(void **ret, void *graph, struct instantiate_params *p);                    \
    OWN(name)(void **ret, void *graph, struct instantiate_params *p)                     \
    {                                                                                    \
        typedef int instantiate_fn(void **, void *, struct instantiate_params *);        \
        const struct need n = need_of(graph);                                            \
        const bool ahead = n.device >= 0 && p && p->flags & INSTANTIATE_UPLOAD;          \
        struct pool_launch l = {0};                                                      \
        int result = ahead ? begins(&l, n.device, n.bytes, 0) : CUDA_SUCCESS;            \
                                                                                         \
        if (result != CUDA_SUCCESS)                                                      \
            return result;                                                               \
        result = REAL(instantiate_fn, name)(ret, graph, p);                              \
        if (ahead)                                                                       \
            ended(&l);                                                                   \
        if (result == CUDA_SUCCESS)                                                      \
            enter(*ret, &n, l.pool ? l.age : 0);                                         \
        return result;                                                                   \
    }

INSTANTIATE_WITH_PARAMS(cuGraphInstantiateWithParams)
INSTANTIATE_WITH_PARAMS(cuGraphInstantiateWithParams_ptsz)

/* What it had stays in the pool. */
OWN(cuGraphExecDestroy)(void *graph);
OWN(cuGraphExecDestroy)(void *graph)
{
    typedef int destroy_fn(void *);
    struct ledger_entry e = {0};
    const bool allocates = ledger_take(LEDGER_GRAPH, (uintptr_t)graph, &e);
    const int result = REAL(destroy_fn, cuGraphExecDestroy)(graph);

    if (allocates && result != CUDA_SUCCESS)
        ledger_add(&e);
    else if (allocates)
        atomic_fetch_sub(&graphs_that_allocate, 1);
    return result;
}

OWN(cuDeviceGraphMemTrim)(int device);
OWN(cuDeviceGraphMemTrim)(int device)
{
    typedef int trim_fn(int);
    int result;

    if (!pool_of_graphs(device))
        return REAL(trim_fn, cuDeviceGraphMemTrim)(device);
    change_begins();
    result = pool_trim_graphs(device);
    change_ends();
    return result;
}
