/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, sections 5.2.2 and 5.2.3: reading, writing, copying and filling buffers. */
#include "api_use.h"

static uint8_t room[USE_BYTES];

static cl_int
read_some(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    return clEnqueueReadBuffer(q, u->buffer, CL_TRUE, 0, 64, room, n, w, e);
}

static cl_int
write_some(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    return clEnqueueWriteBuffer(q, u->buffer, CL_TRUE, 0, 64, room, n, w, e);
}

static cl_int
copy_some(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    return clEnqueueCopyBuffer(q, u->buffer, u->buffer, 0, 1024, 64, n, w, e);
}

static cl_int
fill_some(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    return clEnqueueFillBuffer(q, u->buffer, "abcd", 4, 0, 64, n, w, e);
}

/* ---- reading and writing ----------------------------------------------------------- */

static cl_int
read_of(struct use *u, cl_mem m, size_t at, size_t n, void *to)
{
    return clEnqueueReadBuffer(u->queue, m, CL_TRUE, at, n, to, 0, NULL, NULL);
}

static cl_int
write_of(struct use *u, cl_mem m, size_t at, size_t n, void *from)
{
    return clEnqueueWriteBuffer(u->queue, m, CL_TRUE, at, n, from, 0, NULL, NULL);
}

typedef cl_int (*transfer_fn)(struct use *u, cl_mem m, size_t at, size_t n, void *host);

static cl_int
with_flags(struct use *u, transfer_fn fn, cl_mem_flags flags)
{
    cl_mem m = clCreateBuffer(u->context, flags, 64, NULL, &u->rc);
    cl_int rc;

    MUST(u->rc);
    rc = fn(u, m, 0, 64, room);
    MUST(clReleaseMemObject(m));
    return rc;
}

static void
wrong_transfers(struct use *u, const char *call, transfer_fn fn, cl_mem_flags one_way)
{
    WRONG(call, "no buffer", CL_INVALID_MEM_OBJECT, fn(u, NULL, 0, 64, room));
    WRONG_KIND(call, "a buffer that is a queue", CL_INVALID_MEM_OBJECT,
               fn(u, (cl_mem)u->queue, 0, 64, room));
    WRONG(call, "a buffer of another context", CL_INVALID_CONTEXT,
          fn(u, u->other_buffer, 0, 64, room));
    WRONG(call, "an offset past the end", CL_INVALID_VALUE,
          fn(u, u->buffer, USE_BYTES, 1, room));
    WRONG(call, "an end past the end", CL_INVALID_VALUE,
          fn(u, u->buffer, 1, USE_BYTES, room));
    WRONG(call, "an end past all numbers", CL_INVALID_VALUE,
          fn(u, u->buffer, 64, SIZE_MAX - 32, room));
    WRONG(call, "no host memory", CL_INVALID_VALUE, fn(u, u->buffer, 0, 64, NULL));
    /* Since 2.1 this is no error (revision history), before it was. */
    WRONG_OR(call, "size 0", CL_INVALID_VALUE, CL_SUCCESS, fn(u, u->buffer, 0, 0, room));
    WRONG(call, "a buffer that the host may not touch", CL_INVALID_OPERATION,
          with_flags(u, fn, CL_MEM_HOST_NO_ACCESS));
    WRONG(call, "a buffer for the other way", CL_INVALID_OPERATION,
          with_flags(u, fn, one_way));
}

static bool
bytes_come_back(struct use *u)
{
    const uint8_t want[4] = {15, 16, 17, 18};

    buffer_fill(u, 5);
    return buffer_is(u, 10, want, sizeof want);
}

/* ---- copying ----------------------------------------------------------------------- */

static cl_int
copy(struct use *u, cl_mem from, cl_mem to, size_t from_at, size_t to_at, size_t n)
{
    return clEnqueueCopyBuffer(u->queue, from, to, from_at, to_at, n, 0, NULL, NULL);
}

static bool
copy_moves_bytes(struct use *u)
{
    const uint8_t want[4] = {100, 101, 102, 103};

    buffer_fill(u, 0);
    return copy(u, u->buffer, u->buffer, 100, 2048, 4) == CL_SUCCESS &&
           buffer_is(u, 2048, want, sizeof want);
}

static cl_int
copy_between_parts(struct use *u)
{
    const cl_buffer_region r = {0, 1024};
    cl_mem part =
        clCreateSubBuffer(u->buffer, 0, CL_BUFFER_CREATE_TYPE_REGION, &r, &u->rc);
    cl_int rc;

    MUST(u->rc);
    rc = copy(u, part, u->buffer, 0, 32, 64);
    MUST(clReleaseMemObject(part));
    return rc;
}

