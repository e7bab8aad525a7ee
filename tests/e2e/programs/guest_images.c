/* SPDX-License-Identifier: MIT */
/*
 * guest_images [pocl]        every way in which the elements of an image go to a device and back,
 *                            for every type of image and several formats, checked against plain C
 *                            With "pocl" it does not ask for what PoCL 3.1 itself gets wrong.
 * guest_images limit BYTES   images and buffers together meet the limit of BYTES, to the byte
 */
#include "imagetest.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

static bool pocl;

/* ---- regions ----------------------------------------------------------------------- */

/* A region of the image, and where it is in a larger piece of the program's memory. */
struct region {
    size_t origin[3], size[3], row, slice, bytes;
};

static struct region
region_of(const struct subject *s)
{
    const bool lines = s->desc.image_type == CL_MEM_OBJECT_IMAGE1D_ARRAY;
    struct region r;

    for (int i = 0; i < 3; i++) {
        r.origin[i] = s->extent[i] / 3;
        r.size[i] = s->extent[i] - r.origin[i] - (s->extent[i] > 3);
    }
    r.row = (r.size[0] + 3) * s->element;
    r.slice = r.row * (r.size[1] + 1);
    if (lines) /* section 5.3.3: the images of an array are a slice pitch apart */
        r.slice = pocl ? r.row : r.row * 2;
    r.bytes = r.slice * (lines ? r.size[1] : r.size[2]);
    if (s->extent[2] == 1 && !lines)
        r.slice = 0;
    return r;
}

static size_t
inside_image(const struct subject *s, const struct region *r, size_t y, size_t z)
{
    return (((r->origin[2] + z) * s->extent[1] + r->origin[1] + y) * s->extent[0] +
            r->origin[0]) *
           s->element;
}

static size_t
inside_host(const struct subject *s, const struct region *r, size_t y, size_t z)
{
    if (s->desc.image_type == CL_MEM_OBJECT_IMAGE1D_ARRAY)
        return y * r->slice;
    return z * r->slice + y * r->row;
}

/* Copies the region between host memory and an image's tight bytes. */
static void
region_copy(const struct subject *s, const struct region *r, uint8_t *tight,
            uint8_t *host, bool to_image)
{
    for (size_t z = 0; z < r->size[2]; z++) {
        for (size_t y = 0; y < r->size[1]; y++) {
            uint8_t *a = tight + inside_image(s, r, y, z);
            uint8_t *b = host + inside_host(s, r, y, z);

            memcpy(to_image ? a : b, to_image ? b : a, r->size[0] * s->element);
        }
    }
}

static void
read_and_write(struct subject *s)
{
    struct region r = region_of(s);
    uint8_t *host = alloc(r.bytes), *back = alloc(r.bytes);
    cl_event e;

    subject_write(s, 1);
    subject_compare(s, "write of a whole image");
    random_bytes(host, r.bytes, 2);
    OK(clEnqueueWriteImage(c.queue, s->image, CL_TRUE, r.origin, r.size, r.row, r.slice,
                           host, 0, NULL, NULL));
    region_copy(s, &r, s->want, host, true);
    subject_compare(s, "write of a region");
    random_bytes(host, r.bytes, 3);
    memcpy(back, host, r.bytes);
    OK(clEnqueueReadImage(c.queue, s->image, CL_FALSE, r.origin, r.size, r.row, r.slice,
                          back, 0, NULL, &e));
    OK(clWaitForEvents(1, &e));
    OK(clReleaseEvent(e));
    region_copy(s, &r, s->want, host, false);
    same_bytes(back, host, r.bytes, "read of a region, and nothing beside it");
    free(host);
    free(back);
}

/* ---- fill -------------------------------------------------------------------------- */

