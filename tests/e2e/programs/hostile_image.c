/* SPDX-License-Identifier: MIT */
/*
 * hostile_image CASE: a program that changes what the guest library knows of its objects, so that
 * the library sends what it would never send. The worker must end the session and touch nothing
 * outside: ends with status 0 when the session ended, 1 when the call went through.
 */
#include "cltest.h"
#include "guest/opencl/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cl c;
static const cl_image_format rgba = {CL_RGBA, CL_UNSIGNED_INT8};
static const size_t zero[3], whole[3] = {64, 64, 1};
static uint8_t bytes[1 << 20];

static cl_mem
image_in(cl_mem buffer, size_t width)
{
    const cl_image_desc desc = {.image_type = buffer ? CL_MEM_OBJECT_IMAGE1D_BUFFER
                                                     : CL_MEM_OBJECT_IMAGE2D,
                                .image_width = width,
                                .image_height = 64,
                                .mem_object = buffer};

    return clCreateImage(c.context, CL_MEM_READ_WRITE, &rgba, &desc, NULL, NULL);
}

static void
region(cl_mem image, cl_mem buffer)
{
    (void)buffer;
    image->image->extent[1] = 4096;
    clEnqueueReadImage(c.queue, image, CL_TRUE, zero, (size_t[]){64, 4096, 1}, 0, 0,
                       bytes, 0, NULL, NULL);
}

static void
overflow(cl_mem image, cl_mem buffer)
{
    (void)buffer;
    for (int i = 0; i < 3; i++)
        image->image->extent[i] = UINT64_MAX;
    clEnqueueFillImage(c.queue, image, bytes, (size_t[]){SIZE_MAX - 64, 0, 0},
                       (size_t[]){64, 1, 1}, 0, NULL, NULL);
}

/* The worker is told of fewer bytes of the heap than the region takes. */
static void
short_read(cl_mem image, cl_mem buffer)
{
    (void)buffer;
    image->image->extent[0] = 64;
    image->image->element = 1;
    clEnqueueReadImage(c.queue, image, CL_TRUE, zero, whole, 0, 0, bytes, 0, NULL, NULL);
}

static void
short_write(cl_mem image, cl_mem buffer)
{
    (void)buffer;
    image->image->element = 1;
    clEnqueueWriteImage(c.queue, image, CL_TRUE, zero, whole, 0, 0, bytes, 0, NULL, NULL);
}

static void
past_buffer(cl_mem image, cl_mem buffer)
{
    buffer->size = 1 << 30;
    clEnqueueCopyImageToBuffer(c.queue, image, buffer, zero, whole, 4096, 0, NULL, NULL);
}

static void
large_line(cl_mem image, cl_mem buffer)
{
    (void)image;
    buffer->size = 1 << 30;
    image_in(buffer, 1 << 20);
}

static void
other_kind(cl_mem image, cl_mem buffer)
{
    (void)buffer;
    image->image = NULL;
    clEnqueueFillBuffer(c.queue, image, bytes, 4, 0, 64, 0, NULL, NULL);
}

static void
other_format(cl_mem image, cl_mem buffer)
{
    const cl_image_format wide = {CL_RGBA, CL_UNSIGNED_INT32};
    const cl_image_desc desc = {
        .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 64, .image_height = 64};
    cl_mem other = clCreateImage(c.context, 0, &wide, &desc, NULL, NULL);

    (void)buffer;
    other->image->format = rgba;
    clEnqueueCopyImage(c.queue, image, other, zero, zero, whole, 0, NULL, NULL);
}

/* ---- recorded commands ------------------------------------------------------------- */

