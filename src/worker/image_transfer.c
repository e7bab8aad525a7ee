/* SPDX-License-Identifier: MIT */
/* Commands on images. */
#include "worker/image.h"

#include "api/opencl_request.h"
#include "base/checked.h"
#include "wire/image.h"
#include "worker/transfer.h"

#include <errno.h>
#include <string.h>

int
image_check_region(struct session *s, const struct mem *m, const uint64_t origin[3],
                   const uint64_t region[3], uint64_t *ret_bytes)
{
    if (!image_region_ok(m->extent, origin, region))
        return request_bad_field(s, "region", "outside the image");
    if (!image_region_bytes(m->element, region, ret_bytes))
        return request_bad_field(s, "region", "too many bytes");
    return 0;
}

/* Packed tight. The driver wants no slice pitch where the image has no slices. */
struct pitches {
    size_t row, slice;
};

static struct pitches
tight(const struct mem *m, const uint64_t region[3])
{
    struct pitches p = {.row = region[0] * m->element};

    if (m->image_type == CL_MEM_OBJECT_IMAGE1D_ARRAY)
        p.slice = p.row;
    if (m->image_type == CL_MEM_OBJECT_IMAGE2D_ARRAY ||
        m->image_type == CL_MEM_OBJECT_IMAGE3D)
        p.slice = p.row * region[1];
    return p;
}

int
op_clEnqueueReadImage(struct session *s, const struct req_clEnqueueReadImage *r)
{
    const struct mem *m = mem_of(r->image);
    struct submission sub;
    struct pitches p;
    uint64_t bytes;
    cl_int rc;

    if (image_check_region(s, m, r->origin, r->region, &bytes) < 0)
        return -EPROTO;
    if (r->data.len < bytes)
        return request_bad_field(s, "data", "shorter than the read");
    p = tight(m, r->region);
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    if (rc == CL_SUCCESS)
        rc = s->cl->clEnqueueReadImage(r->command_queue->h.queue, m->o.h.image, CL_FALSE,
                                       r->origin, r->region, p.row, p.slice,
                                       s->channel.heap + r->data.off, sub.n_waits,
                                       sub.waits, &sub.event);
    if (rc == CL_SUCCESS)
        gate_copied(&s->gate, bytes);
    return transfer_end(s, &sub, rc,
                        &(struct transfer){.tag = r->tag, .reclaim = EXTENT_NONE});
}

int
op_clEnqueueWriteImage(struct session *s, const struct req_clEnqueueWriteImage *r)
{
    const struct mem *m = mem_of(r->image);
    struct submission sub;
    struct pitches p;
    uint64_t bytes;
    cl_int rc;

    if (image_check_region(s, m, r->origin, r->region, &bytes) < 0)
        return -EPROTO;
    if (r->data.len < bytes)
        return request_bad_field(s, "data", "shorter than the write");
    p = tight(m, r->region);
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    if (rc == CL_SUCCESS)
        rc = s->cl->clEnqueueWriteImage(r->command_queue->h.queue, m->o.h.image, CL_FALSE,
                                        r->origin, r->region, p.row, p.slice,
                                        s->channel.heap + r->data.off, sub.n_waits,
                                        sub.waits, &sub.event);
    if (rc == CL_SUCCESS)
        gate_copied(&s->gate, bytes);
    return transfer_end(s, &sub, rc,
                        &(struct transfer){.tag_now = r->tag, .reclaim = r->data.off});
}

/* As with copies (below): a 1D image buffer is filled as its buffer, where we know how. */
static cl_int
fill_image(struct session *s, struct submission *sub,
           const struct req_clEnqueueFillImage *r, const uint8_t color[16])
{
    const struct mem *m = mem_of(r->image);
    cl_command_queue queue = r->command_queue->h.queue;
    uint8_t element[16];

    if (m->line && image_color(m->channel_order, m->channel_type, color, element))
        return s->cl->clEnqueueFillBuffer(
            queue, m->line, element, m->element, r->origin[0] * m->element,
            r->region[0] * m->element, sub->n_waits, sub->waits, &sub->event);
    return s->cl->clEnqueueFillImage(queue, m->o.h.image, color, r->origin, r->region,
                                     sub->n_waits, sub->waits, &sub->event);
}

