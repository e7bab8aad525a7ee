/* SPDX-License-Identifier: MIT */
#include "guest/opencl/transfer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HUGE_SIZE (SIZE_MAX / 2 + 1)

/* 4 x 3 x 2 bytes out of a buffer of 10 x 6 x 4. */
static const struct rect sample = {
    .buffer_origin = {1, 2, 1},
    .host_origin = {0, 0, 0},
    .region = {4, 3, 2},
    .buffer_row = 10,
    .buffer_slice = 60,
};

static cl_int
check(struct rect *r, size_t size)
{
    struct _cl_mem m = {.size = size};

    return rect_check(r, &m);
}

static void
pitches_left_out_are_packed_tight(void **state)
{
    struct rect r = sample;

    (void)state;
    assert_int_equal(check(&r, 240), CL_SUCCESS);
    assert_int_equal(r.host_row, 4);
    assert_int_equal(r.host_slice, 12);
    assert_int_equal(r.buffer_row, 10);
    assert_int_equal(r.buffer_slice, 60);
}

static void
the_last_byte_of_the_buffer_is_inside_and_no_more(void **state)
{
    /* (1 + 1) * 60 + (2 + 2) * 10 + 1 + 4 */
    struct rect r = sample;

    (void)state;
    assert_int_equal(check(&r, 165), CL_SUCCESS);
    r = sample;
    assert_int_equal(check(&r, 164), CL_INVALID_VALUE);
}

static void
an_empty_region_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct rect r = sample;

        r.region[i] = 0;
        assert_int_equal(check(&r, 240), CL_INVALID_VALUE);
    }
}

static void
a_row_pitch_below_the_region_is_refused(void **state)
{
    struct rect r = sample;

    (void)state;
    r.buffer_row = 3;
    assert_int_equal(check(&r, 240), CL_INVALID_VALUE);
    r = sample;
    r.host_row = 3;
    assert_int_equal(check(&r, 240), CL_INVALID_VALUE);
}

static void
a_slice_pitch_below_the_rows_or_no_multiple_is_refused(void **state)
{
    struct rect r = sample;

    (void)state;
    r.buffer_slice = 20;
    assert_int_equal(check(&r, 240), CL_INVALID_VALUE);
    r = sample;
    r.buffer_slice = 65;
    assert_int_equal(check(&r, 2400), CL_INVALID_VALUE);
    r = sample;
    r.host_slice = 13;
    assert_int_equal(check(&r, 240), CL_INVALID_VALUE);
}

static void
an_origin_that_overflows_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct rect r = sample;

        r.buffer_origin[i] = SIZE_MAX;
        assert_int_equal(check(&r, SIZE_MAX), CL_INVALID_VALUE);
        r = sample;
        r.host_origin[i] = SIZE_MAX;
        assert_int_equal(check(&r, SIZE_MAX), CL_INVALID_VALUE);
    }
}

static void
a_region_that_overflows_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct rect r = {.region = {2, 2, 2}};

        r.region[i] = HUGE_SIZE;
        assert_int_equal(check(&r, SIZE_MAX), CL_INVALID_VALUE);
    }
}

static void
pitches_that_overflow_are_refused(void **state)
{
    struct rect r = sample;

    (void)state;
    r.buffer_row = HUGE_SIZE;
    r.buffer_slice = 0;
    assert_int_equal(check(&r, SIZE_MAX), CL_INVALID_VALUE);
    r = sample;
    r.host_slice = SIZE_MAX - 3; /* a multiple of 4 */
    assert_int_equal(check(&r, 240), CL_INVALID_VALUE);
}

static void
a_range_is_checked_to_the_byte(void **state)
{
    struct rect r = rect_of_range(100, 28);

    (void)state;
    assert_int_equal(check(&r, 128), CL_SUCCESS);
    assert_int_equal(check(&r, 127), CL_INVALID_VALUE);
    r = rect_of_range(SIZE_MAX, 1);
    assert_int_equal(check(&r, SIZE_MAX), CL_INVALID_VALUE);
    r = rect_of_range(0, 0);
    assert_int_equal(check(&r, 128), CL_INVALID_VALUE);
}

static void
gather_takes_the_rectangle_and_scatter_puts_it_back(void **state)
{
    struct rect r = {
        .host_origin = {1, 2, 1}, .region = {4, 3, 2}, .host_row = 10, .host_slice = 60};
    uint8_t host[240], tight[24], back[240] = {0};

    (void)state;
    for (unsigned i = 0; i < sizeof host; i++)
        host[i] = (uint8_t)i;
    assert_int_equal(check(&r, 240), CL_SUCCESS);
    rect_gather(&r, tight, host);
    rect_scatter(&r, tight, back);
    assert_int_equal(tight[0], 60 + 20 + 1);
    assert_int_equal(tight[23], 120 + 40 + 4);
    for (unsigned i = 0; i < sizeof host; i++) {
        unsigned x = i % 10, y = i / 10 % 6, z = i / 60;
        int inside = x >= 1 && x < 5 && y >= 2 && y < 5 && z >= 1 && z < 3;

        assert_int_equal(back[i], inside ? host[i] : 0);
    }
}

static void
gather_of_a_range_starts_at_the_pointer(void **state)
{
    struct rect r = rect_of_range(100, 4);
    uint8_t tight[4];

    (void)state;
    rect_gather(&r, tight, "abcd");
    assert_memory_equal(tight, "abcd", 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pitches_left_out_are_packed_tight),
        cmocka_unit_test(the_last_byte_of_the_buffer_is_inside_and_no_more),
        cmocka_unit_test(an_empty_region_is_refused),
        cmocka_unit_test(a_row_pitch_below_the_region_is_refused),
        cmocka_unit_test(a_slice_pitch_below_the_rows_or_no_multiple_is_refused),
        cmocka_unit_test(an_origin_that_overflows_is_refused),
        cmocka_unit_test(a_region_that_overflows_is_refused),
        cmocka_unit_test(pitches_that_overflow_are_refused),
        cmocka_unit_test(a_range_is_checked_to_the_byte),
        cmocka_unit_test(gather_takes_the_rectangle_and_scatter_puts_it_back),
        cmocka_unit_test(gather_of_a_range_starts_at_the_pointer),
    };

    return cmocka_run_group_tests_name("rectangles", tests, NULL, NULL);
}
