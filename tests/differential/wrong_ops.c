/* SPDX-License-Identifier: MIT */
/*
 * Wrong calls on buffers and queues, where the specification leaves one answer: sections
 * 5.1, 5.2 and 5.5. Each names the id of its row in docs/opencl-differences.md, if any.
 */
#include "say.h"

enum { UNIT = 256 };

static const size_t zero[3];

static cl_int
create(struct world *w, cl_context context, cl_mem_flags flags, size_t bytes, void *host)
{
    cl_int rc = 1;
    cl_mem mem = clCreateBuffer(context, flags, bytes, host, &rc);

    (void)w;
    if (mem)
        clReleaseMemObject(mem);
    return rc;
}

static void
wrong_create(struct world *w)
{
    char host[UNIT];

    switch (below(w, 9)) {
    case 0:
        wrong(w, NULL, "clCreateBuffer, size 0", create(w, w->context, 0, 0, NULL));
        return;
    case 1:
        wrong(w, NULL, "clCreateBuffer, read only and write only",
              create(w, w->context, CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY, UNIT, NULL));
        return;
    case 2:
        wrong(w, NULL, "clCreateBuffer, USE_HOST_PTR without one",
              create(w, w->context, CL_MEM_USE_HOST_PTR, UNIT, NULL));
        return;
    case 3:
        wrong(w, NULL, "clCreateBuffer, a host pointer for nothing",
              create(w, w->context, CL_MEM_READ_WRITE, UNIT, host));
        return;
    case 4:
        wrong(w, NULL, "clCreateBuffer, USE_HOST_PTR and ALLOC_HOST_PTR",
              create(w, w->context, CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR, UNIT,
                     host));
        return;
    case 5:
        wrong(w, NULL, "clCreateBuffer, USE_HOST_PTR and COPY_HOST_PTR",
              create(w, w->context, CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR, UNIT,
                     host));
        return;
    case 6:
        wrong(w, NULL, "clCreateBuffer, host write only and host read only",
              create(w, w->context, CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_READ_ONLY, UNIT,
                     NULL));
        return;
    case 7:
        wrong(w, NULL, "clCreateBuffer, no context", create(w, NULL, 0, UNIT, NULL));
        return;
    default:
        wrong(w, NULL, "clCreateBuffer, COPY_HOST_PTR without one",
              create(w, w->context, CL_MEM_COPY_HOST_PTR, UNIT, NULL));
    }
}

static cl_int
create_sub(cl_mem parent, cl_mem_flags flags, cl_buffer_create_type type, size_t origin,
           size_t size)
{
    const cl_buffer_region r = {origin, size};
    cl_int rc = 1;
    cl_mem mem = clCreateSubBuffer(parent, flags, type, &r, &rc);

    if (mem)
        clReleaseMemObject(mem);
    return rc;
}

static void
wrong_sub_buffer(struct world *w)
{
    const cl_buffer_create_type region = CL_BUFFER_CREATE_TYPE_REGION;
    const struct memory *m = any_buffer(w);

    if (!m)
        return;
    if (m->sub) {
        wrong(w, NULL, "clCreateSubBuffer, of a sub-buffer",
              create_sub(m->mem, 0, region, 0, 16));
        return;
    }
    switch (below(w, 5)) {
    case 0:
        wrong(w, NULL, "clCreateSubBuffer, misaligned",
              create_sub(m->mem, 0, region, 4, 16));
        return;
    case 1:
        wrong(w, NULL, "clCreateSubBuffer, past the end",
              create_sub(m->mem, 0, region, 0, m->bytes + 1));
        return;
    case 2:
        wrong(w, NULL, "clCreateSubBuffer, size 0", create_sub(m->mem, 0, region, 0, 0));
        return;
    case 3:
        wrong(w, NULL, "clCreateSubBuffer, no such type",
              create_sub(m->mem, 0, 0x1234, 0, 16));
        return;
    default:
        wrong(w, NULL, "clCreateSubBuffer, of nothing",
              create_sub(NULL, 0, region, 0, 16));
    }
}

