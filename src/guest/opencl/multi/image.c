/* SPDX-License-Identifier: MIT */
/*
 * OpenCL 3.0, section 5.3: images of a context over several vGPUs. The driver alone knows what it
 * makes of a format and a description, so the first replica is made with the image, on the first
 * vGPU that takes it; the others at their first use.
 */
#include "guest/opencl/mem.h"
#include "guest/opencl/multi/command.h"

#include <stdlib.h>
#include <string.h>

cl_mem
image_replica_new(struct multi_mem *m, cl_context inner, cl_mem buffer,
                  cl_mem_flags flags, const void *host_ptr, cl_int *ret_rc)
{
    cl_image_desc desc = m->desc;

    desc.mem_object = buffer;
    if (buffer && m->placed) /* its flags hold by now what it inherits */
        flags &= ~(cl_mem_flags)(CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR |
                                 CL_MEM_COPY_HOST_PTR);
    if (m->placed && !buffer && !host_ptr) /* they were of the program's bytes */
        desc.image_row_pitch = desc.image_slice_pitch = 0;
    if (m->n_properties)
        return ordinary->clCreateImageWithProperties(
            inner, m->properties, flags, &m->format, &desc, (void *)host_ptr, ret_rc);
    return ordinary->clCreateImage(inner, flags, &m->format, &desc, (void *)host_ptr,
                                   ret_rc);
}

/* A buffer or an image that this one is a view of (cl_image_desc's mem_object). */
static cl_int
image_parent(struct multi_context *c, const cl_image_desc *desc, struct multi_mem **ret)
{
    *ret = NULL;
    if (!desc)
        return CL_INVALID_IMAGE_DESCRIPTOR;
    if (!desc->mem_object)
        return CL_SUCCESS;
    *ret = multi_mem_of(desc->mem_object);
    if (!*ret || (*ret)->context != c)
        return CL_INVALID_IMAGE_DESCRIPTOR;
    return CL_SUCCESS;
}

static cl_int
properties_copy(struct multi_mem *m, const cl_mem_properties *properties)
{
    size_t n = 0;

    if (!properties)
        return CL_SUCCESS;
    while (properties[n])
        n += 2;
    m->properties = malloc((n + 1) * sizeof *properties);
    if (!m->properties)
        return CL_OUT_OF_HOST_MEMORY;
    memcpy(m->properties, properties, (n + 1) * sizeof *properties);
    m->n_properties = n + 1;
    return CL_SUCCESS;
}

/* The first vGPU that can hold it; the last one's error when none can. */
static cl_int
image_first_replica(struct multi_mem *m)
{
    cl_int rc = multi_lock(m->context);
    cl_mem replica;

    if (rc != CL_SUCCESS)
        return rc;
    for (unsigned v = 0; v < m->context->n_vgpus; v++) {
        rc = mem_replica(m, v, &replica);
        if (rc == CL_SUCCESS)
            break;
    }
    multi_unlock(m->context);
    return rc;
}

/* `asked`: with what an image made from another object inherits of it (section 5.3.1). */
static cl_int
image_take_flags(struct multi_mem *m, cl_mem_flags asked)
{
    unsigned v = 0;
    cl_int rc;

    while (!m->replica[v]) /* one was just made */
        v++;
    rc = ordinary->clGetMemObjectInfo(m->replica[v], CL_MEM_FLAGS, sizeof m->flags,
                                      &m->flags, NULL);
    m->flags |= asked & HOST_ACCESS_FLAGS;
    return rc;
}

static cl_int
image_new(cl_context context, const cl_mem_properties *properties, cl_mem_flags flags,
          const cl_image_format *format, const cl_image_desc *desc, void *host_ptr,
          struct multi_mem **ret)
{
    struct multi_context *c = multi_context_of(context);
    struct multi_mem *m, *parent;
    cl_mem_flags asked = flags;
    cl_int rc;

