/* SPDX-License-Identifier: MIT */
/*
 * Images of the fake driver: elements in rows and slices, packed tight, or in a buffer's bytes. No
 * kernel of its reads one; they are made, copied, filled and mapped.
 */
#include "worker/fake_internal.h"

#include "base/checked.h"
#include "wire/image.h"
#include "worker/image.h"

#include <string.h>

static const cl_image_format formats[] = {
    {CL_RGBA, CL_UNORM_INT8},   {CL_RGBA, CL_UNSIGNED_INT8}, {CL_RGBA, CL_SIGNED_INT32},
    {CL_RGBA, CL_HALF_FLOAT},   {CL_RGBA, CL_FLOAT},         {CL_BGRA, CL_UNORM_INT8},
    {CL_RG, CL_UNSIGNED_INT16}, {CL_R, CL_UNORM_INT8},       {CL_R, CL_FLOAT},
    {CL_R, CL_SIGNED_INT16},    {CL_A, CL_SNORM_INT8},       {CL_DEPTH, CL_FLOAT},
};

cl_int
fake_clGetSupportedImageFormats(cl_context context, cl_mem_flags flags,
                                cl_mem_object_type image_type, cl_uint num_entries,
                                cl_image_format *image_formats,
                                cl_uint *num_image_formats)
{
    const uint64_t one[IMAGE_SIZES] = {1, 1, 1, 1};
    cl_uint n = ARRAY_LEN(formats);
    uint64_t extent[3];

    (void)flags;
    if (!fake_is(context, FAKE_CONTEXT))
        return CL_INVALID_CONTEXT;
    if (!image_extent(image_type, one, extent) || (image_formats && num_entries == 0))
        return CL_INVALID_VALUE;
    if (num_image_formats)
        *num_image_formats = n;
    if (image_formats)
        memcpy(image_formats, formats,
               (num_entries < n ? num_entries : n) * sizeof *formats);
    return CL_SUCCESS;
}

/* ---- creating ---------------------------------------------------------------------- */

static bool
format_known(const cl_image_format *f)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (memcmp(f, &formats[i], sizeof *f) == 0)
            return true;
    }
    return false;
}

/* How far it reaches, and its pitches. */
static cl_int
shape_read(struct fake_shape *s, const cl_image_format *f, const cl_image_desc *d,
           uint64_t *ret_bytes)
{
    const uint64_t sizes[IMAGE_SIZES] = {d->image_width, d->image_height, d->image_depth,
                                         d->image_array_size};
    uint64_t extent[3], row;

    s->format = *f;
    s->type = d->image_type;
    s->element = image_element_bytes(f->image_channel_order, f->image_channel_data_type);
    if (s->element == 0 || !image_extent(d->image_type, sizes, extent) ||
        !checked_mul(extent[0], s->element, &row))
        return CL_INVALID_IMAGE_DESCRIPTOR;
    if (d->image_row_pitch && (!d->mem_object || d->image_row_pitch < row))
        return CL_INVALID_IMAGE_DESCRIPTOR;
    memcpy(s->extent, extent, sizeof s->extent);
    s->row = d->image_row_pitch ? d->image_row_pitch : row;
    if (!checked_mul(s->row, extent[1], &row) || !checked_mul(row, extent[2], ret_bytes))
        return CL_INVALID_IMAGE_SIZE;
    s->slice = row;
    return *ret_bytes > FAKE_MEMORY_BYTES ? CL_INVALID_IMAGE_SIZE : CL_SUCCESS;
}

static cl_int
desc_check(cl_context context, const cl_image_format *f, const cl_image_desc *d)
{
    if (!fake_is(context, FAKE_CONTEXT))
        return CL_INVALID_CONTEXT;
    if (!f)
        return CL_INVALID_IMAGE_FORMAT_DESCRIPTOR;
    if (!d || (d->image_type == CL_MEM_OBJECT_IMAGE1D_BUFFER && !d->mem_object))
        return CL_INVALID_IMAGE_DESCRIPTOR;
    if (d->mem_object && !fake_is(d->mem_object, FAKE_MEM))
        return CL_INVALID_IMAGE_DESCRIPTOR;
    return format_known(f) ? CL_SUCCESS : CL_IMAGE_FORMAT_NOT_SUPPORTED;
}

cl_mem
fake_clCreateImage(cl_context context, cl_mem_flags flags, const cl_image_format *format,
                   const cl_image_desc *desc, void *host_ptr, cl_int *errcode_ret)
{
    struct fake_shape shape = {0};
    uint64_t bytes = 0;
    cl_int err = desc_check(context, format, desc);
    cl_mem mem;

    if (!err)
        err = shape_read(&shape, format, desc, &bytes);
    if (!err && desc->mem_object && bytes > desc->mem_object->size)
        err = CL_INVALID_IMAGE_SIZE;
    if (err)
        return fake_ret(errcode_ret, err, NULL);
    mem = desc->mem_object
              ? fake_mem_within(desc->mem_object, flags, bytes, errcode_ret)
              : fake_clCreateBuffer(context, flags, bytes, host_ptr, errcode_ret);
    if (mem)
        mem->shape = shape;
    return mem;
}

