/* SPDX-License-Identifier: MIT */
/*
 * Graphs that allocate: on each device they have one pool, which grows as they are launched, and
 * keeps what it has until it is trimmed.
 */
#include "tests/cuda/fake/fake.h"

#include <stdlib.h>

enum { ALIGN = 512 };

static uint64_t reserved[FAKE_DEVICES_MAX];
static unsigned age = 1;

static CUresult
add_node(struct fake_graph_memory *m, struct fake_node as, struct fake_node **ret)
{
    struct fake_node *const n = malloc(sizeof *n);

    if (!n)
        abort(); /* the host's memory, not the device's */
    if (as.bytes && posix_memalign(&as.at, ALIGN, as.bytes) != 0)
        abort();
    as.next = m->nodes;
    *n = as;
    m->nodes = n;
    m->device = as.device;
    m->bytes += as.child ? fake_memory_of(as.child)->bytes : as.bytes;
    *ret = n;
    return CUDA_SUCCESS;
}

CUresult
fake_record_allocation(CUstream stream, CUdevice device, size_t bytes, CUdeviceptr *ret)
{
    struct fake_node *n;

    add_node(fake_memory_recorded(stream),
             (struct fake_node){.device = device, .bytes = bytes}, &n);
    *ret = (CUdeviceptr)(uintptr_t)n->at;
    return CUDA_SUCCESS;
}

/* The addresses are the host's, and stay. */
void
fake_graph_memory_free(struct fake_graph_memory *m)
{
    while (m->nodes) {
        struct fake_node *const n = m->nodes;

        m->nodes = n->next;
        free(n);
    }
}

void
fake_graph_memory_copy(struct fake_graph_memory *to, const struct fake_graph_memory *from)
{
    *to = (struct fake_graph_memory){.bytes = from->bytes, .device = from->device};
}

CUresult
fake_graph_memory_map(struct fake_graph_memory *m)
{
    bool taken = true;

    pthread_mutex_lock(&fake_lock);
    if (m->bytes && m->age != age) {
        taken = fake_take(&fake_devices[m->device], m->bytes);
        if (taken) {
            reserved[m->device] += m->bytes;
            m->age = age;
        }
    }
    pthread_mutex_unlock(&fake_lock);
    return taken ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult
cuDeviceGetGraphMemAttribute(CUdevice device, int attribute, void *ret)
{
    FAKE_ENTER();
    if (!fake_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (attribute != CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT)
        return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&fake_lock);
    *(uint64_t *)ret = reserved[device];
    pthread_mutex_unlock(&fake_lock);
    return CUDA_SUCCESS;
}

static unsigned trims;

unsigned
fake_trims(void)
{
    return trims;
}

CUresult
cuDeviceGraphMemTrim(CUdevice device)
{
    FAKE_ENTER();
    if (!fake_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&fake_lock);
    trims++;
    if (!getenv("FAKECUDA_GRAPHS_RUN")) {
        fake_devices[device].used -= reserved[device];
        reserved[device] = 0;
        age++;
    }
    pthread_mutex_unlock(&fake_lock);
    return CUDA_SUCCESS;
}

/* Launches are no nodes here. */
CUresult
cuGraphGetNodes(CUgraph graph, CUgraphNode *ret, size_t *count)
{
    size_t n = 0;

    FAKE_ENTER();
    for (struct fake_node *at = fake_memory_of(graph)->nodes; at; at = at->next, n++) {
        if (ret && n < *count)
            ret[n] = at;
    }
    *count = n;
    return CUDA_SUCCESS;
}

CUresult
cuGraphNodeGetType(CUgraphNode node, int *ret)
{
    FAKE_ENTER();
    *ret = node->child ? CU_GRAPH_NODE_TYPE_GRAPH : CU_GRAPH_NODE_TYPE_MEM_ALLOC;
    return CUDA_SUCCESS;
}

CUresult
cuGraphChildGraphNodeGetGraph(CUgraphNode node, CUgraph *ret)
{
    FAKE_ENTER();
    *ret = node->child;
    return node->child ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult
cuGraphMemAllocNodeGetParams(CUgraphNode node, CUDA_MEM_ALLOC_NODE_PARAMS *ret)
{
    FAKE_ENTER();
    if (node->child)
        return CUDA_ERROR_INVALID_VALUE;
    *ret = (CUDA_MEM_ALLOC_NODE_PARAMS){
        .poolProps = {.location_type = 1, .location_id = node->device},
        .bytesize = node->bytes,
        .dptr = (CUdeviceptr)(uintptr_t)node->at};
    return CUDA_SUCCESS;
}

CUresult
cuGraphAddMemAllocNode(CUgraphNode *ret, CUgraph graph, const CUgraphNode *after,
                       size_t n_after, CUDA_MEM_ALLOC_NODE_PARAMS *p)
{
    CUresult result;

    FAKE_ENTER();
    (void)after, (void)n_after;
    if (!p->bytesize || !fake_device(p->poolProps.location_id))
        return CUDA_ERROR_INVALID_VALUE;
    result = add_node(
        fake_memory_of(graph),
        (struct fake_node){.device = p->poolProps.location_id, .bytes = p->bytesize},
        ret);
    p->dptr = (CUdeviceptr)(uintptr_t)(*ret)->at;
    return result;
}

CUresult
cuGraphAddChildGraphNode(CUgraphNode *ret, CUgraph graph, const CUgraphNode *after,
                         size_t n_after, CUgraph child)
{
    FAKE_ENTER();
    (void)after, (void)n_after;
    return add_node(fake_memory_of(graph), (struct fake_node){.child = child}, ret);
}
