/* SPDX-License-Identifier: MIT */
/* What sections 5.2 and 5.5.4 of OpenCL 3.0 ask of the arguments of generated functions. */
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

typedef unsigned __int128 wide; /* products of two sizes, and their sums, fit */

/* The bytes from a rectangle's first to its end as appendix E counts them: whole slices, rows. */
static void
rect_span(const struct rect *r, size_t base, wide *ret_start, wide *ret_end)
{
    const wide row = r->buffer_row, slice = r->buffer_slice;

    *ret_start = base + r->buffer_origin[2] * slice + r->buffer_origin[1] * row +
                 r->buffer_origin[0];
    *ret_end = *ret_start + r->region[2] * slice + r->region[1] * row + r->region[0];
}

/* Does a, going past its row's or slice's end (at `length`), reach into b on the other side? */
static bool
reaches_round(size_t a, size_t b, size_t region, size_t length)
{
    const wide end = (wide)a + region;

    return end > length && end - length > b;
}

/* Appendix E: two rectangles of one buffer with the same pitches. */
static bool
rects_overlap(const struct rect *a, const struct rect *b)
{
    const size_t rows = a->buffer_slice / a->buffer_row;
    const size_t *p = a->buffer_origin, *q = b->buffer_origin, *n = a->region;
    wide a_start, a_end, b_start, b_end;
    bool inside = true;

    for (int i = 0; i < 3; i++)
        inside &= p[i] < (wide)q[i] + n[i] && q[i] < (wide)p[i] + n[i];
    if (inside)
        return true;
    rect_span(a, 0, &a_start, &a_end);
    rect_span(b, 0, &b_start, &b_end);
    if (a_start >= b_end || b_start >= a_end)
        return false;
    if (reaches_round(p[0], q[0], n[0], a->buffer_row) ||
        reaches_round(q[0], p[0], n[0], a->buffer_row))
        return true;
    return n[2] > 1 && (reaches_round(p[1], q[1], n[1], rows) ||
                        reaches_round(q[1], p[1], n[1], rows));
}

/* Rectangles in two parts of one buffer, whose pitches may differ: by their bytes. */
static bool
parts_overlap(const struct _cl_mem *m, const struct rect *a, const struct _cl_mem *o,
              const struct rect *b)
{
    wide a_start, a_end, b_start, b_end;

    if ((m->parent ? m->parent : m) != (o->parent ? o->parent : o))
        return false;
    rect_span(a, m->origin, &a_start, &a_end);
    rect_span(b, o->origin, &b_start, &b_end);
    /* Of the last slice and row only what is copied. */
    a_end -= (a->buffer_slice + (wide)a->buffer_row);
    b_end -= (b->buffer_slice + (wide)b->buffer_row);
    return a_start < b_end && b_start < a_end;
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
    if (src_buffer == dst_buffer ? rects_overlap(&src, &dst)
                                 : parts_overlap(src_buffer, &src, dst_buffer, &dst))
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
