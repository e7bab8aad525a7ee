/* SPDX-License-Identifier: MIT */
/* What the specification asks of the arguments of generated enqueue functions (section 5.2). */
#include "api/opencl_send.h"
#include "guest/opencl/transfer.h"

static bool
overlap(const struct _cl_mem *a, size_t a_at, const struct _cl_mem *b, size_t b_at,
        size_t n)
{
    const struct _cl_mem *a_root = a->parent ? a->parent : a;
    const struct _cl_mem *b_root = b->parent ? b->parent : b;
    size_t x = a->origin + a_at, y = b->origin + b_at;

    return a_root == b_root && x < y + n && y < x + n;
}

cl_int
check_clEnqueueCopyBuffer(const struct enqueue *q, cl_mem src_buffer, cl_mem dst_buffer,
                          size_t src_offset, size_t dst_offset, size_t size)
{
    (void)q;
    if (!mem_range_ok(src_buffer, src_offset, size) ||
        !mem_range_ok(dst_buffer, dst_offset, size))
        return CL_INVALID_VALUE;
    if (overlap(src_buffer, src_offset, dst_buffer, dst_offset, size))
        return CL_MEM_COPY_OVERLAP;
    return CL_SUCCESS;
}

/*
 * Two rectangles of one buffer with equal pitches overlap when their index ranges do in all three
 * dimensions; with other pitches the byte ranges decide (appendix D gives the former alone).
 */
static bool
rects_overlap(const struct rect *a, const struct rect *b)
{
    for (int i = 0; i < 3; i++) {
        if (a->buffer_origin[i] + a->region[i] <= b->buffer_origin[i] ||
            b->buffer_origin[i] + b->region[i] <= a->buffer_origin[i])
            return false;
    }
    return true;
}

cl_int
check_clEnqueueCopyBufferRect(const struct enqueue *q, cl_mem src_buffer,
                              cl_mem dst_buffer, const size_t *src_origin,
                              const size_t *dst_origin, const size_t *region,
                              size_t src_row_pitch, size_t src_slice_pitch,
                              size_t dst_row_pitch, size_t dst_slice_pitch)
{
    struct rect src = {.buffer_row = src_row_pitch, .buffer_slice = src_slice_pitch};
    struct rect dst = {.buffer_row = dst_row_pitch, .buffer_slice = dst_slice_pitch};
    cl_int rc;

    (void)q;
    if (!src_origin || !dst_origin || !region)
        return CL_INVALID_VALUE;
    for (int i = 0; i < 3; i++) {
        src.buffer_origin[i] = src_origin[i];
        dst.buffer_origin[i] = dst_origin[i];
        src.region[i] = dst.region[i] = region[i];
    }
    rc = rect_check(&src, src_buffer);
    if (rc == CL_SUCCESS)
        rc = rect_check(&dst, dst_buffer);
    if (rc != CL_SUCCESS)
        return rc;
    if (src_buffer == dst_buffer &&
        (src.buffer_row != dst.buffer_row || src.buffer_slice != dst.buffer_slice))
        return CL_INVALID_VALUE;
    if (src_buffer == dst_buffer && rects_overlap(&src, &dst))
        return CL_MEM_COPY_OVERLAP;
    return CL_SUCCESS;
}

cl_int
check_clEnqueueFillBuffer(const struct enqueue *q, cl_mem buffer, const void *pattern,
                          size_t pattern_size, size_t offset, size_t size)
{
    (void)q;
    if (!pattern || pattern_size == 0 || pattern_size > 128 ||
        (pattern_size & (pattern_size - 1)))
        return CL_INVALID_VALUE;
    if (!mem_range_ok(buffer, offset, size) || offset % pattern_size ||
        size % pattern_size)
        return CL_INVALID_VALUE;
    return CL_SUCCESS;
}

cl_int
check_clEnqueueMigrateMemObjects(const struct enqueue *q, cl_uint num_mem_objects,
                                 const cl_mem *mem_objects, cl_mem_migration_flags flags)
{
    const cl_mem_migration_flags all =
        CL_MIGRATE_MEM_OBJECT_HOST | CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED;

    (void)q;
    (void)num_mem_objects;
    (void)mem_objects;
    return flags & ~all ? CL_INVALID_VALUE : CL_SUCCESS;
}
