/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.3.1: creating images; 5.3.7: what they say of themselves. */
#include "guest/opencl/image.h"

#include "api/opencl_send.h"
#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

#define ACCESS (CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY)

/* A creation on its way through the checks. */
struct creation {
    cl_context context;
    cl_mem_flags flags;
    const cl_image_desc *desc;
    const void *host_ptr;
    cl_mem parent; /* NULL: the image has bytes of its own */
    struct image image;
    uint64_t bytes;
};

bool
image_has_slices(cl_mem_object_type type)
{
    return type == CL_MEM_OBJECT_IMAGE3D || type == CL_MEM_OBJECT_IMAGE2D_ARRAY ||
           type == CL_MEM_OBJECT_IMAGE1D_ARRAY;
}

struct rect
image_rect(const struct image *i, const size_t origin[3], const size_t region[3],
           size_t row, size_t slice)
{
    bool rows_are_images = i->type == CL_MEM_OBJECT_IMAGE1D_ARRAY;

    return (struct rect){.buffer_origin = {origin[0], origin[1], origin[2]},
                         .region = {region[0] * i->element, region[1], region[2]},
                         .host_row = rows_are_images ? slice : row,
                         .host_slice = slice};
}

/* ---- checks ------------------------------------------------------------------------ */

/* Only the sizes that the type has are looked at, and kept (section 5.3.1.2). */
static void
take_sizes(struct image *i, const cl_image_desc *d)
{
    const cl_mem_object_type t = d->image_type;

    i->type = t;
    i->sizes[IMAGE_WIDTH] = d->image_width;
    if (t == CL_MEM_OBJECT_IMAGE2D || t == CL_MEM_OBJECT_IMAGE2D_ARRAY ||
        t == CL_MEM_OBJECT_IMAGE3D)
        i->sizes[IMAGE_HEIGHT] = d->image_height;
    if (t == CL_MEM_OBJECT_IMAGE3D)
        i->sizes[IMAGE_DEPTH] = d->image_depth;
    if (t == CL_MEM_OBJECT_IMAGE1D_ARRAY || t == CL_MEM_OBJECT_IMAGE2D_ARRAY)
        i->sizes[IMAGE_ARRAY_SIZE] = d->image_array_size;
}

static cl_int
check_limits(const struct device *d, const struct image *i)
{
    static const cl_device_info flat[IMAGE_SIZES] = {
        [IMAGE_WIDTH] = CL_DEVICE_IMAGE2D_MAX_WIDTH,
        [IMAGE_HEIGHT] = CL_DEVICE_IMAGE2D_MAX_HEIGHT,
        [IMAGE_ARRAY_SIZE] = CL_DEVICE_IMAGE_MAX_ARRAY_SIZE};
    static const cl_device_info deep[IMAGE_SIZES] = {
        [IMAGE_WIDTH] = CL_DEVICE_IMAGE3D_MAX_WIDTH,
        [IMAGE_HEIGHT] = CL_DEVICE_IMAGE3D_MAX_HEIGHT,
        [IMAGE_DEPTH] = CL_DEVICE_IMAGE3D_MAX_DEPTH};
    static const cl_device_info buffer[IMAGE_SIZES] = {
        [IMAGE_WIDTH] = CL_DEVICE_IMAGE_MAX_BUFFER_SIZE};
    const cl_device_info *limit = flat;

    if (i->type == CL_MEM_OBJECT_IMAGE3D)
        limit = deep;
    if (i->type == CL_MEM_OBJECT_IMAGE1D_BUFFER)
        limit = buffer;
    for (int k = 0; k < IMAGE_SIZES; k++) {
        if (limit[k] && i->sizes[k] > device_number(d, limit[k], UINT64_MAX))
            return CL_INVALID_IMAGE_SIZE;
    }
    return CL_SUCCESS;
}

