/* SPDX-License-Identifier: MIT */
/* Images of every type and several formats, of buffers too. */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

struct shape {
    const char *name;
    cl_image_desc desc;
    size_t extent[3];
};

#define WIDE 32
static const struct shape shapes[] = {
    {"1D", {.image_type = CL_MEM_OBJECT_IMAGE1D, .image_width = WIDE}, {WIDE, 1, 1}},
    {"1D array",
     {.image_type = CL_MEM_OBJECT_IMAGE1D_ARRAY,
      .image_width = WIDE,
      .image_array_size = 3},
     {WIDE, 3, 1}},
    {"2D",
     {.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = WIDE, .image_height = 5},
     {WIDE, 5, 1}},
    {"2D array",
     {.image_type = CL_MEM_OBJECT_IMAGE2D_ARRAY,
      .image_width = WIDE,
      .image_height = 5,
      .image_array_size = 3},
     {WIDE, 5, 3}},
    {"3D",
     {.image_type = CL_MEM_OBJECT_IMAGE3D,
      .image_width = WIDE,
      .image_height = 5,
      .image_depth = 4},
     {WIDE, 5, 4}},
};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

static const struct {
    cl_image_format format;
    size_t bytes;
} formats[] = {
    {{CL_RGBA, CL_UNORM_INT8}, 4},   {{CL_RGBA, CL_UNSIGNED_INT32}, 16},
    {{CL_RGBA, CL_SIGNED_INT16}, 8}, {{CL_RGBA, CL_FLOAT}, 16},
    {{CL_R, CL_UNSIGNED_INT8}, 1},
};
#define N_FORMATS (sizeof formats / sizeof *formats)

static const size_t origin[3];
static cl_mem images[N_SHAPES][N_FORMATS];
static uint8_t contents[N_SHAPES][N_FORMATS][WIDE * 5 * 4 * 16];

static size_t
bytes_of(size_t s, size_t f)
{
    const size_t *const e = shapes[s].extent;

    return e[0] * e[1] * e[2] * formats[f].bytes;
}

/* Bits that are a small number as a float, too. */
static void
fill(uint8_t *p, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)((seed + i * 7) & 0x3f);
}

static void
write_image(size_t s, size_t f, uint32_t seed)
{
    fill(contents[s][f], bytes_of(s, f), seed);
    OK(clEnqueueWriteImage(w.queue, images[s][f], CL_TRUE, origin, shapes[s].extent, 0, 0,
                           contents[s][f], 0, NULL, NULL));
}

static void
compare_image(cl_mem image, const size_t *extent, const void *want, size_t bytes)
{
    void *const got = malloc(bytes);

    EXPECT(got != NULL);
    OK(clEnqueueReadImage(w.queue, image, CL_TRUE, origin, extent, 0, 0, got, 0, NULL,
                          NULL));
    same(got, want, bytes, "an image");
    free(got);
}

static void
shapes_make(void)
{
    cl_int rc;

    for (size_t s = 0; s < N_SHAPES; s++) {
        for (size_t f = 0; f < N_FORMATS; f++) {
            images[s][f] = clCreateImage(w.context, CL_MEM_READ_WRITE, &formats[f].format,
                                         &shapes[s].desc, NULL, &rc);
            OK(rc);
            write_image(s, f, (uint32_t)(s * 10 + f));
            watch(IMAGE, images[s][f], "image %s of format %zu", shapes[s].name, f);
        }
    }
    OK(clRetainMemObject(images[0][0]));
}

static void
shapes_check(void)
{
    for (size_t s = 0; s < N_SHAPES; s++) {
        for (size_t f = 0; f < N_FORMATS; f++)
            compare_image(images[s][f], shapes[s].extent, contents[s][f], bytes_of(s, f));
    }
}

/* Copies among images of a shape, through a buffer, and writes. */
static void
shapes_use(void)
{
    OK(clReleaseMemObject(images[0][0]));
    for (size_t s = 0; s < N_SHAPES; s++) {
        const size_t bytes = bytes_of(s, 1);
        cl_mem between = buffer_new(0, bytes, NULL);

        write_image(s, 0, 40);
        OK(clEnqueueCopyImageToBuffer(w.queue, images[s][1], between, origin,
                                      shapes[s].extent, 0, 0, NULL, NULL));
        OK(clEnqueueCopyBufferToImage(w.queue, between, images[s][3], 0, origin,
                                      shapes[s].extent, 0, NULL, NULL));
        memcpy(contents[s][3], contents[s][1], bytes);
        compare(between, 0, contents[s][1], bytes, "a copy of an image");
        OK(clReleaseMemObject(between));
    }
    shapes_check();
    for (size_t s = 0; s < N_SHAPES; s++) {
        for (size_t f = 0; f < N_FORMATS; f++)
            OK(clReleaseMemObject(images[s][f]));
    }
}

/* ---- images made in other ways ----------------------------------------------------- */

static cl_mem read_only, of_pointer, older;
static uint8_t pixels[WIDE * 5 * 4], in_host[WIDE * 5 * 4] __attribute__((aligned(4096)));
static const size_t flat[3] = {WIDE, 5, 1};

