/* SPDX-License-Identifier: MIT */
/*
 * guest_command_images [pocl]: cl_khr_command_buffer, commands on images of every type. With "pocl"
 * without what ends PoCL 3.1 itself: 1D image buffers.
 */
#include "imagetest.h"

#include <CL/cl_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLAYS 3u

static bool pocl;

#define FUNCTIONS(X)                                                                     \
    X(clCreateCommandBufferKHR)                                                          \
    X(clReleaseCommandBufferKHR)                                                         \
    X(clFinalizeCommandBufferKHR)                                                        \
    X(clEnqueueCommandBufferKHR)                                                         \
    X(clCommandCopyBufferToImageKHR)                                                     \
    X(clCommandCopyImageKHR)                                                             \
    X(clCommandCopyImageToBufferKHR)                                                     \
    X(clCommandFillImageKHR)

#define MEMBER(name) __typeof__(name) *(name);
static struct {
    FUNCTIONS(MEMBER)
} f;

static void *
find(const char *name)
{
    void *address = clGetExtensionFunctionAddressForPlatform(c.platform, name);

    if (!address)
        fail("%s is not there", name);
    return address;
}

static cl_command_buffer_khr
new_buffer(void)
{
    cl_int rc;
    cl_command_buffer_khr b = f.clCreateCommandBufferKHR(1, &c.queue, NULL, &rc);

    OK(rc);
    EXPECT(b);
    return b;
}

/* Inside the image, away from its edges where it is long enough. */
struct region {
    size_t origin[3], size[3], bytes;
};

static struct region
region_of(const struct subject *s)
{
    struct region r = {.bytes = s->element};

    for (int i = 0; i < 3; i++) {
        r.origin[i] = s->extent[i] > 4 ? 2 : 0;
        r.size[i] = s->extent[i] > 4 ? s->extent[i] - 3 : s->extent[i];
        r.bytes *= r.size[i];
    }
    return r;
}

static uint8_t *
row_of(const struct subject *s, uint8_t *all, const struct region *r, size_t y, size_t z)
{
    return all + (((r->origin[2] + z) * s->extent[1] + r->origin[1] + y) * s->extent[0] +
                  r->origin[0]) *
                     s->element;
}

/* From the region to tight bytes, or the other way. */
static void
region_move(const struct subject *s, uint8_t *all, const struct region *r, uint8_t *tight,
            bool in)
{
    const size_t row = r->size[0] * s->element;

    for (size_t z = 0; z < r->size[2]; z++) {
        for (size_t y = 0; y < r->size[1]; y++, tight += row) {
            uint8_t *at = row_of(s, all, r, y, z);

            memcpy(in ? at : tight, in ? tight : at, row);
        }
    }
}

/* All bytes of an element are alike: in a format of 4 bytes a channel, and in one of 1. */
static const cl_uint color[4] = {0x5a5a5a5a, 0x5a5a5a5a, 0x5a5a5a5a, 0x5a5a5a5a};
static const cl_uint small_color[4] = {0x5a, 0x5a, 0x5a, 0x5a};

/*
 * source → copy by clCommandCopyImageKHR; source → buffer → back by the two others; formats of
 * whole numbers are filled first.
 */
static void
record(cl_command_buffer_khr b, struct subject *from, struct subject *to, cl_mem bytes,
       bool fill)
{
    const cl_uint *with =
        to->format.image_channel_data_type == CL_UNSIGNED_INT8 ? small_color : color;
    const struct region r = region_of(from);
    cl_sync_point_khr p[3];

    if (fill)
        OK(f.clCommandFillImageKHR(b, NULL, to->image, with, zero, to->extent, 0, NULL,
                                   NULL, NULL));
    OK(f.clCommandCopyImageKHR(b, NULL, from->image, to->image, r.origin, r.origin,
                               r.size, 0, NULL, &p[0], NULL));
    OK(f.clCommandCopyImageToBufferKHR(b, NULL, to->image, bytes, r.origin, r.size, 64, 1,
                                       p, &p[1], NULL));
    OK(f.clCommandCopyBufferToImageKHR(b, NULL, bytes, from->image, 32, r.origin, r.size,
                                       1, &p[1], &p[2], NULL));
    OK(f.clFinalizeCommandBufferKHR(b));
}