    if (!c)
        return CL_INVALID_CONTEXT;
    if (!format)
        return CL_INVALID_IMAGE_FORMAT_DESCRIPTOR;
    rc = image_parent(c, desc, &parent);
    if (rc == CL_SUCCESS)
        rc = parent ? mem_inherit_flags(&(struct _cl_mem){.flags = parent->flags}, &asked)
                    : mem_check_flags(flags);
    if (rc != CL_SUCCESS)
        return rc;
    m = multi_mem_new(c, parent, flags, host_ptr);
    if (!m)
        return CL_OUT_OF_HOST_MEMORY;
    m->image = true;
    m->size = parent ? parent->size : 1;
    m->format = *format;
    m->desc = *desc;
    m->initial = host_ptr;
    rc = properties_copy(m, properties);
    if (rc == CL_SUCCESS && !parent &&
        !ranges_init(&m->ranges, 1, c->n_vgpus, &stamp_ops))
        rc = CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        rc = image_first_replica(m);
    /* What it has inherited, or by default. */
    if (rc == CL_SUCCESS)
        rc = image_take_flags(m, asked);
    if (rc != CL_SUCCESS) {
        object_unhold(&m->o);
        return rc;
    }
    *ret = m;
    return CL_SUCCESS;
}

/* Section 5.3.1. */
CL_API_ENTRY cl_mem CL_API_CALL
multi_clCreateImage(cl_context context, cl_mem_flags flags,
                    const cl_image_format *image_format, const cl_image_desc *image_desc,
                    void *host_ptr, cl_int *errcode_ret)
{
    struct multi_mem *m = NULL;
    cl_int rc = image_new(context, NULL, flags, image_format, image_desc, host_ptr, &m);

    RETURN_WITH(errcode_ret, rc, (cl_mem)m);
}

/* Section 5.3.1. */
CL_API_ENTRY cl_mem CL_API_CALL
multi_clCreateImageWithProperties(cl_context context, const cl_mem_properties *properties,
                                  cl_mem_flags flags, const cl_image_format *image_format,
                                  const cl_image_desc *image_desc, void *host_ptr,
                                  cl_int *errcode_ret)
{
    struct multi_mem *m = NULL;
    cl_int rc =
        image_new(context, properties, flags, image_format, image_desc, host_ptr, &m);

    RETURN_WITH(errcode_ret, rc, (cl_mem)m);
}

/* The calls deprecated with 1.2 know no descriptor: what is wrong with it is the size. */
static cl_mem
old_image(cl_context context, cl_mem_flags flags, const cl_image_format *format,
          const cl_image_desc *desc, void *host_ptr, cl_int *errcode_ret)
{
    struct multi_mem *m = NULL;
    cl_int rc = image_new(context, NULL, flags, format, desc, host_ptr, &m);

    if (rc == CL_INVALID_IMAGE_DESCRIPTOR)
        rc = CL_INVALID_IMAGE_SIZE;
    RETURN_WITH(errcode_ret, rc, (cl_mem)m);
}

/* Section 5.3.1. */
CL_API_ENTRY cl_mem CL_API_CALL
multi_clCreateImage2D(cl_context context, cl_mem_flags flags,
                      const cl_image_format *image_format, size_t image_width,
                      size_t image_height, size_t image_row_pitch, void *host_ptr,
                      cl_int *errcode_ret)
{
    const cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE2D,
                                .image_width = image_width,
                                .image_height = image_height,
                                .image_row_pitch = image_row_pitch};

    return old_image(context, flags, image_format, &desc, host_ptr, errcode_ret);
}

/* Section 5.3.1. */
CL_API_ENTRY cl_mem CL_API_CALL
multi_clCreateImage3D(cl_context context, cl_mem_flags flags,
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

    return old_image(context, flags, image_format, &desc, host_ptr, errcode_ret);
}

/* ---- queries ----------------------------------------------------------------------- */

static bool
format_is_among(const cl_image_format *f, const cl_image_format *list, cl_uint n)
{
    for (cl_uint i = 0; i < n; i++) {
        if (memcmp(f, &list[i], sizeof *f) == 0)
            return true;
    }
    return false;
}

/* Appends the formats of one vGPU that are not there yet. */
static cl_int
formats_add(cl_context inner, cl_mem_flags flags, cl_mem_object_type type,
            cl_image_format **all, cl_uint *n)
{
    cl_uint more = 0;
    cl_image_format *longer;
    cl_int rc = ordinary->clGetSupportedImageFormats(inner, flags, type, 0, NULL, &more);

    if (rc != CL_SUCCESS || more == 0)
        return rc;
    longer = realloc(*all, (*n + more) * sizeof *longer);
    if (!longer)
        return CL_OUT_OF_HOST_MEMORY;
    *all = longer;
    rc =
        ordinary->clGetSupportedImageFormats(inner, flags, type, more, longer + *n, NULL);
    for (cl_uint i = 0, first = *n; rc == CL_SUCCESS && i < more; i++) {
        const cl_image_format f = longer[first + i];

        if (!format_is_among(&f, longer, *n))
            longer[(*n)++] = f;
    }
    return rc;
}

