/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, sections 5.2.4 and 5.5.2: mapping buffers, unmapping. */
#include "api_use.h"

static cl_int
map_of(struct use *u, cl_mem m, cl_map_flags flags, size_t at, size_t n)
{
    return NEW(
        u, clEnqueueMapBuffer(u->queue, m, CL_TRUE, flags, at, n, 0, NULL, NULL, &u->rc));
}

static cl_int
map_with_flags(struct use *u, cl_mem_flags flags, cl_map_flags map)
{
    cl_mem m = clCreateBuffer(u->context, flags, 64, NULL, &u->rc);
    cl_int rc;

    MUST(u->rc);
    rc = map_of(u, m, map, 0, 64);
    MUST(clReleaseMemObject(m));
    return rc;
}

static bool
map_shows_and_keeps(struct use *u)
{
    uint8_t *p;

    buffer_fill(u, 9);
    p = clEnqueueMapBuffer(u->queue, u->buffer, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 128,
                           64, 0, NULL, NULL, &u->rc);
    if (!p || u->rc != CL_SUCCESS || p[0] != (uint8_t)(9 + 128) ||
        NUMBER(clGetMemObjectInfo, u->buffer, CL_MEM_MAP_COUNT) != 1)
        return false;
    memcpy(p, "mapped", 6);
    return clEnqueueUnmapMemObject(u->queue, u->buffer, p, 0, NULL, NULL) == CL_SUCCESS &&
           clFinish(u->queue) == CL_SUCCESS && buffer_is(u, 128, "mapped", 6) &&
           NUMBER(clGetMemObjectInfo, u->buffer, CL_MEM_MAP_COUNT) == 0;
}

static bool
maps_count(struct use *u)
{
    void *a = clEnqueueMapBuffer(u->queue, u->buffer, CL_TRUE, CL_MAP_READ, 0, 64, 0,
                                 NULL, NULL, &u->rc);
    void *b = clEnqueueMapBuffer(u->queue, u->buffer, CL_TRUE, CL_MAP_READ, 512, 64, 0,
                                 NULL, NULL, &u->rc);
    bool two = NUMBER(clGetMemObjectInfo, u->buffer, CL_MEM_MAP_COUNT) == 2;

    return a && b && two &&
           clEnqueueUnmapMemObject(u->queue, u->buffer, a, 0, NULL, NULL) == CL_SUCCESS &&
           clEnqueueUnmapMemObject(u->queue, u->buffer, b, 0, NULL, NULL) == CL_SUCCESS &&
           clFinish(u->queue) == CL_SUCCESS &&
           NUMBER(clGetMemObjectInfo, u->buffer, CL_MEM_MAP_COUNT) == 0;
}

/* A map whose command is the one looked at; it is undone at once. */
static cl_int
map_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    void *p =
        clEnqueueMapBuffer(q, u->buffer, CL_TRUE, CL_MAP_READ, 0, 64, n, w, e, &u->rc);
    cl_int rc = use_new(u, p);

    if (p)
        MUST(clEnqueueUnmapMemObject(q, u->buffer, p, 0, NULL, NULL));
    return rc;
}

static void *mapped; /* what unmap_cmd unmaps */

static cl_int
unmap_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    cl_int rc;

    if (!mapped)
        mapped = clEnqueueMapBuffer(u->queue, u->buffer, CL_TRUE, CL_MAP_READ, 0, 64, 0,
                                    NULL, NULL, &u->rc);
    MUST(u->rc);
    rc = clEnqueueUnmapMemObject(q, u->buffer, mapped, n, w, e);
    if (rc == CL_SUCCESS)
        mapped = NULL;
    return rc;
}

/* A second map while one of the middle is for writing; `of` may be a part of it. */
static cl_int
second_map(struct use *u, cl_mem of, cl_map_flags flags, size_t at, size_t n)
{
    void *first = clEnqueueMapBuffer(u->queue, u->buffer, CL_TRUE, CL_MAP_WRITE, 1024,
                                     1024, 0, NULL, NULL, &u->rc);
    void *p;
    cl_int rc;

    MUST(u->rc);
    p = clEnqueueMapBuffer(u->queue, of, CL_TRUE, flags, at, n, 0, NULL, NULL, &u->rc);
    rc = use_new(u, p);
    if (p)
        MUST(clEnqueueUnmapMemObject(u->queue, of, p, 0, NULL, NULL));
    MUST(clEnqueueUnmapMemObject(u->queue, u->buffer, first, 0, NULL, NULL));
    MUST(clFinish(u->queue));
    return rc;
}

static void
overlapping_maps(struct use *u, const char *call)
{
    const cl_buffer_region region = {1024, 2048};
    cl_mem part =
        clCreateSubBuffer(u->buffer, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &u->rc);

    MUST(u->rc);
    WRONG_DIFFERS("map-overlap", CL_SUCCESS, call, "a region mapped for writing, twice",
                  CL_INVALID_OPERATION, second_map(u, u->buffer, CL_MAP_WRITE, 2047, 64));
    WRONG_DIFFERS("map-overlap", CL_SUCCESS, call, "the same of a part of the buffer",
                  CL_INVALID_OPERATION,
                  second_map(u, part, CL_MAP_WRITE_INVALIDATE_REGION, 512, 64));
    RIGHT(call, "regions for writing that only touch",
          second_map(u, u->buffer, CL_MAP_WRITE, 2048, 64) == CL_SUCCESS &&
              second_map(u, part, CL_MAP_WRITE, 1024, 64) == CL_SUCCESS);
    MUST(clReleaseMemObject(part));
}