/* The same on the host. The buffer is read 32 bytes before where it was written. */
static void
replay_host(struct subject *from, struct subject *to, uint8_t *bytes, bool fill)
{
    const struct region r = region_of(from);

    if (fill)
        memset(to->want, 0x5a, to->bytes);
    region_move(from, from->want, &r, bytes + 64, false);
    region_move(to, to->want, &r, bytes + 64, true);
    region_move(from, from->want, &r, bytes + 32, true);
}

static void
every_command(const struct image_shape *shape, const cl_image_format *format)
{
    struct subject from = {.desc = shape->desc, .format = *format};
    struct subject to = {.desc = shape->desc, .format = *format};
    const bool fill = format->image_channel_data_type == CL_UNSIGNED_INT8 ||
                      format->image_channel_data_type == CL_UNSIGNED_INT32;
    cl_command_buffer_khr b = new_buffer();
    uint8_t *host, *got;
    size_t len;
    cl_mem bytes;

    subject_make(&from);
    subject_make(&to);
    subject_write(&from, 1);
    subject_write(&to, 2);
    len = from.bytes + 64;
    host = alloc(len);
    got = alloc(len);
    random_bytes(host, len, 3);
    bytes = cl_buffer(&c, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, len, host);
    record(b, &from, &to, bytes, fill);
    for (unsigned i = 0; i < REPLAYS; i++) {
        OK(f.clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL));
        OK(clFinish(c.queue));
        replay_host(&from, &to, host, fill);
        subject_compare(&from, shape->name);
        subject_compare(&to, shape->name);
        OK(clEnqueueReadBuffer(c.queue, bytes, CL_TRUE, 0, len, got, 0, NULL, NULL));
        same_bytes(got, host, len, shape->name);
    }
    OK(f.clReleaseCommandBufferKHR(b));
    OK(clReleaseMemObject(bytes));
    subject_free(&from);
    subject_free(&to);
    free(host);
    free(got);
}

/* A 1D image and a 1D image buffer, each way. */
static void
line_and_image(void)
{
    struct subject line = {.desc = types[LINE_IN_BUFFER].desc, .format = formats[0]};
    struct subject image = {.desc = types[LINE].desc, .format = formats[0]};
    cl_command_buffer_khr b = new_buffer();
    const size_t at[3] = {100, 0, 0}, size[3] = {150, 1, 1};

    subject_make(&line);
    subject_make(&image);
    subject_write(&line, 5);
    subject_write(&image, 6);
    OK(f.clCommandCopyImageKHR(b, NULL, line.image, image.image, at, zero, size, 0, NULL,
                               NULL, NULL));
    OK(f.clCommandCopyImageKHR(b, NULL, image.image, line.image, at, zero, size, 0, NULL,
                               NULL, NULL));
    OK(f.clFinalizeCommandBufferKHR(b));
    for (unsigned i = 0; i < REPLAYS; i++) {
        OK(f.clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL));
        OK(clFinish(c.queue));
        memcpy(image.want, line.want + 400, 600);
        memcpy(line.want, image.want + 400, 600);
        subject_compare(&line, "a 1D image buffer");
        subject_compare(&image, "a 1D image");
    }
    OK(f.clReleaseCommandBufferKHR(b));
    subject_free(&line);
    subject_free(&image);
}

static cl_int
fill(cl_command_buffer_khr b, cl_mem image, const void *with, const size_t *origin,
     const size_t *region)
{
    return f.clCommandFillImageKHR(b, NULL, image, with, origin, region, 0, NULL, NULL,
                                   NULL);
}

static cl_int
copy(cl_command_buffer_khr b, cl_mem src, cl_mem dst, const size_t *to,
     const size_t *region)
{
    return f.clCommandCopyImageKHR(b, NULL, src, dst, zero, to, region, 0, NULL, NULL,
                                   NULL);
}

