/* SPDX-License-Identifier: MIT */
#include "guest/opencl/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
elements_are_as_long_as_their_channels(void **state)
{
    (void)state;
    assert_int_equal(image_element_bytes(CL_R, CL_UNORM_INT8), 1);
    assert_int_equal(image_element_bytes(CL_A, CL_HALF_FLOAT), 2);
    assert_int_equal(image_element_bytes(CL_RG, CL_SIGNED_INT16), 4);
    assert_int_equal(image_element_bytes(CL_RA, CL_FLOAT), 8);
    assert_int_equal(image_element_bytes(CL_RGBA, CL_UNSIGNED_INT8), 4);
    assert_int_equal(image_element_bytes(CL_RGBA, CL_FLOAT), 16);
    assert_int_equal(image_element_bytes(CL_BGRA, CL_UNORM_INT8), 4);
    assert_int_equal(image_element_bytes(CL_DEPTH, CL_FLOAT), 4);
    assert_int_equal(image_element_bytes(CL_sRGBA, CL_UNORM_INT8), 4);
}

static void
packed_types_take_one_word(void **state)
{
    (void)state;
    assert_int_equal(image_element_bytes(CL_RGB, CL_UNORM_SHORT_565), 2);
    assert_int_equal(image_element_bytes(CL_RGBx, CL_UNORM_SHORT_555), 2);
    assert_int_equal(image_element_bytes(CL_RGB, CL_UNORM_INT_101010), 4);
    assert_int_equal(image_element_bytes(CL_RGBA, CL_UNORM_INT_101010_2), 4);
}