static void
ways_make(void)
{
    cl_int rc;

    fill(pixels, sizeof pixels, 1);
    memcpy(in_host, pixels, sizeof pixels);
    read_only = clCreateImage(w.context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                              &formats[0].format, &shapes[2].desc, pixels, &rc);
    OK(rc);
    of_pointer = clCreateImage(w.context, CL_MEM_USE_HOST_PTR, &formats[0].format,
                               &shapes[2].desc, in_host, &rc);
    OK(rc);
    older = clCreateImage2D(w.context, CL_MEM_COPY_HOST_PTR, &formats[0].format, WIDE, 5,
                            0, pixels, &rc);
    OK(rc);
    watch(IMAGE, read_only, "an image to read");
    watch(IMAGE, of_pointer, "an image in the host's memory");
    watch(IMAGE, older, "an image of clCreateImage2D");
}

static void
ways_check(void)
{
    compare_image(read_only, flat, pixels, sizeof pixels);
    compare_image(of_pointer, flat, pixels, sizeof pixels);
    compare_image(older, flat, pixels, sizeof pixels);
}

/* A kernel reads one through a sampler and writes the other. */
static void
ways_use(void)
{
    static const char source[] =
        "kernel void turn(read_only image2d_t a, write_only image2d_t b, sampler_t s)\n"
        "{\n"
        "    int2 p = (int2)(get_global_id(0), get_global_id(1));\n"
        "    write_imagef(b, p, read_imagef(a, s, (int2)(31 - p.x, p.y)));\n"
        "}\n";
    cl_int rc;
    cl_sampler sampler =
        clCreateSampler(w.context, CL_FALSE, CL_ADDRESS_CLAMP, CL_FILTER_NEAREST, &rc);
    cl_program p = build(source, "");
    cl_kernel k = kernel_of(p, "turn");
    uint8_t want[sizeof pixels];

    OK(rc);
    OK(clSetKernelArg(k, 0, sizeof(cl_mem), &read_only));
    OK(clSetKernelArg(k, 1, sizeof(cl_mem), &older));
    OK(clSetKernelArg(k, 2, sizeof sampler, &sampler));
    OK(clEnqueueNDRangeKernel(w.queue, k, 2, NULL, flat, NULL, 0, NULL, NULL));
    for (size_t i = 0; i < sizeof want / 4; i++)
        memcpy(want + i * 4, pixels + (i / WIDE * WIDE + 31 - i % WIDE) * 4, 4);
    compare_image(older, flat, want, sizeof want);
    OK(clReleaseSampler(sampler));
    OK(clReleaseKernel(k));
    OK(clReleaseProgram(p));
    OK(clReleaseMemObject(read_only));
    OK(clReleaseMemObject(of_pointer));
    OK(clReleaseMemObject(older));
}

/* ---- 1D images of a buffer --------------------------------------------------------- */

static cl_mem line_buffer, line;
static uint8_t line_want[WIDE * 16];
static const size_t line_extent[3] = {WIDE, 1, 1};

static void
line_make(void)
{
    cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE1D_BUFFER,
                          .image_width = WIDE};
    cl_int rc;

    fill(line_want, sizeof line_want, 2);
    line_buffer = buffer_new(CL_MEM_COPY_HOST_PTR, sizeof line_want, line_want);
    desc.buffer = line_buffer;
    line = clCreateImage(w.context, 0, &formats[1].format, &desc, NULL, &rc);
    OK(rc);
    watch(MEM, line_buffer, "the buffer of an image");
    watch(IMAGE, line, "an image of a buffer");
}

static void
line_check(void)
{
    compare_image(line, line_extent, line_want, sizeof line_want);
    compare(line_buffer, 0, line_want, sizeof line_want, "the buffer of an image");
}

/* They are the same memory. */
static void
line_use(void)
{
    fill(line_want, sizeof line_want, 3);
    OK(clEnqueueWriteBuffer(w.queue, line_buffer, CL_TRUE, 0, sizeof line_want, line_want,
                            0, NULL, NULL));
    line_check();
    OK(clReleaseMemObject(line_buffer));
    OK(clReleaseMemObject(line));
}

/* ---- 2D images of a buffer --------------------------------------------------------- */

static cl_mem plane_buffer, plane;
static uint8_t plane_want[WIDE * 4 * 16];
static const size_t plane_extent[3] = {WIDE, 4, 1};

static void
plane_make(void)
{
    cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE2D,
                          .image_width = WIDE,
                          .image_height = 4,
                          .image_row_pitch = (size_t)WIDE * 16};
    cl_int rc;

    if (!device_has("cl_khr_image2d_from_buffer"))
        part_skip("the device has no cl_khr_image2d_from_buffer");
    fill(plane_want, sizeof plane_want, 4);
    plane_buffer = buffer_new(CL_MEM_COPY_HOST_PTR, sizeof plane_want, plane_want);
    desc.buffer = plane_buffer;
    plane = clCreateImage(w.context, 0, &formats[1].format, &desc, NULL, &rc);
    OK(rc);
    watch(MEM, plane_buffer, "the buffer of a 2D image");
    watch(IMAGE, plane, "a 2D image of a buffer");
}

static void
plane_check(void)
{
    compare_image(plane, plane_extent, plane_want, sizeof plane_want);
}

static void
plane_use(void)
{
    fill(plane_want, sizeof plane_want, 5);
    OK(clEnqueueWriteBuffer(w.queue, plane_buffer, CL_TRUE, 0, sizeof plane_want,
                            plane_want, 0, NULL, NULL));
    plane_check();
    OK(clReleaseMemObject(plane));
    OK(clReleaseMemObject(plane_buffer));
}

const struct part image_parts[] = {
    {"images of every type", shapes_make, shapes_check, shapes_use},
    {"images made in other ways", ways_make, ways_check, ways_use},
    {"1D images of buffers", line_make, line_check, line_use},
    {"2D images of buffers", plane_make, plane_check, plane_use},
    {0},
};
