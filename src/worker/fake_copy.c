/* SPDX-License-Identifier: MIT */
/*
 * Reads, writes, copies and fills of the fake driver. All copies are one: a box of rows,
 * each side with its own pitches; a plain range is a box of one row.
 */
#include "worker/fake_internal.h"

#include "base/checked.h"

#include <string.h>

/* One side of a copy: of a buffer, or of host memory (mem is NULL). */
struct side {
    cl_mem mem;
    uint8_t *base;
    const size_t *origin;
    size_t row, slice;
};

static void
copy_run(struct fake_command *c)
{
    const struct fake_copy *p = &c->u.copy;

    for (size_t z = 0; z < p->region[2]; z++) {
        for (size_t y = 0; y < p->region[1]; y++)
            memmove(p->dst + z * p->dst_slice + y * p->dst_row,
                    p->src + z * p->src_slice + y * p->src_row, p->region[0]);
    }
}

static void
fill_run(struct fake_command *c)
{
    const struct fake_fill *f = &c->u.fill;

    for (size_t at = 0; at < f->size; at += f->pattern_bytes)
        memcpy(f->dst + at, f->pattern, f->pattern_bytes);
}

cl_int
fake_copy_submit(struct fake_command *c, cl_mem a, cl_mem b, const struct fake_sync *s)
{
    c->run = copy_run;
    if (a)
        fake_command_uses(c, a);
    if (b)
        fake_command_uses(c, b);
    return fake_command_submit(c, s);
}

/* What the program may do with a buffer from the host. */
static cl_int
host_check(cl_mem mem, cl_mem_flags forbidden)
{
    return mem->flags & (forbidden | CL_MEM_HOST_NO_ACCESS) ? CL_INVALID_OPERATION
                                                            : CL_SUCCESS;
}

static struct fake_copy
copy_linear(void *dst, const void *src, size_t size)
{
    return (struct fake_copy){.dst = dst, .src = src, .region = {size, 1, 1}};
}

/* NOLINTBEGIN(readability-function-size): the parameters are OpenCL's. */
cl_int
fake_clEnqueueReadBuffer(cl_command_queue command_queue, cl_mem buffer,
                         cl_bool blocking_read, size_t offset, size_t size, void *ptr,
                         cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                         cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                blocking_read};
    struct fake_command *c;
    cl_int err = fake_mem_check(command_queue, buffer, offset, size);

    if (!err && !ptr)
        err = CL_INVALID_VALUE;
    if (!err)
        err = host_check(buffer, CL_MEM_HOST_WRITE_ONLY);
    if (!err)
        err = fake_command_new(command_queue, CL_COMMAND_READ_BUFFER, &s, &c);
    if (err)
        return err;
    c->u.copy = copy_linear(ptr, buffer->bytes + offset, size);
    return fake_copy_submit(c, buffer, NULL, &s);
}

cl_int
fake_clEnqueueWriteBuffer(cl_command_queue command_queue, cl_mem buffer,
                          cl_bool blocking_write, size_t offset, size_t size,
                          const void *ptr, cl_uint num_events_in_wait_list,
                          const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                blocking_write};
    struct fake_command *c;
    cl_int err = fake_mem_check(command_queue, buffer, offset, size);

    if (!err && !ptr)
        err = CL_INVALID_VALUE;
    if (!err)
        err = host_check(buffer, CL_MEM_HOST_READ_ONLY);
    if (!err)
        err = fake_command_new(command_queue, CL_COMMAND_WRITE_BUFFER, &s, &c);
    if (err)
        return err;
    c->u.copy = copy_linear(buffer->bytes + offset, ptr, size);
    return fake_copy_submit(c, buffer, NULL, &s);
}

static bool
overlap(const uint8_t *a, const uint8_t *b, size_t size)
{
    return a < b + size && b < a + size;
}

cl_int
fake_clEnqueueCopyBuffer(cl_command_queue command_queue, cl_mem src_buffer,
                         cl_mem dst_buffer, size_t src_offset, size_t dst_offset,
                         size_t size, cl_uint num_events_in_wait_list,
                         const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                CL_FALSE};
    struct fake_command *c;
    cl_int err = fake_mem_check(command_queue, src_buffer, src_offset, size);

    if (!err)
        err = fake_mem_check(command_queue, dst_buffer, dst_offset, size);
    if (!err &&
        overlap(src_buffer->bytes + src_offset, dst_buffer->bytes + dst_offset, size))
        err = CL_MEM_COPY_OVERLAP;
    if (!err)
        err = fake_command_new(command_queue, CL_COMMAND_COPY_BUFFER, &s, &c);
    if (err)
        return err;
    c->u.copy =
        copy_linear(dst_buffer->bytes + dst_offset, src_buffer->bytes + src_offset, size);
    return fake_copy_submit(c, src_buffer, dst_buffer, &s);
}

static bool
pattern_good(const void *pattern, size_t bytes, size_t offset, size_t size)
{
    return pattern && bytes && bytes <= FAKE_MAX_PATTERN && !(bytes & (bytes - 1)) &&
           offset % bytes == 0 && size % bytes == 0;
}

cl_int
fake_clEnqueueFillBuffer(cl_command_queue command_queue, cl_mem buffer,
                         const void *pattern, size_t pattern_size, size_t offset,
                         size_t size, cl_uint num_events_in_wait_list,
                         const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                CL_FALSE};
    struct fake_command *c;
    cl_int err = fake_mem_check(command_queue, buffer, offset, size);

    if (!err && !pattern_good(pattern, pattern_size, offset, size))
        err = CL_INVALID_VALUE;
    if (!err)
        err = fake_command_new(command_queue, CL_COMMAND_FILL_BUFFER, &s, &c);
    if (err)
        return err;
    memcpy(c->u.fill.pattern, pattern, pattern_size);
    c->u.fill.pattern_bytes = pattern_size;
    c->u.fill.size = size;
    c->u.fill.dst = buffer->bytes + offset;
    c->run = fill_run;
    fake_command_uses(c, buffer);
    return fake_command_submit(c, &s);
}

