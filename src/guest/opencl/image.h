/* SPDX-License-Identifier: MIT */
/*
 * Images (OpenCL 3.0, section 5.3): memory objects with a shape. Where an image's bytes are:
 *   heap    the device uses host memory: packed tight in an extent of the shared heap. A map shows
 *           them there; reads and writes go through the worker all the same.
 *   device  the driver's own memory: bytes move through staging extents, packed tight
 *   parent  an image made from a buffer or an image has its parent's
 * A map of the second kind, and of an image made with CL_MEM_USE_HOST_PTR, is a copy in the
 * program's memory ("shadow").
 */
#ifndef TESSERA_GUEST_OPENCL_IMAGE_H
#define TESSERA_GUEST_OPENCL_IMAGE_H

#include "guest/opencl/transfer.h"
#include "wire/image.h"

struct image {
    cl_image_format format;
    cl_mem_object_type type;
    uint32_t element;              /* bytes */
    uint64_t sizes[IMAGE_SIZES];   /* 0 where the type has none */
    uint64_t extent[3];            /* origin + region may reach this far */
    size_t row_pitch, slice_pitch; /* as the program gave them, or packed tight */
    size_t map_row, map_slice;     /* of what a map shows: heap, shadow or host_ptr */
};

/* Does the type have a slice pitch: is it an array, or 3D? */
bool image_has_slices(cl_mem_object_type type);

/* The region's layout in memory with these pitches; for rect_gather and rect_scatter. */
struct rect image_rect(const struct image *i, const size_t origin[3],
                       const size_t region[3], size_t row, size_t slice);

/* CL_INVALID_VALUE unless the region is given, not empty, and inside the image. */
cl_int image_check_region(const struct image *i, const size_t *origin,
                          const size_t *region);

/* What both ways to fill an image ask (section 5.3.4); tells how long the color is. */
struct enqueue;
cl_int image_check_fill(const struct enqueue *q, cl_mem image, const void *color,
                        const size_t *origin, const size_t *region,
                        size_t *ret_color_bytes);

/* A region in pieces of at most `most` bytes, in the order of memory. */
struct image_pieces {
    const struct rect *whole;
    uint32_t element;
    size_t step[3],
        at[3]; /* step: bytes, rows, slices of a piece; at: where the next begins */
    bool over;
    struct rect piece;  /* the current one */
    size_t host_offset; /* its first byte, from the region's in the program's memory */
    bool first, last;
};

struct image_pieces image_pieces(const struct image *i, const struct rect *whole,
                                 size_t most);
bool image_next_piece(struct image_pieces *p);

/* The device's formats for images of that type and access; asked once, never freed. */
struct image_formats {
    struct image_formats *next;
    const struct device *device;
    cl_mem_flags flags;
    cl_mem_object_type type;
    cl_uint n;
    cl_image_format formats[];
};

cl_int image_formats_get(struct _cl_context *c, cl_mem_flags flags,
                         cl_mem_object_type type, const struct image_formats **ret);

/* Between enqueue_begin and enqueue_end: the end of a map that was a shadow. */
cl_int image_unmap_shadow(struct enqueue *q, struct _cl_mem *m,
                          const struct mapping *map);

static inline bool
image_support(const struct _cl_context *c)
{
    return device_number(c->device, CL_DEVICE_IMAGE_SUPPORT, CL_FALSE) != CL_FALSE;
}

#endif