#define FIND(name)                                                                       \
    ((__typeof__(name) *)clGetExtensionFunctionAddressForPlatform(c.platform, #name))

static cl_command_buffer_khr
recording(void)
{
    return FIND(clCreateCommandBufferKHR)(1, &c.queue, NULL, NULL);
}

static void
recorded_fill(cl_mem image, cl_mem buffer)
{
    (void)buffer;
    image->image->extent[1] = 4096;
    FIND(clCommandFillImageKHR)
    (recording(), NULL, image, bytes, zero, (size_t[]){64, 4096, 1}, 0, NULL, NULL, NULL);
}

static void
recorded_copy(cl_mem image, cl_mem buffer)
{
    cl_mem other = image_in(NULL, 64);

    (void)buffer;
    image->image->extent[1] = 4096;
    other->image->extent[1] = 4096;
    FIND(clCommandCopyImageKHR)
    (recording(), NULL, image, other, zero, zero, (size_t[]){64, 4096, 1}, 0, NULL, NULL,
     NULL);
}

static void
recorded_to_buffer(cl_mem image, cl_mem buffer)
{
    buffer->size = 1 << 30;
    FIND(clCommandCopyImageToBufferKHR)
    (recording(), NULL, image, buffer, zero, whole, 4096, 0, NULL, NULL, NULL);
}

static void
recorded_to_image(cl_mem image, cl_mem buffer)
{
    buffer->size = 1 << 30;
    FIND(clCommandCopyBufferToImageKHR)
    (recording(), NULL, buffer, image, 4096, zero, whole, 0, NULL, NULL, NULL);
}

static void
recorded_range(cl_mem image, cl_mem buffer)
{
    cl_mem other = cl_buffer(&c, CL_MEM_READ_WRITE, 65536, NULL);

    (void)image;
    buffer->size = 1 << 30;
    FIND(clCommandCopyBufferKHR)
    (recording(), NULL, buffer, other, 0, 0, 65536, 0, NULL, NULL, NULL);
}

static void
recorded_bytes(cl_mem image, cl_mem buffer)
{
    (void)image;
    buffer->size = 1 << 30;
    FIND(clCommandFillBufferKHR)
    (recording(), NULL, buffer, bytes, 4, 16384, 4, 0, NULL, NULL, NULL);
}

static const size_t three_slices[3] = {1, 1, 3}, two_slices[3] = {1, 1, 2};

static void
recorded_rectangle(cl_mem image, cl_mem buffer)
{
    cl_mem other = cl_buffer(&c, CL_MEM_READ_WRITE, 65536, NULL);

    (void)image;
    buffer->size = SIZE_MAX;
    FIND(clCommandCopyBufferRectKHR)
    (recording(), NULL, buffer, other, zero, zero, two_slices, 1, 1 << 20, 1, 1, 0, NULL,
     NULL, NULL);
}

static void
rectangle(cl_mem image, cl_mem buffer)
{
    cl_mem other = cl_buffer(&c, CL_MEM_READ_WRITE, 65536, NULL);

    (void)image;
    buffer->size = SIZE_MAX;
    clEnqueueCopyBufferRect(c.queue, buffer, other, zero, zero, three_slices, 1,
                            (SIZE_MAX >> 1) - 1, 1, 1, 0, NULL, NULL);
}

static const struct {
    const char *name;
    void (*run)(cl_mem image, cl_mem buffer);
} cases[] = {
    {"region", region},
    {"overflow", overflow},
    {"short-read", short_read},
    {"short-write", short_write},
    {"past-buffer", past_buffer},
    {"large-line", large_line},
    {"other-kind", other_kind},
    {"other-format", other_format},
    {"rectangle", rectangle},
    {"recorded-fill", recorded_fill},
    {"recorded-copy", recorded_copy},
    {"recorded-to-buffer", recorded_to_buffer},
    {"recorded-to-image", recorded_to_image},
    {"recorded-range", recorded_range},
    {"recorded-bytes", recorded_bytes},
    {"recorded-rectangle", recorded_rectangle},
};

int
main(int argc, char **argv)
{
    cl_mem image, buffer;

    cl_open(&c);
    image = image_in(NULL, 64);
    buffer = cl_buffer(&c, CL_MEM_READ_WRITE, 16384, NULL);
    EXPECT(image && argc == 2);
    /* With its first use the buffer is sent, as it is still. */
    OK(clEnqueueFillBuffer(c.queue, buffer, bytes, 1, 0, 16384, 0, NULL, NULL));
    OK(clFinish(c.queue));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(argv[1], cases[i].name) != 0)
            continue;
        cases[i].run(image, buffer);
        return clFinish(c.queue) == CL_OUT_OF_RESOURCES ? 0 : 1;
    }
    fail("hostile_image: no case %s", argv[1]);
}
