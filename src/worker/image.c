/* SPDX-License-Identifier: MIT */
#include "worker/image.h"

#include "api/opencl_request.h"
#include "base/checked.h"
#include "wire/image.h"

#include <errno.h>
#include <stdlib.h>

/* ---- creating ---------------------------------------------------------------------- */

static bool
in_another(const struct req_clCreateImage *r)
{
    return r->mem_object != NULL;
}

/*
 * An image in a buffer, or another view of an image: it must not reach further than its parent,
 * which the driver may or may not look after.
 */
static int
check_parent(struct session *s, const struct mem *m, const struct req_clCreateImage *r)
{
    const struct object *parent = r->mem_object;
    uint64_t row, bytes;

    if (parent->kind != KIND_mem && parent->kind != KIND_image)
        return request_bad_field(s, "mem_object", "no memory object");
    if (r->storage.off != EXTENT_NONE || r->content != CONTENT_NONE ||
        r->initial.off != EXTENT_NONE)
        return request_bad_field(s, "storage", "its parent's");
    if (r->image_type != CL_MEM_OBJECT_IMAGE2D &&
        (r->image_type != CL_MEM_OBJECT_IMAGE1D_BUFFER || parent->kind != KIND_mem))
        return request_bad_field(s, "image_type", "never in another object");
    if (parent->error != CL_SUCCESS)
        return 0;
    if (!checked_mul(m->extent[0], m->element, &row) ||
        (r->row_pitch && r->row_pitch < row) ||
        !checked_mul(r->row_pitch ? r->row_pitch : row, m->extent[1], &bytes) ||
        bytes > mem_driver_bytes(s, parent->h.any))
        return request_bad_field(s, "sizes", "more than its parent has");
    return 0;
}

/* Fills in the image's shape. */
static int
image_check(struct session *s, struct mem *m, const struct req_clCreateImage *r,
            uint64_t *ret_bytes)
{
    m->image_type = r->image_type;
    m->channel_order = r->channel_order;
    m->channel_type = r->channel_type;
    m->element = image_element_bytes(r->channel_order, r->channel_type);
    if (m->element == 0)
        return request_bad_field(s, "channel_order", "no format");
    if (!image_extent(r->image_type, r->sizes, m->extent))
        return request_bad_field(s, "sizes", "no image");
    if (!image_region_bytes(m->element, m->extent, ret_bytes))
        return request_bad_field(s, "sizes", "too many bytes");
    if (in_another(r))
        return check_parent(s, m, r);
    if (r->image_type == CL_MEM_OBJECT_IMAGE1D_BUFFER || r->row_pitch != 0)
        return request_bad_field(s, "row_pitch", "in no other object");
    return mem_check_content(s, *ret_bytes, r->storage, r->content, r->initial);
}

static cl_mem
image_create(struct session *s, const struct req_clCreateImage *r, uint64_t bytes,
             cl_int *ret_rc)
{
    const cl_image_format format = {(cl_channel_order)r->channel_order,
                                    (cl_channel_type)r->channel_type};
    const cl_image_desc desc = {.image_type = (cl_mem_object_type)r->image_type,
                                .image_width = r->sizes[IMAGE_WIDTH],
                                .image_height = r->sizes[IMAGE_HEIGHT],
                                .image_depth = r->sizes[IMAGE_DEPTH],
                                .image_array_size = r->sizes[IMAGE_ARRAY_SIZE],
                                .image_row_pitch = r->row_pitch,
                                .mem_object =
                                    in_another(r) ? r->mem_object->h.any : NULL};
    cl_mem_flags flags = r->flags & DEVICE_FLAGS;
    uint8_t *heap = s->channel.heap, *host = NULL;

    if (r->storage.off != EXTENT_NONE) {
        flags |= CL_MEM_USE_HOST_PTR;
        host = heap + r->storage.off;
        if (r->content == CONTENT_INITIAL)
            memcpy(host, heap + r->initial.off, bytes);
    } else if (r->content == CONTENT_INITIAL) {
        flags |= CL_MEM_COPY_HOST_PTR;
        host = heap + r->initial.off;
    }
    return s->cl->clCreateImage(r->context->h.context, flags, &format, &desc, host,
                                ret_rc);
}

