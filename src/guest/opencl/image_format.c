/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.3.2: the formats that a device has. */
#include "guest/opencl/image.h"

#include "api/opencl_send.h"
#include "base/cleanup.h"
#include "guest/opencl/program.h"

#include <stdlib.h>
#include <string.h>

#define ACCESS                                                                           \
    (CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY |                          \
     CL_MEM_KERNEL_READ_AND_WRITE)

/* All lists of the process, only ever added to: a question asked twice at once is in it twice. */
static _Atomic(struct image_formats *) lists;

struct formats_ask {
    struct _cl_context *context;
    cl_mem_flags flags;
    cl_mem_object_type type;
};

static cl_int
formats_send(void *arg, struct pending *p, struct extent out)
{
    const struct formats_ask *a = arg;

    return send_clGetSupportedImageFormats(a->context->o.session, p, a->context->o.id,
                                           a->flags, a->type, out);
}

static const struct image_formats *
formats_find(const struct device *d, cl_mem_flags flags, cl_mem_object_type type)
{
    const struct image_formats *l = atomic_load_explicit(&lists, memory_order_acquire);

    while (l && (l->device != d || l->flags != flags || l->type != type))
        l = l->next;
    return l;
}

/* Formats of vendors' own making, whose elements have no size that we know, are left out. */
static cl_uint
formats_keep_known(cl_image_format *formats, size_t n)
{
    cl_uint kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (image_element_bytes(formats[i].image_channel_order,
                                formats[i].image_channel_data_type) > 0)
            formats[kept++] = formats[i];
    }
    return kept;
}

static struct image_formats *
formats_add(const struct formats_ask *a, const uint8_t *bytes, size_t len)
{
    struct image_formats *l = malloc(sizeof *l + len);

    if (!l)
        return NULL;
    *l = (struct image_formats){
        .device = a->context->device, .flags = a->flags, .type = a->type};
    memcpy(l->formats, bytes, len);
    l->n = formats_keep_known(l->formats, len / sizeof *l->formats);
    l->next = atomic_load_explicit(&lists, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        &lists, &l->next, l, memory_order_release, memory_order_relaxed))
        ;
    return l;
}

cl_int
image_formats_get(struct _cl_context *c, cl_mem_flags flags, cl_mem_object_type type,
                  const struct image_formats **ret)
{
    struct formats_ask a = {c, flags & ACCESS, type};
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t len;
    cl_int rc;

    if (a.flags == 0)
        a.flags = CL_MEM_READ_WRITE;
    *ret = formats_find(c->device, a.flags, type);
    if (*ret)
        return CL_SUCCESS;
    rc = ask_bytes(c->o.session, formats_send, &a, &bytes, &len);
    if (rc != CL_SUCCESS)
        return rc;
    *ret = formats_add(&a, bytes, len);
    return *ret ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetSupportedImageFormats(cl_context context, cl_mem_flags flags,
                               cl_mem_object_type image_type, cl_uint num_entries,
                               cl_image_format *image_formats, cl_uint *num_image_formats)
{
    static const uint64_t smallest[IMAGE_SIZES] = {1, 1, 1, 1};
    const struct image_formats *list;
    uint64_t extent[3];
    cl_int rc;

    if (!object_is(context, KIND_context))
        return CL_INVALID_CONTEXT;
    if (mem_check_flags(flags & ~(cl_mem_flags)CL_MEM_KERNEL_READ_AND_WRITE) !=
            CL_SUCCESS ||
        !image_extent(image_type, smallest, extent))
        return CL_INVALID_VALUE;
    if (num_entries == 0 && image_formats)
        return CL_INVALID_VALUE;
    if (!image_support(context)) {
        if (num_image_formats)
            *num_image_formats = 0;
        return CL_SUCCESS;
    }
    rc = image_formats_get(context, flags, image_type, &list);
    if (rc != CL_SUCCESS)
        return rc;
    for (cl_uint i = 0; image_formats && i < num_entries && i < list->n; i++)
        image_formats[i] = list->formats[i];
    if (num_image_formats)
        *num_image_formats = list->n;
    return CL_SUCCESS;
}