/* One element of the color that fill() uses. */
static void
color_bytes(const struct subject *s, uint8_t *element)
{
    static const uint8_t unorm8[] = {0, 255, 255, 0};
    static const uint16_t half[] = {0, 0x3c00, 0x3c00, 0};
    static const int16_t signed16[] = {-3, 200, 31000, -32000};
    static const uint8_t unsigned8[] = {7, 200, 31, 255};
    static const uint32_t unsigned32[] = {7, 200, 31, 4000000000u};
    static const float floats[] = {0, 1, 1, 0};
    const void *from = floats;

    switch (s->format.image_channel_data_type) {
    case CL_UNORM_INT8:
        from = unorm8;
        break;
    case CL_UNSIGNED_INT8:
        from = unsigned8;
        break;
    case CL_SIGNED_INT16:
        from = signed16;
        break;
    case CL_HALF_FLOAT:
        from = half;
        break;
    case CL_UNSIGNED_INT32:
        from = unsigned32;
        break;
    default:
        break;
    }
    memcpy(element, from, s->element);
}

static void
fill(struct subject *s)
{
    static const cl_float floats[4] = {0, 1, 1, 0};
    static const cl_int ints[4] = {-3, 200, 31000, -32000};
    static const cl_uint bytes[4] = {7, 200, 31, 255};
    static const cl_uint words[4] = {7, 200, 31, 4000000000u};
    struct region r = region_of(s);
    const void *color = floats;
    uint8_t element[16];

    if (s->buffer && pocl) /* dies of it */
        return;
    if (s->format.image_channel_data_type == CL_SIGNED_INT16)
        color = ints;
    if (s->format.image_channel_data_type == CL_UNSIGNED_INT8)
        color = bytes;
    if (s->format.image_channel_data_type == CL_UNSIGNED_INT32)
        color = words;
    OK(clEnqueueFillImage(c.queue, s->image, color, r.origin, r.size, 0, NULL, NULL));
    color_bytes(s, element);
    for (size_t z = 0; z < r.size[2]; z++) {
        for (size_t y = 0; y < r.size[1]; y++) {
            for (size_t x = 0; x < r.size[0]; x++)
                memcpy(s->want + inside_image(s, &r, y, z) + x * s->element, element,
                       s->element);
        }
    }
    subject_compare(s, "fill");
}

/* ---- copies ------------------------------------------------------------------------ */

static void
copy_to_another(struct subject *s)
{
    struct region r = region_of(s);
    struct subject other = {.format = s->format, .desc = s->desc};
    uint8_t *tight;

    if (s->buffer && pocl) /* refuses it */
        return;
    subject_make(&other);
    subject_write(&other, 5);
    OK(clEnqueueCopyImage(c.queue, s->image, other.image, r.origin, r.origin, r.size, 0,
                          NULL, NULL));
    tight = alloc(r.bytes);
    region_copy(s, &r, s->want, tight, false);
    region_copy(s, &r, other.want, tight, true);
    subject_compare(&other, "copy of an image");
    subject_compare(s, "what was copied");
    free(tight);
    subject_free(&other);
}

/* The same region packed tight in a buffer, and back from there. */
static void
copy_with_buffer(struct subject *s)
{
    const size_t offset = 48;
    struct region r = region_of(s);
    uint8_t *host, *got;
    size_t bytes;
    cl_mem b;

    if (s->buffer && pocl) /* dies of it */
        return;
    r.row = r.size[0] * s->element;
    r.slice =
        s->desc.image_type == CL_MEM_OBJECT_IMAGE1D_ARRAY ? r.row : r.row * r.size[1];
    bytes = r.row * r.size[1] * r.size[2];
    host = alloc(bytes);
    got = alloc(bytes);
    b = cl_buffer(&c, CL_MEM_READ_WRITE, offset + bytes, NULL);
    OK(clEnqueueCopyImageToBuffer(c.queue, s->image, b, r.origin, r.size, offset, 0, NULL,
                                  NULL));
    OK(clEnqueueReadBuffer(c.queue, b, CL_TRUE, offset, bytes, got, 0, NULL, NULL));
    region_copy(s, &r, s->want, host, false);
    same_bytes(got, host, bytes, "copy to a buffer");
    random_bytes(host, bytes, 6);
    OK(clEnqueueWriteBuffer(c.queue, b, CL_TRUE, offset, bytes, host, 0, NULL, NULL));
    OK(clEnqueueCopyBufferToImage(c.queue, b, s->image, offset, r.origin, r.size, 0, NULL,
                                  NULL));
    region_copy(s, &r, s->want, host, true);
    subject_compare(s, "copy from a buffer");
    OK(clReleaseMemObject(b));
    free(host);
    free(got);
}

