/* SPDX-License-Identifier: MIT */
/* The fake driver's images: what goes in comes out, in its place; what does not fit is refused. */
#include "worker/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <string.h>

#define W ((size_t)8)
#define H ((size_t)4)

static struct {
    struct device d;
    cl_context context;
    cl_command_queue queue;
} f;

static const cl_image_format rgba8 = {CL_RGBA, CL_UNSIGNED_INT8};
static const size_t zero[3] = {0, 0, 0}, whole[3] = {W, H, 1};

static int
setup(void **state)
{
    const struct device_options options = {.fake = true};
    char reason[160];

    (void)state;
    if (device_open(&f.d, &options, reason) < 0)
        return -1;
    f.context = f.d.cl->clCreateContext(NULL, 1, &f.d.id, NULL, NULL, NULL);
    f.queue = f.d.cl->clCreateCommandQueueWithProperties(f.context, f.d.id, NULL, NULL);
    return f.queue ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    f.d.cl->clReleaseCommandQueue(f.queue);
    return f.d.cl->clReleaseContext(f.context);
}

static cl_mem
image_of(cl_mem_object_type type, cl_mem parent, size_t pitch, cl_int *err)
{
    const cl_image_desc desc = {.image_type = type,
                                .image_width = W,
                                .image_height = H,
                                .image_depth = 1,
                                .image_array_size = H,
                                .image_row_pitch = pitch,
                                .mem_object = parent};

    return f.d.cl->clCreateImage(f.context, CL_MEM_READ_WRITE, &rgba8, &desc, NULL, err);
}

static cl_mem
image(void)
{
    cl_int err;
    cl_mem m = image_of(CL_MEM_OBJECT_IMAGE2D, NULL, 0, &err);

    assert_int_equal(err, CL_SUCCESS);
    return m;
}

#define assert_cl(answer, call) assert_int_equal(f.d.cl->call, answer)

static void
read_is(cl_mem m, const uint8_t *expected)
{
    uint8_t got[H][W][4];

    assert_cl(CL_SUCCESS, clEnqueueReadImage(f.queue, m, CL_TRUE, zero, whole, 0, 0, got,
                                             0, NULL, NULL));
    assert_memory_equal(got, expected, sizeof got);
}

static void
counting(uint8_t bytes[H * W * 4])
{
    for (size_t i = 0; i < H * W * 4; i++)
        bytes[i] = (uint8_t)i;
}

static void
test_write_and_read(void **state)
{
    const size_t origin[3] = {2, 1, 0}, region[3] = {2, 2, 1};
    uint8_t bytes[H * W * 4], wide[2][16];
    cl_mem m = image();

    (void)state;
    counting(bytes);
    assert_cl(CL_SUCCESS, clEnqueueWriteImage(f.queue, m, CL_TRUE, zero, whole, 0, 0,
                                              bytes, 0, NULL, NULL));
    read_is(m, bytes);
    memset(wide, 0xee, sizeof wide);
    assert_cl(CL_SUCCESS, clEnqueueReadImage(f.queue, m, CL_TRUE, origin, region, 16, 0,
                                             wide, 0, NULL, NULL));
    assert_memory_equal(wide[0], bytes + (W + 2) * 4, 8);
    assert_memory_equal(wide[1], bytes + (2 * W + 2) * 4, 8);
    assert_int_equal(wide[0][8], 0xee);
    assert_cl(CL_SUCCESS, clReleaseMemObject(m));
}

static void
test_fill_and_copy(void **state)
{
    const cl_uint color[4] = {1, 2, 3, 400};
    const size_t origin[3] = {4, 2, 0}, region[3] = {4, 2, 1};
    uint8_t expected[H * W * 4] = {0};
    cl_mem a = image(), b = image();

    (void)state;
    for (size_t y = 2; y < 4; y++) {
        for (size_t x = 4; x < 8; x++)
            memcpy(expected + (y * W + x) * 4, "\1\2\3\xff", 4);
    }
    assert_cl(CL_SUCCESS,
              clEnqueueFillImage(f.queue, a, color, origin, region, 0, NULL, NULL));
    read_is(a, expected);
    assert_cl(CL_SUCCESS,
              clEnqueueCopyImage(f.queue, a, b, origin, origin, region, 0, NULL, NULL));
    read_is(b, expected);
    assert_cl(CL_SUCCESS, clReleaseMemObject(a));
    assert_cl(CL_SUCCESS, clReleaseMemObject(b));
}