/* Rows and slices of the program's memory, as given or packed tight. */
static cl_int
take_pitches(struct image *i, const cl_image_desc *d, bool given)
{
    const uint64_t tight = i->sizes[IMAGE_WIDTH] * i->element;
    uint64_t slice;

    if (!given && (d->image_row_pitch || d->image_slice_pitch))
        return CL_INVALID_IMAGE_DESCRIPTOR;
    i->row_pitch = d->image_row_pitch ? d->image_row_pitch : tight;
    if (i->row_pitch < tight || i->row_pitch % i->element != 0)
        return CL_INVALID_IMAGE_DESCRIPTOR;
    if (!image_has_slices(i->type))
        return CL_SUCCESS;
    slice = i->row_pitch;
    if (i->type != CL_MEM_OBJECT_IMAGE1D_ARRAY &&
        !checked_mul(slice, i->sizes[IMAGE_HEIGHT], &slice))
        return CL_INVALID_IMAGE_DESCRIPTOR;
    i->slice_pitch = d->image_slice_pitch ? d->image_slice_pitch : slice;
    if (i->slice_pitch < slice || i->slice_pitch % i->row_pitch != 0)
        return CL_INVALID_IMAGE_DESCRIPTOR;
    return CL_SUCCESS;
}

/* A 2D image in a buffer (cl_khr_image2d_from_buffer). */
static cl_int
check_in_buffer(struct creation *n)
{
    const struct device *d = n->context->device;
    const uint64_t pixels = device_number(d, CL_DEVICE_IMAGE_PITCH_ALIGNMENT, 0);
    const uint64_t base = device_number(d, CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT, 0);
    struct image *i = &n->image;

    if (pixels == 0)
        return CL_INVALID_OPERATION; /* the device has none */
    if (i->row_pitch % (pixels * i->element) != 0)
        return CL_INVALID_IMAGE_FORMAT_DESCRIPTOR;
    if (base && n->parent->host_ptr &&
        (uintptr_t)n->parent->host_ptr % (base * i->element) != 0)
        return CL_INVALID_IMAGE_FORMAT_DESCRIPTOR;
    return CL_SUCCESS;
}

/* Which order a view may have instead of which (table of section 5.3.1.2). */
static bool
orders_match(cl_channel_order view, cl_channel_order of)
{
    static const cl_channel_order pairs[][2] = {
        {CL_sBGRA, CL_BGRA}, {CL_BGRA, CL_sBGRA}, {CL_sRGBA, CL_RGBA},
        {CL_RGBA, CL_sRGBA}, {CL_sRGB, CL_RGB},   {CL_RGB, CL_sRGB},
        {CL_sRGBx, CL_RGBx}, {CL_RGBx, CL_sRGBx}, {CL_DEPTH, CL_R}};

    for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
        if (pairs[k][0] == view && pairs[k][1] == of)
            return true;
    }
    return false;
}

/* A 2D image that is another view of a 2D image. */
static cl_int
check_view(struct creation *n)
{
    const struct image *i = &n->image, *of = n->parent->image;

    if (of->type != CL_MEM_OBJECT_IMAGE2D ||
        memcmp(of->sizes, i->sizes, sizeof of->sizes) != 0 ||
        (n->desc->image_row_pitch && n->desc->image_row_pitch != of->row_pitch) ||
        of->format.image_channel_data_type != i->format.image_channel_data_type ||
        !orders_match(i->format.image_channel_order, of->format.image_channel_order))
        return CL_INVALID_IMAGE_FORMAT_DESCRIPTOR;
    return CL_SUCCESS;
}

static cl_int
check_parent(struct creation *n)
{
    const bool line = n->image.type == CL_MEM_OBJECT_IMAGE1D_BUFFER;
    cl_int rc = CL_SUCCESS;

    n->parent = n->desc->mem_object;
    if (!n->parent)
        return line ? CL_INVALID_IMAGE_DESCRIPTOR : CL_SUCCESS;
    if (!object_is(n->parent, KIND_mem) || n->parent->context != n->context)
        return CL_INVALID_IMAGE_DESCRIPTOR;
    if (!line && n->image.type != CL_MEM_OBJECT_IMAGE2D)
        return CL_INVALID_IMAGE_DESCRIPTOR;
    if (line && n->parent->image)
        return CL_INVALID_IMAGE_DESCRIPTOR;
    if (n->parent->image)
        rc = check_view(n);
    else if (!line)
        rc = check_in_buffer(n);
    if (rc != CL_SUCCESS)
        return rc;
    if (!checked_mul(n->image.row_pitch, n->image.extent[1], &n->bytes) ||
        (!n->parent->image && n->bytes > n->parent->size))
        return CL_INVALID_IMAGE_DESCRIPTOR;
    return mem_inherit_flags(n->parent, &n->flags);
}

