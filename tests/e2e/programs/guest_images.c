/* SPDX-License-Identifier: MIT */
/*
 * guest_images [pocl]        every way in which the elements of an image go to a device and back,
 *                            for every type of image and several formats, checked against plain C
 *                            With "pocl" it does not ask for what PoCL 3.1 itself gets wrong.
 * guest_images limit BYTES   images and buffers together meet the limit of BYTES, to the byte
 */
#include "cltest.h"

#include <CL/cl_ext.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

static struct cl c;
static bool pocl;

/* An image, and in `want` what must be in it: packed tight. */
struct subject {
    cl_image_format format;
    cl_image_desc desc;
    size_t element, extent[3], bytes;
    cl_mem image, buffer; /* buffer: of a 1D image buffer */
    uint8_t *want, *got;
};

static const size_t zero[3];

static void
done(const char *name)
{
    puts(name);
    fflush(stdout);
}

static void
random_bytes(uint8_t *p, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (uint8_t)(seed >> 24);
    }
}

static size_t
element_of(cl_image_format f)
{
    size_t channels = f.image_channel_order == CL_RGBA ? 4 : 1;

    switch (f.image_channel_data_type) {
    case CL_UNORM_INT8:
    case CL_UNSIGNED_INT8:
        return channels;
    case CL_SIGNED_INT16:
    case CL_HALF_FLOAT:
        return channels * 2;
    default:
        return channels * 4;
    }
}

static cl_mem
image_new(cl_mem_flags flags, const cl_image_format *format, const cl_image_desc *desc,
          void *host)
{
    cl_int rc;
    cl_mem image = clCreateImage(c.context, flags, format, desc, host, &rc);

    OK(rc);
    EXPECT(image);
    return image;
}

static void
subject_extent(struct subject *s)
{
    const cl_image_desc *d = &s->desc;

    s->extent[0] = d->image_width;
    s->extent[1] = d->image_height ? d->image_height : 1;
    s->extent[2] = d->image_depth ? d->image_depth : 1;
    if (d->image_type == CL_MEM_OBJECT_IMAGE1D_ARRAY)
        s->extent[1] = d->image_array_size;
    if (d->image_type == CL_MEM_OBJECT_IMAGE2D_ARRAY)
        s->extent[2] = d->image_array_size;
    s->element = element_of(s->format);
    s->bytes = s->element * s->extent[0] * s->extent[1] * s->extent[2];
}

static void
subject_read(struct subject *s)
{
    memset(s->got, 0xee, s->bytes);
    OK(clEnqueueReadImage(c.queue, s->image, CL_TRUE, zero, s->extent, 0, 0, s->got, 0,
                          NULL, NULL));
}

static void
subject_compare(struct subject *s, const char *what)
{
    subject_read(s);
    same_bytes(s->got, s->want, s->bytes, what);
}

static void
subject_write(struct subject *s, uint32_t seed)
{
    random_bytes(s->want, s->bytes, seed);
    OK(clEnqueueWriteImage(c.queue, s->image, CL_FALSE, zero, s->extent, 0, 0, s->want, 0,
                           NULL, NULL));
    OK(clFinish(c.queue));
}

static void
subject_make(struct subject *s)
{
    subject_extent(s);
    s->want = alloc(s->bytes);
    s->got = alloc(s->bytes);
    if (s->desc.image_type == CL_MEM_OBJECT_IMAGE1D_BUFFER) {
        s->buffer = cl_buffer(&c, CL_MEM_READ_WRITE, s->bytes, NULL);
        s->desc.mem_object = s->buffer;
    }
    s->image = image_new(CL_MEM_READ_WRITE, &s->format, &s->desc, NULL);
}

static void
subject_free(struct subject *s)
{
    OK(clReleaseMemObject(s->image));
    if (s->buffer)
        OK(clReleaseMemObject(s->buffer));
    free(s->want);
    free(s->got);
}

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

    if (s->buffer) /* PoCL 3.1 dies of it, also behind a vGPU */
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

static const cl_image_format formats[] = {
    {CL_RGBA, CL_UNSIGNED_INT8}, {CL_R, CL_UNORM_INT8},     {CL_RGBA, CL_FLOAT},
    {CL_RGBA, CL_SIGNED_INT16},  {CL_R, CL_UNSIGNED_INT32}, {CL_RGBA, CL_HALF_FLOAT},
};