static void
test_buffers(void **state)
{
    uint8_t bytes[H * W * 4], got[H * W * 4];
    cl_mem m = image(), buffer;

    (void)state;
    counting(bytes);
    buffer = f.d.cl->clCreateBuffer(f.context, CL_MEM_COPY_HOST_PTR, sizeof bytes, bytes,
                                    NULL);
    assert_cl(CL_SUCCESS, clEnqueueCopyBufferToImage(f.queue, buffer, m, 0, zero, whole,
                                                     0, NULL, NULL));
    read_is(m, bytes);
    assert_cl(CL_INVALID_VALUE, clEnqueueCopyImageToBuffer(f.queue, m, buffer, zero,
                                                           whole, 1, 0, NULL, NULL));
    assert_cl(CL_SUCCESS, clEnqueueCopyImageToBuffer(f.queue, m, buffer, zero, whole, 0,
                                                     0, NULL, NULL));
    assert_cl(CL_SUCCESS, clEnqueueReadBuffer(f.queue, buffer, CL_TRUE, 0, sizeof got,
                                              got, 0, NULL, NULL));
    assert_memory_equal(got, bytes, sizeof got);
    assert_cl(CL_SUCCESS, clReleaseMemObject(m));
    assert_cl(CL_SUCCESS, clReleaseMemObject(buffer));
}

/* An image in a buffer has its bytes, with the pitch that was asked for. */
static void
test_in_a_buffer(void **state)
{
    const size_t at[3] = {1, 2, 0}, one[3] = {1, 1, 1};
    cl_mem buffer =
        f.d.cl->clCreateBuffer(f.context, CL_MEM_READ_WRITE, H * 64, NULL, NULL);
    uint8_t got[4];
    cl_int err;
    cl_mem m = image_of(CL_MEM_OBJECT_IMAGE2D, buffer, 64, &err);

    (void)state;
    assert_int_equal(err, CL_SUCCESS);
    assert_cl(CL_SUCCESS, clEnqueueWriteImage(f.queue, m, CL_TRUE, at, one, 0, 0, "abcd",
                                              0, NULL, NULL));
    assert_cl(CL_SUCCESS, clEnqueueReadBuffer(f.queue, buffer, CL_TRUE, 2 * 64 + 4, 4,
                                              got, 0, NULL, NULL));
    assert_memory_equal(got, "abcd", 4);
    assert_cl(CL_SUCCESS, clReleaseMemObject(buffer));
    assert_cl(CL_SUCCESS, clReleaseMemObject(m));
}

static void
test_map(void **state)
{
    const size_t at[3] = {1, 1, 0}, one[3] = {1, 1, 1};
    uint8_t bytes[H * W * 4], *p;
    size_t row, slice;
    cl_mem m = image();
    cl_int err;

    (void)state;
    counting(bytes);
    assert_cl(CL_SUCCESS, clEnqueueWriteImage(f.queue, m, CL_TRUE, zero, whole, 0, 0,
                                              bytes, 0, NULL, NULL));
    p = f.d.cl->clEnqueueMapImage(f.queue, m, CL_TRUE, CL_MAP_READ, at, one, &row, &slice,
                                  0, NULL, NULL, &err);
    assert_int_equal(err, CL_SUCCESS);
    assert_int_equal(row, W * 4);
    assert_int_equal(slice, H * W * 4);
    assert_memory_equal(p, bytes + (W + 1) * 4, 4);
    assert_cl(CL_SUCCESS, clEnqueueUnmapMemObject(f.queue, m, p, 0, NULL, NULL));
    assert_cl(CL_SUCCESS, clReleaseMemObject(m));
}