static cl_int
check_shape(struct creation *n)
{
    const cl_image_desc *d = n->desc;
    struct image *i = &n->image;
    cl_int rc;

    if (!d || d->num_mip_levels || d->num_samples)
        return CL_INVALID_IMAGE_DESCRIPTOR;
    take_sizes(i, d);
    if (!image_extent(i->type, i->sizes, i->extent))
        return CL_INVALID_IMAGE_DESCRIPTOR;
    rc = check_limits(n->context->device, i);
    if (rc != CL_SUCCESS)
        return rc;
    if (!image_region_bytes(i->element, i->extent, &n->bytes))
        return CL_INVALID_IMAGE_SIZE;
    return take_pitches(i, d, n->host_ptr || d->mem_object);
}

static cl_int
check_format(const struct creation *n)
{
    const struct image_formats *list;
    cl_int rc = image_formats_get(n->context, n->flags, n->image.type, &list);

    if (rc != CL_SUCCESS)
        return rc;
    for (cl_uint k = 0; k < list->n; k++) {
        if (memcmp(&list->formats[k], &n->image.format, sizeof n->image.format) == 0)
            return CL_SUCCESS;
    }
    return CL_IMAGE_FORMAT_NOT_SUPPORTED;
}

static cl_int
check_create(struct creation *n, const cl_image_format *format)
{
    const bool wants = n->flags & (CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR);
    cl_int rc;

    if (!object_is(n->context, KIND_context))
        return CL_INVALID_CONTEXT;
    if (!image_support(n->context))
        return CL_INVALID_OPERATION;
    rc = mem_check_flags(n->flags);
    if (rc != CL_SUCCESS)
        return rc;
    if (format) {
        n->image.format = *format;
        n->image.element = image_element_bytes(format->image_channel_order,
                                               format->image_channel_data_type);
    }
    if (n->image.element == 0)
        return CL_INVALID_IMAGE_FORMAT_DESCRIPTOR;
    rc = check_shape(n);
    if (rc == CL_SUCCESS)
        rc = check_parent(n);
    if (rc == CL_SUCCESS && !n->parent && wants != (n->host_ptr != NULL))
        rc = CL_INVALID_HOST_PTR;
    if (rc == CL_SUCCESS && n->parent && n->host_ptr)
        rc = CL_INVALID_HOST_PTR;
    return rc == CL_SUCCESS ? check_format(n) : rc;
}

/* ---- making ------------------------------------------------------------------------ */

/* Chooses where the bytes live, and puts the program's initial ones there (as for buffers). */
static cl_int
image_place(struct session *s, struct _cl_mem *m, const struct creation *n,
            struct extent *staging, enum buffer_content *content)
{
    static const size_t none[3];
    const struct image *i = m->image;
    struct rect r = image_rect(i, none, i->extent, i->row_pitch, i->slice_pitch);

    *staging = (struct extent){EXTENT_NONE, 0};
    *content = CONTENT_NONE;
    if (n->parent)
        return CL_SUCCESS;
    if (s->shared_storage)
        m->storage = session_heap_alloc(s, m->size);
    if (!n->host_ptr)
        return CL_SUCCESS;
    if (m->storage != EXTENT_NONE) {
        rect_gather(&r, mem_bytes(m), n->host_ptr);
        *content = CONTENT_IN_PLACE;
        return CL_SUCCESS;
    }
    *staging = (struct extent){session_heap_alloc(s, m->size), m->size};
    if (staging->off == EXTENT_NONE)
        return CL_OUT_OF_HOST_MEMORY;
    rect_gather(&r, s->channel.heap + staging->off, n->host_ptr);
    *content = CONTENT_INITIAL;
    return CL_SUCCESS;
}