/* One wrong thing at a time: the host may use the buffer. */
static struct memory *
any_open_buffer(struct world *w)
{
    struct memory *m = any_buffer(w);
    const cl_mem_flags closed =
        CL_MEM_HOST_NO_ACCESS | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_WRITE_ONLY;

    return m && !(m->flags & closed) ? m : NULL;
}

/* Commands that are refused at once, whatever else runs. */
static void
wrong_transfer(struct world *w)
{
    const struct memory *m = any_open_buffer(w);
    cl_command_queue q = any_queue(w)->queue;
    char host[UNIT];

    if (!m)
        return;
    switch (below(w, 9)) {
    case 0:
        wrong(w, NULL, "clEnqueueReadBuffer, past the end",
              clEnqueueReadBuffer(q, m->mem, CL_TRUE, m->bytes, 1, host, 0, NULL, NULL));
        return;
    case 1:
        wrong(w, NULL, "clEnqueueWriteBuffer, past the end",
              clEnqueueWriteBuffer(q, m->mem, CL_TRUE, 1, m->bytes, host, 0, NULL, NULL));
        return;
    case 2:
        wrong(w, NULL, "clEnqueueReadBuffer, to nowhere",
              clEnqueueReadBuffer(q, m->mem, CL_TRUE, 0, 1, NULL, 0, NULL, NULL));
        return;
    case 3:
        wrong(w, NULL, "clEnqueueReadBuffer, no queue",
              clEnqueueReadBuffer(NULL, m->mem, CL_TRUE, 0, 1, host, 0, NULL, NULL));
        return;
    case 4:
        wrong(w, NULL, "clEnqueueReadBuffer, no buffer",
              clEnqueueReadBuffer(q, NULL, CL_TRUE, 0, 1, host, 0, NULL, NULL));
        return;
    case 5:
        wrong(w, NULL, "clEnqueueReadBuffer, 1 event and no list",
              clEnqueueReadBuffer(q, m->mem, CL_TRUE, 0, 1, host, 1, NULL, NULL));
        return;
    case 6:
        wrong(w, NULL, "clEnqueueFillBuffer, pattern of 3 bytes",
              clEnqueueFillBuffer(q, m->mem, host, 3, 0, 3, 0, NULL, NULL));
        return;
    case 7:
        wrong(w, NULL, "clEnqueueFillBuffer, offset 2 of a pattern of 4",
              clEnqueueFillBuffer(q, m->mem, host, 4, 2, 4, 0, NULL, NULL));
        return;
    default:
        wrong(w, NULL, "clEnqueueFillBuffer, past the end",
              clEnqueueFillBuffer(q, m->mem, host, 4, m->bytes, 4, 0, NULL, NULL));
    }
}

static void
wrong_access(struct world *w)
{
    const struct memory *m = any_buffer(w);
    cl_command_queue q = any_queue(w)->queue;
    char host[4] = "";
    cl_int rc;

    if (!m)
        return;
    if (m->flags & (CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS)) {
        wrong(w, NULL, "clEnqueueReadBuffer, not the host's to read",
              clEnqueueReadBuffer(q, m->mem, CL_TRUE, 0, 1, host, 0, NULL, NULL));
        clEnqueueMapBuffer(q, m->mem, CL_TRUE, CL_MAP_READ, 0, 1, 0, NULL, NULL, &rc);
        wrong(w, NULL, "clEnqueueMapBuffer, not the host's to read", rc);
    }
    if (m->flags & (CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS)) {
        wrong(w, NULL, "clEnqueueWriteBuffer, not the host's to write",
              clEnqueueWriteBuffer(q, m->mem, CL_TRUE, 0, 1, host, 0, NULL, NULL));
        clEnqueueMapBuffer(q, m->mem, CL_TRUE, CL_MAP_WRITE, 0, 1, 0, NULL, NULL, &rc);
        wrong(w, NULL, "clEnqueueMapBuffer, not the host's to write", rc);
    }
}