static void
test_recorded(void **state)
{
    const cl_uint color[4] = {9, 9, 9, 9};
    uint8_t expected[H * W * 4];
    cl_mem a = image(), b = image();
    cl_command_buffer_khr buffer =
        f.d.ext.clCreateCommandBufferKHR(1, &f.queue, NULL, NULL);

    (void)state;
    memset(expected, 9, sizeof expected);
    assert_int_equal(f.d.ext.clCommandFillImageKHR(buffer, NULL, a, color, zero, whole, 0,
                                                   NULL, NULL, NULL),
                     CL_SUCCESS);
    assert_int_equal(f.d.ext.clCommandCopyImageKHR(buffer, NULL, a, b, zero, zero, whole,
                                                   0, NULL, NULL, NULL),
                     CL_SUCCESS);
    assert_int_equal(f.d.ext.clFinalizeCommandBufferKHR(buffer), CL_SUCCESS);
    assert_int_equal(f.d.ext.clEnqueueCommandBufferKHR(0, NULL, buffer, 0, NULL, NULL),
                     CL_SUCCESS);
    assert_cl(CL_SUCCESS, clFinish(f.queue));
    read_is(b, expected);
    f.d.ext.clReleaseCommandBufferKHR(buffer);
    assert_cl(CL_SUCCESS, clReleaseMemObject(a));
    assert_cl(CL_SUCCESS, clReleaseMemObject(b));
}

static void
test_refusals(void **state)
{
    const size_t outside[3] = {1, 0, 0};
    uint8_t bytes[H * W * 4];
    cl_mem m = image(), small;
    cl_int err;

    (void)state;
    assert_cl(CL_INVALID_VALUE, clEnqueueReadImage(f.queue, m, CL_TRUE, outside, whole, 0,
                                                   0, bytes, 0, NULL, NULL));
    assert_cl(CL_INVALID_VALUE, clEnqueueReadImage(f.queue, m, CL_TRUE, zero, whole, 4, 0,
                                                   bytes, 0, NULL, NULL));
    small = f.d.cl->clCreateBuffer(f.context, CL_MEM_READ_WRITE, 16, NULL, NULL);
    assert_cl(CL_INVALID_MEM_OBJECT,
              clEnqueueReadImage(f.queue, small, CL_TRUE, zero, whole, 0, 0, bytes, 0,
                                 NULL, NULL));
    assert_null(image_of(CL_MEM_OBJECT_IMAGE2D, small, 0, &err));
    assert_int_equal(err, CL_INVALID_IMAGE_SIZE);
    assert_null(image_of(CL_MEM_OBJECT_IMAGE1D_BUFFER, NULL, 0, &err));
    assert_int_equal(err, CL_INVALID_IMAGE_DESCRIPTOR);
    assert_null(image_of(CL_MEM_OBJECT_IMAGE2D, NULL, 64, &err));
    assert_int_equal(err, CL_INVALID_IMAGE_DESCRIPTOR);
    assert_cl(CL_SUCCESS, clReleaseMemObject(small));
    assert_cl(CL_SUCCESS, clReleaseMemObject(m));
}

static void
test_formats(void **state)
{
    cl_image_format list[64];
    cl_uint n = 0;
    bool found = false;

    (void)state;
    assert_cl(CL_SUCCESS,
              clGetSupportedImageFormats(f.context, CL_MEM_READ_WRITE,
                                         CL_MEM_OBJECT_IMAGE2D, 64, list, &n));
    for (cl_uint i = 0; i < n; i++)
        found |= memcmp(&list[i], &rgba8, sizeof rgba8) == 0;
    assert_true(found);
    assert_cl(CL_INVALID_VALUE,
              clGetSupportedImageFormats(f.context, CL_MEM_READ_WRITE,
                                         CL_MEM_OBJECT_BUFFER, 64, list, &n));
}

static void
test_sampler(void **state)
{
    cl_int err;
    cl_sampler s = f.d.cl->clCreateSampler(f.context, CL_TRUE, CL_ADDRESS_CLAMP,
                                           CL_FILTER_LINEAR, &err);

    (void)state;
    assert_int_equal(err, CL_SUCCESS);
    assert_cl(CL_SUCCESS, clReleaseSampler(s));
    assert_null(
        f.d.cl->clCreateSampler(f.context, 2, CL_ADDRESS_CLAMP, CL_FILTER_LINEAR, &err));
    assert_int_equal(err, CL_INVALID_VALUE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_read),
        cmocka_unit_test(test_fill_and_copy),
        cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_in_a_buffer),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_sampler),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