/* ---- maps -------------------------------------------------------------------------- */

static uint8_t *
map(const struct subject *s, struct region *r, cl_map_flags flags, cl_bool blocking)
{
    cl_int rc;
    uint8_t *p = clEnqueueMapImage(c.queue, s->image, blocking, flags, r->origin, r->size,
                                   &r->row, &r->slice, 0, NULL, NULL, &rc);

    OK(rc);
    EXPECT(p);
    /* PoCL 3.1 tells a wrong pitch for a 1D image buffer; it has one row. */
    if (!s->buffer)
        EXPECT(r->row >= r->size[0] * s->element);
    EXPECT((r->slice == 0) ==
           (s->extent[2] == 1 && s->desc.image_type != CL_MEM_OBJECT_IMAGE1D_ARRAY &&
            s->desc.image_type != CL_MEM_OBJECT_IMAGE2D_ARRAY &&
            s->desc.image_type != CL_MEM_OBJECT_IMAGE3D));
    return p;
}

static void
unmap(const struct subject *s, void *p)
{
    OK(clEnqueueUnmapMemObject(c.queue, s->image, p, 0, NULL, NULL));
}

static void
compare_map(struct subject *s, const struct region *r, uint8_t *p, const char *what)
{
    memcpy(s->got, s->want, s->bytes);
    region_copy(s, r, s->got, p, true);
    same_bytes(s->got, s->want, s->bytes, what);
}

static void
maps(struct subject *s)
{
    struct region r = region_of(s), part = r;
    uint8_t *p, *q, *host = alloc(r.bytes);
    cl_uint count;

    for (int i = 0; i < 3; i++)
        part.size[i] = (r.size[i] + 1) / 2;
    p = map(s, &r, CL_MAP_READ, CL_TRUE);
    q = map(s, &part, CL_MAP_READ, CL_FALSE);
    OK(clFinish(c.queue));
    OK(clGetMemObjectInfo(s->image, CL_MEM_MAP_COUNT, sizeof count, &count, NULL));
    EXPECT(count == 2 || (pocl && s->buffer)); /* counts in the buffer */
    compare_map(s, &r, p, "map for reading");
    compare_map(s, &part, q, "a map in a map");
    unmap(s, q);
    unmap(s, p);
    p = map(s, &r, CL_MAP_READ | CL_MAP_WRITE, CL_TRUE);
    compare_map(s, &r, p, "map for reading and writing");
    part.row = r.row;
    part.slice = r.slice;
    random_bytes(host, r.size[0] * s->element, 9);
    memcpy(p, host, r.size[0] * s->element);
    memcpy(s->want + inside_image(s, &r, 0, 0), host, r.size[0] * s->element);
    unmap(s, p);
    subject_compare(s, "after a map for writing");
    p = map(s, &r, CL_MAP_WRITE_INVALIDATE_REGION, CL_TRUE);
    region_copy(s, &r, s->want, p, false);
    for (size_t i = 0; i < r.size[0] * s->element; i++)
        p[i] = s->want[inside_image(s, &r, 0, 0) + i] ^= 0x11;
    unmap(s, p);
    subject_compare(s, "after a map that discards");
    free(host);
}

/* ---- host pointers ----------------------------------------------------------------- */

