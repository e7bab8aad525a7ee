/* SPDX-License-Identifier: MIT */
#include "imagetest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cl c;

const cl_image_format formats[IMAGE_FORMATS] = {
    {CL_RGBA, CL_UNSIGNED_INT8}, {CL_R, CL_UNORM_INT8},     {CL_RGBA, CL_FLOAT},
    {CL_RGBA, CL_SIGNED_INT16},  {CL_R, CL_UNSIGNED_INT32}, {CL_RGBA, CL_HALF_FLOAT},
};

const struct image_shape types[IMAGE_TYPES] = {
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

void
done(const char *name)
{
    puts(name);
    fflush(stdout);
}

void
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

cl_mem
image_new(cl_mem_flags flags, const cl_image_format *format, const cl_image_desc *desc,
          void *host)
{
    cl_int rc;
    cl_mem image = clCreateImage(c.context, flags, format, desc, host, &rc);

    OK(rc);
    EXPECT(image);
    return image;
}

void
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

void
subject_compare(struct subject *s, const char *what)
{
    subject_read(s);
    same_bytes(s->got, s->want, s->bytes, what);
}

void
subject_write(struct subject *s, uint32_t seed)
{
    random_bytes(s->want, s->bytes, seed);
    OK(clEnqueueWriteImage(c.queue, s->image, CL_FALSE, zero, s->extent, 0, 0, s->want, 0,
                           NULL, NULL));
    OK(clFinish(c.queue));
}

void
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

void
subject_free(struct subject *s)
{
    OK(clReleaseMemObject(s->image));
    if (s->buffer)
        OK(clReleaseMemObject(s->buffer));
    free(s->want);
    free(s->got);
}
