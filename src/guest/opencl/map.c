/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.2.4: mapping buffers; 5.5.2: unmapping any memory object. */
#include "guest/opencl/image.h"
#include "guest/opencl/window.h"

#include "api/opencl_send.h"

#include <stdlib.h>

static bool
map_in_heap(struct _cl_mem *m)
{
    return mem_storage(m) != EXTENT_NONE && !m->host_ptr;
}

#define WRITES (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION)

/* ---- what is mapped for writing ---------------------------------------------------- */

static struct _cl_mem *
buffer_root(struct _cl_mem *m)
{
    return m->parent ? m->parent : m;
}

/*
 * Claims the region for a map that writes. CL_INVALID_OPERATION where it meets another such
 * map, of this buffer, its parent or another part of that (section 5.2.4).
 */
static cl_int
written_claim(struct _cl_mem *m, struct mapping *map)
{
    struct _cl_mem *root = buffer_root(m);
    cl_int rc = CL_SUCCESS;

    map->begin = map->offset + (m->parent ? m->origin : 0);
    map->end = map->begin + map->size;
    if (!(map->flags & WRITES))
        return CL_SUCCESS;
    pthread_mutex_lock(&root->lock);
    for (const struct mapping *w = root->written; w; w = w->next_written) {
        if (map->begin < w->end && w->begin < map->end)
            rc = CL_INVALID_OPERATION;
    }
    if (rc == CL_SUCCESS) {
        map->next_written = root->written;
        root->written = map;
    }
    pthread_mutex_unlock(&root->lock);
    return rc;
}

/* Nothing for one that claimed nothing. */
void
mapping_unclaim(struct _cl_mem *m, const struct mapping *map)
{
    struct _cl_mem *root = buffer_root(m);

    if (m->image)
        return;
    pthread_mutex_lock(&root->lock);
    for (struct mapping **p = &root->written; *p; p = &(*p)->next_written) {
        if (*p == map) {
            *p = map->next_written;
            break;
        }
    }
    pthread_mutex_unlock(&root->lock);
}

/* ---- where a copy is ---------------------------------------------------------------- */

/* Its root's lock is held. One place for all mappings of a buffer and its parts. */
static uint8_t *
root_copy(struct _cl_mem *root, struct mapping *map)
{
    struct session *s = root->o.session;

    if (!root->shadow && window_use(s, &root->window, root->size)) {
        map->window = root->window;
        return s->channel.heap + window_offset(root->window);
    }
    if (!root->shadow)
        root->shadow = aligned_alloc(4096, (root->size + 4095) & ~(size_t)4095);
    return root->shadow;
}

/* Sets map->ptr, and map->window. false: there is no memory. */
static bool
mapping_place(struct _cl_mem *m, struct mapping *map)
{
    struct _cl_mem *root = buffer_root(m);
    uint8_t *bytes;

    if (m->host_ptr) {
        map->ptr = (uint8_t *)m->host_ptr + map->offset;
        return true;
    }
    pthread_mutex_lock(&root->lock);
    bytes = root_copy(root, map);
    pthread_mutex_unlock(&root->lock);
    map->ptr = bytes ? bytes + map->begin : NULL;
    return bytes;
}

/* ---- mappings ---------------------------------------------------------------------- */

uint64_t
mapping_new_id(void)
{
    static _Atomic uint64_t next_id;

    return atomic_fetch_add(&next_id, 1) + 1;
}

void
mapping_add(struct _cl_mem *m, struct mapping *map)
{
    pthread_mutex_lock(&m->lock);
    map->next = m->mappings;
    m->mappings = map;
    m->map_count++;
    pthread_mutex_unlock(&m->lock);
}

void
mapping_free(struct mapping *map)
{
    if (map && map->window)
        window_leave(map->window);
    free(map);
}

/* Takes out the newest mapping that returned ptr. */
static struct mapping *
mapping_take(struct _cl_mem *m, const void *ptr)
{
    struct mapping *found = NULL;

    pthread_mutex_lock(&m->lock);
    for (struct mapping **p = &m->mappings; *p && !found; p = &(*p)->next) {
        if ((*p)->ptr == ptr) {
            found = *p;
            *p = found->next;
            m->map_count--;
            break;
        }
    }
    pthread_mutex_unlock(&m->lock);
    if (found)
        mapping_unclaim(m, found);
    return found;
}

