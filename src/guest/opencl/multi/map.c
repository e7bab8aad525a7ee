/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, sections 5.2.4 and 5.5.2: mapping buffers and images, and unmapping them. */
#include "guest/opencl/mem.h"
#include "guest/opencl/multi/command.h"

#include <stdlib.h>

static enum use
map_use(cl_map_flags flags)
{
    if (flags & CL_MAP_WRITE_INVALIDATE_REGION)
        return USE_OVERWRITE;
    return flags & CL_MAP_WRITE ? USE_UPDATE : USE_READ;
}

static cl_int
check_access(cl_mem memobj, cl_map_flags flags)
{
    return mem_host_access(memobj, flags & CL_MAP_READ,
                           flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION));
}

/* Keeps the mapping with the object, where any queue's unmap finds it. */
static void
map_keep(struct command *c, struct multi_mem *m, struct multi_map *map, size_t begin,
         size_t end, cl_map_flags flags)
{
    for (struct multi_mem *p = m; p->parent; p = p->parent) {
        begin += p->origin;
        end += p->origin;
    }
    map->begin = begin;
    map->end = end;
    map->flags = flags;
    map->vgpu = c->queue->vgpu;
    map->next = m->maps;
    m->maps = map;
    m->map_count++;
}

/* Takes out the newest mapping that returned ptr. */
static struct multi_map *
map_take(struct multi_mem *m, const void *ptr)
{
    for (struct multi_map **p = &m->maps; *p; p = &(*p)->next) {
        struct multi_map *map = *p;

        if (map->ptr != ptr)
            continue;
        *p = map->next;
        m->map_count--;
        return map;
    }
    return NULL;
}

/* A blocking map that failed was none: nothing counts it, and nothing is written back. */
static void
map_fail(cl_command_queue queue, struct multi_mem *m, void *ptr)
{
    const struct multi_queue *q = multi_queue_of(queue);
    struct multi_map *map;

    if (multi_lock(m->context) != CL_SUCCESS)
        return;
    map = map_take(m, ptr);
    if (map)
        map_undo(q->inner, m->replica[map->vgpu], ptr);
    multi_unlock(m->context);
    free(map);
}

/* What another vGPU maps for writing; the ordinary object knows its own. Under the lock. */
static cl_int
check_overlap(const struct multi_mem *m, size_t offset, size_t size, cl_map_flags flags)
{
    size_t begin = offset;

    if (map_use(flags) == USE_READ)
        return CL_SUCCESS;
    for (const struct multi_mem *p = m; p->parent; p = p->parent)
        begin += p->origin;
    for (const struct multi_map *map = m->maps; map; map = map->next) {
        if (map_use(map->flags) != USE_READ && begin < map->end &&
            map->begin < begin + size)
            return CL_INVALID_OPERATION;
    }
    return CL_SUCCESS;
}

/* Section 5.2.4. */
CL_API_ENTRY void *CL_API_CALL
multi_clEnqueueMapBuffer(cl_command_queue command_queue, cl_mem buffer,
                         cl_bool blocking_map, cl_map_flags map_flags, size_t offset,
                         size_t size, cl_uint num_events_in_wait_list,
                         const cl_event *event_wait_list, cl_event *event,
                         cl_int *errcode_ret)
{
    struct multi_map *map = NULL;
    struct command c;
    void *ptr = NULL;
    cl_mem inner;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_MAP_BUFFER,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        RETURN_WITH(errcode_ret, rc, NULL);
    rc = command_use(&c, buffer, offset, size, map_use(map_flags), &inner);
    if (rc == CL_SUCCESS)
        rc = check_access(buffer, map_flags);
    if (rc == CL_SUCCESS)
        rc = check_overlap((struct multi_mem *)buffer, offset, size, map_flags);
    if (rc == CL_SUCCESS && !(map = calloc(1, sizeof *map)))
        rc = CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        ptr = map->ptr =
            ordinary->clEnqueueMapBuffer(c.queue->inner, inner, CL_FALSE, map_flags,
                                         offset, size, c.n_waits, c.waits, &c.inner, &rc);
    if (rc == CL_SUCCESS)
        map_keep(&c, (struct multi_mem *)buffer, map, offset, offset + size, map_flags);
    else
        free(map);
    rc = blocking_map ? command_end_blocking(&c, rc, event) : command_end(&c, rc, event);
    if (rc != CL_SUCCESS && ptr)
        map_fail(command_queue, (struct multi_mem *)buffer, ptr);
    RETURN_WITH(errcode_ret, rc, rc == CL_SUCCESS ? ptr : NULL);
}