static void
what_does_not_go_together_is_no_format(void **state)
{
    static const cl_uint wrong[][2] = {
        {CL_RGB, CL_UNSIGNED_INT8},
        {CL_RGBA, CL_UNORM_SHORT_565},
        {CL_BGRA, CL_UNSIGNED_INT32},
        {CL_INTENSITY, CL_UNSIGNED_INT8},
        {CL_LUMINANCE, CL_SIGNED_INT32},
        {CL_DEPTH, CL_UNORM_INT8},
        {CL_sRGBA, CL_FLOAT},
        {CL_R, 0},
        {0, CL_FLOAT},
        {CL_R, CL_UNORM_INT_101010_2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(image_element_bytes(wrong[i][0], wrong[i][1]), 0);
    assert_int_equal(image_element_bytes(UINT64_MAX, CL_FLOAT), 0);
    assert_int_equal(image_element_bytes((1ull << 32) | CL_R, CL_FLOAT), 0);
}

/* The sizes 5, 6, 7 and 8: what each type makes of them. */
static void
extents_are_the_sizes_that_a_type_has(void **state)
{
    static const struct {
        cl_mem_object_type type;
        uint64_t extent[3];
    } all[] = {
        {CL_MEM_OBJECT_IMAGE1D, {5, 1, 1}},
        {CL_MEM_OBJECT_IMAGE1D_BUFFER, {5, 1, 1}},
        {CL_MEM_OBJECT_IMAGE1D_ARRAY, {5, 8, 1}},
        {CL_MEM_OBJECT_IMAGE2D, {5, 6, 1}},
        {CL_MEM_OBJECT_IMAGE2D_ARRAY, {5, 6, 8}},
        {CL_MEM_OBJECT_IMAGE3D, {5, 6, 7}},
    };
    const uint64_t sizes[IMAGE_SIZES] = {5, 6, 7, 8};

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        uint64_t extent[3];

        assert_true(image_extent(all[i].type, sizes, extent));
        assert_memory_equal(extent, all[i].extent, sizeof extent);
    }
}

static void
no_extent_without_a_size_or_of_another_type(void **state)
{
    const uint64_t sizes[IMAGE_SIZES] = {5, 6, 0, 0};
    uint64_t extent[3];

    (void)state;
    assert_true(image_extent(CL_MEM_OBJECT_IMAGE2D, sizes, extent));
    assert_false(image_extent(CL_MEM_OBJECT_IMAGE3D, sizes, extent));
    assert_false(image_extent(CL_MEM_OBJECT_IMAGE1D_ARRAY, sizes, extent));
    assert_false(image_extent(CL_MEM_OBJECT_BUFFER, sizes, extent));
    assert_false(image_extent((1ull << 32) | CL_MEM_OBJECT_IMAGE2D, sizes, extent));
}

static void
regions_end_inside_the_image(void **state)
{
    const uint64_t extent[3] = {10, 7, 1}, zero[3] = {0}, corner[3] = {9, 6, 0};
    const uint64_t one[3] = {1, 1, 1}, wide[3] = {2, 1, 1}, none[3] = {1, 0, 1};
    const uint64_t far[3] = {UINT64_MAX, 0, 0};

    (void)state;
    assert_true(image_region_ok(extent, zero, extent));
    assert_true(image_region_ok(extent, corner, one));
    assert_false(image_region_ok(extent, corner, wide));
    assert_false(image_region_ok(extent, zero, none));
    assert_false(image_region_ok(extent, far, wide));
}

static void
bytes_of_a_region_do_not_overflow(void **state)
{
    const uint64_t small[3] = {10, 7, 3}, huge[3] = {1ull << 32, 1ull << 30, 1};
    const uint64_t deep[3] = {1ull << 30, 1ull << 30, 1ull << 30};
    uint64_t bytes = 0;

    (void)state;
    assert_true(image_region_bytes(4, small, &bytes));
    assert_int_equal(bytes, 840);
    assert_false(image_region_bytes(16, huge, &bytes));
    assert_false(image_region_bytes(1, deep, &bytes));
    assert_int_equal(bytes, 840);
}

static struct image
image_of(cl_mem_object_type type, uint32_t element)
{
    return (struct image){.type = type, .element = element};
}

/* Each byte of the region is in exactly one piece, where rect_scatter will put it. */
static void
check_pieces(const struct image *i, const size_t region[3], size_t most)
{
    static uint8_t seen[1 << 16], tight[1 << 16];
    const size_t origin[3] = {3, 2, 1};
    const size_t row = region[0] * i->element + 5, slice = row * region[1] + 7;
    struct rect whole = image_rect(i, origin, region, row, slice);
    struct image_pieces p = image_pieces(i, &whole, most);
    size_t sum = 0;
    bool last = false;

    memset(seen, 0, sizeof seen);
    memset(tight, 1, sizeof tight);
    for (bool first = true; image_next_piece(&p); first = false) {
        size_t bytes = p.piece.region[0] * p.piece.region[1] * p.piece.region[2];

        assert_false(last);
        assert_true(p.first == first);
        assert_true(bytes > 0 && bytes <= most);
        assert_int_equal(p.piece.region[0] % i->element, 0);
        assert_int_equal(p.host_offset,
                         (p.piece.buffer_origin[0] - 3) * i->element +
                             (p.piece.buffer_origin[1] - 2) * p.piece.host_row +
                             (p.piece.buffer_origin[2] - 1) * p.piece.host_slice);
        rect_scatter(&p.piece, tight, seen + p.host_offset);
        last = p.last;
        sum += bytes;
    }
    assert_true(last);
    assert_int_equal(sum, whole.region[0] * region[1] * region[2]);
    for (size_t k = 0; k < sizeof seen; k++)
        sum -= seen[k];
    assert_int_equal(sum, 0);
}

static void
pieces_are_slices_rows_or_parts_of_rows(void **state)
{
    const struct image deep = image_of(CL_MEM_OBJECT_IMAGE3D, 4);
    const struct image lines = image_of(CL_MEM_OBJECT_IMAGE1D_ARRAY, 16);
    const size_t region[3] = {11, 9, 7}, array[3] = {13, 6, 1};

    (void)state;
    check_pieces(&deep, region, 1 << 20); /* one */
    check_pieces(&deep, region, 792);     /* two slices */
    check_pieces(&deep, region, 176);     /* four rows */
    check_pieces(&deep, region, 44);      /* a row */
    check_pieces(&deep, region, 30);      /* seven elements */
    check_pieces(&lines, array, 208);
    check_pieces(&lines, array, 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_as_long_as_their_channels),
        cmocka_unit_test(packed_types_take_one_word),
        cmocka_unit_test(what_does_not_go_together_is_no_format),
        cmocka_unit_test(extents_are_the_sizes_that_a_type_has),
        cmocka_unit_test(no_extent_without_a_size_or_of_another_type),
        cmocka_unit_test(regions_end_inside_the_image),
        cmocka_unit_test(bytes_of_a_region_do_not_overflow),
        cmocka_unit_test(pieces_are_slices_rows_or_parts_of_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