int
op_clEnqueueFillImage(struct session *s, const struct req_clEnqueueFillImage *r)
{
    const struct mem *m = mem_of(r->image);
    _Alignas(16) uint8_t color[16] = {0}; /* whole even where one number is enough */
    struct submission sub;
    uint64_t bytes;
    cl_int rc;

    if (image_check_region(s, m, r->origin, r->region, &bytes) < 0)
        return -EPROTO;
    if (r->fill_color_len > sizeof color)
        return request_bad_field(s, "fill_color", "longer than a color");
    memcpy(color, r->fill_color, r->fill_color_len);
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    if (rc == CL_SUCCESS)
        rc = fill_image(s, &sub, r, color);
    return submission_end(s, &sub, rc, r->tag);
}

/* ---- copies ------------------------------------------------------------------------ */

/*
 * A copy from or to a 1D image buffer is one from or to its buffer, whose bytes are the same: not
 * every driver takes such images here (PoCL 3.1 dies of them).
 */
static size_t
line_offset(const struct mem *m, const uint64_t origin[3])
{
    return origin[0] * m->element;
}

static cl_int
copy_images(struct session *s, struct submission *sub,
            const struct req_clEnqueueCopyImage *r)
{
    const struct mem *src = mem_of(r->src_image), *dst = mem_of(r->dst_image);
    const size_t from = line_offset(src, r->src_origin);
    const size_t to = line_offset(dst, r->dst_origin);
    cl_command_queue queue = r->command_queue->h.queue;

    if (src->line && dst->line)
        return s->cl->clEnqueueCopyBuffer(queue, src->line, dst->line, from, to,
                                          r->region[0] * src->element, sub->n_waits,
                                          sub->waits, &sub->event);
    if (src->line)
        return s->cl->clEnqueueCopyBufferToImage(queue, src->line, dst->o.h.image, from,
                                                 r->dst_origin, r->region, sub->n_waits,
                                                 sub->waits, &sub->event);
    if (dst->line)
        return s->cl->clEnqueueCopyImageToBuffer(queue, src->o.h.image, dst->line,
                                                 r->src_origin, r->region, to,
                                                 sub->n_waits, sub->waits, &sub->event);
    return s->cl->clEnqueueCopyImage(queue, src->o.h.image, dst->o.h.image, r->src_origin,
                                     r->dst_origin, r->region, sub->n_waits, sub->waits,
                                     &sub->event);
}

int
image_check_copy(struct session *s, const struct mem *src, const struct mem *dst,
                 const uint64_t src_origin[3], const uint64_t dst_origin[3],
                 const uint64_t region[3])
{
    uint64_t bytes;

    if (image_check_region(s, src, src_origin, region, &bytes) < 0 ||
        image_check_region(s, dst, dst_origin, region, &bytes) < 0)
        return -EPROTO;
    if (src->element != dst->element)
        return request_bad_field(s, "dst_image", "of another format");
    return 0;
}

int
op_clEnqueueCopyImage(struct session *s, const struct req_clEnqueueCopyImage *r)
{
    const struct mem *src = mem_of(r->src_image), *dst = mem_of(r->dst_image);
    struct submission sub;
    cl_int rc;

    if (image_check_copy(s, src, dst, r->src_origin, r->dst_origin, r->region) < 0)
        return -EPROTO;
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    if (rc == CL_SUCCESS)
        rc = copy_images(s, &sub, r);
    return submission_end(s, &sub, rc, r->tag);
}