/* Sends it and waits: whether the driver takes this shape and format, it alone knows. */
static cl_int
image_send(struct session *s, struct _cl_mem *m, const struct creation *n, bool *ret_sent)
{
    const struct image *i = m->image;
    struct extent staging, storage;
    enum buffer_content content;
    struct pending p = {0};
    cl_int rc = image_place(s, m, n, &staging, &content);

    storage = (struct extent){m->storage, m->storage == EXTENT_NONE ? 0 : m->size};
    if (n->parent) /* its bytes are where they are */
        storage = (struct extent){EXTENT_NONE, 0};
    if (rc == CL_SUCCESS)
        rc = send_clCreateImage(s, &p, m->o.id, n->context->o.id, m->flags & ACCESS,
                                i->format.image_channel_order,
                                i->format.image_channel_data_type, i->type, i->sizes,
                                n->parent ? n->desc->image_row_pitch : 0,
                                object_id(n->parent), storage, content, staging);
    *ret_sent = extent_sent(s, staging.off, rc) == CL_SUCCESS;
    if (!*ret_sent) {
        heap_free(&s->heap, storage.off);
        m->storage = EXTENT_NONE;
        return rc;
    }
    rc = session_wait(s, &p);
    return rc == CL_SUCCESS ? (cl_int)p.status : rc;
}

/* What a map shows: the program's own memory or its parent's rows, else packed tight. */
static void
set_map_pitches(struct image *i, const struct creation *n)
{
    i->map_row = i->row_pitch;
    i->map_slice = i->slice_pitch;
    if (n->parent || (n->flags & CL_MEM_USE_HOST_PTR))
        return;
    i->map_row = i->sizes[IMAGE_WIDTH] * i->element;
    if (image_has_slices(i->type))
        i->map_slice = i->map_row * (i->sizes[IMAGE_HEIGHT] ? i->sizes[IMAGE_HEIGHT] : 1);
}

static cl_int
image_shadow_new(const struct creation *n, struct _cl_mem **ret)
{
    void *host_ptr = n->parent ? n->parent->host_ptr : (void *)n->host_ptr;
    struct _cl_mem *m;
    cl_int rc = mem_new(n->context, n->flags, n->bytes, host_ptr, &m);

    if (rc != CL_SUCCESS)
        return rc;
    m->image = malloc(sizeof *m->image);
    if (!m->image) {
        mem_discard(m);
        return CL_OUT_OF_HOST_MEMORY;
    }
    *m->image = n->image;
    set_map_pitches(m->image, n);
    if (n->parent) {
        m->parent = n->parent;
        object_retain(&n->parent->o);
        m->storage = mem_storage(n->parent);
    }
    *ret = m;
    return CL_SUCCESS;
}

static cl_int
image_make(struct creation *n, cl_mem *ret)
{
    struct session *s = n->context->o.session;
    const uint64_t charged = n->parent ? 0 : n->bytes;
    bool sent = false;
    struct _cl_mem *m = NULL;
    cl_int rc;

    if (session_is_dead(s))
        return CL_OUT_OF_RESOURCES;
    rc = charged ? mem_credit_get(s, charged) : CL_SUCCESS;
    if (rc != CL_SUCCESS)
        return rc;
    if (n->flags == 0)
        n->flags =
            CL_MEM_READ_WRITE; /* the default (section 5.3.1); others are told as given */
    rc = image_shadow_new(n, &m);
    if (rc == CL_SUCCESS)
        rc = image_send(s, m, n, &sent);
    if (rc == CL_SUCCESS) {
        *ret = m;
        return CL_SUCCESS;
    }
    if (!sent && charged)
        mem_credit_return(s, charged); /* else the worker has given it back */
    if (sent)
        object_release(&m->o);
    else if (m)
        mem_discard(m);
    return rc;
}

static cl_int
image_new(cl_context context, cl_mem_flags flags, const cl_image_format *format,
          const cl_image_desc *desc, void *host_ptr, cl_mem *ret)
{
    struct creation n = {
        .context = context, .flags = flags, .desc = desc, .host_ptr = host_ptr};
    cl_int rc = check_create(&n, format);

    return rc == CL_SUCCESS ? image_make(&n, ret) : rc;
}

/* Section 5.3.1. */
CL_API_ENTRY cl_mem CL_API_CALL
tsr_clCreateImage(cl_context context, cl_mem_flags flags,
                  const cl_image_format *image_format, const cl_image_desc *image_desc,
                  void *host_ptr, cl_int *errcode_ret)
{
    cl_mem m = NULL;
    cl_int rc = image_new(context, flags, image_format, image_desc, host_ptr, &m);

    RETURN_WITH(errcode_ret, rc, m);
}

