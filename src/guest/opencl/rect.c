/* SPDX-License-Identifier: MIT */
#include "guest/opencl/transfer.h"

#include "base/checked.h"

#include <string.h>

struct rect
rect_of_range(size_t offset, size_t size)
{
    return (struct rect){.buffer_origin = {offset, 0, 0},
                         .region = {size, 1, 1},
                         .buffer_row = size,
                         .buffer_slice = size,
                         .host_row = size,
                         .host_slice = size,
                         .plain = true};
}

/* The pitches of one side: what was left 0 is packed tight (section 5.2.2). */
static cl_int
pitches_check(const size_t region[3], size_t *row, size_t *slice)
{
    uint64_t rows;

    if (*row == 0)
        *row = region[0];
    if (*row < region[0] || !checked_mul(region[1], *row, &rows))
        return CL_INVALID_VALUE;
    if (*slice == 0)
        *slice = rows;
    if (*slice < rows || *slice % *row != 0)
        return CL_INVALID_VALUE;
    return CL_SUCCESS;
}

/* The byte after the last one that the rectangle touches; false on overflow. */
static bool
rect_end(const size_t origin[3], const size_t region[3], size_t row, size_t slice,
         uint64_t *ret)
{
    uint64_t z, y, sum;

    return checked_add(origin[2], region[2] - 1, &z) && checked_mul(z, slice, &z) &&
           checked_add(origin[1], region[1] - 1, &y) && checked_mul(y, row, &y) &&
           checked_add(z, y, &sum) && checked_add(sum, origin[0], &sum) &&
           checked_add(sum, region[0], ret);
}

cl_int
rect_check(struct rect *r, const struct _cl_mem *m)
{
    uint64_t end;
    cl_int rc;

    if (!r->region[0] || !r->region[1] || !r->region[2])
        return CL_INVALID_VALUE;
    rc = pitches_check(r->region, &r->buffer_row, &r->buffer_slice);
    if (rc == CL_SUCCESS)
        rc = pitches_check(r->region, &r->host_row, &r->host_slice);
    if (rc != CL_SUCCESS)
        return rc;
    if (!rect_end(r->buffer_origin, r->region, r->buffer_row, r->buffer_slice, &end) ||
        end > m->size)
        return CL_INVALID_VALUE;
    if (!rect_end(r->host_origin, r->region, r->host_row, r->host_slice, &end))
        return CL_INVALID_VALUE;
    return CL_SUCCESS;
}

static size_t
host_offset(const struct rect *r, size_t y, size_t z)
{
    if (r->plain)
        return 0;
    return (r->host_origin[2] + z) * r->host_slice +
           (r->host_origin[1] + y) * r->host_row + r->host_origin[0];
}

void
rect_gather(const struct rect *r, uint8_t *tight, const void *ptr)
{
    for (size_t z = 0; z < r->region[2]; z++) {
        for (size_t y = 0; y < r->region[1]; y++) {
            memcpy(tight, (const uint8_t *)ptr + host_offset(r, y, z), r->region[0]);
            tight += r->region[0];
        }
    }
}

void
rect_put(const struct rect *r, void *dst, const void *src, size_t n)
{
    /* What did not change is not written: constant memory is fine until a kernel writes. */
    if (!r->own || memcmp(dst, src, n) != 0)
        memcpy(dst, src, n);
}

void
rect_scatter(const struct rect *r, const uint8_t *tight, void *ptr)
{
    for (size_t z = 0; z < r->region[2]; z++) {
        for (size_t y = 0; y < r->region[1]; y++) {
            rect_put(r, (uint8_t *)ptr + host_offset(r, y, z), tight, r->region[0]);
            tight += r->region[0];
        }
    }
}
