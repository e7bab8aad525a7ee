/* SPDX-License-Identifier: MIT */
/*
 * cl_khr_command_buffer: recorded commands on images. What is recorded is checked, and 1D image
 * buffers are their buffers, as when the same commands are enqueued (image_transfer.c).
 */
#include "api/opencl_request.h"
#include "worker/command_buffer.h"
#include "worker/image.h"

#include <errno.h>
#include <string.h>

/* The driver's functions that a command may become; all of them, or the extension is not there. */
static bool
has_recorders(const struct session *s)
{
    const struct extension_functions *ext = &s->device.ext;

    return ext->clCommandCopyBufferKHR && ext->clCommandCopyImageKHR &&
           ext->clCommandCopyImageToBufferKHR && ext->clCommandCopyBufferToImageKHR &&
           ext->clCommandFillBufferKHR && ext->clCommandFillImageKHR;
}

static int
begin(struct session *s, struct recording *rec, struct object *buffer,
      const uint64_t *points, uint64_t n_points)
{
    int bad = recording_begin(s, rec, buffer, points, n_points);

    if (bad == 0 && rec->rc == CL_SUCCESS && !has_recorders(s))
        rec->rc = CL_INVALID_OPERATION;
    return bad;
}

/* ---- one call of the driver each --------------------------------------------------- */

static void
record_copy(struct session *s, struct recording *rec, cl_mem src, cl_mem dst, size_t from,
            size_t to, size_t bytes)
{
    rec->rc = s->device.ext.clCommandCopyBufferKHR(
        rec->buffer->o.h.command_buffer, NULL, src, dst, from, to, bytes, rec->n_syncs,
        rec->syncs, &rec->sync_point, NULL);
}

static void
record_to_image(struct session *s, struct recording *rec, cl_mem buffer, size_t offset,
                const struct mem *m, const uint64_t *origin, const uint64_t *region)
{
    rec->rc = s->device.ext.clCommandCopyBufferToImageKHR(
        rec->buffer->o.h.command_buffer, NULL, buffer, m->o.h.image, offset, origin,
        region, rec->n_syncs, rec->syncs, &rec->sync_point, NULL);
}

static void
record_from_image(struct session *s, struct recording *rec, const struct mem *m,
                  const uint64_t *origin, const uint64_t *region, cl_mem buffer,
                  size_t offset)
{
    rec->rc = s->device.ext.clCommandCopyImageToBufferKHR(
        rec->buffer->o.h.command_buffer, NULL, m->o.h.image, buffer, origin, region,
        offset, rec->n_syncs, rec->syncs, &rec->sync_point, NULL);
}

/* ---- copies ------------------------------------------------------------------------ */

static void
record_images(struct session *s, struct recording *rec,
              const struct req_clCommandCopyImageKHR *r)
{
    const struct mem *src = mem_of(r->src_image), *dst = mem_of(r->dst_image);
    const size_t from = r->src_origin[0] * src->element;
    const size_t to = r->dst_origin[0] * dst->element;

    if (src->line && dst->line)
        record_copy(s, rec, src->line, dst->line, from, to, r->region[0] * src->element);
    else if (src->line)
        record_to_image(s, rec, src->line, from, dst, r->dst_origin, r->region);
    else if (dst->line)
        record_from_image(s, rec, src, r->src_origin, r->region, dst->line, to);
    else
        rec->rc = s->device.ext.clCommandCopyImageKHR(
            rec->buffer->o.h.command_buffer, NULL, src->o.h.image, dst->o.h.image,
            r->src_origin, r->dst_origin, r->region, rec->n_syncs, rec->syncs,
            &rec->sync_point, NULL);
}

int
op_clCommandCopyImageKHR(struct session *s, const struct req_clCommandCopyImageKHR *r)
{
    struct object *const used[] = {r->src_image, r->dst_image};
    struct recording rec;

    if (image_check_copy(s, mem_of(r->src_image), mem_of(r->dst_image), r->src_origin,
                         r->dst_origin, r->region) < 0 ||
        begin(s, &rec, r->command_buffer, r->sync_point_wait_list,
              r->n_sync_point_wait_list) < 0)
        return -EPROTO;
    if (rec.rc == CL_SUCCESS)
        record_images(s, &rec, r);
    return recording_end(s, &rec, used, 2, r->tag);
}

