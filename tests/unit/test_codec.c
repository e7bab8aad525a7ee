/* SPDX-License-Identifier: MIT */
#include "wire/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* What was encoded, in memory of exactly its length, so that a sanitizer sees one byte more. */
struct msg {
    uint64_t *bytes;
    struct enc e;
    struct dec d;
};

static int
setup(void **state)
{
    struct msg *m = calloc(1, sizeof *m);

    m->bytes = calloc(1, 4096);
    m->e.p = (uint8_t *)m->bytes;
    *state = m;
    return 0;
}

static int
teardown(void **state)
{
    struct msg *m = *state;

    free(m->bytes);
    free(m);
    return 0;
}

/* Ends the encoding, keeps only `len` bytes of it, begins the decoding. */
static struct dec *
decode_first(struct msg *m, size_t len)
{
    m->bytes = realloc(m->bytes, len ? len : 1);
    dec_init(&m->d, m->bytes, len);
    return &m->d;
}

static struct dec *
decode(struct msg *m)
{
    return decode_first(m, (size_t)(m->e.p - (uint8_t *)m->bytes));
}

static void
what_was_encoded_is_decoded(void **state)
{
    static const uint64_t array[3] = {1, 2, UINT64_MAX};
    struct msg *m = *state;
    uint64_t n, len;
    struct dec *d;

    enc_u64(&m->e, 42);
    enc_u64s(&m->e, array, 3);
    enc_u64(&m->e, 3);
    enc_u64s(&m->e, array, 3);
    enc_bytes(&m->e, "abcde", 5);
    enc_bytes(&m->e, "text", 5);
    d = decode(m);
    assert_int_equal(dec_u64(d, "a"), 42);
    assert_memory_equal(dec_u64s(d, "b", 3), array, sizeof array);
    assert_memory_equal(dec_array(d, "c", &n), array, sizeof array);
    assert_int_equal(n, 3);
    assert_memory_equal(dec_bytes(d, "d", &len), "abcde", 5);
    assert_int_equal(len, 5);
    assert_string_equal(dec_string(d, "e"), "text");
    dec_end(d);
    assert_null(d->bad);
}

static void
a_byte_string_takes_what_its_size_says(void **state)
{
    struct msg *m = *state;

    for (uint64_t len = 0; len <= 24; len++) {
        uint8_t *before = m->e.p;

        enc_bytes(&m->e, "abcdefghijklmnopqrstuvwxyz", len);
        assert_int_equal(m->e.p - before, enc_bytes_size(len));
        assert_int_equal(enc_bytes_size(len) % 8, 0);
    }
}

static void
padding_is_zero(void **state)
{
    struct msg *m = *state;

    memset(m->bytes, 0xff, 64);
    enc_bytes(&m->e, "abc", 3);
    assert_memory_equal(m->bytes + 1, "abc\0\0\0\0\0", 8);
}

static void
the_first_bad_field_is_the_one_named(void **state)
{
    struct msg *m = *state;
    struct dec *d;

    enc_u64(&m->e, 1);
    d = decode(m);
    dec_u64(d, "first");
    dec_u64(d, "second");
    dec_u64(d, "third");
    dec_end(d);
    assert_string_equal(d->bad, "second");
}

static void
after_an_error_everything_reads_as_zero(void **state)
{
    struct msg *m = *state;
    uint64_t n = 9, len = 9;
    struct dec *d;

    for (unsigned i = 1; i <= 8; i++)
        enc_u64(&m->e, i);
    d = decode(m);
    dec_fail(d, "reason");
    assert_int_equal(dec_u64(d, "a"), 0);
    assert_int_equal(dec_u64s(d, "b", 2)[1], 0);
    assert_non_null(dec_array(d, "c", &n));
    assert_int_equal(n, 0);
    assert_non_null(dec_bytes(d, "d", &len));
    assert_int_equal(len, 0);
    assert_string_equal(dec_string(d, "e"), "");
    assert_string_equal(d->bad, "reason");
}