/* Section 5.3.6. */
CL_API_ENTRY void *CL_API_CALL
multi_clEnqueueMapImage(cl_command_queue command_queue, cl_mem image,
                        cl_bool blocking_map, cl_map_flags map_flags,
                        const size_t *origin, const size_t *region,
                        size_t *image_row_pitch, size_t *image_slice_pitch,
                        cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                        cl_event *event, cl_int *errcode_ret)
{
    /* A part made new leaves the rest as it was. */
    const enum use use = map_use(map_flags) == USE_READ ? USE_READ : USE_UPDATE;
    struct multi_map *map = NULL;
    struct command c;
    void *ptr = NULL;
    cl_mem inner;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_MAP_IMAGE,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        RETURN_WITH(errcode_ret, rc, NULL);
    rc = command_use_all(&c, image, use, &inner);
    if (rc == CL_SUCCESS)
        rc = check_access(image, map_flags);
    if (rc == CL_SUCCESS && !(map = calloc(1, sizeof *map)))
        rc = CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        ptr = map->ptr = ordinary->clEnqueueMapImage(
            c.queue->inner, inner, CL_FALSE, map_flags, origin, region, image_row_pitch,
            image_slice_pitch, c.n_waits, c.waits, &c.inner, &rc);
    if (rc == CL_SUCCESS)
        map_keep(&c, (struct multi_mem *)image, map, 0, ((struct multi_mem *)image)->size,
                 map_flags);
    else
        free(map);
    rc = blocking_map ? command_end_blocking(&c, rc, event) : command_end(&c, rc, event);
    if (rc != CL_SUCCESS && ptr)
        map_fail(command_queue, (struct multi_mem *)image, ptr);
    RETURN_WITH(errcode_ret, rc, rc == CL_SUCCESS ? ptr : NULL);
}

/* ---- unmapping --------------------------------------------------------------------- */

/* The bytes that the program wrote are `vgpu`'s, there when `e` has ended. */
static cl_int
unmap_written(const struct command *c, struct multi_mem *m, const struct multi_map *map,
              cl_event e)
{
    struct multi_mem *root = mem_root(m);
    struct stamp *s;

    if (map_use(map->flags) == USE_READ)
        return CL_SUCCESS;
    s = command_stamp(c, e);
    if (!s || !ranges_cut(&root->ranges, map->begin, map->end)) {
        stamp_drop(s);
        return CL_OUT_OF_HOST_MEMORY;
    }
    ranges_written(&root->ranges, map->begin, map->end, map->vgpu, s);
    stamp_drop(s);
    return CL_SUCCESS;
}

/*
 * Mapped by another vGPU's queue, whose replica it is: the unmap goes to that vGPU, behind what
 * this queue did before, and what this queue does next comes behind the unmap.
 */
static cl_int
unmap_elsewhere(struct command *c, struct multi_mem *m, const struct multi_map *map)
{
    cl_command_queue away = multi_queue_out(c->context, map->vgpu);
    cl_event before = NULL, begin = NULL, done = NULL, back = NULL;
    cl_int rc = CL_SUCCESS;

    if (!away)
        return CL_OUT_OF_RESOURCES;
    if (c->queue->in_order || c->n_waits > 0)
        rc = ordinary->clEnqueueMarkerWithWaitList(c->queue->inner, c->n_waits, c->waits,
                                                   &before);
    if (rc == CL_SUCCESS && before)
        rc = event_carry(c->context, before, map->vgpu, &begin);
    if (rc == CL_SUCCESS)
        rc = ordinary->clEnqueueUnmapMemObject(away, m->replica[map->vgpu], map->ptr,
                                               begin != NULL, begin ? &begin : NULL,
                                               &done);
    if (rc == CL_SUCCESS)
        rc = event_carry(c->context, done, c->queue->vgpu, &back);
    if (rc == CL_SUCCESS)
        rc = ordinary->clEnqueueMarkerWithWaitList(c->queue->inner, 1, &back, &c->inner);
    if (rc == CL_SUCCESS)
        rc = unmap_written(c, m, map, done);
    for (cl_event **e = (cl_event *[]){&before, &begin, &done, &back, NULL}; *e; e++) {
        if (**e)
            ordinary->clReleaseEvent(**e);
    }
    return rc;
}

static cl_int
unmap_here(struct command *c, struct multi_mem *m, const struct multi_map *map)
{
    cl_int rc =
        ordinary->clEnqueueUnmapMemObject(c->queue->inner, m->replica[map->vgpu],
                                          map->ptr, c->n_waits, c->waits, &c->inner);

    return rc == CL_SUCCESS ? unmap_written(c, m, map, c->inner) : rc;
}

/* Section 5.5.2. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueUnmapMemObject(cl_command_queue command_queue, cl_mem memobj,
                              void *mapped_ptr, cl_uint num_events_in_wait_list,
                              const cl_event *event_wait_list, cl_event *event)
{
    struct multi_mem *m = multi_mem_of(memobj);
    struct multi_map *map = NULL;
    struct command c;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_UNMAP_MEM_OBJECT,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    if (object_is(memobj, KIND_mem) || (m && m->context != c.context)) {
        rc = CL_INVALID_CONTEXT;
    } else if (!m) {
        rc = CL_INVALID_MEM_OBJECT;
    } else {
        map = map_take(m, mapped_ptr);
        rc = !map                         ? CL_INVALID_VALUE
             : map->vgpu == c.queue->vgpu ? unmap_here(&c, m, map)
                                          : unmap_elsewhere(&c, m, map);
    }
    free(map);
    return command_end(&c, rc, event);
}