static void
wrong_copy(struct world *w)
{
    const struct memory *m = any_open_buffer(w);
    cl_command_queue q = any_queue(w)->queue;
    const size_t region[3] = {8, 2, 1};
    char host[64];

    if (!m)
        return;
    switch (below(w, 5)) {
    case 0:
        wrong(w, NULL, "clEnqueueCopyBuffer, onto itself",
              clEnqueueCopyBuffer(q, m->mem, m->mem, 0, 4, 8, 0, NULL, NULL));
        return;
    case 1:
        wrong(w, NULL, "clEnqueueCopyBuffer, past the end",
              clEnqueueCopyBuffer(q, m->mem, m->mem, 0, m->bytes, 8, 0, NULL, NULL));
        return;
    case 2:
        wrong(w, NULL, "clEnqueueCopyBuffer, to nothing",
              clEnqueueCopyBuffer(q, m->mem, NULL, 0, 0, 8, 0, NULL, NULL));
        return;
    case 3:
        wrong(w, NULL, "clEnqueueReadBufferRect, rows that overlap",
              clEnqueueReadBufferRect(q, m->mem, CL_TRUE, zero, zero, region, 4, 0, 0, 0,
                                      host, 0, NULL, NULL));
        return;
    default:
        wrong(w, NULL, "clEnqueueReadBufferRect, an empty region",
              clEnqueueReadBufferRect(q, m->mem, CL_TRUE, zero, zero, zero, 0, 0, 0, 0,
                                      host, 0, NULL, NULL));
    }
}

static void
wrong_map(struct world *w)
{
    const struct memory *m = any_open_buffer(w);
    cl_command_queue q = any_queue(w)->queue;
    char host[4];
    cl_int rc = 1;

    if (!m)
        return;
    switch (below(w, 4)) {
    case 0:
        clEnqueueMapBuffer(q, m->mem, CL_TRUE, CL_MAP_READ, m->bytes, 1, 0, NULL, NULL,
                           &rc);
        wrong(w, NULL, "clEnqueueMapBuffer, past the end", rc);
        return;
    case 1:
        clEnqueueMapBuffer(q, NULL, CL_TRUE, CL_MAP_READ, 0, 1, 0, NULL, NULL, &rc);
        wrong(w, NULL, "clEnqueueMapBuffer, no buffer", rc);
        return;
    case 2:
        wrong(w, NULL, "clEnqueueUnmapMemObject, never mapped",
              clEnqueueUnmapMemObject(q, m->mem, host, 0, NULL, NULL));
        return;
    default:
        wrong(w, NULL, "clEnqueueMigrateMemObjects, none",
              clEnqueueMigrateMemObjects(q, 0, NULL, 0, 0, NULL, NULL));
    }
}

static void
wrong_handle(struct world *w)
{
    const struct memory *m = any_open_buffer(w);
    cl_mem_flags flags;

    switch (below(w, 6)) {
    case 0:
        wrong(w, NULL, "clRetainMemObject, nothing", clRetainMemObject(NULL));
        return;
    case 1:
        wrong(w, NULL, "clReleaseMemObject, nothing", clReleaseMemObject(NULL));
        return;
    case 2:
        wrong(w, NULL, "clFinish, no queue", clFinish(NULL));
        return;
    case 3:
        wrong(w, NULL, "clFlush, no queue", clFlush(NULL));
        return;
    case 4:
        if (m)
            wrong(w, NULL, "clGetMemObjectInfo, no such name",
                  clGetMemObjectInfo(m->mem, 0x1234, sizeof flags, &flags, NULL));
        return;
    default:
        if (m)
            wrong(w, NULL, "clGetMemObjectInfo, too small",
                  clGetMemObjectInfo(m->mem, CL_MEM_FLAGS, 1, &flags, NULL));
    }
}

const struct op wrong_ops[] = {
    {"wrong create", WRONG | MEMORY, 3, wrong_create},
    {"wrong sub-buffer", WRONG | MEMORY, 2, wrong_sub_buffer},
    {"wrong transfer", WRONG | MEMORY, 3, wrong_transfer},
    {"wrong access", WRONG | MEMORY, 2, wrong_access},
    {"wrong copy", WRONG | MEMORY, 2, wrong_copy},
    {"wrong map", WRONG | MEMORY, 2, wrong_map},
    {"wrong handle", WRONG, 2, wrong_handle},
    {0},
};
