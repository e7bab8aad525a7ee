/* SPDX-License-Identifier: MIT */
#include "guest/opencl/program.h"

#include "wire/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void
enc_string(struct enc *e, const char *s)
{
    enc_bytes(e, s, strlen(s) + 1);
}

static void
enc_arg(struct enc *e, uint64_t address, const char *type, const char *name)
{
    enc_u64(e, 1);
    enc_u64(e, address);
    enc_u64(e, CL_KERNEL_ARG_ACCESS_NONE);
    enc_u64(e, CL_KERNEL_ARG_TYPE_CONST);
    enc_string(e, type);
    enc_string(e, name);
}

/* Two kernels, add(float *a, float b) and idle(). Returns the length. */
static size_t
two_kernels(uint64_t buf[64])
{
    struct enc e = {(uint8_t *)buf};

    enc_u64(&e, 2);
    enc_string(&e, "add");
    enc_string(&e, "__attribute__((vec_type_hint(float4)))");
    enc_u64(&e, 128);
    enc_u64(&e, 2);
    enc_arg(&e, CL_KERNEL_ARG_ADDRESS_GLOBAL, "float*", "a");
    enc_arg(&e, CL_KERNEL_ARG_ADDRESS_PRIVATE, "float", "b");
    enc_string(&e, "idle");
    enc_string(&e, "");
    enc_u64(&e, 0);
    enc_u64(&e, 0);
    return (size_t)(e.p - (uint8_t *)buf);
}

/* Parses from memory of exactly that length. */
static struct metadata *
parse(const void *bytes, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);
    struct metadata *m;

    memcpy(exact, bytes, len);
    m = metadata_parse(exact, len);
    free(exact);
    return m;
}

static void
kernels_and_arguments_are_read(void **state)
{
    uint64_t buf[64];
    struct metadata *m = parse(buf, two_kernels(buf));

    (void)state;
    assert_non_null(m);
    assert_int_equal(m->n_kernels, 2);
    assert_string_equal(m->kernels[0].name, "add");
    assert_int_equal(m->kernels[0].n_args, 2);
    assert_true(m->kernels[0].args[0].known);
    assert_int_equal(m->kernels[0].args[0].address, CL_KERNEL_ARG_ADDRESS_GLOBAL);
    assert_int_equal(m->kernels[0].args[0].type, CL_KERNEL_ARG_TYPE_CONST);
    assert_string_equal(m->kernels[0].args[1].type_name, "float");
    assert_string_equal(m->kernels[0].args[1].name, "b");
    assert_string_equal(m->kernels[1].name, "idle");
    assert_int_equal(m->kernels[1].n_args, 0);
    metadata_unhold(m);
}

static void
a_program_without_kernels_is_fine(void **state)
{
    const uint64_t none = 0;
    struct metadata *m = parse(&none, sizeof none);

    (void)state;
    assert_non_null(m);
    assert_int_equal(m->n_kernels, 0);
    metadata_unhold(m);
}

static void
it_lives_as_long_as_somebody_holds_it(void **state)
{
    uint64_t buf[64];
    struct metadata *m = parse(buf, two_kernels(buf));

    (void)state;
    metadata_hold(m);
    metadata_unhold(m);
    assert_string_equal(m->kernels[1].name, "idle");
    metadata_unhold(m);
    metadata_unhold(NULL);
}

static void
metadata_cut_short_at_any_byte_is_refused(void **state)
{
    uint64_t buf[64];
    size_t len = two_kernels(buf);

    (void)state;
    for (size_t cut = 0; cut < len; cut++)
        assert_null(parse(buf, cut));
}

static void
trailing_bytes_are_refused(void **state)
{
    uint64_t buf[64] = {0};

    (void)state;
    assert_null(parse(buf, two_kernels(buf) + 8));
}

static void
numbers_of_kernels_that_cannot_be_are_refused(void **state)
{
    static const uint64_t counts[] = {3, 65537, 1ull << 32, UINT64_MAX};
    uint64_t buf[64];
    size_t len = two_kernels(buf);

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        buf[0] = counts[i];
        assert_null(parse(buf, len));
    }
}

static void
numbers_of_arguments_that_cannot_be_are_refused(void **state)
{
    static const uint64_t counts[] = {1, 4097, 1ull << 32, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        uint64_t buf[64];
        struct enc e = {(uint8_t *)buf};

        enc_u64(&e, 1);
        enc_string(&e, "add");
        enc_string(&e, "");
        enc_u64(&e, 0);
        enc_u64(&e, counts[i]);
        assert_null(parse(buf, (size_t)(e.p - (uint8_t *)buf)));
    }
}

static void
a_name_without_its_end_is_refused(void **state)
{
    uint64_t buf[64];
    struct enc e = {(uint8_t *)buf};

    (void)state;
    enc_u64(&e, 1);
    enc_bytes(&e, "idle", 4);
    enc_string(&e, "");
    enc_u64(&e, 0);
    assert_null(parse(buf, (size_t)(e.p - (uint8_t *)buf)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_and_arguments_are_read),
        cmocka_unit_test(a_program_without_kernels_is_fine),
        cmocka_unit_test(it_lives_as_long_as_somebody_holds_it),
        cmocka_unit_test(metadata_cut_short_at_any_byte_is_refused),
        cmocka_unit_test(trailing_bytes_are_refused),
        cmocka_unit_test(numbers_of_kernels_that_cannot_be_are_refused),
        cmocka_unit_test(numbers_of_arguments_that_cannot_be_are_refused),
        cmocka_unit_test(a_name_without_its_end_is_refused),
    };

    return cmocka_run_group_tests_name("program metadata", tests, NULL, NULL);
}