int
image_check_with_buffer(struct session *s, const struct mem *m, const uint64_t origin[3],
                        const uint64_t region[3], const struct object *buffer,
                        uint64_t offset)
{
    uint64_t bytes;

    if (image_check_region(s, m, origin, region, &bytes) < 0)
        return -EPROTO;
    if (buffer->error == CL_SUCCESS &&
        !range_inside(offset, bytes, mem_driver_bytes(s, buffer->h.mem)))
        return request_bad_field(s, "region", "outside the buffer");
    return 0;
}

int
op_clEnqueueCopyImageToBuffer(struct session *s,
                              const struct req_clEnqueueCopyImageToBuffer *r)
{
    const struct mem *m = mem_of(r->src_image);
    cl_command_queue queue = r->command_queue->h.queue;
    struct submission sub;
    cl_int rc;

    if (image_check_with_buffer(s, m, r->src_origin, r->region, r->dst_buffer,
                                r->dst_offset) < 0)
        return -EPROTO;
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    if (rc == CL_SUCCESS && m->line)
        rc = s->cl->clEnqueueCopyBuffer(
            queue, m->line, r->dst_buffer->h.mem, line_offset(m, r->src_origin),
            r->dst_offset, r->region[0] * m->element, sub.n_waits, sub.waits, &sub.event);
    else if (rc == CL_SUCCESS)
        rc = s->cl->clEnqueueCopyImageToBuffer(queue, m->o.h.image, r->dst_buffer->h.mem,
                                               r->src_origin, r->region, r->dst_offset,
                                               sub.n_waits, sub.waits, &sub.event);
    return submission_end(s, &sub, rc, r->tag);
}

int
op_clEnqueueCopyBufferToImage(struct session *s,
                              const struct req_clEnqueueCopyBufferToImage *r)
{
    const struct mem *m = mem_of(r->dst_image);
    cl_command_queue queue = r->command_queue->h.queue;
    struct submission sub;
    cl_int rc;

    if (image_check_with_buffer(s, m, r->dst_origin, r->region, r->src_buffer,
                                r->src_offset) < 0)
        return -EPROTO;
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    if (rc == CL_SUCCESS && m->line)
        rc = s->cl->clEnqueueCopyBuffer(queue, r->src_buffer->h.mem, m->line,
                                        r->src_offset, line_offset(m, r->dst_origin),
                                        r->region[0] * m->element, sub.n_waits, sub.waits,
                                        &sub.event);
    else if (rc == CL_SUCCESS)
        rc = s->cl->clEnqueueCopyBufferToImage(queue, r->src_buffer->h.mem, m->o.h.image,
                                               r->src_offset, r->dst_origin, r->region,
                                               sub.n_waits, sub.waits, &sub.event);
    return submission_end(s, &sub, rc, r->tag);
}

/* ---- maps -------------------------------------------------------------------------- */

/* The guest knows where in the heap the region is; the driver's word is kept for the unmap. */
int
op_clEnqueueMapImage(struct session *s, const struct req_clEnqueueMapImage *r)
{
    struct mem *m = mem_of(r->image);
    size_t row, slice;
    struct submission sub;
    struct mapping *map;
    uint64_t bytes;
    cl_int rc;

    if (!m->in_heap)
        return request_bad_field(s, "image", "not in the heap");
    if (image_check_region(s, m, r->origin, r->region, &bytes) < 0)
        return -EPROTO;
    map = mapping_new(s, m, r->map_id);
    if (!map)
        return -EPROTO;
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    if (rc == CL_SUCCESS)
        map->ptr = s->cl->clEnqueueMapImage(
            r->command_queue->h.queue, m->o.h.image, CL_FALSE, r->map_flags, r->origin,
            r->region, &row, &slice, sub.n_waits, sub.waits, &sub.event, &rc);
    map->error = rc;
    map->flags = r->map_flags;
    memcpy(map->origin, r->origin, sizeof map->origin);
    memcpy(map->region, r->region, sizeof map->region);
    return transfer_end(s, &sub, rc,
                        &(struct transfer){.tag = r->tag, .reclaim = EXTENT_NONE});
}