/* An image made from the program's memory, rows and slices with room between them. */
static void
host_pointers(const struct subject *like, cl_mem_flags flag)
{
    struct subject s = {.format = like->format, .desc = like->desc};
    struct region all;
    uint8_t *host, *p;

    if (like->buffer)
        return;
    subject_extent(&s);
    s.want = alloc(s.bytes);
    s.got = alloc(s.bytes);
    random_bytes(s.want, s.bytes, 21);
    memcpy(all.origin, zero, sizeof zero);
    memcpy(all.size, s.extent, sizeof all.size);
    all.row = (s.extent[0] + 2) * s.element;
    all.slice = s.desc.image_type == CL_MEM_OBJECT_IMAGE1D_ARRAY
                    ? all.row
                    : all.row * (s.extent[1] + 1);
    host = alloc(all.slice * s.extent[2] * s.extent[1]);
    region_copy(&s, &all, s.want, host, false);
    s.desc.image_row_pitch = all.row;
    if (s.extent[2] > 1 || s.desc.image_type == CL_MEM_OBJECT_IMAGE1D_ARRAY)
        s.desc.image_slice_pitch = all.slice;
    s.image = image_new(CL_MEM_READ_WRITE | flag, &s.format, &s.desc, host);
    subject_compare(&s, "an image from the program's memory");
    if (flag == CL_MEM_USE_HOST_PTR) {
        subject_write(&s, 22);
        p = map(&s, &all, CL_MAP_READ, CL_TRUE);
        EXPECT(p == host && all.row == s.desc.image_row_pitch);
        compare_map(&s, &all, host, "the program's memory while mapped");
        unmap(&s, p);
        OK(clFinish(c.queue));
    }
    subject_free(&s);
    free(host);
}

/* ---- all types and formats --------------------------------------------------------- */

static void
says_itself(const struct subject *s)
{
    cl_mem_object_type type;
    cl_image_format format;
    size_t n[4], bytes;

    OK(clGetMemObjectInfo(s->image, CL_MEM_TYPE, sizeof type, &type, NULL));
    OK(clGetMemObjectInfo(s->image, CL_MEM_SIZE, sizeof bytes, &bytes, NULL));
    OK(clGetImageInfo(s->image, CL_IMAGE_FORMAT, sizeof format, &format, NULL));
    EXPECT(type == s->desc.image_type && bytes >= s->bytes);
    EXPECT(memcmp(&format, &s->format, sizeof format) == 0);
    OK(clGetImageInfo(s->image, CL_IMAGE_WIDTH, sizeof *n, &n[0], NULL));
    OK(clGetImageInfo(s->image, CL_IMAGE_HEIGHT, sizeof *n, &n[1], NULL));
    OK(clGetImageInfo(s->image, CL_IMAGE_DEPTH, sizeof *n, &n[2], NULL));
    OK(clGetImageInfo(s->image, CL_IMAGE_ARRAY_SIZE, sizeof *n, &n[3], NULL));
    EXPECT(n[0] == s->desc.image_width && n[1] == s->desc.image_height);
    EXPECT(n[2] == s->desc.image_depth && n[3] == s->desc.image_array_size);
    OK(clGetImageInfo(s->image, CL_IMAGE_ELEMENT_SIZE, sizeof *n, &n[0], NULL));
    OK(clGetImageInfo(s->image, CL_IMAGE_ROW_PITCH, sizeof *n, &n[1], NULL));
    OK(clGetImageInfo(s->image, CL_IMAGE_SLICE_PITCH, sizeof *n, &n[2], NULL));
    EXPECT(n[0] == s->element && n[1] >= s->element * s->extent[0]);
    EXPECT((n[2] != 0) == (s->desc.image_array_size || s->desc.image_depth));
}

static void
every_type(void)
{
    for (size_t t = 0; t < IMAGE_TYPES; t++) {
        for (size_t f = 0; f < IMAGE_FORMATS; f++) {
            struct subject s = {.format = formats[f], .desc = types[t].desc};

            subject_make(&s);
            says_itself(&s);
            read_and_write(&s);
            fill(&s);
            copy_to_another(&s);
            copy_with_buffer(&s);
            maps(&s);
            host_pointers(&s, CL_MEM_COPY_HOST_PTR);
            host_pointers(&s, CL_MEM_USE_HOST_PTR);
            subject_free(&s);
        }
        done(types[t].name);
    }
}

/* ---- others ------------------------------------------------------------------------ */