/* Section 5.3.1. */
CL_API_ENTRY cl_mem CL_API_CALL
tsr_clCreateImageWithProperties(cl_context context, const cl_mem_properties *properties,
                                cl_mem_flags flags, const cl_image_format *image_format,
                                const cl_image_desc *image_desc, void *host_ptr,
                                cl_int *errcode_ret)
{
    cl_mem m = NULL;
    cl_int rc;

    if (!object_is(context, KIND_context))
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    if (properties && properties[0] != 0) /* none are defined for images */
        RETURN_WITH(errcode_ret, CL_INVALID_PROPERTY, NULL);
    rc = image_new(context, flags, image_format, image_desc, host_ptr, &m);
    if (rc == CL_SUCCESS && properties) {
        m->properties = calloc(1, sizeof *m->properties);
        m->n_properties = m->properties ? 1 : 0;
    }
    RETURN_WITH(errcode_ret, rc, m);
}

/* The calls of OpenCL 1.1 have one error for every size and pitch (its section 5.3.1). */
static cl_int
old_error(cl_int rc)
{
    return rc == CL_INVALID_IMAGE_DESCRIPTOR ? CL_INVALID_IMAGE_SIZE : rc;
}

/* Section 5.3.1. */
CL_API_ENTRY cl_mem CL_API_CALL
tsr_clCreateImage2D(cl_context context, cl_mem_flags flags,
                    const cl_image_format *image_format, size_t image_width,
                    size_t image_height, size_t image_row_pitch, void *host_ptr,
                    cl_int *errcode_ret)
{
    const cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE2D,
                                .image_width = image_width,
                                .image_height = image_height,
                                .image_row_pitch = image_row_pitch};
    cl_mem m = NULL;
    cl_int rc = image_new(context, flags, image_format, &desc, host_ptr, &m);

    RETURN_WITH(errcode_ret, old_error(rc), m);
}

/* Section 5.3.1. */
CL_API_ENTRY cl_mem CL_API_CALL
tsr_clCreateImage3D(cl_context context, cl_mem_flags flags,
                    const cl_image_format *image_format, size_t image_width,
                    size_t image_height, size_t image_depth, size_t image_row_pitch,
                    size_t image_slice_pitch, void *host_ptr, cl_int *errcode_ret)
{
    const cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE3D,
                                .image_width = image_width,
                                .image_height = image_height,
                                .image_depth = image_depth,
                                .image_row_pitch = image_row_pitch,
                                .image_slice_pitch = image_slice_pitch};
    cl_mem m = NULL;
    cl_int rc = image_new(context, flags, image_format, &desc, host_ptr, &m);

    RETURN_WITH(errcode_ret, old_error(rc), m);
}

/* ---- queries ----------------------------------------------------------------------- */

/* Section 5.3.7. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetImageInfo(cl_mem image, cl_image_info param_name, size_t param_value_size,
                   void *param_value, size_t *param_value_size_ret)
{
    const struct image *i;

    if (!object_is(image, KIND_mem) || !image->image)
        return CL_INVALID_MEM_OBJECT;
    i = image->image;
    switch (param_name) {
    case CL_IMAGE_FORMAT:
        return INFO_VALUE(cl_image_format, i->format);
    case CL_IMAGE_ELEMENT_SIZE:
        return INFO_VALUE(size_t, i->element);
    case CL_IMAGE_ROW_PITCH:
        return INFO_VALUE(size_t, i->row_pitch);
    case CL_IMAGE_SLICE_PITCH:
        return INFO_VALUE(size_t, i->slice_pitch);
    case CL_IMAGE_WIDTH:
        return INFO_VALUE(size_t, i->sizes[IMAGE_WIDTH]);
    case CL_IMAGE_HEIGHT:
        return INFO_VALUE(size_t, i->sizes[IMAGE_HEIGHT]);
    case CL_IMAGE_DEPTH:
        return INFO_VALUE(size_t, i->sizes[IMAGE_DEPTH]);
    case CL_IMAGE_ARRAY_SIZE:
        return INFO_VALUE(size_t, i->sizes[IMAGE_ARRAY_SIZE]);
    case CL_IMAGE_BUFFER:
        return INFO_VALUE(cl_mem,
                          image->parent && !image->parent->image ? image->parent : NULL);
    case CL_IMAGE_NUM_MIP_LEVELS:
    case CL_IMAGE_NUM_SAMPLES:
        return INFO_VALUE(cl_uint, 0);
    default:
        return CL_INVALID_VALUE;
    }
}
