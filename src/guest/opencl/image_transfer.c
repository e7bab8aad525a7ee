/* SPDX-License-Identifier: MIT */
/*
 * OpenCL 3.0, sections 5.3.3 to 5.3.5: reading, writing, filling and copying images. The bytes
 * travel as those of a rectangle of a buffer do (transfer.c).
 */
#include "guest/opencl/image.h"

#include "api/opencl_send.h"
#include "base/checked.h"

#include <string.h>

cl_int
image_check_region(const struct image *i, const size_t *origin, const size_t *region)
{
    if (!origin || !region || !image_region_ok(i->extent, origin, region))
        return CL_INVALID_VALUE;
    return CL_SUCCESS;
}

/* ---- pieces ------------------------------------------------------------------------ */

static size_t
at_least_one(size_t n, size_t most)
{
    if (n == 0)
        return 1;
    return n < most ? n : most;
}

struct image_pieces
image_pieces(const struct image *i, const struct rect *whole, size_t most)
{
    const size_t *r = whole->region;
    struct image_pieces p = {.whole = whole, .element = i->element, .step = {r[0], 1, 1}};

    if (r[0] > most)
        p.step[0] = most / i->element * i->element;
    else
        p.step[1] = at_least_one(most / r[0], r[1]);
    if (p.step[1] == r[1] && p.step[0] == r[0])
        p.step[2] = at_least_one(most / (r[0] * r[1]), r[2]);
    return p;
}

/* Goes on to where the next piece begins; over when there is none. */
static void
pieces_advance(struct image_pieces *p)
{
    for (int k = 0; k < 3; k++) {
        p->at[k] += p->step[k];
        if (p->at[k] < p->whole->region[k])
            return;
        p->at[k] = 0;
    }
    p->over = true;
}

bool
image_next_piece(struct image_pieces *p)
{
    const struct rect *w = p->whole;

    if (p->over)
        return false;
    p->first = !p->at[0] && !p->at[1] && !p->at[2];
    p->piece = *w;
    p->piece.buffer_origin[0] += p->at[0] / p->element;
    p->piece.buffer_origin[1] += p->at[1];
    p->piece.buffer_origin[2] += p->at[2];
    for (int k = 0; k < 3; k++) {
        size_t left = w->region[k] - p->at[k];

        p->piece.region[k] = left < p->step[k] ? left : p->step[k];
    }
    p->host_offset = p->at[2] * w->host_slice + p->at[1] * w->host_row + p->at[0];
    pieces_advance(p);
    p->last = p->over;
    return true;
}

/* ---- read and write ---------------------------------------------------------------- */

/* Pitches left out are packed tight. An image without slices has no slice pitch. */
static cl_int
check_pitches(const struct image *i, const size_t region[3], size_t *row, size_t *slice)
{
    const bool lines = i->type == CL_MEM_OBJECT_IMAGE1D_ARRAY;
    const size_t width = region[0] * i->element;
    uint64_t least, all;

    if (*row == 0)
        *row = width;
    if (*row < width || !checked_mul(*row, lines ? 1 : region[1], &least))
        return CL_INVALID_VALUE;
    if (*slice != 0 && !image_has_slices(i->type))
        return CL_INVALID_VALUE;
    if (*slice == 0)
        *slice = least;
    if (*slice < least || !checked_mul(*slice, lines ? region[1] : region[2], &all))
        return CL_INVALID_VALUE;
    return CL_SUCCESS;
}

struct image_call {
    cl_mem image;
    cl_bool blocking;
    const size_t *origin, *region;
    size_t row, slice;
    void *dst; /* exactly one of both is the program's memory */
    const void *src;
};

static cl_int
image_transfer(struct enqueue *q, struct image_call *c)
{
    cl_int rc = check_images(q, 1, &c->image);
    struct image *i;
    struct rect r;

    if (rc != CL_SUCCESS)
        return rc;
    i = c->image->image;
    if (!c->dst && !c->src)
        return CL_INVALID_VALUE;
    rc = image_check_region(i, c->origin, c->region);
    if (rc == CL_SUCCESS)
        rc = check_pitches(i, c->region, &c->row, &c->slice);
    if (rc == CL_SUCCESS)
        rc = check_host_access(c->image,
                               c->dst ? CL_MEM_HOST_WRITE_ONLY : CL_MEM_HOST_READ_ONLY);
    if (rc != CL_SUCCESS)
        return rc;
    r = image_rect(i, c->origin, c->region, c->row, c->slice);
    return c->dst ? transfer_read(q, c->image, &r, c->dst, c->blocking)
                  : transfer_write(q, c->image, &r, c->src, c->blocking);
}

