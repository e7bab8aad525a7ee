/* SPDX-License-Identifier: MIT */
#include "worker/content.h"

#include "wire/image.h"
#include "worker/session.h"

#include <stdlib.h>

void
content_init(struct content_io *io, struct session *s)
{
    *io = (struct content_io){.s = s};
}

void
content_fini(struct content_io *io)
{
    if (io->queue)
        io->s->cl->clReleaseCommandQueue(io->queue);
    *io = (struct content_io){.s = io->s};
}

static cl_device_id
context_device(struct session *s, cl_context context)
{
    cl_device_id device = NULL, *all = NULL;
    size_t bytes = 0;

    if (s->cl->clGetContextInfo(context, CL_CONTEXT_DEVICES, 0, NULL, &bytes) !=
        CL_SUCCESS)
        return NULL;
    all = malloc(bytes + sizeof(cl_device_id));
    if (all && bytes >= sizeof(cl_device_id) &&
        s->cl->clGetContextInfo(context, CL_CONTEXT_DEVICES, bytes, all, NULL) ==
            CL_SUCCESS)
        device = all[0];
    free(all);
    return device;
}

cl_command_queue
content_queue(struct content_io *io, const struct mem *m)
{
    struct session *s = io->s;
    cl_context context = NULL;
    cl_device_id device;
    cl_int rc;

    if (s->cl->clGetMemObjectInfo(m->o.h.mem, CL_MEM_CONTEXT, sizeof context, &context,
                                  NULL) != CL_SUCCESS)
        return NULL;
    if (io->queue && io->context == context)
        return io->queue;
    content_fini(io);
    device = context_device(s, context);
    if (device)
        io->queue = queue_create(s, context, device, 0, &rc);
    io->context = context;
    return io->queue;
}

uint64_t
content_bytes(struct session *s, const struct mem *m)
{
    uint64_t bytes;

    if (m->part || m->o.error != CL_SUCCESS)
        return 0;
    if (m->o.kind != KIND_image)
        return mem_driver_bytes(s, m->o.h.mem);
    return image_region_bytes(m->element, m->extent, &bytes) ? bytes : 0;
}

struct rows {
    uint64_t origin[3], region[3], bytes;
};

/* Whole rows of one slice. */
static struct rows
image_rows(const struct mem *m, uint64_t offset)
{
    const uint64_t row = m->extent[0] * m->element;
    const uint64_t at = offset / row, most = CONTENT_PIECE_BYTES / row;
    struct rows r = {.origin = {0, at % m->extent[1], at / m->extent[1]},
                     .region = {m->extent[0], most ? most : 1, 1}};

    if (r.region[1] > m->extent[1] - r.origin[1])
        r.region[1] = m->extent[1] - r.origin[1];
    r.bytes = r.region[1] * row;
    return r;
}

uint64_t
content_piece_bytes(struct session *s, const struct mem *m, uint64_t offset)
{
    const uint64_t all = content_bytes(s, m);

    if (offset >= all)
        return 0;
    if (m->o.kind == KIND_image)
        return image_rows(m, offset).bytes;
    return all - offset < CONTENT_PIECE_BYTES ? all - offset : CONTENT_PIECE_BYTES;
}

cl_int
content_read(struct content_io *io, const struct mem *m, uint64_t offset, void *bytes)
{
    const struct _cl_icd_dispatch *cl = io->s->cl;
    cl_command_queue queue = content_queue(io, m);
    struct rows r;

    if (!queue)
        return CL_OUT_OF_RESOURCES;
    if (m->o.kind != KIND_image)
        return cl->clEnqueueReadBuffer(queue, m->o.h.mem, CL_TRUE, offset,
                                       content_piece_bytes(io->s, m, offset), bytes, 0,
                                       NULL, NULL);
    r = image_rows(m, offset);
    return cl->clEnqueueReadImage(queue, m->o.h.mem, CL_TRUE, r.origin, r.region, 0, 0,
                                  bytes, 0, NULL, NULL);
}

cl_int
content_write(struct content_io *io, const struct mem *m, uint64_t offset,
              const void *bytes)
{
    const struct _cl_icd_dispatch *cl = io->s->cl;
    cl_command_queue queue = content_queue(io, m);
    struct rows r;

    if (!queue)
        return CL_OUT_OF_RESOURCES;
    if (m->o.kind != KIND_image)
        return cl->clEnqueueWriteBuffer(queue, m->o.h.mem, CL_TRUE, offset,
                                        content_piece_bytes(io->s, m, offset), bytes, 0,
                                        NULL, NULL);
    r = image_rows(m, offset);
    return cl->clEnqueueWriteImage(queue, m->o.h.mem, CL_TRUE, r.origin, r.region, 0, 0,
                                   bytes, 0, NULL, NULL);
}
