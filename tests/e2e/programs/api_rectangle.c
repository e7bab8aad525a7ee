/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.2.2: rectangles of buffers. */
#include "api_use.h"

static uint8_t room[USE_BYTES];

/* One call's arguments; `right` with one of them changed. */
struct rectangle {
    cl_mem from, to; /* to: of a copy */
    const size_t *buffer_origin, *host_origin, *region;
    size_t buffer_row, buffer_slice, host_row, host_slice;
    void *host;
};

typedef cl_int (*rectangle_fn)(struct use *u, const struct rectangle *r);

static const size_t zero[3] = {0, 0, 0}, far[3] = {0, 16, 0}, some[3] = {16, 4, 2};

static struct rectangle
right(const struct use *u)
{
    return (struct rectangle){u->buffer, u->buffer, zero, far,  some,
                              32,        1024,      32,   1024, room};
}

static cl_int
read_rect(struct use *u, const struct rectangle *r)
{
    return clEnqueueReadBufferRect(u->queue, r->from, CL_TRUE, r->buffer_origin,
                                   r->host_origin, r->region, r->buffer_row,
                                   r->buffer_slice, r->host_row, r->host_slice, r->host,
                                   0, NULL, NULL);
}

static cl_int
write_rect(struct use *u, const struct rectangle *r)
{
    return clEnqueueWriteBufferRect(u->queue, r->from, CL_TRUE, r->buffer_origin,
                                    r->host_origin, r->region, r->buffer_row,
                                    r->buffer_slice, r->host_row, r->host_slice, r->host,
                                    0, NULL, NULL);
}

static cl_int
copy_rect(struct use *u, const struct rectangle *r)
{
    return clEnqueueCopyBufferRect(
        u->queue, r->from, r->to, r->buffer_origin, r->host_origin, r->region,
        r->buffer_row, r->buffer_slice, r->host_row, r->host_slice, 0, NULL, NULL);
}

/* To a second buffer, so that pitches may differ and nothing overlaps. */
static cl_int
copy_across(struct use *u, const struct rectangle *r)
{
    struct rectangle other = *r;
    cl_int rc;

    other.to = clCreateBuffer(u->context, 0, USE_BYTES, NULL, &u->rc);
    MUST(u->rc);
    rc = copy_rect(u, &other);
    MUST(clReleaseMemObject(other.to));
    return rc;
}

/* What all three have in common: the source or the only buffer, origins, pitches. */
static void
wrong_rectangles(struct use *u, const char *call, rectangle_fn fn, const char *crash)
{
    static const size_t outside[3] = {0, 0, 64}, flat[3] = {16, 4, 0},
                        thin[3] = {0, 4, 2}, low[3] = {16, 0, 2};
    struct rectangle r;

#define WITH(change) (r = right(u), change, fn(u, &r))
    CASE_(UNPACK_(call, "wrong", "no buffer", CL_INVALID_MEM_OBJECT, NO_STATUS, crash,
                  NO_STATUS),
          WITH(r.from = NULL));
    WRONG_KIND(call, "a buffer that is a queue", CL_INVALID_MEM_OBJECT,
               WITH(r.from = (cl_mem)u->queue));
    WRONG(call, "a buffer of another context", CL_INVALID_CONTEXT,
          WITH(r.from = u->other_buffer));
    WRONG(call, "no first origin", CL_INVALID_VALUE, WITH(r.buffer_origin = NULL));
    WRONG(call, "no second origin", CL_INVALID_VALUE, WITH(r.host_origin = NULL));
    WRONG(call, "no region", CL_INVALID_VALUE, WITH(r.region = NULL));
    WRONG(call, "a rectangle past the buffer's end", CL_INVALID_VALUE,
          WITH(r.buffer_origin = outside));
    CASE_(UNPACK_(call, "wrong", "a region without width", CL_INVALID_VALUE, NO_STATUS,
                  crash ? "copy-rect-region" : NULL, CL_SUCCESS),
          WITH(r.region = thin));
    CASE_(UNPACK_(call, "wrong", "a region without height", CL_INVALID_VALUE, NO_STATUS,
                  crash ? "copy-rect-region" : NULL, CL_SUCCESS),
          WITH(r.region = low));
    CASE_(UNPACK_(call, "wrong", "a region without depth", CL_INVALID_VALUE, NO_STATUS,
                  crash ? "copy-rect-region" : NULL, CL_SUCCESS),
          WITH(r.region = flat));
    WRONG(call, "first rows shorter than the region", CL_INVALID_VALUE,
          WITH((r.buffer_row = 8, r.buffer_slice = 64)));
    WRONG(call, "first slices shorter than their rows", CL_INVALID_VALUE,
          WITH(r.buffer_slice = 64));
    WRONG(call, "first slices between rows", CL_INVALID_VALUE,
          WITH(r.buffer_slice = 32 * 5 + 1));
}

