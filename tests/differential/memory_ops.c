/* SPDX-License-Identifier: MIT */
/* Buffers and sub-buffers: OpenCL 3.0, sections 5.2 (buffers) and 5.5 (any memory object). */
#include "order.h"
#include "say.h"

#include <string.h>

enum { UNIT = 256, UNITS = 16, ROW = 16 };

static bool
host_reads(const struct memory *m)
{
    return !(m->flags & (CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS));
}

static bool
host_writes(const struct memory *m)
{
    return !(m->flags & (CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS));
}

/* Any range of m, in bytes. */
static void
any_range(struct world *w, const struct memory *m, size_t *lo, size_t *bytes)
{
    *lo = chance(w, 30) ? 0 : below(w, m->bytes);
    *bytes = chance(w, 30) ? m->bytes - *lo : 1 + below(w, m->bytes - *lo);
}

static void
enqueue_fill(struct world *w, const struct memory *m, size_t lo, size_t bytes,
             size_t pattern)
{
    const void *p = host_memory(w, pattern);
    struct enqueue e;

    enqueue_begin(w, &e, CL_COMMAND_FILL_BUFFER);
    enqueue_use(&e, m, lo, bytes, true);
    if (!enqueue_order(w, &e, false))
        return;
    step(w, "clEnqueueFillBuffer", "m%u offset %zu, size %zu, pattern %zu %s", m->id, lo,
         bytes, pattern, e.text);
    enqueue_end(
        w, &e,
        answer(w, clEnqueueFillBuffer(e.queue->queue, m->mem, p, pattern, lo, bytes, e.n,
                                      enqueue_waits(&e), enqueue_event(&e))),
        false);
}

static void
enqueue_write(struct world *w, const struct memory *m, size_t lo, size_t bytes)
{
    const bool blocking = chance(w, 50);
    void *p = host_memory(w, bytes);
    struct enqueue e;

    enqueue_begin(w, &e, CL_COMMAND_WRITE_BUFFER);
    enqueue_use(&e, m, lo, bytes, true);
    if (!enqueue_order(w, &e, blocking))
        return;
    step(w, "clEnqueueWriteBuffer", "m%u offset %zu, size %zu%s %s", m->id, lo, bytes,
         blocking ? ", blocking" : "", e.text);
    enqueue_end(
        w, &e,
        answer(w, clEnqueueWriteBuffer(e.queue->queue, m->mem, blocking, lo, bytes, p,
                                       e.n, enqueue_waits(&e), enqueue_event(&e))),
        false);
    if (blocking)
        memset(p, 0xee, bytes); /* what was given may be used again */
}

/* Creation. */

static cl_mem_flags
any_flags(struct world *w)
{
    static const cl_mem_flags host[] = {0, CL_MEM_USE_HOST_PTR, CL_MEM_COPY_HOST_PTR,
                                        CL_MEM_ALLOC_HOST_PTR,
                                        CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR};
    static const cl_mem_flags device[] = {0, CL_MEM_READ_WRITE, CL_MEM_READ_ONLY,
                                          CL_MEM_WRITE_ONLY};
    static const cl_mem_flags access[] = {CL_MEM_HOST_READ_ONLY, CL_MEM_HOST_WRITE_ONLY,
                                          CL_MEM_HOST_NO_ACCESS};

    return host[below(w, 5)] | (chance(w, 60) ? 0 : device[below(w, 4)]) |
           (chance(w, 80) ? 0 : access[below(w, 3)]);
}

static void
create_buffer(struct world *w)
{
    struct memory *m = free_memory(w);
    const cl_mem_flags flags = any_flags(w);
    const bool given = flags & (CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR);
    const size_t bytes = (1 + below(w, UNITS)) * UNIT;
    void *host = given ? host_memory(w, bytes) : NULL;
    cl_int rc;
    cl_mem mem;

    if (!m)
        return;
    memset(m, 0, sizeof *m);
    m->id = ++w->ids;
    step(w, "clCreateBuffer", "flags %llx, size %zu -> m%u", (unsigned long long)flags,
         bytes, m->id);
    mem = chance(w, 20)
              ? clCreateBufferWithProperties(w->context, NULL, flags, bytes, host, &rc)
              : clCreateBuffer(w->context, flags, bytes, host, &rc);
    if (answer(w, rc) != CL_SUCCESS)
        return;
    m->mem = mem;
    m->root = ++w->roots;
    m->bytes = bytes;
    m->flags = flags;
    m->host = flags & CL_MEM_USE_HOST_PTR ? host : NULL;
    if (!given && host_writes(m) && chance(w, 50))
        enqueue_write(w, m, 0, bytes);
    else if (!given)
        enqueue_fill(w, m, 0, bytes, (size_t)1 << below(w, 6));
}