/* Section 5.3.2: the union of what the devices of the context support. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clGetSupportedImageFormats(cl_context context, cl_mem_flags flags,
                                 cl_mem_object_type image_type, cl_uint num_entries,
                                 cl_image_format *image_formats,
                                 cl_uint *num_image_formats)
{
    struct multi_context *c = multi_context_of(context);
    cl_image_format *all = NULL;
    cl_int rc = CL_SUCCESS;
    cl_uint n = 0;

    if (!c)
        return CL_INVALID_CONTEXT;
    if (num_entries == 0 && image_formats)
        return CL_INVALID_VALUE;
    for (unsigned v = 0; rc == CL_SUCCESS && v < c->n_vgpus; v++)
        rc = formats_add(c->vgpus[v].context, flags, image_type, &all, &n);
    if (rc == CL_SUCCESS && image_formats && n > 0)
        memcpy(image_formats, all, (n < num_entries ? n : num_entries) * sizeof *all);
    if (rc == CL_SUCCESS && num_image_formats)
        *num_image_formats = n;
    free(all);
    return rc;
}

/* Section 5.3.7. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clGetImageInfo(cl_mem image, cl_image_info param_name, size_t param_value_size,
                     void *param_value, size_t *param_value_size_ret)
{
    struct multi_mem *m = multi_mem_of(image);
    unsigned v = 0;

    if (!m || !m->image)
        return CL_INVALID_MEM_OBJECT;
    if (param_name == CL_IMAGE_BUFFER)
        return INFO_VALUE(cl_mem, (cl_mem)m->parent);
    if (multi_lock(m->context) != CL_SUCCESS)
        return CL_OUT_OF_RESOURCES;
    while (v + 1 < m->context->n_vgpus && !m->replica[v])
        v++;
    multi_unlock(m->context);
    return ordinary->clGetImageInfo(m->replica[v], param_name, param_value_size,
                                    param_value, param_value_size_ret);
}

/* ---- commands ---------------------------------------------------------------------- */