static const struct {
    const char *name;
    cl_image_desc desc;
} types[] = {
    {"1D", {.image_type = CL_MEM_OBJECT_IMAGE1D, .image_width = 301}},
    {"1D array",
     {.image_type = CL_MEM_OBJECT_IMAGE1D_ARRAY,
      .image_width = 61,
      .image_array_size = 9}},
    {"1D buffer", {.image_type = CL_MEM_OBJECT_IMAGE1D_BUFFER, .image_width = 512}},
    {"2D", {.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 67, .image_height = 43}},
    {"2D array",
     {.image_type = CL_MEM_OBJECT_IMAGE2D_ARRAY,
      .image_width = 19,
      .image_height = 17,
      .image_array_size = 7}},
    {"3D",
     {.image_type = CL_MEM_OBJECT_IMAGE3D,
      .image_width = 23,
      .image_height = 13,
      .image_depth = 11}},
};

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
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
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

/* ---- kernels ----------------------------------------------------------------------- */

static const char source[] =
    "constant sampler_t at = CLK_NORMALIZED_COORDS_FALSE | CLK_ADDRESS_CLAMP_TO_EDGE |\n"
    "                        CLK_FILTER_NEAREST;\n"
    "kernel void flip(read_only image2d_t a, write_only image2d_t b, uint x)\n"
    "{\n"
    "    int2 p = (int2)(get_global_id(0), get_global_id(1));\n"
    "    int2 q = (int2)(get_image_width(a) - 1 - p.x, p.y);\n"
    "    write_imageui(b, p, read_imageui(a, at, q) ^ x);\n"
    "}\n"
    "kernel void sample(read_only image2d_t a, sampler_t s, global float4 *out, float "
    "scale)\n"
    "{\n"
    "    int i = get_global_id(0);\n"
    "    float2 p = (float2)((i % 16 - 3.75f) * scale, (i / 16 - 3.75f) * scale);\n"
    "    out[i] = read_imagef(a, s, p);\n"
    "}\n"
    "kernel void layers(read_only image2d_array_t a, read_only image3d_t v,\n"
    "                   read_only image1d_t l, read_only image1d_buffer_t b,\n"
    "                   read_only image1d_array_t k, global uint *out)\n"
    "{\n"
    "    int i = get_global_id(0);\n"
    "    int4 p = (int4)(i % 4, i / 4 % 4, i / 16 % 4, 0);\n"
    "    out[i] = read_imageui(a, at, p).x + read_imageui(v, at, p).y * 256 +\n"
    "             read_imageui(l, at, p.x).z * 65536 + read_imageui(b, i).w +\n"
    "             read_imageui(k, at, p.xy).x * 16777216;\n"
    "}\n"
    "#ifdef cl_khr_3d_image_writes\n"
    "#pragma OPENCL EXTENSION cl_khr_3d_image_writes : enable\n"
    "#endif\n"
    "kernel void deep(write_only image3d_t v, write_only image2d_array_t a)\n"
    "{\n"
    "    int4 p = (int4)(get_global_id(0), get_global_id(1), get_global_id(2), 0);\n"
    "    write_imageui(v, p, (uint4)(p.x, p.y, p.z, 77));\n"
    "    write_imageui(a, p, (uint4)(p.z, p.y, p.x, 55));\n"
    "}\n";

static cl_program program;

static void
set_image(cl_kernel k, cl_uint i, cl_mem image)
{
    OK(clSetKernelArg(k, i, sizeof image, &image));
}

/* Reads one image in a kernel, writes another, many times over without waiting. */
static void
kernel_reads_and_writes(void)
{
    struct subject a = {.format = formats[0], .desc = types[3].desc}, b = a;
    cl_kernel k = cl_kernel_of(program, "flip");
    uint8_t *row;

    subject_make(&a);
    subject_make(&b);
    subject_write(&a, 31);
    row = alloc(a.extent[0] * 4);
    for (cl_uint x = 0; x < 6; x++) {
        OK(clSetKernelArg(k, 2, sizeof x, &x));
        set_image(k, 0, x % 2 ? b.image : a.image);
        set_image(k, 1, x % 2 ? a.image : b.image);
        OK(clEnqueueNDRangeKernel(c.queue, k, 2, NULL, a.extent, NULL, 0, NULL, NULL));
        for (size_t y = 0; y < a.extent[1]; y++) {
            uint8_t *line = a.want + y * a.extent[0] * 4;

            memcpy(row, line, a.extent[0] * 4);
            for (size_t i = 0; i < a.extent[0] * 4; i++)
                line[i] = row[(a.extent[0] - 1 - i / 4) * 4 + i % 4] ^ (uint8_t)x;
        }
    }
    subject_compare(&a, "read_imageui and write_imageui");
    OK(clReleaseKernel(k));
    subject_free(&a);
    subject_free(&b);
    free(row);
    done("kernels read and write");
}

