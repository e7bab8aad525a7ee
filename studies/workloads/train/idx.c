/* SPDX-License-Identifier: MIT */
#include "train/idx.h"

#include <errno.h>

enum { IDX_UBYTE = 0x08, IDX_PREFIX_BYTES = 4 };

static uint32_t
be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int
check_magic(const uint8_t *bytes, size_t size, struct failure *why)
{
    if (size < IDX_PREFIX_BYTES)
        return failure_set(why, -EMSGSIZE, "truncated: %zu bytes are no IDX header",
                           size);
    if (bytes[0] || bytes[1])
        return failure_set(why, -EBADMSG,
                           "wrong magic 0x%08x: not an IDX file of unsigned bytes",
                           be32(bytes));
    if (bytes[2] != IDX_UBYTE)
        return failure_set(why, -EBADMSG,
                           "element type 0x%02x: only unsigned bytes (0x08) are read",
                           bytes[2]);
    if (bytes[3] < 1 || bytes[3] > IDX_MAX_DIMS)
        return failure_set(why, -EBADMSG, "%u dimensions: 1 to %d are read", bytes[3],
                           IDX_MAX_DIMS);
    return 0;
}

int
idx_parse(const uint8_t *bytes, size_t size, struct idx *ret_idx, struct failure *why)
{
    struct idx idx = {.dim = {1, 1, 1}, .len = 1};
    const int r = check_magic(bytes, size, why);
    size_t header;

    if (r < 0)
        return r;

    idx.dims = bytes[3];
    header = IDX_PREFIX_BYTES + 4 * (size_t)idx.dims;
    if (size < header)
        return failure_set(why, -EMSGSIZE, "truncated within its header");

    for (uint32_t i = 0; i < idx.dims; i++) {
        idx.dim[i] = be32(bytes + IDX_PREFIX_BYTES + 4 * (size_t)i);
        if (__builtin_mul_overflow(idx.len, (size_t)idx.dim[i], &idx.len))
            return failure_set(why, -EMSGSIZE, "dimensions are too large");
    }

    if (size - header != idx.len)
        return failure_set(
            why, -EMSGSIZE, "%s: the header promises %zu bytes of data, the file has %zu",
            size - header < idx.len ? "truncated" : "too long", idx.len, size - header);

    idx.data = bytes + header;
    *ret_idx = idx;
    return 0;
}