/* Fills in pitches left at 0 and checks those given. */
static cl_int
pitches_set(struct side *s, const size_t *region)
{
    uint64_t slice;

    if (!s->row)
        s->row = region[0];
    if (s->row < region[0] || !checked_mul(s->row, region[1], &slice))
        return CL_INVALID_VALUE;
    if (!s->slice)
        s->slice = slice;
    return s->slice < slice || s->slice % s->row ? CL_INVALID_VALUE : CL_SUCCESS;
}

static bool
position(const struct side *s, const size_t at[3], uint64_t *ret_offset)
{
    uint64_t z, y, sum;

    return checked_mul(at[2], s->slice, &z) && checked_mul(at[1], s->row, &y) &&
           checked_add(z, y, &sum) && checked_add(sum, at[0], ret_offset);
}

/* Moves base to the box's first byte, if all of the box lies inside the buffer. */
static cl_int
side_resolve(struct side *s, const size_t *region)
{
    const size_t last[3] = {region[0], region[1] - 1, region[2] - 1};
    uint64_t start, span;
    cl_int err = pitches_set(s, region);

    if (err)
        return err;
    if (!position(s, s->origin, &start) || !position(s, last, &span))
        return CL_INVALID_VALUE;
    if (s->mem && !range_inside(start, span, s->mem->size))
        return CL_INVALID_VALUE;
    s->base = (s->mem ? s->mem->bytes : s->base) + start;
    return CL_SUCCESS;
}

static cl_int
rect_enqueue(cl_command_queue q, cl_command_type type, const struct fake_sync *sync,
             struct side dst, struct side src, const size_t *region)
{
    struct fake_command *c;
    cl_int err;

    if (!dst.origin || !src.origin || !region || !region[0] || !region[1] || !region[2] ||
        (!dst.mem && !dst.base) || (!src.mem && !src.base))
        return CL_INVALID_VALUE;
    err = side_resolve(&dst, region);
    if (!err)
        err = side_resolve(&src, region);
    if (!err)
        err = fake_command_new(q, type, sync, &c);
    if (err)
        return err;
    c->u.copy = (struct fake_copy){src.base,
                                   dst.base,
                                   src.row,
                                   src.slice,
                                   dst.row,
                                   dst.slice,
                                   {region[0], region[1], region[2]}};
    return fake_copy_submit(c, dst.mem, src.mem, sync);
}

cl_int
fake_clEnqueueReadBufferRect(cl_command_queue command_queue, cl_mem buffer,
                             cl_bool blocking_read, const size_t *buffer_offset,
                             const size_t *host_offset, const size_t *region,
                             size_t buffer_row_pitch, size_t buffer_slice_pitch,
                             size_t host_row_pitch, size_t host_slice_pitch, void *ptr,
                             cl_uint num_events_in_wait_list,
                             const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                blocking_read};
    const struct side device = {buffer, NULL, buffer_offset, buffer_row_pitch,
                                buffer_slice_pitch};
    const struct side host = {NULL, ptr, host_offset, host_row_pitch, host_slice_pitch};
    cl_int err = fake_mem_check(command_queue, buffer, 0, 0);

    if (!err)
        err = host_check(buffer, CL_MEM_HOST_WRITE_ONLY);
    return err ? err
               : rect_enqueue(command_queue, CL_COMMAND_READ_BUFFER_RECT, &s, host,
                              device, region);
}

cl_int
fake_clEnqueueWriteBufferRect(cl_command_queue command_queue, cl_mem buffer,
                              cl_bool blocking_write, const size_t *buffer_offset,
                              const size_t *host_offset, const size_t *region,
                              size_t buffer_row_pitch, size_t buffer_slice_pitch,
                              size_t host_row_pitch, size_t host_slice_pitch,
                              const void *ptr, cl_uint num_events_in_wait_list,
                              const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                blocking_write};
    const struct side device = {buffer, NULL, buffer_offset, buffer_row_pitch,
                                buffer_slice_pitch};
    const struct side host = {NULL, (uint8_t *)ptr, host_offset, host_row_pitch,
                              host_slice_pitch};
    cl_int err = fake_mem_check(command_queue, buffer, 0, 0);

    if (!err)
        err = host_check(buffer, CL_MEM_HOST_READ_ONLY);
    return err ? err
               : rect_enqueue(command_queue, CL_COMMAND_WRITE_BUFFER_RECT, &s, device,
                              host, region);
}

cl_int
fake_clEnqueueCopyBufferRect(cl_command_queue command_queue, cl_mem src_buffer,
                             cl_mem dst_buffer, const size_t *src_origin,
                             const size_t *dst_origin, const size_t *region,
                             size_t src_row_pitch, size_t src_slice_pitch,
                             size_t dst_row_pitch, size_t dst_slice_pitch,
                             cl_uint num_events_in_wait_list,
                             const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                CL_FALSE};
    const struct side src = {src_buffer, NULL, src_origin, src_row_pitch,
                             src_slice_pitch};
    const struct side dst = {dst_buffer, NULL, dst_origin, dst_row_pitch,
                             dst_slice_pitch};
    cl_int err = fake_mem_check(command_queue, src_buffer, 0, 0);

    if (!err)
        err = fake_mem_check(command_queue, dst_buffer, 0, 0);
    return err ? err
               : rect_enqueue(command_queue, CL_COMMAND_COPY_BUFFER_RECT, &s, dst, src,
                              region);
}
/* NOLINTEND(readability-function-size) */