/* What a sampler gives: the specification's section 8.2, for an image of 8 x 8 floats. */
struct sampling {
    cl_bool normalized;
    cl_addressing_mode mode;
    cl_filter_mode filter;
};

static float
texel(const float *image, int x, int y, const struct sampling *s)
{
    if (s->mode == CL_ADDRESS_CLAMP && (x < 0 || x > 7 || y < 0 || y > 7))
        return 0;
    x = x < 0 ? 0 : x > 7 ? 7 : x;
    y = y < 0 ? 0 : y > 7 ? 7 : y;
    return image[y * 8 + x];
}

static float
sampled(const float *image, float u, float v, const struct sampling *s)
{
    float fx, fy;

    if (s->mode == CL_ADDRESS_REPEAT) {
        u = (u - floorf(u));
        v = (v - floorf(v));
    }
    if (s->normalized) {
        u *= 8;
        v *= 8;
    }
    if (s->filter == CL_FILTER_NEAREST)
        return texel(image, (int)floorf(u), (int)floorf(v), s);
    u -= 0.5f;
    v -= 0.5f;
    fx = u - floorf(u);
    fy = v - floorf(v);
    return (1 - fy) * ((1 - fx) * texel(image, (int)floorf(u), (int)floorf(v), s) +
                       fx * texel(image, (int)floorf(u) + 1, (int)floorf(v), s)) +
           fy * ((1 - fx) * texel(image, (int)floorf(u), (int)floorf(v) + 1, s) +
                 fx * texel(image, (int)floorf(u) + 1, (int)floorf(v) + 1, s));
}

static void
sample_one(cl_kernel k, const float *image, const struct sampling *how,
           cl_sampler sampler)
{
    const cl_float scale = how->normalized ? 0.125f : 1;
    const size_t n = 256;
    cl_mem out = cl_buffer(&c, CL_MEM_WRITE_ONLY, n * 16, NULL);
    float got[256][4];

    OK(clSetKernelArg(k, 1, sizeof sampler, &sampler));
    set_image(k, 2, out);
    OK(clSetKernelArg(k, 3, sizeof scale, &scale));
    OK(clEnqueueNDRangeKernel(c.queue, k, 1, NULL, &n, NULL, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(c.queue, out, CL_TRUE, 0, sizeof got, got, 0, NULL, NULL));
    for (int i = 0; i < 256; i++) {
        float u = ((float)(i % 16) - 3.75f) * scale;
        float v = ((float)(i / 16) - 3.75f) * scale;
        float want = sampled(image, u, v, how);

        if (fabsf(got[i][0] - want) > 0.01f)
            fail("sampler %d %x %x at %g, %g: %g, not %g", (int)how->normalized,
                 how->mode, how->filter, (double)u, (double)v, (double)got[i][0],
                 (double)want);
    }
    OK(clReleaseMemObject(out));
}

static void
samplers(void)
{
    static const struct sampling all[] = {
        {CL_FALSE, CL_ADDRESS_CLAMP_TO_EDGE, CL_FILTER_NEAREST},
        {CL_FALSE, CL_ADDRESS_CLAMP, CL_FILTER_NEAREST},
        {CL_TRUE, CL_ADDRESS_CLAMP_TO_EDGE, CL_FILTER_NEAREST},
        {CL_TRUE, CL_ADDRESS_REPEAT, CL_FILTER_NEAREST},
        {CL_FALSE, CL_ADDRESS_CLAMP_TO_EDGE, CL_FILTER_LINEAR},
        {CL_FALSE, CL_ADDRESS_CLAMP, CL_FILTER_LINEAR},
    };
    const cl_image_format format = {CL_R, CL_FLOAT};
    const cl_image_desc desc = {
        .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 8, .image_height = 8};
    cl_kernel k = cl_kernel_of(program, "sample");
    float texels[64];
    cl_mem image;

    for (int i = 0; i < 64; i++)
        texels[i] = (float)(i * i % 37) + 1;
    image = image_new(CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, &format, &desc, texels);
    set_image(k, 0, image);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const cl_sampler_properties p[] = {CL_SAMPLER_NORMALIZED_COORDS,
                                           all[i].normalized,
                                           CL_SAMPLER_ADDRESSING_MODE,
                                           all[i].mode,
                                           CL_SAMPLER_FILTER_MODE,
                                           all[i].filter,
                                           0};
        cl_int rc;
        cl_sampler one = clCreateSampler(c.context, all[i].normalized, all[i].mode,
                                         all[i].filter, &rc);
        cl_sampler two = clCreateSamplerWithProperties(c.context, p, NULL);

        OK(rc);
        sample_one(k, texels, &all[i], one);
        sample_one(k, texels, &all[i], two);
        OK(clReleaseSampler(one));
        OK(clReleaseSampler(two));
    }
    OK(clReleaseMemObject(image));
    OK(clReleaseKernel(k));
    done("samplers");
}

