/* SPDX-License-Identifier: MIT */
/*
 * Frames as the fuzzer and the recorder see them: a header and fields, whose kinds come from the
 * API description. A message whose fields do not go up is left as it is: the decoder's to find.
 */
#ifndef TESSERA_FUZZ_MESSAGE_H
#define TESSERA_FUZZ_MESSAGE_H

#include "api/opencl_wire.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum field_type {
    FIELD_NUMBER,
    FIELD_ID,
    FIELD_IDS,
    FIELD_NEW,
    FIELD_NEWS,
    FIELD_SYNCS,
    FIELD_STRING,
    FIELD_BYTES,
    FIELD_BLOB,
    FIELD_EXTENT,
};

struct field {
    enum field_type type;
    unsigned kind; /* enum object_kind */
    bool none;     /* it may be missing */
    unsigned count;
};

#include "frames.h"

static inline const struct message *
message_of(unsigned op)
{
    return op < OPENCL_OPS && messages[op].n > 0 ? &messages[op] : NULL;
}

static inline uint64_t
word_at(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

/* How many bytes a field takes of the left ones; 0 if it does not fit. */
static inline size_t
field_bytes(const struct field *f, const uint8_t *p, size_t left)
{
    uint64_t n = left >= 8 ? word_at(p) : 0, need;

    switch (f->type) {
    case FIELD_NUMBER:
        need = 8ull * f->count;
        break;
    case FIELD_IDS:
    case FIELD_NEWS:
    case FIELD_SYNCS:
        need = n > left / 8 ? UINT64_MAX : 8 + 8 * n;
        break;
    case FIELD_STRING:
    case FIELD_BYTES:
        need = n > left ? UINT64_MAX : 8 + (n + 7) / 8 * 8;
        break;
    case FIELD_EXTENT:
        need = 16;
        break;
    case FIELD_BLOB:
        need = 16;
        if (n == UINT64_MAX && left >= 24)
            need =
                word_at(p + 16) > left ? UINT64_MAX : 24 + (word_at(p + 16) + 7) / 8 * 8;
        break;
    case FIELD_ID:
    case FIELD_NEW:
        need = 8;
        break;
    }
    return need <= left ? (size_t)need : 0;
}

#endif