/* A sub-buffer may not allow what its buffer does not. */
static cl_mem_flags
any_sub_flags(struct world *w, const struct memory *parent)
{
    const cl_mem_flags device = CL_MEM_READ_WRITE | CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY;
    const cl_mem_flags host =
        CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS;
    cl_mem_flags flags = 0;

    if (!(parent->flags & (CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY)) && chance(w, 30))
        flags |= chance(w, 50) ? CL_MEM_READ_ONLY : CL_MEM_READ_WRITE;
    else if (chance(w, 30))
        flags |= parent->flags & device;
    if (!(parent->flags & host) && chance(w, 20))
        flags |= chance(w, 50) ? CL_MEM_HOST_READ_ONLY : CL_MEM_HOST_NO_ACCESS;
    return flags;
}

/* What the sub-buffer's flags are, with what it takes over. */
static cl_mem_flags
inherited(cl_mem_flags flags, cl_mem_flags parent)
{
    const cl_mem_flags device = CL_MEM_READ_WRITE | CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY;
    const cl_mem_flags host =
        CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS;

    if (!(flags & device))
        flags |= parent & device;
    if (!(flags & host))
        flags |= parent & host;
    return flags;
}

static void
create_sub_buffer(struct world *w)
{
    struct memory *parent = any_buffer(w), *m = free_memory(w);
    cl_buffer_region r;
    cl_mem_flags flags;
    cl_int rc;
    cl_mem mem;

    if (!parent || !m || parent->sub || parent->bytes < w->align + UNIT)
        return;
    r.origin = below(w, (parent->bytes - UNIT) / w->align + 1) * w->align;
    r.size = UNIT * (1 + below(w, (parent->bytes - r.origin) / UNIT));
    flags = any_sub_flags(w, parent);
    memset(m, 0, sizeof *m);
    m->id = ++w->ids;
    step(w, "clCreateSubBuffer", "m%u flags %llx, origin %zu, size %zu -> m%u",
         parent->id, (unsigned long long)flags, r.origin, r.size, m->id);
    mem = clCreateSubBuffer(parent->mem, flags, CL_BUFFER_CREATE_TYPE_REGION, &r, &rc);
    if (answer(w, rc) != CL_SUCCESS)
        return;
    m->mem = mem;
    m->root = parent->root;
    m->sub = parent->shared = true;
    m->lo = r.origin;
    m->bytes = r.size;
    m->flags = inherited(flags, parent->flags);
    m->host = parent->host ? parent->host + r.origin : NULL;
}

/* Reads, writes, fills and copies. */

static void
write_buffer(struct world *w)
{
    const struct memory *m = any_buffer(w);
    size_t lo, bytes;

    if (!m || !host_writes(m))
        return;
    any_range(w, m, &lo, &bytes);
    enqueue_write(w, m, lo, bytes);
}

static void
fill_buffer(struct world *w)
{
    const struct memory *m = any_buffer(w);
    const size_t pattern = (size_t)1 << below(w, 8);
    size_t lo, bytes;

    if (!m)
        return;
    lo = below(w, m->bytes / pattern) * pattern;
    bytes = (1 + below(w, (m->bytes - lo) / pattern)) * pattern;
    enqueue_fill(w, m, lo, bytes, pattern);
}

/* Not blocking: the bytes are printed as soon as the command is known to be complete. */
static void
brings(struct world *w, int command, const void *p, size_t bytes)
{
    if (command < 0)
        return;
    if (w->done & (UINT64_C(1) << command)) {
        note_bytes(w, "read", p, bytes);
        return;
    }
    w->command[command].result = p;
    w->command[command].result_bytes = bytes;
    w->command[command].result_step = w->step;
}

static void
read_buffer(struct world *w)
{
    const struct memory *m = any_buffer(w);
    const bool blocking = chance(w, 50);
    struct enqueue e;
    size_t lo, bytes;
    void *p;
    cl_int rc;

    if (!m || !host_reads(m))
        return;
    any_range(w, m, &lo, &bytes);
    p = host_memory(w, bytes);
    enqueue_begin(w, &e, CL_COMMAND_READ_BUFFER);
    enqueue_use(&e, m, lo, bytes, false);
    if (!enqueue_order(w, &e, blocking))
        return;
    step(w, "clEnqueueReadBuffer", "m%u offset %zu, size %zu%s %s", m->id, lo, bytes,
         blocking ? ", blocking" : "", e.text);
    rc = answer(w, clEnqueueReadBuffer(e.queue->queue, m->mem, blocking, lo, bytes, p,
                                       e.n, enqueue_waits(&e), enqueue_event(&e)));
    brings(w, enqueue_end(w, &e, rc, blocking), p, bytes);
}

/* Rectangles: m as slices of rows of 16 bytes, the host's of rows of its own. */

struct rect {
    size_t origin[3], host_origin[3], region[3];
    size_t row, slice, host_row, host_slice, host_bytes;
};

