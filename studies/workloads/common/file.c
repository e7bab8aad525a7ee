/* SPDX-License-Identifier: MIT */
#include "common/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Reads to the end of the file; zlib hands through what is not compressed. */
static int
read_all(gzFile file, size_t max, uint8_t **ret_bytes, size_t *ret_size)
{
    size_t size = 0, room = 1 << 20;
    uint8_t *bytes = NULL;

    for (;;) {
        uint8_t *const more = size > max ? NULL : realloc(bytes, room);
        int got;

        if (!more) {
            free(bytes);
            return size > max ? -EFBIG : -ENOMEM;
        }
        bytes = more;
        got = gzread(file, bytes + size, (unsigned)(room - size));
        if (got < 0) {
            free(bytes);
            return -EIO;
        }
        size += (size_t)got;
        if (size < room)
            break;
        room *= 2;
    }
    *ret_bytes = bytes;
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
    if (r == -EFBIG)
        return failure_set(why, r, "%s: larger than %zu MiB", path, max >> 20);
    if (r == -ENOMEM)
        return failure_set(why, r, "%s: out of memory", path);
    if (r < 0 || closed != Z_OK) {
        free(bytes);
        return failure_set(why, -EIO, "%s: truncated or damaged", path);
    }
    *ret_bytes = bytes;
    return 0;
}