/* Section 5.3.3. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueReadImage(cl_command_queue command_queue, cl_mem image,
                         cl_bool blocking_read, const size_t *origin,
                         const size_t *region, size_t row_pitch, size_t slice_pitch,
                         void *ptr, cl_uint num_events_in_wait_list,
                         const cl_event *event_wait_list, cl_event *event)
{
    struct command c;
    cl_mem inner;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_READ_IMAGE,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = command_use_all(&c, image, USE_READ, &inner);
    if (blocking_read)
        command_unlock(&c);
    if (rc == CL_SUCCESS)
        rc = mem_host_access(image, true, false);
    if (rc == CL_SUCCESS)
        rc = ordinary->clEnqueueReadImage(c.queue->inner, inner, blocking_read, origin,
                                          region, row_pitch, slice_pitch, ptr, c.n_waits,
                                          c.waits, event ? &c.inner : NULL);
    return command_end(&c, rc, event);
}

/* Section 5.3.3. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueWriteImage(cl_command_queue command_queue, cl_mem image,
                          cl_bool blocking_write, const size_t *origin,
                          const size_t *region, size_t input_row_pitch,
                          size_t input_slice_pitch, const void *ptr,
                          cl_uint num_events_in_wait_list,
                          const cl_event *event_wait_list, cl_event *event)
{
    struct command c;
    cl_mem inner;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_WRITE_IMAGE,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = command_use_all(&c, image, USE_UPDATE, &inner);
    if (rc == CL_SUCCESS)
        rc = mem_host_access(image, false, true);
    if (rc == CL_SUCCESS)
        rc = ordinary->clEnqueueWriteImage(c.queue->inner, inner, CL_FALSE, origin,
                                           region, input_row_pitch, input_slice_pitch,
                                           ptr, c.n_waits, c.waits, &c.inner);
    return blocking_write ? command_end_blocking(&c, rc, event)
                          : command_end(&c, rc, event);
}

/* Section 5.3.4. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueFillImage(cl_command_queue command_queue, cl_mem image,
                         const void *fill_color, const size_t *origin,
                         const size_t *region, cl_uint num_events_in_wait_list,
                         const cl_event *event_wait_list, cl_event *event)
{
    struct command c;
    cl_mem inner;
    cl_int rc = command_begin(&c, command_queue, CL_COMMAND_FILL_IMAGE,
                              num_events_in_wait_list, event_wait_list, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = command_use_all(&c, image, USE_UPDATE, &inner);
    if (rc == CL_SUCCESS)
        rc = ordinary->clEnqueueFillImage(c.queue->inner, inner, fill_color, origin,
                                          region, c.n_waits, c.waits, &c.inner);
    return command_end(&c, rc, event);
}

/* Two memory objects, one read and one changed. */
static cl_int
copy_begin(struct command *c, cl_command_queue queue, cl_command_type type,
           const cl_mem mems[2], cl_uint n, const cl_event *waits, cl_event *event,
           cl_mem inner[2])
{
    cl_int rc = command_begin(c, queue, type, n, waits, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = command_use_all(c, mems[0], USE_READ, &inner[0]);
    if (rc == CL_SUCCESS)
        rc = command_use_all(c, mems[1], USE_UPDATE, &inner[1]);
    return rc == CL_SUCCESS ? rc : command_end(c, rc, event);
}

/* Section 5.3.3. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueCopyImage(cl_command_queue command_queue, cl_mem src_image,
                         cl_mem dst_image, const size_t *src_origin,
                         const size_t *dst_origin, const size_t *region,
                         cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                         cl_event *event)
{
    const cl_mem mems[2] = {src_image, dst_image};
    struct command c;
    cl_mem inner[2];
    cl_int rc = copy_begin(&c, command_queue, CL_COMMAND_COPY_IMAGE, mems,
                           num_events_in_wait_list, event_wait_list, event, inner);

    if (rc != CL_SUCCESS)
        return rc;
    rc = ordinary->clEnqueueCopyImage(c.queue->inner, inner[0], inner[1], src_origin,
                                      dst_origin, region, c.n_waits, c.waits, &c.inner);
    return command_end(&c, rc, event);
}

/* Section 5.3.5. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueCopyImageToBuffer(cl_command_queue command_queue, cl_mem src_image,
                                 cl_mem dst_buffer, const size_t *src_origin,
                                 const size_t *region, size_t dst_offset,
                                 cl_uint num_events_in_wait_list,
                                 const cl_event *event_wait_list, cl_event *event)
{
    const cl_mem mems[2] = {src_image, dst_buffer};
    struct command c;
    cl_mem inner[2];
    cl_int rc = copy_begin(&c, command_queue, CL_COMMAND_COPY_IMAGE_TO_BUFFER, mems,
                           num_events_in_wait_list, event_wait_list, event, inner);

    if (rc != CL_SUCCESS)
        return rc;
    rc = ordinary->clEnqueueCopyImageToBuffer(c.queue->inner, inner[0], inner[1],
                                              src_origin, region, dst_offset, c.n_waits,
                                              c.waits, &c.inner);
    return command_end(&c, rc, event);
}

/* Section 5.3.5. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clEnqueueCopyBufferToImage(cl_command_queue command_queue, cl_mem src_buffer,
                                 cl_mem dst_image, size_t src_offset,
                                 const size_t *dst_origin, const size_t *region,
                                 cl_uint num_events_in_wait_list,
                                 const cl_event *event_wait_list, cl_event *event)
{
    const cl_mem mems[2] = {src_buffer, dst_image};
    struct command c;
    cl_mem inner[2];
    cl_int rc = copy_begin(&c, command_queue, CL_COMMAND_COPY_BUFFER_TO_IMAGE, mems,
                           num_events_in_wait_list, event_wait_list, event, inner);

    if (rc != CL_SUCCESS)
        return rc;
    rc = ordinary->clEnqueueCopyBufferToImage(c.queue->inner, inner[0], inner[1],
                                              src_offset, dst_origin, region, c.n_waits,
                                              c.waits, &c.inner);
    return command_end(&c, rc, event);
}