static void
any_rect(struct world *w, const struct memory *m, struct rect *r)
{
    const size_t rows = 1 + below(w, 8), slices = m->bytes / (ROW * rows);

    r->row = ROW;
    r->slice = ROW * rows;
    r->origin[0] = below(w, ROW);
    r->origin[1] = below(w, rows);
    r->origin[2] = below(w, slices);
    r->region[0] = 1 + below(w, ROW - r->origin[0]);
    r->region[1] = 1 + below(w, rows - r->origin[1]);
    r->region[2] = 1 + below(w, slices - r->origin[2]);
    for (int i = 0; i < 3; i++)
        r->host_origin[i] = below(w, 3);
    r->host_row = r->host_origin[0] + r->region[0] + below(w, 5);
    r->host_slice = r->host_row * (r->host_origin[1] + r->region[1] + below(w, 3));
    r->host_bytes = r->host_slice * (r->host_origin[2] + r->region[2]);
}

static void
rect_buffer(struct world *w)
{
    const struct memory *m = any_buffer(w);
    const bool blocking = chance(w, 50), write = chance(w, 50);
    struct enqueue e;
    struct rect r;
    void *p;
    cl_int rc;
    int command;

    if (!m || !(write ? host_writes(m) : host_reads(m)))
        return;
    any_rect(w, m, &r);
    p = host_memory(w, r.host_bytes);
    enqueue_begin(w, &e,
                  write ? CL_COMMAND_WRITE_BUFFER_RECT : CL_COMMAND_READ_BUFFER_RECT);
    enqueue_use(&e, m, 0, m->bytes, write);
    if (!enqueue_order(w, &e, blocking))
        return;
    step(w, write ? "clEnqueueWriteBufferRect" : "clEnqueueReadBufferRect",
         "m%u at %zu,%zu,%zu of %zu,%zu region %zux%zux%zu host %zu,%zu%s %s", m->id,
         r.origin[0], r.origin[1], r.origin[2], r.row, r.slice, r.region[0], r.region[1],
         r.region[2], r.host_row, r.host_slice, blocking ? ", blocking" : "", e.text);
    rc = write ? clEnqueueWriteBufferRect(e.queue->queue, m->mem, blocking, r.origin,
                                          r.host_origin, r.region, r.row, r.slice,
                                          r.host_row, r.host_slice, p, e.n,
                                          enqueue_waits(&e), enqueue_event(&e))
               : clEnqueueReadBufferRect(e.queue->queue, m->mem, blocking, r.origin,
                                         r.host_origin, r.region, r.row, r.slice,
                                         r.host_row, r.host_slice, p, e.n,
                                         enqueue_waits(&e), enqueue_event(&e));
    command = enqueue_end(w, &e, answer(w, rc), blocking && !write);
    if (write && blocking)
        memset(p, 0xee, r.host_bytes);
    if (!write)
        brings(w, command, p, r.host_bytes);
}

static bool
apart(const struct memory *a, size_t a_lo, const struct memory *b, size_t b_lo,
      size_t bytes)
{
    const size_t x = a->lo + a_lo, y = b->lo + b_lo;

    return a->root != b->root || x + bytes <= y || y + bytes <= x;
}

static void
copy_buffer(struct world *w)
{
    const struct memory *from = any_buffer(w), *to = any_buffer(w);
    size_t lo, to_lo, bytes;
    struct enqueue e;

    if (!from || !to)
        return;
    any_range(w, from, &lo, &bytes);
    if (bytes > to->bytes)
        bytes = to->bytes;
    to_lo = below(w, to->bytes - bytes + 1);
    if (!apart(from, lo, to, to_lo, bytes))
        return;
    enqueue_begin(w, &e, CL_COMMAND_COPY_BUFFER);
    enqueue_use(&e, from, lo, bytes, false);
    enqueue_use(&e, to, to_lo, bytes, true);
    if (!enqueue_order(w, &e, false))
        return;
    step(w, "clEnqueueCopyBuffer", "m%u+%zu to m%u+%zu, size %zu %s", from->id, lo,
         to->id, to_lo, bytes, e.text);
    enqueue_end(
        w, &e,
        answer(w, clEnqueueCopyBuffer(e.queue->queue, from->mem, to->mem, lo, to_lo,
                                      bytes, e.n, enqueue_waits(&e), enqueue_event(&e))),
        false);
}