static void
copying(struct use *u)
{
    const struct enqueued e = {"clEnqueueCopyBuffer",
                               copy_some,
                               CL_COMMAND_COPY_BUFFER,
                               true,
                               false,
                               NULL,
                               NULL};
    cl_mem wrong = (cl_mem)u->queue;

    use_enqueue(u, &e);
    RIGHT(e.entry, "the bytes arrive", copy_moves_bytes(u));
    WRONG(e.entry, "no source", CL_INVALID_MEM_OBJECT,
          copy(u, NULL, u->buffer, 0, 0, 64));
    WRONG(e.entry, "no destination", CL_INVALID_MEM_OBJECT,
          copy(u, u->buffer, NULL, 0, 0, 64));
    WRONG_KIND(e.entry, "a source that is a queue", CL_INVALID_MEM_OBJECT,
               copy(u, wrong, u->buffer, 0, 0, 64));
    WRONG_KIND(e.entry, "a destination that is a queue", CL_INVALID_MEM_OBJECT,
               copy(u, u->buffer, wrong, 0, 0, 64));
    WRONG(e.entry, "a source of another context", CL_INVALID_CONTEXT,
          copy(u, u->other_buffer, u->buffer, 0, 0, 64));
    WRONG(e.entry, "a destination of another context", CL_INVALID_CONTEXT,
          copy(u, u->buffer, u->other_buffer, 0, 0, 64));
    WRONG(e.entry, "a source past the end", CL_INVALID_VALUE,
          copy(u, u->buffer, u->buffer, USE_BYTES - 32, 0, 64));
    WRONG(e.entry, "a destination past the end", CL_INVALID_VALUE,
          copy(u, u->buffer, u->buffer, 0, USE_BYTES - 32, 64));
    WRONG_OR(e.entry, "size 0", CL_INVALID_VALUE, CL_SUCCESS,
             copy(u, u->buffer, u->buffer, 0, 1024, 0));
    WRONG(e.entry, "source and destination overlap", CL_MEM_COPY_OVERLAP,
          copy(u, u->buffer, u->buffer, 0, 32, 64));
    WRONG(e.entry, "a part and its whole overlap", CL_MEM_COPY_OVERLAP,
          copy_between_parts(u));
}

/* ---- filling ----------------------------------------------------------------------- */

static cl_int
fill(struct use *u, cl_mem m, const void *pattern, size_t pattern_size, size_t at,
     size_t n)
{
    return clEnqueueFillBuffer(u->queue, m, pattern, pattern_size, at, n, 0, NULL, NULL);
}

static bool
fill_repeats(struct use *u)
{
    return fill(u, u->buffer, "abcd", 4, 8, 12) == CL_SUCCESS &&
           buffer_is(u, 8, "abcdabcdabcd", 12);
}

static void
filling(struct use *u)
{
    const struct enqueued e = {"clEnqueueFillBuffer",
                               fill_some,
                               CL_COMMAND_FILL_BUFFER,
                               true,
                               false,
                               NULL,
                               NULL};

    use_enqueue(u, &e);
    RIGHT(e.entry, "the pattern is repeated", fill_repeats(u));
    WRONG(e.entry, "no buffer", CL_INVALID_MEM_OBJECT, fill(u, NULL, "abcd", 4, 0, 64));
    WRONG_KIND(e.entry, "a buffer that is a queue", CL_INVALID_MEM_OBJECT,
               fill(u, (cl_mem)u->queue, "abcd", 4, 0, 64));
    WRONG(e.entry, "a buffer of another context", CL_INVALID_CONTEXT,
          fill(u, u->other_buffer, "abcd", 4, 0, 64));
    WRONG(e.entry, "an end past the end", CL_INVALID_VALUE,
          fill(u, u->buffer, "abcd", 4, USE_BYTES - 32, 64));
    WRONG(e.entry, "no pattern", CL_INVALID_VALUE, fill(u, u->buffer, NULL, 4, 0, 64));
    WRONG(e.entry, "a pattern of size 0", CL_INVALID_VALUE,
          fill(u, u->buffer, "abcd", 0, 0, 64));
    WRONG(e.entry, "a pattern of three bytes", CL_INVALID_VALUE,
          fill(u, u->buffer, "abc", 3, 0, 63));
    WRONG(e.entry, "a pattern of 256 bytes", CL_INVALID_VALUE,
          fill(u, u->buffer, room, 256, 0, 512));
    WRONG(e.entry, "an offset between patterns", CL_INVALID_VALUE,
          fill(u, u->buffer, "abcd", 4, 2, 64));
    WRONG(e.entry, "a size between patterns", CL_INVALID_VALUE,
          fill(u, u->buffer, "abcd", 4, 0, 62));
}

void
api_transfer(struct use *u)
{
    const struct enqueued r = {
        "clEnqueueReadBuffer", read_some, CL_COMMAND_READ_BUFFER, true, true, NULL, NULL};
    const struct enqueued w = {"clEnqueueWriteBuffer",
                               write_some,
                               CL_COMMAND_WRITE_BUFFER,
                               true,
                               true,
                               NULL,
                               NULL};

    use_enqueue(u, &r);
    RIGHT(r.entry, "what was written comes back", bytes_come_back(u));
    wrong_transfers(u, r.entry, read_of, CL_MEM_HOST_WRITE_ONLY);
    use_enqueue(u, &w);
    RIGHT(w.entry, "what is written comes back", bytes_come_back(u));
    wrong_transfers(u, w.entry, write_of, CL_MEM_HOST_READ_ONLY);
    copying(u);
    filling(u);
}