/* A map of the heap: the pointer is known at once, only the order in the queue matters. */
static cl_int
map_heap(struct enqueue *q, struct _cl_mem *m, struct mapping *map, bool blocking)
{
    struct pending p = {0};
    cl_int rc;

    map->ptr = mem_bytes(m) + map->offset;
    map->id = mapping_new_id();
    rc = send_clEnqueueMapBuffer(q->session, blocking ? &p : NULL, q->queue->o.id,
                                 m->o.id, map->flags, map->offset, map->size, map->id,
                                 q->n_waits, q->waits, q->event_id);
    if (rc != CL_SUCCESS || !blocking)
        return rc;
    q->event_sent = true;
    pthread_mutex_unlock(&q->queue->lock);
    rc = session_wait(q->session, &p);
    pthread_mutex_lock(&q->queue->lock);
    return rc == CL_SUCCESS ? (cl_int)p.status : rc;
}

/* What of the window's extent is mapped. */
static struct extent
mapped_extent(const struct mapping *map, size_t size)
{
    return (struct extent){window_offset(map->window) + map->begin, size};
}

/* The worker reads into the window; whoever waits does so with the queue's lock released. */
static cl_int
window_fetch(struct enqueue *q, struct _cl_mem *m, const struct mapping *map, size_t size,
             bool blocking)
{
    struct pending here = {0}, *p = blocking ? &here : window_pending(map->window);
    cl_int rc;

    if (!p)
        return CL_OUT_OF_HOST_MEMORY;
    rc = send_clEnqueueReadBuffer(q->session, p, q->queue->o.id, m->o.id, map->offset,
                                  size, mapped_extent(map, size), q->n_waits, q->waits,
                                  q->event_id);
    if (rc != CL_SUCCESS && !blocking)
        window_pending_free(p);
    if (rc != CL_SUCCESS || !blocking)
        return rc;
    q->event_sent = true;
    pthread_mutex_unlock(&q->queue->lock);
    rc = session_wait(q->session, p);
    pthread_mutex_lock(&q->queue->lock);
    return rc == CL_SUCCESS ? (cl_int)p->status : rc;
}

/* What was there does not matter, but when it is mapped (section 5.2.4). */
static cl_int
map_discarding(struct enqueue *q, struct _cl_mem *m, const struct mapping *map,
               bool blocking)
{
    struct rect one = rect_of_range(map->offset, 1);

    if (!blocking)
        return enqueue_place(q, m);
    if (transfer_is_idle(q))
        return transfer_none(q);
    /* One byte tells. */
    return map->window ? window_fetch(q, m, map, 1, true)
                       : transfer_read(q, m, &one, map->ptr, true);
}

static cl_int
map_copy(struct enqueue *q, struct _cl_mem *m, struct mapping *map, bool blocking)
{
    struct rect r = rect_of_range(map->offset, map->size);

    if (!mapping_place(m, map))
        return CL_MAP_FAILURE;
    r.own = m->host_ptr != NULL;
    if (map->flags & CL_MAP_WRITE_INVALIDATE_REGION)
        return map_discarding(q, m, map, blocking);
    return map->window ? window_fetch(q, m, map, map->size, blocking)
                       : transfer_read(q, m, &r, map->ptr, blocking);
}

static cl_int
check_map(const struct _cl_mem *m, cl_map_flags flags, size_t offset, size_t size)
{
    const cl_map_flags all = CL_MAP_READ | CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION;

    if (!mem_range_ok(m, offset, size) || (flags & ~all))
        return CL_INVALID_VALUE;
    if ((flags & CL_MAP_WRITE_INVALIDATE_REGION) &&
        (flags & (CL_MAP_READ | CL_MAP_WRITE)))
        return CL_INVALID_VALUE;
    if ((flags & CL_MAP_READ) &&
        (m->flags & (CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS)))
        return CL_INVALID_OPERATION;
    if ((flags & ~CL_MAP_READ) &&
        (m->flags & (CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS)))
        return CL_INVALID_OPERATION;
    return CL_SUCCESS;
}