/* Every type of image as an argument. */
static void
kernel_layers(void)
{
    cl_kernel k = cl_kernel_of(program, "layers");
    cl_mem out = cl_buffer(&c, CL_MEM_WRITE_ONLY, 256, NULL);
    const int order[] = {4, 5, 0, 2, 1};
    const size_t n = 64;
    struct subject s[5];
    cl_uint got[64];

    for (cl_uint i = 0; i < 5; i++) {
        s[i] = (struct subject){.format = formats[0], .desc = types[order[i]].desc};
        subject_make(&s[i]);
        subject_write(&s[i], 40 + i);
        set_image(k, i, s[i].image);
    }
    set_image(k, 5, out);
    OK(clEnqueueNDRangeKernel(c.queue, k, 1, NULL, &n, NULL, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(c.queue, out, CL_TRUE, 0, sizeof got, got, 0, NULL, NULL));
    for (size_t i = 0; i < n; i++) {
        const size_t x = i % 4, y = i / 4 % 4, z = i / 16 % 4;
        const uint8_t *const w[] = {s[0].want, s[1].want, s[2].want, s[3].want,
                                    s[4].want};
        const size_t *a = s[0].extent, *v = s[1].extent;

        EXPECT(got[i] == w[0][((z * a[1] + y) * a[0] + x) * 4] +
                             w[1][((z * v[1] + y) * v[0] + x) * 4 + 1] * 256u +
                             w[2][x * 4 + 2] * 65536u + w[3][i * 4 + 3] +
                             w[4][(y * s[4].extent[0] + x) * 4] * 16777216u);
    }
    for (int i = 0; i < 5; i++)
        subject_free(&s[i]);
    OK(clReleaseMemObject(out));
    OK(clReleaseKernel(k));
    done("every type as an argument");
}

static void
kernel_writes_deep(void)
{
    struct subject v = {.format = formats[0], .desc = types[5].desc};
    struct subject a = {.format = formats[0], .desc = types[5].desc};
    cl_kernel k = cl_kernel_of(program, "deep");

    a.desc.image_type = CL_MEM_OBJECT_IMAGE2D_ARRAY;
    a.desc.image_array_size = a.desc.image_depth;
    a.desc.image_depth = 0;
    subject_make(&v);
    subject_make(&a);
    set_image(k, 0, v.image);
    set_image(k, 1, a.image);
    OK(clEnqueueNDRangeKernel(c.queue, k, 3, NULL, v.extent, NULL, 0, NULL, NULL));
    for (size_t i = 0; i < v.bytes / 4; i++) {
        const uint8_t x = (uint8_t)(i % v.extent[0]);
        const uint8_t y = (uint8_t)(i / v.extent[0] % v.extent[1]);
        const uint8_t z = (uint8_t)(i / v.extent[0] / v.extent[1]);

        memcpy(v.want + i * 4, (uint8_t[]){x, y, z, 77}, 4);
        memcpy(a.want + i * 4, (uint8_t[]){z, y, x, 55}, 4);
    }
    subject_compare(&v, "a kernel's writes to a 3D image");
    subject_compare(&a, "a kernel's writes to a 2D image array");
    subject_free(&v);
    subject_free(&a);
    OK(clReleaseKernel(k));
    done("writes to slices");
}

/* ---- others ------------------------------------------------------------------------ */

/* A rectangle of a 2D image goes to a slice of a 3D image, and of an array. */
static void
copy_between_types(void)
{
    struct subject a = {.format = formats[0], .desc = types[3].desc};
    struct subject v = {.format = formats[0], .desc = types[5].desc};
    const size_t from[3] = {20, 11, 0}, to[3] = {2, 3, 4}, size[3] = {15, 9, 1};

    subject_make(&a);
    subject_make(&v);
    subject_write(&a, 51);
    subject_write(&v, 52);
    OK(clEnqueueCopyImage(c.queue, a.image, v.image, from, to, size, 0, NULL, NULL));
    for (size_t y = 0; y < size[1]; y++)
        memcpy(v.want + ((to[2] * v.extent[1] + to[1] + y) * v.extent[0] + to[0]) * 4,
               a.want + ((from[1] + y) * a.extent[0] + from[0]) * 4, size[0] * 4);
    subject_compare(&v, "copy of a rectangle into a slice");
    subject_free(&a);
    subject_free(&v);
    done("copies between types");
}

/* What is written to the buffer is in its image, and the other way round. */
static void
image_in_buffer(void)
{
    struct subject s = {.format = formats[0], .desc = types[2].desc};
    cl_mem parent, buffer;

    subject_make(&s);
    random_bytes(s.want, s.bytes, 61);
    OK(clEnqueueWriteBuffer(c.queue, s.buffer, CL_TRUE, 0, s.bytes, s.want, 0, NULL,
                            NULL));
    subject_compare(&s, "an image of what is in its buffer");
    subject_write(&s, 62);
    OK(clEnqueueReadBuffer(c.queue, s.buffer, CL_TRUE, 0, s.bytes, s.got, 0, NULL, NULL));
    same_bytes(s.got, s.want, s.bytes, "the buffer of an image");
    OK(clGetMemObjectInfo(s.image, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof parent, &parent,
                          NULL));
    OK(clGetImageInfo(s.image, CL_IMAGE_BUFFER, sizeof buffer, &buffer, NULL));
    EXPECT(parent == s.buffer && buffer == s.buffer);
    subject_free(&s);
    done("an image in a buffer");
}

/* A 2D image in a buffer, with rows as far apart as the device asks for. */
static void
rectangle_in_buffer(void)
{
    struct subject s = {.format = formats[0], .desc = types[3].desc};
    cl_uint align = 0;
    uint8_t *host;
    size_t row;

    OK(clGetDeviceInfo(c.device, CL_DEVICE_IMAGE_PITCH_ALIGNMENT, sizeof align, &align,
                       NULL));
    done("a 2D image in a buffer, where there is one");
    if (align == 0)
        return;
    subject_extent(&s);
    row = (s.extent[0] + align) / align * align * s.element;
    host = alloc(row * s.extent[1]);
    s.want = alloc(s.bytes);
    s.got = alloc(s.bytes);
    random_bytes(host, row * s.extent[1], 65);
    s.buffer =
        cl_buffer(&c, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, row * s.extent[1], host);
    s.desc.image_row_pitch = row;
    s.desc.mem_object = s.buffer;
    s.image = image_new(0, &s.format, &s.desc, NULL);
    for (size_t y = 0; y < s.extent[1]; y++)
        memcpy(s.want + y * s.extent[0] * 4, host + y * row, s.extent[0] * 4);
    subject_compare(&s, "a 2D image in a buffer");
    subject_free(&s);
    free(host);
}

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
        OK(clEnqueueReadImage(c.queue, s.image, CL_FALSE, zero, s.extent, 4096 * 4, 0,
                              s.got, 0, NULL, NULL));
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
    *(volatile int *)arg += 1;
}

static void
lifetime(void)
{
    struct subject s = {.format = formats[0], .desc = types[3].desc};
    volatile int calls = 0;

    subject_make(&s);
    OK(clSetMemObjectDestructorCallback(s.image, destroyed, (void *)&calls));
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
    for (int i = 0; calls == 0 && i < 5000; i++)
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
    cl_mem *images = alloc((n + 1) * sizeof *images), one;
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
    program = cl_build(&c, source);
    kernel_reads_and_writes();
    samplers();
    kernel_layers();
    kernel_writes_deep();
    copy_between_types();
    image_in_buffer();
    rectangle_in_buffer();
    large();
    lifetime();
    OK(clReleaseProgram(program));
    cl_close(&c);
    return 0;
}