/* The bytes are used from now on, until the driver destroys the image. */
static cl_int
image_make(struct session *s, struct mem *m, const struct req_clCreateImage *r,
           uint64_t bytes)
{
    cl_int rc = s->request.error;

    if (rc == CL_SUCCESS && !s->cl->clCreateImage)
        rc = CL_INVALID_OPERATION; /* a device without images */
    if (rc == CL_SUCCESS)
        m->o.h.mem = image_create(s, r, bytes, &rc);
    if (r->image_type == CL_MEM_OBJECT_IMAGE1D_BUFFER)
        m->line = r->mem_object->h.mem;
    m->part = in_another(r);
    if (in_another(r))
        m->in_heap = r->mem_object->error == CL_SUCCESS && mem_of(r->mem_object)->in_heap;
    if (in_another(r) && rc == CL_SUCCESS)
        mem_share_charge(m, mem_of(r->mem_object));
    else if (!in_another(r))
        rc = mem_charged(s, m, rc);
    if (rc == CL_SUCCESS && r->content == CONTENT_INITIAL)
        gate_copied(&s->gate, bytes);
    return rc;
}

/* As of buffers. */
static struct req_clCreateImage
without_content(const struct req_clCreateImage *r)
{
    struct req_clCreateImage bare = *r;

    bare.content = CONTENT_NONE;
    bare.initial = (struct extent){EXTENT_NONE, 0};
    return bare;
}

int
op_clCreateImage(struct session *s, const struct req_clCreateImage *r)
{
    const struct req_clCreateImage bare = without_content(r);
    struct mem *m = mem_new(s, r->image, KIND_image);
    uint64_t bytes;
    cl_int rc;

    if (!m)
        return -ENOMEM;
    if (s->restoring.active)
        r = &bare;
    if (image_check(s, m, r, &bytes) < 0)
        return -EPROTO;
    if (!in_another(r)) {
        if (!memory_charge(&s->memory, bytes))
            return request_bad_field(s, "sizes", "more bytes than the session was given");
        if (mem_charge(s, m, bytes, r->storage.off) < 0)
            return -ENOMEM;
    }
    rc = image_make(s, m, r, bytes);
    reply_reclaim(s, r->initial.off);
    return object_made(s, &m->o, rc, r->tag);
}

/* ---- formats ----------------------------------------------------------------------- */

/* More than any driver tells. */
#define FORMATS_MAX 4096u

static cl_int
formats_ask(struct session *s, const struct req_clGetSupportedImageFormats *r,
            cl_image_format **ret, cl_uint *ret_n)
{
    cl_context context = r->context->h.context;
    cl_mem_object_type type = (cl_mem_object_type)r->image_type;
    cl_uint n = 0;
    cl_int rc = s->cl->clGetSupportedImageFormats(context, r->flags, type, 0, NULL, &n);

    if (rc != CL_SUCCESS || n == 0)
        return rc;
    if (n > FORMATS_MAX)
        n = FORMATS_MAX;
    *ret = malloc(n * sizeof **ret);
    if (!*ret)
        return CL_OUT_OF_HOST_MEMORY;
    *ret_n = n;
    return s->cl->clGetSupportedImageFormats(context, r->flags, type, n, *ret, NULL);
}

int
op_clGetSupportedImageFormats(struct session *s,
                              const struct req_clGetSupportedImageFormats *r)
{
    _cleanup_free_ cl_image_format *formats = NULL;
    cl_int rc = s->request.error;
    cl_uint n = 0;

    if (rc == CL_SUCCESS && r->image_type > UINT32_MAX)
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS)
        rc = formats_ask(s, r, &formats, &n);
    if (rc == CL_SUCCESS)
        reply_bytes(s, r->tag, rc, formats, n * sizeof *formats, r->result);
    else
        reply_status(s, r->tag, rc);
    return 0;
}