static cl_int
buffer_map(struct enqueue *q, struct _cl_mem *m, bool blocking, struct mapping *map)
{
    cl_int rc = written_claim(m, map);

    if (rc != CL_SUCCESS)
        return rc;
    rc = map_in_heap(m) ? map_heap(q, m, map, blocking) : map_copy(q, m, map, blocking);
    if (rc == CL_SUCCESS)
        mapping_add(m, map);
    else
        mapping_unclaim(m, map);
    return rc;
}

/* Section 5.2.4. */
CL_API_ENTRY void *CL_API_CALL
tsr_clEnqueueMapBuffer(cl_command_queue command_queue, cl_mem buffer,
                       cl_bool blocking_map, cl_map_flags map_flags, size_t offset,
                       size_t size, cl_uint num_events_in_wait_list,
                       const cl_event *event_wait_list, cl_event *event,
                       cl_int *errcode_ret)
{
    struct mapping *map = NULL;
    void *ptr = NULL;
    struct enqueue q;
    cl_int rc = enqueue_begin(&q, command_queue, CL_COMMAND_MAP_BUFFER,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        RETURN_WITH(errcode_ret, rc, NULL);
    rc = check_buffers(&q, 1, &buffer);
    if (rc == CL_SUCCESS)
        rc = check_map(buffer, map_flags, offset, size);
    if (rc == CL_SUCCESS) {
        map = calloc(1, sizeof *map);
        rc = map ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    }
    if (rc == CL_SUCCESS) {
        *map = (struct mapping){.offset = offset, .size = size, .flags = map_flags};
        rc = buffer_map(&q, buffer, blocking_map, map);
    }
    if (rc == CL_SUCCESS)
        ptr = map->ptr;
    else
        mapping_free(map);
    rc = enqueue_end(&q, rc, event);
    RETURN_WITH(errcode_ret, rc, ptr);
}

/* The worker writes from the window; it is used until that is done. */
static cl_int
window_store(struct enqueue *q, struct _cl_mem *m, const struct mapping *map)
{
    struct pending *p = window_pending(map->window);
    cl_int rc;

    if (!p)
        return CL_OUT_OF_HOST_MEMORY;
    rc = send_clEnqueueWriteBuffer(q->session, p, q->queue->o.id, m->o.id, map->offset,
                                   map->size, mapped_extent(map, map->size), NULL, 0,
                                   q->n_waits, q->waits, q->event_id);
    if (rc != CL_SUCCESS)
        window_pending_free(p);
    return rc;
}

static cl_int
unmap_send(struct enqueue *q, struct _cl_mem *m, const struct mapping *map)
{
    struct rect r = rect_of_range(map->offset, map->size);

    if (map->id)
        return send_clEnqueueUnmapMemObject(q->session, NULL, q->queue->o.id, m->o.id,
                                            map->id, q->n_waits, q->waits, q->event_id);
    if (m->image)
        return image_unmap_shadow(q, m, map);
    if (!(map->flags & WRITES))
        return enqueue_place(q, m);
    return map->window ? window_store(q, m, map)
                       : transfer_write(q, m, &r, map->ptr, false);
}

/* Section 5.5.2. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clEnqueueUnmapMemObject(cl_command_queue command_queue, cl_mem memobj,
                            void *mapped_ptr, cl_uint num_events_in_wait_list,
                            const cl_event *event_wait_list, cl_event *event)
{
    struct mapping *map = NULL;
    struct enqueue q;
    cl_int rc = enqueue_begin(&q, command_queue, CL_COMMAND_UNMAP_MEM_OBJECT,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = check_mems(&q, 1, &memobj);
    if (rc == CL_SUCCESS) {
        map = mapping_take(memobj, mapped_ptr);
        rc = map ? unmap_send(&q, memobj, map) : CL_INVALID_VALUE;
    }
    mapping_free(map);
    return enqueue_end(&q, rc, event);
}

void
map_undo(cl_command_queue queue, cl_mem m, void *ptr)
{
    pthread_mutex_lock(&m->lock);
    for (struct mapping *map = m->mappings; map; map = map->next) {
        if (map->ptr == ptr) {
            map->flags = CL_MAP_READ;
            break;
        }
    }
    pthread_mutex_unlock(&m->lock);
    tsr_clEnqueueUnmapMemObject(queue, m, ptr, 0, NULL, NULL);
}