static void
half_a_number_is_refused(void **state)
{
    struct msg *m = *state;
    struct dec *d;

    enc_u64(&m->e, UINT64_MAX);
    d = decode_first(m, 7);
    assert_int_equal(dec_u64(d, "number"), 0);
    assert_string_equal(d->bad, "number");
}

static void
overlong_counts_are_refused(void **state)
{
    static const uint64_t counts[] = {3, 1ull << 61, (1ull << 61) + 1, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const uint64_t msg[3] = {counts[i], 1, 2};
        struct dec d;
        uint64_t n;

        dec_init(&d, msg, sizeof msg);
        dec_array(&d, "array", &n);
        assert_int_equal(n, 0);
        assert_string_equal(d.bad, "array");
    }
}

static void
overlong_byte_strings_are_refused(void **state)
{
    static const uint64_t lens[] = {17, 24, 1ull << 32, UINT64_MAX - 7, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        const uint64_t msg[3] = {lens[i], 1, 2};
        struct dec d;
        uint64_t len = 9;

        dec_init(&d, msg, sizeof msg);
        assert_non_null(dec_bytes(&d, "bytes", &len));
        assert_int_equal(len, 0);
        assert_string_equal(d.bad, "bytes");
    }
}

static void
a_byte_string_without_its_padding_is_refused(void **state)
{
    struct msg *m = *state;
    uint64_t len;
    struct dec *d;

    enc_bytes(&m->e, "abcde", 5);
    d = decode_first(m, 8 + 5);
    dec_bytes(d, "bytes", &len);
    assert_string_equal(d->bad, "bytes");
}

static void
assert_string_refused(const void *bytes, uint64_t len)
{
    uint64_t buf[4] = {0};
    struct enc e = {(uint8_t *)buf};
    struct dec d;

    enc_bytes(&e, bytes, len);
    dec_init(&d, buf, (size_t)(e.p - (uint8_t *)buf));
    assert_string_equal(dec_string(&d, "string"), "");
    assert_string_equal(d.bad, "string");
}

static void
a_string_must_end_with_its_only_nul(void **state)
{
    (void)state;
    assert_string_refused("", 0);
    assert_string_refused("abc", 3);
    assert_string_refused("abcdefgh", 8);
    assert_string_refused("a\0b", 4);
    assert_string_refused("\0", 2);
}

static void
the_empty_string_is_one(void **state)
{
    struct msg *m = *state;
    struct dec *d;

    enc_bytes(&m->e, "", 1);
    d = decode(m);
    assert_string_equal(dec_string(d, "string"), "");
    dec_end(d);
    assert_null(d->bad);
}

static void
trailing_bytes_are_refused(void **state)
{
    struct msg *m = *state;
    struct dec *d;

    enc_u64(&m->e, 1);
    enc_u64(&m->e, 2);
    d = decode(m);
    dec_u64(d, "only");
    dec_end(d);
    assert_non_null(d->bad);
}

static void
an_empty_message_has_no_fields(void **state)
{
    struct dec *d = decode_first(*state, 0);

    dec_end(d);
    assert_null(d->bad);
    assert_int_equal(dec_u64(d, "number"), 0);
    assert_string_equal(d->bad, "number");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_encoded_is_decoded),
        TEST(a_byte_string_takes_what_its_size_says),
        TEST(padding_is_zero),
        TEST(the_first_bad_field_is_the_one_named),
        TEST(after_an_error_everything_reads_as_zero),
        TEST(half_a_number_is_refused),
        TEST(overlong_counts_are_refused),
        TEST(overlong_byte_strings_are_refused),
        TEST(a_byte_string_without_its_padding_is_refused),
        TEST(a_string_must_end_with_its_only_nul),
        TEST(the_empty_string_is_one),
        TEST(trailing_bytes_are_refused),
        TEST(an_empty_message_has_no_fields),
    };

    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
