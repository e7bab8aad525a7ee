/* SPDX-License-Identifier: MIT */
#include "worker/bounds.h"

#include "base/checked.h"

#include <errno.h>

int
buffer_check_range(struct session *s, const struct object *buffer, uint64_t offset,
                   uint64_t size)
{
    if (buffer->error == CL_SUCCESS &&
        !range_inside(offset, size, mem_driver_bytes(s, buffer->h.mem)))
        return request_bad_field(s, "offset", "outside the buffer");
    return 0;
}

/* The byte after the rectangle's last one; false on overflow. */
static bool
rect_end(const uint64_t origin[3], const uint64_t region[3], uint64_t row, uint64_t slice,
         uint64_t *ret)
{
    uint64_t y, z, sum;

    if (!row)
        row = region[0];
    if (!slice && !checked_mul(row, region[1], &slice))
        return false;
    return checked_add(origin[2], region[2] - 1, &z) && checked_mul(z, slice, &z) &&
           checked_add(origin[1], region[1] - 1, &y) && checked_mul(y, row, &y) &&
           checked_add(y, z, &sum) && checked_add(sum, origin[0], &sum) &&
           checked_add(sum, region[0], ret);
}

int
buffer_check_rect(struct session *s, const struct object *buffer,
                  const uint64_t origin[3], const uint64_t region[3], uint64_t row,
                  uint64_t slice)
{
    uint64_t end;

    if (!region[0] || !region[1] || !region[2])
        return request_bad_field(s, "region", "empty");
    if (!rect_end(origin, region, row, slice, &end))
        return request_bad_field(s, "region", "too many bytes");
    return buffer_check_range(s, buffer, 0, end);
}