int
op_clCommandCopyImageToBufferKHR(struct session *s,
                                 const struct req_clCommandCopyImageToBufferKHR *r)
{
    const struct mem *m = mem_of(r->src_image);
    struct object *const used[] = {r->src_image, r->dst_buffer};
    struct recording rec;

    if (image_check_with_buffer(s, m, r->src_origin, r->region, r->dst_buffer,
                                r->dst_offset) < 0 ||
        begin(s, &rec, r->command_buffer, r->sync_point_wait_list,
              r->n_sync_point_wait_list) < 0)
        return -EPROTO;
    if (rec.rc == CL_SUCCESS && m->line)
        record_copy(s, &rec, m->line, r->dst_buffer->h.mem, r->src_origin[0] * m->element,
                    r->dst_offset, r->region[0] * m->element);
    else if (rec.rc == CL_SUCCESS)
        record_from_image(s, &rec, m, r->src_origin, r->region, r->dst_buffer->h.mem,
                          r->dst_offset);
    return recording_end(s, &rec, used, 2, r->tag);
}

int
op_clCommandCopyBufferToImageKHR(struct session *s,
                                 const struct req_clCommandCopyBufferToImageKHR *r)
{
    const struct mem *m = mem_of(r->dst_image);
    struct object *const used[] = {r->src_buffer, r->dst_image};
    struct recording rec;

    if (image_check_with_buffer(s, m, r->dst_origin, r->region, r->src_buffer,
                                r->src_offset) < 0 ||
        begin(s, &rec, r->command_buffer, r->sync_point_wait_list,
              r->n_sync_point_wait_list) < 0)
        return -EPROTO;
    if (rec.rc == CL_SUCCESS && m->line)
        record_copy(s, &rec, r->src_buffer->h.mem, m->line, r->src_offset,
                    r->dst_origin[0] * m->element, r->region[0] * m->element);
    else if (rec.rc == CL_SUCCESS)
        record_to_image(s, &rec, r->src_buffer->h.mem, r->src_offset, m, r->dst_origin,
                        r->region);
    return recording_end(s, &rec, used, 2, r->tag);
}

/* ---- fills ------------------------------------------------------------------------- */

static void
record_fill(struct session *s, struct recording *rec,
            const struct req_clCommandFillImageKHR *r, const uint8_t color[16])
{
    const struct mem *m = mem_of(r->image);
    cl_command_buffer_khr buffer = rec->buffer->o.h.command_buffer;
    uint8_t element[16];

    if (m->line && image_color(m->channel_order, m->channel_type, color, element))
        rec->rc = s->device.ext.clCommandFillBufferKHR(
            buffer, NULL, m->line, element, m->element, r->origin[0] * m->element,
            r->region[0] * m->element, rec->n_syncs, rec->syncs, &rec->sync_point, NULL);
    else
        rec->rc = s->device.ext.clCommandFillImageKHR(buffer, NULL, m->o.h.image, color,
                                                      r->origin, r->region, rec->n_syncs,
                                                      rec->syncs, &rec->sync_point, NULL);
}

int
op_clCommandFillImageKHR(struct session *s, const struct req_clCommandFillImageKHR *r)
{
    _Alignas(16) uint8_t color[16] = {0}; /* whole even where one number is enough */
    struct recording rec;
    uint64_t bytes;

    if (image_check_region(s, mem_of(r->image), r->origin, r->region, &bytes) < 0)
        return -EPROTO;
    if (r->fill_color_len > sizeof color)
        return request_bad_field(s, "fill_color", "longer than a color");
    memcpy(color, r->fill_color, r->fill_color_len);
    if (begin(s, &rec, r->command_buffer, r->sync_point_wait_list,
              r->n_sync_point_wait_list) < 0)
        return -EPROTO;
    if (rec.rc == CL_SUCCESS)
        record_fill(s, &rec, r, color);
    return recording_end(s, &rec, &r->image, 1, r->tag);
}
