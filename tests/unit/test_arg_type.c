/* SPDX-License-Identifier: MIT */
#include "wire/arg_type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
scalars_and_vectors_have_the_sizes_of_the_language(void **state)
{
    (void)state;
    assert_int_equal(arg_type_size("char"), 1);
    assert_int_equal(arg_type_size("uint"), 4);
    assert_int_equal(arg_type_size("unsigned int"), 4);
    assert_int_equal(arg_type_size("float3"), 16);
    assert_int_equal(arg_type_size("uchar2"), 2);
    assert_int_equal(arg_type_size("half16"), 32);
    assert_int_equal(arg_type_size("double8"), 64);
    assert_int_equal(arg_type_size("long16"), 128);
}

static void
types_of_a_program_are_not_guessed(void **state)
{
    (void)state;
    assert_int_equal(arg_type_size("foo"), 0);
    assert_int_equal(arg_type_size("struct float4"), 0);
    assert_int_equal(arg_type_size("float5"), 0);
    assert_int_equal(arg_type_size("float4x"), 0);
    assert_int_equal(arg_type_size("int*"), 0);
    assert_int_equal(arg_type_size("intptr"), 0);
    assert_int_equal(arg_type_size(""), 0);
}

static void
what_is_no_value_is_known(void **state)
{
    (void)state;
    assert_true(arg_type_is_opaque("sampler_t"));
    assert_true(arg_type_is_opaque("image2d_t"));
    assert_false(arg_type_is_opaque("float4"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_and_vectors_have_the_sizes_of_the_language),
        cmocka_unit_test(types_of_a_program_are_not_guessed),
        cmocka_unit_test(what_is_no_value_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
