/* SPDX-License-Identifier: MIT */
#include "wire/codec.h"

static const uint64_t zeros[8];

void
dec_fail(struct dec *d, const char *field)
{
    if (!d->bad)
        d->bad = field;
    d->p = d->end;
}

static size_t
dec_left(const struct dec *d)
{
    return (size_t)(d->end - d->p);
}

uint64_t
dec_u64(struct dec *d, const char *field)
{
    uint64_t v;

    if (dec_left(d) < sizeof v) {
        dec_fail(d, field);
        return 0;
    }
    memcpy(&v, d->p, sizeof v);
    d->p += sizeof v;
    return v;
}

const uint64_t *
dec_u64s(struct dec *d, const char *field, uint64_t n)
{
    const uint8_t *at = d->p;

    if (dec_left(d) / sizeof(uint64_t) < n) {
        dec_fail(d, field);
        return zeros;
    }
    d->p += n * sizeof(uint64_t);
    return (const uint64_t *)(const void *)at;
}

const uint64_t *
dec_array(struct dec *d, const char *field, uint64_t *ret_n)
{
    uint64_t n = dec_u64(d, field);
    const uint64_t *v = dec_u64s(d, field, n);

    *ret_n = d->bad ? 0 : n;
    return v;
}

const uint8_t *
dec_bytes(struct dec *d, const char *field, uint64_t *ret_len)
{
    uint64_t len = dec_u64(d, field);
    const uint8_t *at = d->p;

    *ret_len = 0;
    if (d->bad || len > dec_left(d) || ((len + 7) & ~7ull) > dec_left(d)) {
        dec_fail(d, field);
        return (const uint8_t *)zeros;
    }
    d->p += (len + 7) & ~7ull;
    *ret_len = len;
    return at;
}

const char *
dec_string(struct dec *d, const char *field)
{
    uint64_t len;
    const char *s = (const char *)dec_bytes(d, field, &len);

    if (d->bad)
        return "";
    if (len == 0 || strnlen(s, len) != len - 1) {
        dec_fail(d, field);
        return "";
    }
    return s;
}

void
dec_end(struct dec *d)
{
    if (!d->bad && d->p != d->end)
        dec_fail(d, "end of the message");
}
