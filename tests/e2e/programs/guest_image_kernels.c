/* SPDX-License-Identifier: MIT */
/*
 * guest_image_kernels: images and samplers as arguments of kernels, what a sampler gives, images in
 * buffers; checked against plain C.
 */
#include "imagetest.h"

#include <CL/cl_ext.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    OK(clSetKernelArg(k, i, sizeof(cl_mem), &image));
}

/* Reads one image in a kernel, writes another, many times over without waiting. */
static void
kernel_reads_and_writes(void)
{
    struct subject a = {.format = formats[0], .desc = types[FLAT].desc}, b = a;
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

    OK(clSetKernelArg(k, 1, sizeof(cl_sampler), &sampler));
    set_image(k, 2, out);
    OK(clSetKernelArg(k, 3, sizeof scale, &scale));
    OK(clEnqueueNDRangeKernel(c.queue, k, 1, NULL, &n, NULL, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(c.queue, out, CL_TRUE, 0, sizeof got, got, 0, NULL, NULL));
    for (int i = 0; i < 256; i++) {
        float u = ((float)(i % 16) - 3.75f) * scale;
        int row = i / 16;
        float v = ((float)row - 3.75f) * scale;
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
    const int order[] = {FLATS, DEEP, LINE, LINE_IN_BUFFER, LINES};
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
    struct subject v = {.format = formats[0], .desc = types[DEEP].desc};
    struct subject a = {.format = formats[0], .desc = types[DEEP].desc};
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
    struct subject a = {.format = formats[0], .desc = types[FLAT].desc};
    struct subject v = {.format = formats[0], .desc = types[DEEP].desc};
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
    struct subject s = {.format = formats[0], .desc = types[LINE_IN_BUFFER].desc};
    cl_mem parent, buffer;

    subject_make(&s);
    random_bytes(s.want, s.bytes, 61);
    OK(clEnqueueWriteBuffer(c.queue, s.buffer, CL_TRUE, 0, s.bytes, s.want, 0, NULL,
                            NULL));
    subject_compare(&s, "an image of what is in its buffer");
    subject_write(&s, 62);
    OK(clEnqueueReadBuffer(c.queue, s.buffer, CL_TRUE, 0, s.bytes, s.got, 0, NULL, NULL));
    same_bytes(s.got, s.want, s.bytes, "the buffer of an image");
    OK(clGetMemObjectInfo(s.image, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof(cl_mem), &parent,
                          NULL));
    OK(clGetImageInfo(s.image, CL_IMAGE_BUFFER, sizeof(cl_mem), &buffer, NULL));
    EXPECT(parent == s.buffer && buffer == s.buffer);
    subject_free(&s);
    done("an image in a buffer");
}

/* A 2D image in a buffer, with rows as far apart as the device asks for. */
static void
rectangle_in_buffer(void)
{
    struct subject s = {.format = formats[0], .desc = types[FLAT].desc};
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

int
main(void)
{
    cl_open(&c);
    program = cl_build(&c, source);
    kernel_reads_and_writes();
    samplers();
    kernel_layers();
    kernel_writes_deep();
    copy_between_types();
    image_in_buffer();
    rectangle_in_buffer();
    OK(clReleaseProgram(program));
    cl_close(&c);
    return 0;
}
