/* SPDX-License-Identifier: MIT */
#include "office/document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "office/disk.h"
#include "office/words.h"

enum { PARAGRAPH_BYTES = 600 };

static uint32_t
checksum(const char *bytes, size_t size)
{
    return (uint32_t)crc32_z(0, (const Bytef *)bytes, size);
}

/* Saves; from then on the document is these bytes. */
static int
save(struct document *d, const char *bytes, size_t size, struct failure *why)
{
    const int r = disk_save(d->path, bytes, size, why);

    if (r < 0)
        return r;
    d->size = size;
    d->crc = checksum(bytes, size);
    return 0;
}

int
document_make(struct document *ret_document, const char *path, size_t size,
              struct rng *rng, struct failure *why)
{
    struct document d = {.path = path};
    char *const bytes = malloc(size);
    int r;

    if (!bytes)
        return failure_set(why, -ENOMEM, "%s: out of memory", path);
    words_fill(bytes, size, rng);
    r = save(&d, bytes, size, why);
    free(bytes);
    if (r == 0)
        *ret_document = d;
    return r;
}

int
document_open(struct document *ret_document, const char *path, struct failure *why)
{
    struct document d = {.path = path};
    char *bytes = NULL;
    const int r = disk_load(path, DOCUMENT_GIVEN_BYTES_MAX, &bytes, &d.size, why);

    if (r < 0)
        return r;
    d.crc = checksum(bytes, d.size);
    free(bytes);
    *ret_document = d;
    return 0;
}

int
document_load(const struct document *d, char **ret_bytes, struct failure *why)
{
    size_t size = 0;
    char *bytes = NULL;
    const int r = disk_load(d->path, DOCUMENT_GIVEN_BYTES_MAX, &bytes, &size, why);

    if (r < 0)
        return r;
    if (size != d->size || checksum(bytes, size) != d->crc) {
        free(bytes);
        failure_set(why, -EBADMSG,
                    "%s: damaged: %zu bytes, not the %zu that were written", d->path,
                    size, d->size);
        return -EBADMSG;
    }
    *ret_bytes = bytes;
    return 0;
}

/* Where the line after a drawn place begins. */
static size_t
draw_line(const char *bytes, size_t size, struct rng *rng)
{
    const size_t at = rng_below(rng, (uint32_t)size);
    const char *const newline = memchr(bytes + at, '\n', size - at);

    return newline ? (size_t)(newline - bytes) + 1 : size;
}

/* ret_bytes has room for size bytes and a paragraph. Returns the new size. */
static size_t
insert(char *ret_bytes, const char *bytes, size_t size, struct rng *rng)
{
    const size_t at = draw_line(bytes, size, rng);

    memcpy(ret_bytes, bytes, at);
    words_fill(ret_bytes + at, PARAGRAPH_BYTES, rng);
    memcpy(ret_bytes + at + PARAGRAPH_BYTES, bytes + at, size - at);
    size += PARAGRAPH_BYTES;
    return size < DOCUMENT_BYTES_MAX ? size : DOCUMENT_BYTES_MAX;
}

/* The bytes themselves, not the checksum alone. */
static int
verify(const struct document *d, const char *bytes, struct failure *why)
{
    char *loaded = NULL;
    int r = document_load(d, &loaded, why);

    if (r < 0)
        return r;
    if (memcmp(loaded, bytes, d->size) != 0)
        r = failure_set(why, -EBADMSG, "%s: not what was saved", d->path);
    free(loaded);
    return r;
}

int
document_edit(struct document *d, struct rng *rng, uint64_t *ret_answer,
              struct failure *why)
{
    char *bytes = NULL, *edited;
    size_t size;
    int r = document_load(d, &bytes, why);

    if (r < 0)
        return r;
    edited = malloc(d->size + PARAGRAPH_BYTES);
    if (edited) {
        size = insert(edited, bytes, d->size, rng);
        r = save(d, edited, size, why);
        if (r == 0)
            r = verify(d, edited, why);
    } else {
        r = failure_set(why, -ENOMEM, "%s: out of memory", d->path);
    }
    free(edited);
    free(bytes);
    if (r == 0)
        *ret_answer = d->crc;
    return r;
}