/* Section 5.3.3. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clEnqueueReadImage(cl_command_queue command_queue, cl_mem image,
                       cl_bool blocking_read, const size_t *origin, const size_t *region,
                       size_t row_pitch, size_t slice_pitch, void *ptr,
                       cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                       cl_event *event)
{
    struct image_call c = {image,     blocking_read, origin, region,
                           row_pitch, slice_pitch,   ptr,    NULL};
    struct enqueue q;
    cl_int rc = enqueue_begin(&q, command_queue, CL_COMMAND_READ_IMAGE,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    return enqueue_end(&q, image_transfer(&q, &c), event);
}

/* Section 5.3.3. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clEnqueueWriteImage(cl_command_queue command_queue, cl_mem image,
                        cl_bool blocking_write, const size_t *origin,
                        const size_t *region, size_t input_row_pitch,
                        size_t input_slice_pitch, const void *ptr,
                        cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                        cl_event *event)
{
    struct image_call c = {image,           blocking_write,    origin, region,
                           input_row_pitch, input_slice_pitch, NULL,   ptr};
    struct enqueue q;
    cl_int rc = enqueue_begin(&q, command_queue, CL_COMMAND_WRITE_IMAGE,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    return enqueue_end(&q, image_transfer(&q, &c), event);
}

/* ---- fill -------------------------------------------------------------------------- */

cl_int
image_check_fill(const struct enqueue *q, cl_mem image, const void *color,
                 const size_t *origin, const size_t *region, size_t *ret_color_bytes)
{
    cl_int rc = check_images(q, 1, &image);

    if (rc == CL_SUCCESS && !color)
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS)
        rc = image_check_region(image->image, origin, region);
    if (rc == CL_SUCCESS)
        *ret_color_bytes = image->image->format.image_channel_order == CL_DEPTH
                               ? sizeof(cl_float)
                               : sizeof(cl_float4);
    return rc;
}

static cl_int
image_fill(struct enqueue *q, cl_mem image, const void *color, const size_t *origin,
           const size_t *region)
{
    size_t bytes;
    cl_int rc = image_check_fill(q, image, color, origin, region, &bytes);

    if (rc != CL_SUCCESS)
        return rc;
    return send_clEnqueueFillImage(q->session, NULL, q->queue->o.id, image->o.id, color,
                                   bytes, origin, region, q->n_waits, q->waits,
                                   q->event_id);
}

/* Section 5.3.4. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clEnqueueFillImage(cl_command_queue command_queue, cl_mem image,
                       const void *fill_color, const size_t *origin, const size_t *region,
                       cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                       cl_event *event)
{
    struct enqueue q;
    cl_int rc = enqueue_begin(&q, command_queue, CL_COMMAND_FILL_IMAGE,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    return enqueue_end(&q, image_fill(&q, image, fill_color, origin, region), event);
}

/* ---- copies: what the generated functions check ------------------------------------ */

static bool
regions_overlap(const size_t *a, const size_t *b, const size_t *region)
{
    for (int k = 0; k < 3; k++) {
        if (a[k] + region[k] <= b[k] || b[k] + region[k] <= a[k])
            return false;
    }
    return true;
}

cl_int
check_clEnqueueCopyImage(const struct enqueue *q, cl_mem src_image, cl_mem dst_image,
                         const size_t *src_origin, const size_t *dst_origin,
                         const size_t *region)
{
    const struct image *src = src_image->image, *dst = dst_image->image;
    cl_int rc;

    (void)q;
    if (memcmp(&src->format, &dst->format, sizeof src->format) != 0)
        return CL_IMAGE_FORMAT_MISMATCH;
    rc = image_check_region(src, src_origin, region);
    if (rc == CL_SUCCESS)
        rc = image_check_region(dst, dst_origin, region);
    if (rc == CL_SUCCESS && src_image == dst_image &&
        regions_overlap(src_origin, dst_origin, region))
        rc = CL_MEM_COPY_OVERLAP;
    return rc;
}

/* Between an image and a buffer, which holds the region packed tight. */
static cl_int
check_with_buffer(cl_mem image, const size_t *origin, const size_t *region, cl_mem buffer,
                  size_t offset)
{
    const struct image *i = image->image;
    uint64_t bytes;
    cl_int rc;

    if (i->type == CL_MEM_OBJECT_IMAGE1D_BUFFER && image->parent == buffer)
        return CL_INVALID_MEM_OBJECT;
    rc = image_check_region(i, origin, region);
    if (rc != CL_SUCCESS)
        return rc;
    if (!image_region_bytes(i->element, region, &bytes) ||
        !mem_range_ok(buffer, offset, bytes))
        return CL_INVALID_VALUE;
    return CL_SUCCESS;
}

cl_int
check_clEnqueueCopyImageToBuffer(const struct enqueue *q, cl_mem src_image,
                                 cl_mem dst_buffer, const size_t *src_origin,
                                 const size_t *region, size_t dst_offset)
{
    (void)q;
    return check_with_buffer(src_image, src_origin, region, dst_buffer, dst_offset);
}

cl_int
check_clEnqueueCopyBufferToImage(const struct enqueue *q, cl_mem src_buffer,
                                 cl_mem dst_image, size_t src_offset,
                                 const size_t *dst_origin, const size_t *region)
{
    (void)q;
    return check_with_buffer(dst_image, dst_origin, region, src_buffer, src_offset);
}