static void
copy_rect(struct world *w)
{
    const struct memory *from = any_buffer(w), *to = any_buffer(w);
    const struct memory *small;
    struct enqueue e;
    struct rect r;
    size_t to_origin[3] = {0};

    /* PoCL 3.1 crashes where one of them is a sub-buffer. */
    if (!from || !to || from == to || from->sub || to->sub)
        return;
    small = from->bytes < to->bytes ? from : to;
    any_rect(w, small, &r);
    to_origin[0] = below(w, ROW - r.region[0] + 1);
    enqueue_begin(w, &e, CL_COMMAND_COPY_BUFFER_RECT);
    enqueue_use(&e, from, 0, from->bytes, false);
    enqueue_use(&e, to, 0, to->bytes, true);
    if (!enqueue_order(w, &e, false))
        return;
    step(w, "clEnqueueCopyBufferRect",
         "m%u at %zu,%zu,%zu to m%u at %zu,0,0 region "
         "%zux%zux%zu pitch %zu,%zu %s",
         from->id, r.origin[0], r.origin[1], r.origin[2], to->id, to_origin[0],
         r.region[0], r.region[1], r.region[2], r.row, r.slice, e.text);
    enqueue_end(w, &e,
                answer(w, clEnqueueCopyBufferRect(e.queue->queue, from->mem, to->mem,
                                                  r.origin, to_origin, r.region, r.row,
                                                  r.slice, r.row, r.slice, e.n,
                                                  enqueue_waits(&e), enqueue_event(&e))),
                false);
}

static void
migrate(struct world *w)
{
    const struct memory *m = chance(w, 80) ? any_buffer(w) : any_image(w);
    const cl_mem_migration_flags flags = chance(w, 50) ? 0 : CL_MIGRATE_MEM_OBJECT_HOST;
    struct enqueue e;

    if (!m)
        return;
    enqueue_begin(w, &e, CL_COMMAND_MIGRATE_MEM_OBJECTS);
    enqueue_use(&e, m, 0, m->bytes, true);
    if (!enqueue_order(w, &e, false))
        return;
    step(w, "clEnqueueMigrateMemObjects", "m%u flags %u %s", m->id, (unsigned)flags,
         e.text);
    enqueue_end(
        w, &e,
        answer(w, clEnqueueMigrateMemObjects(e.queue->queue, 1, &m->mem, flags, e.n,
                                             enqueue_waits(&e), enqueue_event(&e))),
        false);
}

/* Lives. */

static void
retain_release(struct world *w)
{
    const struct memory *m = chance(w, 70) ? any_buffer(w) : any_image(w);

    if (!m)
        return;
    step(w, "clRetainMemObject", "m%u", m->id);
    answer(w, clRetainMemObject(m->mem));
    step(w, "clReleaseMemObject", "m%u", m->id);
    answer(w, clReleaseMemObject(m->mem));
}

/* Commands that use it may still be running, and sub-buffers go on. */
static void
release_memory(struct world *w)
{
    struct memory *m = chance(w, 70) ? any_buffer(w) : any_image(w);

    if (!m || mapped(w, m))
        return;
    step(w, "clReleaseMemObject", "m%u, for good", m->id);
    answer(w, clReleaseMemObject(m->mem));
    m->mem = NULL;
}

static void CL_CALLBACK
destroyed(cl_mem mem, void *data)
{
    struct callback *c = data;

    (void)mem;
    atomic_fetch_add(&c->calls, 1);
}

/* A buffer that goes at once, with functions to be told: the last one first. */
static void
destructor(struct world *w)
{
    struct callback *a, *b;
    cl_int rc;
    cl_mem mem;

    if (w->callbacks + 2 > CALLBACKS)
        return;
    a = callback_new(w, 0);
    b = callback_new(w, 0);
    step(w, "clCreateBuffer", "with destructors c%u, c%u", a->id, b->id);
    mem = clCreateBuffer(w->context, 0, UNIT, NULL, &rc);
    if (answer(w, rc) != CL_SUCCESS)
        give_up("no buffer");
    step(w, "clSetMemObjectDestructorCallback", "c%u", a->id);
    answer(w, clSetMemObjectDestructorCallback(mem, destroyed, a));
    step(w, "clSetMemObjectDestructorCallback", "c%u", b->id);
    answer(w, clSetMemObjectDestructorCallback(mem, destroyed, b));
    step(w, "clReleaseMemObject", "with destructors");
    answer(w, clReleaseMemObject(mem));
}

const struct op memory_ops[] = {
    {"create buffer", MEMORY, 14, create_buffer},
    {"create sub-buffer", MEMORY, 7, create_sub_buffer},
    {"write", MEMORY, 10, write_buffer},
    {"read", MEMORY, 14, read_buffer},
    {"rectangle", MEMORY, 10, rect_buffer},
    {"fill", MEMORY, 7, fill_buffer},
    {"copy", MEMORY, 8, copy_buffer},
    {"copy rectangle", MEMORY, 6, copy_rect},
    {"migrate", MEMORY, 3, migrate},
    {"retain and release", MEMORY, 2, retain_release},
    {"release", MEMORY, 5, release_memory},
    {"destructor", MEMORY, 1, destructor},
    {0},
};