static void
wrong_maps(struct use *u, const char *call)
{
    const cl_map_flags read = CL_MAP_READ;

    WRONG(call, "no buffer", CL_INVALID_MEM_OBJECT, map_of(u, NULL, read, 0, 64));
    WRONG_KIND(call, "a buffer that is a queue", CL_INVALID_MEM_OBJECT,
               map_of(u, (cl_mem)u->queue, read, 0, 64));
    WRONG(call, "a buffer of another context", CL_INVALID_CONTEXT,
          map_of(u, u->other_buffer, read, 0, 64));
    WRONG(call, "an offset past the end", CL_INVALID_VALUE,
          map_of(u, u->buffer, read, USE_BYTES, 1));
    WRONG(call, "an end past the end", CL_INVALID_VALUE,
          map_of(u, u->buffer, read, 1, USE_BYTES));
    WRONG(call, "size 0", CL_INVALID_VALUE, map_of(u, u->buffer, read, 0, 0));
    WRONG_DIFFERS("map-flags", CL_SUCCESS, call, "a flag that there is not",
                  CL_INVALID_VALUE, map_of(u, u->buffer, 1 << 20, 0, 64));
    WRONG_DIFFERS("map-flags", CL_SUCCESS, call, "read, and its bytes invalid",
                  CL_INVALID_VALUE,
                  map_of(u, u->buffer, read | CL_MAP_WRITE_INVALIDATE_REGION, 0, 64));
    WRONG(call, "read of a buffer that the host only writes", CL_INVALID_OPERATION,
          map_with_flags(u, CL_MEM_HOST_WRITE_ONLY, CL_MAP_READ));
    WRONG(call, "write of a buffer that the host only reads", CL_INVALID_OPERATION,
          map_with_flags(u, CL_MEM_HOST_READ_ONLY, CL_MAP_WRITE));
    WRONG(call, "invalidation of a buffer that the host only reads", CL_INVALID_OPERATION,
          map_with_flags(u, CL_MEM_HOST_READ_ONLY, CL_MAP_WRITE_INVALIDATE_REGION));
    WRONG(call, "a buffer that the host may not touch", CL_INVALID_OPERATION,
          map_with_flags(u, CL_MEM_HOST_NO_ACCESS, CL_MAP_READ));
}

static cl_int
unmap_of(struct use *u, cl_mem m, void *p)
{
    return clEnqueueUnmapMemObject(u->queue, m, p, 0, NULL, NULL);
}

static cl_int
unmap_twice(struct use *u)
{
    void *p = clEnqueueMapBuffer(u->queue, u->buffer, CL_TRUE, CL_MAP_READ, 0, 64, 0,
                                 NULL, NULL, &u->rc);

    MUST(u->rc);
    MUST(unmap_of(u, u->buffer, p));
    MUST(clFinish(u->queue));
    return unmap_of(u, u->buffer, p);
}

void
api_map(struct use *u)
{
    const struct enqueued m = {
        "clEnqueueMapBuffer", map_cmd, CL_COMMAND_MAP_BUFFER, true, true, NULL, NULL};
    const struct enqueued n = {"clEnqueueUnmapMemObject",
                               unmap_cmd,
                               CL_COMMAND_UNMAP_MEM_OBJECT,
                               true,
                               false,
                               NULL,
                               NULL};
    static char somewhere[64];

    use_enqueue(u, &m);
    RIGHT(m.entry, "it shows the bytes, and keeps what is written",
          map_shows_and_keeps(u));
    RIGHT(m.entry, "two maps of one buffer count", maps_count(u));
    wrong_maps(u, m.entry);
    overlapping_maps(u, m.entry);
    use_enqueue(u, &n);
    if (mapped)
        MUST(unmap_of(u, u->buffer, mapped));
    MUST(clFinish(u->queue));
    RIGHT_DIFFERS("refused-unmap", n.entry, "what was written is kept",
                  map_shows_and_keeps(u));
    WRONG(n.entry, "no object", CL_INVALID_MEM_OBJECT, unmap_of(u, NULL, somewhere));
    WRONG_KIND(n.entry, "an object that is a queue", CL_INVALID_MEM_OBJECT,
               unmap_of(u, (cl_mem)u->queue, somewhere));
    WRONG(n.entry, "a pointer that no map gave", CL_INVALID_VALUE,
          unmap_of(u, u->buffer, somewhere));
    WRONG(n.entry, "an object of another context", CL_INVALID_CONTEXT,
          unmap_of(u, u->other_buffer, somewhere));
    WRONG_DIFFERS("refused-unmap", CL_SUCCESS, n.entry, "the same map twice",
                  CL_INVALID_VALUE, unmap_twice(u));
}
