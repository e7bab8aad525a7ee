/* SPDX-License-Identifier: MIT */
/*
 * Fields of a frame. The encoder writes into space that was sized before; the decoder has
 * a sticky error: after the first bad field everything reads as zero, and `bad` names the
 * field.
 */
#ifndef TESSERA_WIRE_CODEC_H
#define TESSERA_WIRE_CODEC_H

#include "wire/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct enc {
    uint8_t *p;
};

static inline void
enc_u64(struct enc *e, uint64_t v)
{
    memcpy(e->p, &v, sizeof v);
    e->p += sizeof v;
}

static inline void
enc_u64s(struct enc *e, const uint64_t *v, size_t n)
{
    memcpy(e->p, v, n * sizeof *v);
    e->p += n * sizeof *v;
}

/* Bytes taken by a byte string of len: its length, and the bytes padded to 8. */
static inline uint64_t
enc_bytes_size(uint64_t len)
{
    return sizeof(uint64_t) + ((len + 7) & ~7ull);
}

static inline void
enc_bytes(struct enc *e, const void *data, uint64_t len)
{
    uint64_t padded = (len + 7) & ~7ull;

    enc_u64(e, len);
    if (padded > len)
        memset(e->p + padded - 8, 0, 8);
    if (len > 0)
        memcpy(e->p, data, len);
    e->p += padded;
}

struct dec {
    const uint8_t *p, *end;
    const char *bad; /* the first field that was wrong, NULL while all is well */
};

static inline void
dec_init(struct dec *d, const void *buf, size_t len)
{
    *d = (struct dec){.p = buf, .end = (const uint8_t *)buf + len};
}

/* Marks the field bad, and all that follow unreadable. */
void dec_fail(struct dec *d, const char *field);

uint64_t dec_u64(struct dec *d, const char *field);

/*
 * n numbers in place (8-aligned when the frame is); an array of zeros when they are not
 * there.
 */
const uint64_t *dec_u64s(struct dec *d, const char *field, uint64_t n);

/* A counted array: *ret_n numbers, at most what the frame holds. */
const uint64_t *dec_array(struct dec *d, const char *field, uint64_t *ret_n);

/* A byte string in place; "" of length 0 when it is bad. */
const uint8_t *dec_bytes(struct dec *d, const char *field, uint64_t *ret_len);

/* A byte string that ends with its only NUL; "" when it is bad. */
const char *dec_string(struct dec *d, const char *field);

/* Nothing may be left over. */
void dec_end(struct dec *d);

#endif
