/* SPDX-License-Identifier: MIT */
#include "common/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/*
 * Reads to the end of the file; zlib hands through what is not compressed. *bytes, NULL at
 * first, is the caller's to free, also after an error.
 */
static int
read_all(gzFile file, size_t max, uint8_t **bytes, size_t *ret_size)
{
    size_t size = 0, room = 1 << 20;

    for (;;) {
        uint8_t *const more = realloc(*bytes, room);
        int got;

        if (!more)
            return -ENOMEM;
        *bytes = more;
        got = gzread(file, more + size, (unsigned)(room - size));
        if (got < 0)
            return -EIO;
        size += (size_t)got;
        if (size > max)
            return -EFBIG;
        if (size < room)
            break;
        room *= 2;
    }
    *ret_size = size;
    return 0;
}

int
file_load(const char *path, size_t max, uint8_t **ret_bytes, size_t *ret_size,
          struct failure *why)
{
    gzFile const file = gzopen(path, "rb");
    uint8_t *bytes = NULL;
    int r, closed;

    if (!file)
        return failure_set(why, -errno, "%s: %s", path, strerror(errno));

    r = read_all(file, max, &bytes, ret_size);
    closed = gzclose_r(file);
    if (r >= 0 && closed == Z_OK) {
        *ret_bytes = bytes;
        return 0;
    }

    free(bytes);
    if (r == -EFBIG)
        return failure_set(why, r, "%s: larger than %zu bytes", path, max);
    if (r == -ENOMEM)
        return failure_set(why, r, "%s: out of memory", path);
    return failure_set(why, -EIO, "%s: truncated or damaged", path);
}
