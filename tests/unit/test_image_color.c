/* SPDX-License-Identifier: MIT */
#include "worker/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
expect(cl_uint order, cl_uint type, const void *color, const void *want, size_t len)
{
    uint8_t element[16];

    assert_true(image_color(order, type, color, element));
    assert_memory_equal(element, want, len);
}

static void
channels_come_in_the_order_of_the_format(void **state)
{
    const cl_uint color[4] = {1, 2, 3, 4};

    (void)state;
    expect(CL_R, CL_UNSIGNED_INT8, color, "\1", 1);
    expect(CL_A, CL_UNSIGNED_INT8, color, "\4", 1);
    expect(CL_RG, CL_UNSIGNED_INT8, color, "\1\2", 2);
    expect(CL_RA, CL_UNSIGNED_INT8, color, "\1\4", 2);
    expect(CL_RGBA, CL_UNSIGNED_INT8, color, "\1\2\3\4", 4);
    expect(CL_ARGB, CL_UNSIGNED_INT8, color, "\4\1\2\3", 4);
    expect(CL_BGRA, CL_UNSIGNED_INT8, color, "\3\2\1\4", 4);
    expect(CL_RGBA, CL_UNSIGNED_INT32, color, color, 16);
}

static void
integers_saturate(void **state)
{
    const cl_int color[4] = {-70000, 70000, -5, 5};
    const cl_uint big[4] = {0, 255, 256, 4000000000u};

    (void)state;
    expect(CL_RGBA, CL_SIGNED_INT8, color, ((int8_t[]){-128, 127, -5, 5}), 4);
    expect(CL_RGBA, CL_SIGNED_INT16, color, ((int16_t[]){-32768, 32767, -5, 5}), 8);
    expect(CL_RGBA, CL_UNSIGNED_INT8, big, ((uint8_t[]){0, 255, 255, 255}), 4);
    expect(CL_RGBA, CL_UNSIGNED_INT16, big, ((uint16_t[]){0, 255, 256, 65535}), 8);
}

static void
floats_are_rounded_to_even_and_saturate(void **state)
{
    const cl_float color[4] = {-2.0f, 2.5f / 255, 0.5f, INFINITY};
    const cl_float sign[4] = {-2.0f, -1.0f, 0.5f, 2.0f};
    const cl_float nan[4] = {NAN, 0, 1, NAN};

    (void)state;
    expect(CL_RGBA, CL_UNORM_INT8, color, ((uint8_t[]){0, 2, 128, 255}), 4);
    expect(CL_RGBA, CL_UNORM_INT16, color, ((uint16_t[]){0, 642, 32768, 65535}), 8);
    expect(CL_RGBA, CL_SNORM_INT8, sign, ((int8_t[]){-128, -127, 64, 127}), 4);
    expect(CL_RGBA, CL_SNORM_INT16, sign, ((int16_t[]){-32768, -32767, 16384, 32767}), 8);
    expect(CL_RGBA, CL_UNORM_INT8, nan, ((uint8_t[]){0, 0, 255, 0}), 4);
}

static void
half_floats(void **state)
{
    const cl_float a[4] = {1.0f, -2.0f, 65504.0f, 65520.0f};
    const cl_float b[4] = {0x1p-24f, 0x1p-14f, -0.0f, 1.0f + 0x1p-11f};
    const cl_float c[4] = {1.0f + 0x3p-11f, 0x1.ffcp-15f, 0x1p-26f, -INFINITY};

    (void)state;
    expect(CL_RGBA, CL_HALF_FLOAT, a, ((uint16_t[]){0x3c00, 0xc000, 0x7bff, 0x7c00}), 8);
    expect(CL_RGBA, CL_HALF_FLOAT, b, ((uint16_t[]){0x0001, 0x0400, 0x8000, 0x3c00}), 8);
    expect(CL_RGBA, CL_HALF_FLOAT, c, ((uint16_t[]){0x3c02, 0x0400, 0x0000, 0xfc00}), 8);
}

static void
others_are_left_to_the_driver(void **state)
{
    const cl_float color[4] = {0};
    uint8_t element[16];
    const uint8_t *bytes = (const uint8_t *)color;

    (void)state;
    assert_false(image_color(CL_RGB, CL_UNORM_SHORT_565, bytes, element));
    assert_false(image_color(CL_sRGBA, CL_UNORM_INT8, bytes, element));
    assert_false(image_color(CL_RGBA, CL_UNORM_INT_101010_2, bytes, element));
    assert_false(image_color(0, CL_FLOAT, bytes, element));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_come_in_the_order_of_the_format),
        cmocka_unit_test(integers_saturate),
        cmocka_unit_test(floats_are_rounded_to_even_and_saturate),
        cmocka_unit_test(half_floats),
        cmocka_unit_test(others_are_left_to_the_driver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