static void
wrong_host_sides(struct use *u, const char *call, rectangle_fn fn)
{
    struct rectangle r;

    WRONG(call, "no host memory", CL_INVALID_VALUE, WITH(r.host = NULL));
    WRONG(call, "host rows shorter than the region", CL_INVALID_VALUE,
          WITH((r.host_row = 8, r.host_slice = 1024)));
    WRONG(call, "host slices shorter than their rows", CL_INVALID_VALUE,
          WITH(r.host_slice = 64));
    WRONG(call, "host slices between rows", CL_INVALID_VALUE,
          WITH(r.host_slice = 32 * 5 + 1));
}

static cl_int
with_flags(struct use *u, rectangle_fn fn, cl_mem_flags flags)
{
    struct rectangle r = right(u);
    cl_int rc;

    r.from = clCreateBuffer(u->context, flags, USE_BYTES, NULL, &u->rc);
    MUST(u->rc);
    rc = fn(u, &r);
    MUST(clReleaseMemObject(r.from));
    return rc;
}

/* Through two sub-buffers that share all their bytes. */
static cl_int
copy_between_parts(struct use *u)
{
    const cl_buffer_region whole = {0, USE_BYTES};
    struct rectangle r = right(u);
    cl_int rc;

    r.from =
        clCreateSubBuffer(u->buffer, 0, CL_BUFFER_CREATE_TYPE_REGION, &whole, &u->rc);
    MUST(u->rc);
    r.to = clCreateSubBuffer(u->buffer, 0, CL_BUFFER_CREATE_TYPE_REGION, &whole, &u->rc);
    MUST(u->rc);
    r.host_origin = zero;
    rc = copy_rect(u, &r);
    MUST(clReleaseMemObject(r.from));
    MUST(clReleaseMemObject(r.to));
    return rc;
}

static void
wrong_copies(struct use *u, const char *call)
{
    static const size_t outside[3] = {0, 0, 64}, near[3] = {8, 0, 0},
                        wrapped[3] = {24, 0, 0};
    rectangle_fn fn = copy_rect;
    struct rectangle r;

    WRONG_CRASHES("copy-rect-without-buffer", call, "no destination",
                  CL_INVALID_MEM_OBJECT, WITH(r.to = NULL));
    WRONG_KIND(call, "a destination that is a queue", CL_INVALID_MEM_OBJECT,
               WITH(r.to = (cl_mem)u->queue));
    WRONG(call, "a destination of another context", CL_INVALID_CONTEXT,
          WITH(r.to = u->other_buffer));
    WRONG(call, "a rectangle past the destination's end", CL_INVALID_VALUE,
          WITH((r.host_origin = outside)));
    WRONG(call, "pitches that differ within one buffer", CL_INVALID_VALUE,
          WITH((r.host_row = 64)));
    WRONG(call, "rectangles that overlap", CL_MEM_COPY_OVERLAP,
          WITH(r.host_origin = near));
    /* The second begins below its slice, within the next slice of the first (appendix E). */
    WRONG(call, "rectangles that overlap across a slice's end", CL_MEM_COPY_OVERLAP,
          WITH((r.buffer_slice = r.host_slice = 256, r.host_origin = far)));
    WRONG(call, "rectangles that overlap across a row's end", CL_MEM_COPY_OVERLAP,
          WITH(r.host_origin = wrapped));
    WRONG_CRASHES("copy-rect-parts", call, "the same rectangle of two sub-buffers",
                  CL_MEM_COPY_OVERLAP, copy_between_parts(u));
#undef WITH
}

