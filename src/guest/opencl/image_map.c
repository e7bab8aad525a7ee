/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.3.6: mapping images. */
#include "guest/opencl/image.h"

#include "api/opencl_send.h"

#include <stdlib.h>
#include <string.h>

#define WRITES (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION)

static bool
map_in_heap(const struct _cl_mem *m)
{
    return m->storage != EXTENT_NONE && !m->host_ptr;
}

/* Where a map's first element is, from the image's. */
static size_t
map_offset(const struct image *i, const size_t origin[3])
{
    size_t row = i->type == CL_MEM_OBJECT_IMAGE1D_ARRAY ? i->map_slice : i->map_row;

    return origin[2] * i->map_slice + origin[1] * row + origin[0] * i->element;
}

/* The program's copy of the whole image. */
static uint8_t *
image_shadow(struct _cl_mem *m)
{
    if (m->host_ptr)
        return m->host_ptr;
    pthread_mutex_lock(&m->lock);
    if (!m->shadow)
        m->shadow = aligned_alloc(4096, (m->size + 4095) & ~(size_t)4095);
    pthread_mutex_unlock(&m->lock);
    return m->shadow;
}

static struct rect
map_rect(const struct image *i, const struct mapping *map)
{
    return image_rect(i, map->origin, map->region, i->map_row, i->map_slice);
}

/* A map of the heap: the pointer is known at once, only the order in the queue matters. */
static cl_int
map_heap(struct enqueue *q, struct _cl_mem *m, struct mapping *map, bool blocking)
{
    struct pending p = {0};
    cl_int rc;

    map->ptr = mem_bytes(m) + map_offset(m->image, map->origin);
    map->id = mapping_new_id();
    rc = send_clEnqueueMapImage(q->session, blocking ? &p : NULL, q->queue->o.id, m->o.id,
                                map->flags, map->origin, map->region, map->id, q->n_waits,
                                q->waits, q->event_id);
    if (rc != CL_SUCCESS || !blocking)
        return rc;
    q->event_sent = true;
    pthread_mutex_unlock(&q->queue->lock);
    rc = session_wait(q->session, &p);
    pthread_mutex_lock(&q->queue->lock);
    return rc == CL_SUCCESS ? (cl_int)p.status : rc;
}

static cl_int
map_shadow(struct enqueue *q, struct _cl_mem *m, struct mapping *map, bool blocking)
{
    const bool discards = map->flags & CL_MAP_WRITE_INVALIDATE_REGION;
    struct rect r = map_rect(m->image, map);
    uint8_t *shadow = image_shadow(m);

    if (!shadow)
        return CL_MAP_FAILURE;
    map->ptr = shadow + map_offset(m->image, map->origin);
    /* What was there does not matter, but that it is mapped: one element tells when. */
    if (blocking && discards)
        r = image_rect(m->image, map->origin, (size_t[]){1, 1, 1}, m->image->map_row,
                       m->image->map_slice);
    r.own = m->host_ptr != NULL;
    if (blocking || !discards)
        return transfer_read(q, m, &r, map->ptr, blocking);
    return enqueue_place(q, m);
}

cl_int
image_unmap_shadow(struct enqueue *q, struct _cl_mem *m, const struct mapping *map)
{
    struct rect r = map_rect(m->image, map);

    if (map->flags & WRITES)
        return transfer_write(q, m, &r, map->ptr, false);
    return enqueue_place(q, m);
}

/* Does a live map for writing meet the region, which is to be mapped for writing too? */
static bool
meets_map_for_writing(struct _cl_mem *m, cl_map_flags flags, const size_t *origin,
                      const size_t *region)
{
    bool meets = false;

    pthread_mutex_lock(&m->lock);
    for (const struct mapping *map = m->mappings; map && !meets; map = map->next) {
        meets = (flags & WRITES) && (map->flags & WRITES);
        for (int k = 0; meets && k < 3; k++)
            meets = origin[k] < map->origin[k] + map->region[k] &&
                    map->origin[k] < origin[k] + region[k];
    }
    pthread_mutex_unlock(&m->lock);
    return meets;
}

static cl_int
check_map(struct _cl_mem *m, cl_map_flags flags, const size_t *origin,
          const size_t *region)
{
    cl_int rc = image_check_region(m->image, origin, region);

    if (rc != CL_SUCCESS)
        return rc;
    if (flags & ~(cl_map_flags)(CL_MAP_READ | WRITES))
        return CL_INVALID_VALUE;
    if ((flags & CL_MAP_WRITE_INVALIDATE_REGION) &&
        (flags & (CL_MAP_READ | CL_MAP_WRITE)))
        return CL_INVALID_VALUE;
    if (flags & CL_MAP_READ)
        rc = check_host_access(m, CL_MEM_HOST_WRITE_ONLY);
    if (rc == CL_SUCCESS && (flags & WRITES))
        rc = check_host_access(m, CL_MEM_HOST_READ_ONLY);
    if (rc == CL_SUCCESS && meets_map_for_writing(m, flags, origin, region))
        rc = CL_INVALID_OPERATION;
    return rc;
}

static cl_int
image_map(struct enqueue *q, cl_mem m, bool blocking, struct mapping *map)
{
    cl_int rc =
        map_in_heap(m) ? map_heap(q, m, map, blocking) : map_shadow(q, m, map, blocking);

    if (rc == CL_SUCCESS)
        mapping_add(m, map);
    return rc;
}

static struct mapping *
mapping_new(cl_map_flags flags, const size_t *origin, const size_t *region)
{
    struct mapping *map = calloc(1, sizeof *map);

    if (!map)
        return NULL;
    map->flags = flags;
    memcpy(map->origin, origin, sizeof map->origin);
    memcpy(map->region, region, sizeof map->region);
    return map;
}

CL_API_ENTRY void *CL_API_CALL
tsr_clEnqueueMapImage(cl_command_queue command_queue, cl_mem image, cl_bool blocking_map,
                      cl_map_flags map_flags, const size_t *origin, const size_t *region,
                      size_t *image_row_pitch, size_t *image_slice_pitch,
                      cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                      cl_event *event, cl_int *errcode_ret)
{
    struct mapping *map = NULL;
    void *ptr = NULL;
    struct enqueue q;
    cl_int rc = enqueue_begin(&q, command_queue, CL_COMMAND_MAP_IMAGE,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        RETURN_WITH(errcode_ret, rc, NULL);
    rc = check_images(&q, 1, &image);
    if (rc == CL_SUCCESS && (!image_row_pitch || (!image_slice_pitch &&
                                                  image_has_slices(image->image->type))))
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS)
        rc = check_map(image, map_flags, origin, region);
    if (rc == CL_SUCCESS) {
        map = mapping_new(map_flags, origin, region);
        rc = map ? image_map(&q, image, blocking_map, map) : CL_OUT_OF_HOST_MEMORY;
    }
    if (rc == CL_SUCCESS) {
        ptr = map->ptr;
        *image_row_pitch = image->image->map_row;
        if (image_slice_pitch)
            *image_slice_pitch = image->image->map_slice;
    } else {
        free(map);
    }
    rc = enqueue_end(&q, rc, event);
    RETURN_WITH(errcode_ret, rc, ptr);
}