/* ---- checks ------------------------------------------------------------------------ */

static cl_int
image_check(cl_command_queue q, cl_mem image, const size_t origin[3],
            const size_t region[3])
{
    cl_int err = fake_mem_check(q, image, 0, 0);
    uint64_t extent[3], from[3], box[3];

    if (err)
        return err;
    if (!image->shape.element)
        return CL_INVALID_MEM_OBJECT;
    if (!origin || !region)
        return CL_INVALID_VALUE;
    for (int i = 0; i < 3; i++) {
        extent[i] = image->shape.extent[i];
        from[i] = origin[i];
        box[i] = region[i];
    }
    return image_region_ok(extent, from, box) ? CL_SUCCESS : CL_INVALID_VALUE;
}

static uint8_t *
element_at(cl_mem image, const size_t origin[3])
{
    const struct fake_shape *s = &image->shape;

    return image->bytes + origin[2] * s->slice + origin[1] * s->row +
           origin[0] * s->element;
}

/* The other side of a copy: packed tight, or with a program's pitches. */
static cl_int
host_pitches(const struct fake_shape *s, const size_t region[3], size_t row, size_t slice,
             size_t ret[2])
{
    const size_t tight = region[0] * s->element;

    if (s->type == CL_MEM_OBJECT_IMAGE1D_ARRAY && slice)
        row = slice;
    ret[0] = row ? row : tight;
    ret[1] = slice && s->type != CL_MEM_OBJECT_IMAGE1D_ARRAY ? slice : ret[0] * region[1];
    return ret[0] < tight || ret[1] < ret[0] ? CL_INVALID_VALUE : CL_SUCCESS;
}

static cl_int
copy_enqueue(cl_command_queue q, cl_command_type type, const struct fake_sync *sync,
             const struct fake_copy *copy, cl_mem a, cl_mem b)
{
    struct fake_command *c;
    cl_int err = fake_command_new(q, type, sync, &c);

    if (err)
        return err;
    c->u.copy = *copy;
    return fake_copy_submit(c, a, b, sync);
}

/* ---- commands ---------------------------------------------------------------------- */

/* NOLINTBEGIN(readability-function-size): the parameters are OpenCL's. */
cl_int
fake_clEnqueueReadImage(cl_command_queue command_queue, cl_mem image,
                        cl_bool blocking_read, const size_t *origin, const size_t *region,
                        size_t row_pitch, size_t slice_pitch, void *ptr,
                        cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                        cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                blocking_read};
    size_t pitch[2];
    cl_int err = image_check(command_queue, image, origin, region);

    if (!err)
        err = host_pitches(&image->shape, region, row_pitch, slice_pitch, pitch);
    if (err || !ptr)
        return err ? err : CL_INVALID_VALUE;
    return copy_enqueue(
        command_queue, CL_COMMAND_READ_IMAGE, &s,
        &(struct fake_copy){element_at(image, origin),
                            ptr,
                            image->shape.row,
                            image->shape.slice,
                            pitch[0],
                            pitch[1],
                            {region[0] * image->shape.element, region[1], region[2]}},
        image, NULL);
}

cl_int
fake_clEnqueueWriteImage(cl_command_queue command_queue, cl_mem image,
                         cl_bool blocking_write, const size_t *origin,
                         const size_t *region, size_t input_row_pitch,
                         size_t input_slice_pitch, const void *ptr,
                         cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                         cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                blocking_write};
    size_t pitch[2];
    cl_int err = image_check(command_queue, image, origin, region);

    if (!err)
        err = host_pitches(&image->shape, region, input_row_pitch, input_slice_pitch,
                           pitch);
    if (err || !ptr)
        return err ? err : CL_INVALID_VALUE;
    return copy_enqueue(
        command_queue, CL_COMMAND_WRITE_IMAGE, &s,
        &(struct fake_copy){ptr,
                            element_at(image, origin),
                            pitch[0],
                            pitch[1],
                            image->shape.row,
                            image->shape.slice,
                            {region[0] * image->shape.element, region[1], region[2]}},
        image, NULL);
}

cl_int
fake_clEnqueueCopyImage(cl_command_queue command_queue, cl_mem src_image,
                        cl_mem dst_image, const size_t *src_origin,
                        const size_t *dst_origin, const size_t *region,
                        cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                        cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                CL_FALSE};
    cl_int err = image_check(command_queue, src_image, src_origin, region);

    if (!err)
        err = image_check(command_queue, dst_image, dst_origin, region);
    if (!err && memcmp(&src_image->shape.format, &dst_image->shape.format,
                       sizeof(cl_image_format)) != 0)
        err = CL_IMAGE_FORMAT_MISMATCH;
    if (err)
        return err;
    return copy_enqueue(
        command_queue, CL_COMMAND_COPY_IMAGE, &s,
        &(struct fake_copy){element_at(src_image, src_origin),
                            element_at(dst_image, dst_origin),
                            src_image->shape.row,
                            src_image->shape.slice,
                            dst_image->shape.row,
                            dst_image->shape.slice,
                            {region[0] * src_image->shape.element, region[1], region[2]}},
        src_image, dst_image);
}

