/* SPDX-License-Identifier: MIT */
#include "office/compress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int
compress_pack(const char *path, const char *bytes, size_t size, struct failure *why)
{
    gzFile const file = gzopen(path, "wbe6");
    int put, closed;

    if (!file)
        return failure_set(why, -errno, "%s: %s", path, strerror(errno));
    put = gzwrite(file, bytes, (unsigned)size);
    closed = gzclose_w(file);
    if (put != (int)size || closed != Z_OK)
        return failure_set(why, -EIO, "%s: cannot be written", path);
    return 0;
}

int
compress_check(const char *path, const char *bytes, size_t size, struct failure *why)
{
    gzFile const file = gzopen(path, "rbe");
    /* One more than there should be: only at the end of the file zlib checks its sum. */
    char *const unpacked = malloc(size + 1);
    int got = -1, closed = Z_OK;

    if (!file) {
        free(unpacked);
        return failure_set(why, -errno, "%s: %s", path, strerror(errno));
    }
    if (unpacked)
        got = gzread(file, unpacked, (unsigned)size + 1);
    closed = gzclose_r(file);
    if (got == (int)size && closed == Z_OK && !memcmp(unpacked, bytes, size)) {
        free(unpacked);
        return 0;
    }
    free(unpacked);
    return failure_set(why, -EBADMSG, "%s: does not unpack to what was packed", path);
}

int
compress_run(const struct document *d, const char *path, uint64_t *ret_answer,
             struct failure *why)
{
    char *bytes;
    int r = document_load(d, &bytes, why);

    if (r < 0)
        return r;
    r = compress_pack(path, bytes, d->size, why);
    if (r == 0)
        r = compress_check(path, bytes, d->size, why);
    free(bytes);
    if (r == 0)
        *ret_answer = d->crc;
    return r;
}