static cl_int
to_buffer(cl_command_buffer_khr b, cl_mem src, cl_mem dst, size_t offset,
          const size_t *region)
{
    return f.clCommandCopyImageToBufferKHR(b, NULL, src, dst, zero, region, offset, 0,
                                           NULL, NULL, NULL);
}

static cl_int
to_image(cl_command_buffer_khr b, cl_mem src, cl_mem dst, size_t offset,
         const size_t *region)
{
    return f.clCommandCopyBufferToImageKHR(b, NULL, src, dst, offset, zero, region, 0,
                                           NULL, NULL, NULL);
}

/* Refused commands are not recorded. */
static void
wrong(void)
{
    const cl_image_desc desc = {
        .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 64, .image_height = 64};
    cl_mem image = image_new(CL_MEM_READ_WRITE, &formats[0], &desc, NULL);
    cl_mem other = image_new(CL_MEM_READ_WRITE, &formats[2], &desc, NULL);
    cl_mem bytes = cl_buffer(&c, CL_MEM_READ_WRITE, 16384, NULL);
    const size_t whole[3] = {64, 64, 1}, far[3] = {64, 65, 1}, at[3] = {8, 0, 0};
    const size_t small[3] = {16, 16, 1};
    cl_command_buffer_khr b = new_buffer();

    EXPECT(fill(b, image, color, at, whole) == CL_INVALID_VALUE);
    EXPECT(fill(b, image, color, zero, far) == CL_INVALID_VALUE);
    EXPECT(fill(b, image, NULL, zero, whole) == CL_INVALID_VALUE);
    EXPECT(fill(b, image, color, NULL, whole) == CL_INVALID_VALUE);
    EXPECT(fill(b, NULL, color, zero, whole) == CL_INVALID_MEM_OBJECT);
    EXPECT(copy(b, image, image, at, small) == CL_MEM_COPY_OVERLAP);
    EXPECT(copy(b, image, other, zero, small) == CL_IMAGE_FORMAT_MISMATCH);
    EXPECT(copy(b, image, image, at, whole) == CL_INVALID_VALUE);
    EXPECT(to_buffer(b, image, bytes, 4, whole) == CL_INVALID_VALUE);
    EXPECT(to_buffer(b, NULL, bytes, 0, whole) == CL_INVALID_MEM_OBJECT);
    EXPECT(to_image(b, bytes, image, 4, whole) == CL_INVALID_VALUE);
    EXPECT(to_image(b, bytes, NULL, 0, whole) == CL_INVALID_MEM_OBJECT);
    if (!pocl) { /* PoCL 3.1 follows what is none */
        EXPECT(fill(b, bytes, color, zero, whole) == CL_INVALID_MEM_OBJECT);
        EXPECT(to_buffer(b, image, NULL, 0, whole) == CL_INVALID_MEM_OBJECT);
        EXPECT(to_image(b, NULL, image, 0, whole) == CL_INVALID_MEM_OBJECT);
        EXPECT(to_image(b, bytes, image, 0, zero) == CL_INVALID_VALUE);
    }
    OK(to_buffer(b, image, bytes, 0, whole));
    OK(f.clFinalizeCommandBufferKHR(b));
    EXPECT(fill(b, image, color, zero, whole) == CL_INVALID_OPERATION);
    OK(f.clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL));
    OK(clFinish(c.queue));
    OK(f.clReleaseCommandBufferKHR(b));
    OK(clReleaseMemObject(image));
    OK(clReleaseMemObject(other));
    OK(clReleaseMemObject(bytes));
    done("wrong commands on images");
}

int
main(int argc, char **argv)
{
    pocl = argc > 1 && strcmp(argv[1], "pocl") == 0;
    cl_open(&c);
#define FIND(name) f.name = (__typeof__(name) *)find(#name);
    FUNCTIONS(FIND)
    for (size_t i = 0; i < IMAGE_TYPES; i++) {
        if (pocl && i == LINE_IN_BUFFER)
            continue;
        for (size_t k = 0; k < IMAGE_FORMATS; k++)
            every_command(&types[i], &formats[k]);
        printf("every command on images: %s\n", types[i].name);
    }
    if (!pocl)
        line_and_image();
    wrong();
    cl_close(&c);
    return 0;
}