cl_int
fake_clEnqueueCopyImageToBuffer(cl_command_queue command_queue, cl_mem src_image,
                                cl_mem dst_buffer, const size_t *src_origin,
                                const size_t *region, size_t dst_offset,
                                cl_uint num_events_in_wait_list,
                                const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                CL_FALSE};
    cl_int err = image_check(command_queue, src_image, src_origin, region);
    size_t row, slice;

    if (err)
        return err;
    row = region[0] * src_image->shape.element;
    slice = row * region[1];
    err = fake_mem_check(command_queue, dst_buffer, dst_offset, slice * region[2]);
    if (err)
        return err;
    return copy_enqueue(command_queue, CL_COMMAND_COPY_IMAGE_TO_BUFFER, &s,
                        &(struct fake_copy){element_at(src_image, src_origin),
                                            dst_buffer->bytes + dst_offset,
                                            src_image->shape.row,
                                            src_image->shape.slice,
                                            row,
                                            slice,
                                            {row, region[1], region[2]}},
                        src_image, dst_buffer);
}

cl_int
fake_clEnqueueCopyBufferToImage(cl_command_queue command_queue, cl_mem src_buffer,
                                cl_mem dst_image, size_t src_offset,
                                const size_t *dst_origin, const size_t *region,
                                cl_uint num_events_in_wait_list,
                                const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                CL_FALSE};
    cl_int err = image_check(command_queue, dst_image, dst_origin, region);
    size_t row, slice;

    if (err)
        return err;
    row = region[0] * dst_image->shape.element;
    slice = row * region[1];
    err = fake_mem_check(command_queue, src_buffer, src_offset, slice * region[2]);
    if (err)
        return err;
    return copy_enqueue(command_queue, CL_COMMAND_COPY_BUFFER_TO_IMAGE, &s,
                        &(struct fake_copy){src_buffer->bytes + src_offset,
                                            element_at(dst_image, dst_origin),
                                            row,
                                            slice,
                                            dst_image->shape.row,
                                            dst_image->shape.slice,
                                            {row, region[1], region[2]}},
                        src_buffer, dst_image);
}

static void
fill_run(struct fake_command *c)
{
    const struct fake_image_fill *f = &c->u.image_fill;

    for (size_t z = 0; z < f->region[2]; z++) {
        for (size_t y = 0; y < f->region[1]; y++) {
            uint8_t *at = f->dst + z * f->slice + y * f->row;

            for (size_t x = 0; x < f->region[0]; x++)
                memcpy(at + x * f->element, f->pattern, f->element);
        }
    }
}

cl_int
fake_clEnqueueFillImage(cl_command_queue command_queue, cl_mem image,
                        const void *fill_color, const size_t *origin,
                        const size_t *region, cl_uint num_events_in_wait_list,
                        const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                CL_FALSE};
    struct fake_command *c;
    uint8_t element[16] = {0};
    cl_int err = image_check(command_queue, image, origin, region);

    if (err)
        return err;
    if (!fill_color ||
        !image_color(image->shape.format.image_channel_order,
                     image->shape.format.image_channel_data_type, fill_color, element))
        return CL_INVALID_VALUE;
    err = fake_command_new(command_queue, CL_COMMAND_FILL_IMAGE, &s, &c);
    if (err)
        return err;
    c->u.image_fill = (struct fake_image_fill){.dst = element_at(image, origin),
                                               .element = image->shape.element,
                                               .row = image->shape.row,
                                               .slice = image->shape.slice};
    memcpy(c->u.image_fill.pattern, element, sizeof element);
    memcpy(c->u.image_fill.region, region, sizeof c->u.image_fill.region);
    c->run = fill_run;
    fake_command_uses(c, image);
    return fake_command_submit(c, &s);
}

void *
fake_clEnqueueMapImage(cl_command_queue command_queue, cl_mem image, cl_bool blocking_map,
                       cl_map_flags map_flags, const size_t *origin, const size_t *region,
                       size_t *image_row_pitch, size_t *image_slice_pitch,
                       cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                       cl_event *event, cl_int *errcode_ret)
{
    cl_int err = image_check(command_queue, image, origin, region);
    size_t offset;

    if (!err && (!image_row_pitch || !image_slice_pitch))
        err = CL_INVALID_VALUE;
    if (err)
        return fake_ret(errcode_ret, err, NULL);
    *image_row_pitch = image->shape.row;
    *image_slice_pitch = image->shape.slice;
    offset = (size_t)(element_at(image, origin) - image->bytes);
    return fake_map(command_queue, CL_COMMAND_MAP_IMAGE, image, map_flags, offset,
                    &(struct fake_sync){num_events_in_wait_list, event_wait_list, event,
                                        blocking_map},
                    errcode_ret);
}
/* NOLINTEND(readability-function-size) */