/* The bytes of `some` in rows of 32 and slices of 1024, against plain C. */
static bool
region_is_read(struct use *u)
{
    struct rectangle r = right(u);

    buffer_fill(u, 0);
    memset(room, 0xee, sizeof room);
    r.host_origin = zero;
    if (read_rect(u, &r) != CL_SUCCESS || room[16] != 0xee)
        return false;
    for (size_t z = 0; z < 2; z++) {
        for (size_t y = 0; y < 4; y++) {
            for (size_t x = 0; x < 16; x++) {
                if (room[z * 1024 + y * 32 + x] != (uint8_t)(z * 1024 + y * 32 + x))
                    return false;
            }
        }
    }
    return true;
}

static bool
region_is_written(struct use *u)
{
    struct rectangle r = right(u);
    uint8_t want[17];

    buffer_fill(u, 0);
    memset(room, 0x55, sizeof room);
    r.host_origin = zero;
    if (write_rect(u, &r) != CL_SUCCESS)
        return false;
    memset(want, 0x55, 16);
    want[16] = (uint8_t)(1024 + 32 * 3 + 16); /* behind the region: as it was */
    return buffer_is(u, 1024 + 32 * 3, want, sizeof want);
}

static bool
region_is_copied(struct use *u)
{
    struct rectangle r = right(u);
    uint8_t want[4];

    buffer_fill(u, 0);
    for (size_t i = 0; i < sizeof want; i++)
        want[i] = (uint8_t)(1024 + 32 + i);
    return copy_rect(u, &r) == CL_SUCCESS &&
           buffer_is(u, 1024 + 32 * 17, want, sizeof want);
}

static cl_int
read_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    return clEnqueueReadBufferRect(q, u->buffer, CL_TRUE, zero, zero, some, 32, 1024, 32,
                                   1024, room, n, w, e);
}

static cl_int
write_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    return clEnqueueWriteBufferRect(q, u->buffer, CL_TRUE, zero, zero, some, 32, 1024, 32,
                                    1024, room, n, w, e);
}

static cl_int
copy_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    return clEnqueueCopyBufferRect(q, u->buffer, u->buffer, zero, far, some, 32, 1024, 32,
                                   1024, n, w, e);
}

void
api_rectangle(struct use *u)
{
    const struct enqueued r = {"clEnqueueReadBufferRect",
                               read_cmd,
                               CL_COMMAND_READ_BUFFER_RECT,
                               true,
                               true,
                               NULL,
                               NULL};
    const struct enqueued w = {"clEnqueueWriteBufferRect",
                               write_cmd,
                               CL_COMMAND_WRITE_BUFFER_RECT,
                               true,
                               true,
                               NULL,
                               NULL};
    const struct enqueued c = {"clEnqueueCopyBufferRect",
                               copy_cmd,
                               CL_COMMAND_COPY_BUFFER_RECT,
                               true,
                               false,
                               NULL,
                               NULL};

    use_enqueue(u, &r);
    RIGHT(r.entry, "every byte of the region, no other", region_is_read(u));
    wrong_rectangles(u, r.entry, read_rect, NULL);
    wrong_host_sides(u, r.entry, read_rect);
    WRONG(r.entry, "a buffer that the host may not touch", CL_INVALID_OPERATION,
          with_flags(u, read_rect, CL_MEM_HOST_NO_ACCESS));
    WRONG(r.entry, "a buffer that the host only writes", CL_INVALID_OPERATION,
          with_flags(u, read_rect, CL_MEM_HOST_WRITE_ONLY));
    use_enqueue(u, &w);
    RIGHT(w.entry, "every byte of the region, no other", region_is_written(u));
    wrong_rectangles(u, w.entry, write_rect, NULL);
    wrong_host_sides(u, w.entry, write_rect);
    WRONG(w.entry, "a buffer that the host may not touch", CL_INVALID_OPERATION,
          with_flags(u, write_rect, CL_MEM_HOST_NO_ACCESS));
    WRONG(w.entry, "a buffer that the host only reads", CL_INVALID_OPERATION,
          with_flags(u, write_rect, CL_MEM_HOST_READ_ONLY));
    use_enqueue(u, &c);
    RIGHT(c.entry, "every byte arrives", region_is_copied(u));
    wrong_rectangles(u, c.entry, copy_across, "copy-rect-without-buffer");
    wrong_copies(u, c.entry);
}
