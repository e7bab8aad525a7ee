/* SPDX-License-Identifier: MIT */
#include "worker/bytes.h"

#include "wire/codec.h"

#include <stdlib.h>

static uint8_t *
bytes_grow(struct bytes *b, size_t more)
{
    size_t cap = b->cap ? b->cap : 1024;
    uint8_t *bigger;

    if (b->failed)
        return NULL;
    while (cap - b->len < more)
        cap *= 2;
    if (cap != b->cap) {
        bigger = realloc(b->data, cap);
        if (!bigger) {
            b->failed = true;
            return NULL;
        }
        b->data = bigger;
        b->cap = cap;
    }
    b->len += more;
    return b->data + b->len - more;
}

void
bytes_u64(struct bytes *b, uint64_t v)
{
    uint8_t *at = bytes_grow(b, sizeof v);

    if (at)
        memcpy(at, &v, sizeof v);
}

void
bytes_string(struct bytes *b, const void *data, size_t len)
{
    struct enc e = {.p = bytes_grow(b, enc_bytes_size(len))};

    if (e.p)
        enc_bytes(&e, data, len);
}

void
bytes_fini(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}