/* 64 MiB, in pieces if need be: in order, and out of it. */
static void
large(void)
{
    const cl_image_desc desc = {
        .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 4096, .image_height = 4096};
    struct subject s = {.format = formats[0], .desc = desc};
    cl_command_queue in_order = c.queue;

    subject_make(&s);
    for (uint32_t i = 0; i < 2; i++) {
        subject_write(&s, 71 + i);
        subject_compare(&s, "64 MiB");
        memset(s.got, 0, s.bytes);
        OK(clEnqueueReadImage(c.queue, s.image, CL_FALSE, zero, s.extent, 16384, 0, s.got,
                              0, NULL, NULL));
        OK(clFinish(c.queue));
        same_bytes(s.got, s.want, s.bytes, "64 MiB, not waiting");
        if (i == 0)
            c.queue = cl_queue(&c, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    }
    OK(clReleaseCommandQueue(c.queue));
    c.queue = in_order;
    subject_free(&s);
    done("64 MiB");
}

static void CL_CALLBACK
destroyed(cl_mem image, void *arg)
{
    (void)image;
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void
lifetime(void)
{
    struct subject s = {.format = formats[0], .desc = types[FLAT].desc};
    atomic_int calls = 0;

    subject_make(&s);
    OK(clSetMemObjectDestructorCallback(s.image, destroyed, &calls));
    OK(clEnqueueMigrateMemObjects(c.queue, 1, &s.image, CL_MIGRATE_MEM_OBJECT_HOST, 0,
                                  NULL, NULL));
    subject_write(&s, 81);
    OK(clEnqueueMigrateMemObjects(c.queue, 1, &s.image, 0, 0, NULL, NULL));
    subject_compare(&s, "after a migration");
    OK(clRetainMemObject(s.image));
    OK(clReleaseMemObject(s.image));
    OK(clFinish(c.queue));
    EXPECT(calls == 0);
    subject_free(&s);
    for (int i = 0; atomic_load(&calls) == 0 && i < 5000; i++)
        sleep_ms(1);
    EXPECT(calls == 1);
    done("migration, destructor");
}

/* ---- the framebuffer --------------------------------------------------------------- */

static cl_int
mib_image(cl_mem *ret)
{
    const cl_image_desc desc = {
        .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 512, .image_height = 512};
    cl_int rc;

    *ret = clCreateImage(c.context, CL_MEM_READ_WRITE, &formats[0], &desc, NULL, &rc);
    EXPECT((rc == CL_SUCCESS) == (*ret != NULL));
    return rc;
}

static cl_int
element_image(cl_mem *ret)
{
    const cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE1D, .image_width = 1};
    cl_int rc;

    *ret = clCreateImage(c.context, CL_MEM_READ_WRITE, &formats[1], &desc, NULL, &rc);
    return rc;
}

/* Half of it is one buffer, so that both draw on the same. */
static void
limit(size_t bytes)
{
    size_t n = bytes / 2 / MIB;
    cl_mem *images = alloc((n + 1) * sizeof(cl_mem)), one;
    cl_mem buffer = cl_buffer(&c, CL_MEM_READ_WRITE, bytes - n * MIB, NULL);

    for (size_t i = 0; i < n; i++) {
        if (mib_image(&images[i]) != CL_SUCCESS)
            fail("image %zu of %zu was refused", i + 1, n);
    }
    EXPECT(mib_image(&one) == CL_MEM_OBJECT_ALLOCATION_FAILURE);
    EXPECT(element_image(&one) == CL_MEM_OBJECT_ALLOCATION_FAILURE);
    OK(clReleaseMemObject(images[n - 1]));
    OK(element_image(&one));
    EXPECT(mib_image(&images[n - 1]) == CL_MEM_OBJECT_ALLOCATION_FAILURE);
    OK(clReleaseMemObject(one));
    OK(mib_image(&images[n - 1]));
    for (size_t i = 0; i < n; i++)
        OK(clReleaseMemObject(images[i]));
    OK(clReleaseMemObject(buffer));
    OK(clFinish(c.queue));
    buffer = cl_buffer(&c, CL_MEM_READ_WRITE, bytes, NULL);
    OK(clReleaseMemObject(buffer));
    free(images);
    printf("%zu images of 1 MiB beside a buffer, and not one byte more\n", n);
}

int
main(int argc, char **argv)
{
    cl_open(&c);
    if (argc == 3 && strcmp(argv[1], "limit") == 0) {
        limit(strtoul(argv[2], NULL, 10));
        return 0;
    }
    pocl = argc == 2 && strcmp(argv[1], "pocl") == 0;
    every_type();
    large();
    lifetime();
    cl_close(&c);
    return 0;
}
