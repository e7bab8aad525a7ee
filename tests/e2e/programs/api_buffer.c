/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, sections 5.2 and 5.5: buffers, their bytes, queries and destructors. */
#include "api_use.h"

/* ---- 5.2.1 creation ---------------------------------------------------------------- */

static cl_int
create(struct use *u, cl_mem_flags flags, size_t size, void *host)
{
    return NEW(u, clCreateBuffer(u->context, flags, size, host, &u->rc));
}

static cl_int
create_with(struct use *u, cl_mem_flags flags, size_t size, void *host)
{
    return NEW(u,
               clCreateBufferWithProperties(u->context, NULL, flags, size, host, &u->rc));
}

typedef cl_int (*create_fn)(struct use *u, cl_mem_flags flags, size_t size, void *host);

static uint64_t host_bytes[USE_BYTES / 8];

static const struct {
    const char *what;
    cl_mem_flags flags;
    size_t size;
    void *host;
    cl_int want;
} wrong_creations[] = {
    {"size 0", 0, 0, NULL, CL_INVALID_BUFFER_SIZE},
    {"a flag that there is not", 1 << 25, 64, NULL, CL_INVALID_VALUE},
    {"read-write and write-only", CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY, 64, NULL,
     CL_INVALID_VALUE},
    {"read-write and read-only", CL_MEM_READ_WRITE | CL_MEM_READ_ONLY, 64, NULL,
     CL_INVALID_VALUE},
    {"write-only and read-only", CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY, 64, NULL,
     CL_INVALID_VALUE},
    {"host pointer used and copied", CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR, 64,
     host_bytes, CL_INVALID_VALUE},
    {"host pointer used and allocated", CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR, 64,
     host_bytes, CL_INVALID_VALUE},
    {"host writes only and reads only", CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_READ_ONLY,
     64, NULL, CL_INVALID_VALUE},
    {"host reads only and has no access", CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS,
     64, NULL, CL_INVALID_VALUE},
    {"a host pointer to use, but none", CL_MEM_USE_HOST_PTR, 64, NULL,
     CL_INVALID_HOST_PTR},
    {"a host pointer to copy, but none", CL_MEM_COPY_HOST_PTR, 64, NULL,
     CL_INVALID_HOST_PTR},
    {"a host pointer that no flag wants", CL_MEM_READ_ONLY, 64, host_bytes,
     CL_INVALID_HOST_PTR},
};

static void
wrong_creation(struct use *u, const char *call, create_fn fn)
{
    size_t most = device_number(u, CL_DEVICE_MAX_MEM_ALLOC_SIZE);

    for (size_t i = 0; i < sizeof wrong_creations / sizeof *wrong_creations; i++)
        WRONG(call, wrong_creations[i].what, wrong_creations[i].want,
              fn(u, wrong_creations[i].flags, wrong_creations[i].size,
                 wrong_creations[i].host));
    WRONG(call, "one byte above the largest allocation", CL_INVALID_BUFFER_SIZE,
          fn(u, 0, most + 1, NULL));
}

static bool
buffer_tells(struct use *u, cl_mem m, cl_mem_flags flags, size_t size)
{
    return NUMBER(clGetMemObjectInfo, m, CL_MEM_TYPE) == CL_MEM_OBJECT_BUFFER &&
           NUMBER(clGetMemObjectInfo, m, CL_MEM_FLAGS) == flags &&
           NUMBER(clGetMemObjectInfo, m, CL_MEM_SIZE) == size &&
           NUMBER(clGetMemObjectInfo, m, CL_MEM_MAP_COUNT) == 0 &&
           NUMBER(clGetMemObjectInfo, m, CL_MEM_REFERENCE_COUNT) == 1 &&
           NUMBER(clGetMemObjectInfo, m, CL_MEM_CONTEXT) == (uintptr_t)u->context &&
           NUMBER(clGetMemObjectInfo, m, CL_MEM_USES_SVM_POINTER) == CL_FALSE;
}

static bool
buffer_holds(struct use *u, cl_mem m, const void *bytes, size_t n)
{
    uint8_t got[USE_BYTES];

    return clEnqueueReadBuffer(u->queue, m, CL_TRUE, 0, n, got, 0, NULL, NULL) ==
               CL_SUCCESS &&
           memcmp(got, bytes, n) == 0;
}

static bool
copies_host_bytes(struct use *u)
{
    const char words[] = "sixteen bytes of";
    char host[16];
    cl_mem m;
    bool good;

    memcpy(host, words, sizeof host);
    m = clCreateBuffer(u->context, CL_MEM_COPY_HOST_PTR | CL_MEM_READ_ONLY, sizeof host,
                       host, &u->rc);
    memset(host, 0, sizeof host); /* the copy is made by now */
    good = m && u->rc == CL_SUCCESS &&
           buffer_tells(u, m, CL_MEM_COPY_HOST_PTR | CL_MEM_READ_ONLY, sizeof host) &&
           NUMBER(clGetMemObjectInfo, m, CL_MEM_HOST_PTR) == 0 &&
           NUMBER(clGetMemObjectInfo, m, CL_MEM_OFFSET) == 0 &&
           NUMBER(clGetMemObjectInfo, m, CL_MEM_ASSOCIATED_MEMOBJECT) == 0 &&
           buffer_holds(u, m, words, sizeof host);
    return m && clReleaseMemObject(m) == CL_SUCCESS && good;
}

static bool
uses_host_bytes(struct use *u)
{
    cl_mem m;
    bool good;

    memset(host_bytes, 7, sizeof host_bytes);
    m = clCreateBuffer(u->context, CL_MEM_USE_HOST_PTR, sizeof host_bytes, host_bytes,
                       &u->rc);
    good = m && u->rc == CL_SUCCESS &&
           NUMBER(clGetMemObjectInfo, m, CL_MEM_HOST_PTR) == (uintptr_t)host_bytes &&
           buffer_holds(u, m, host_bytes, sizeof host_bytes);
    return m && clReleaseMemObject(m) == CL_SUCCESS && good;
}

static bool
no_flags_mean_read_write(struct use *u)
{
    cl_mem m = clCreateBuffer(u->context, 0, 64, NULL, NULL);
    bool good = m && buffer_tells(u, m, CL_MEM_READ_WRITE, 64);

    return m && clReleaseMemObject(m) == CL_SUCCESS && good;
}

static bool
empty_properties_are_told(struct use *u)
{
    const cl_mem_properties none[] = {0};
    cl_mem_properties got[4];
    size_t with = 9, without = 9;
    cl_mem a = clCreateBufferWithProperties(u->context, none, 0, 64, NULL, &u->rc);
    cl_mem b = clCreateBufferWithProperties(u->context, NULL, 0, 64, NULL, &u->rc);
    bool good =
        a && b &&
        clGetMemObjectInfo(a, CL_MEM_PROPERTIES, sizeof got, got, &with) == CL_SUCCESS &&
        with == sizeof none && got[0] == 0 &&
        clGetMemObjectInfo(b, CL_MEM_PROPERTIES, 0, NULL, &without) == CL_SUCCESS &&
        without == 0;

    return a && b && clReleaseMemObject(a) == CL_SUCCESS &&
           clReleaseMemObject(b) == CL_SUCCESS && good;
}

static void
creation(struct use *u)
{
    const cl_mem_properties unknown[] = {0x7ffffff0, 1, 0};
    const char *const call = "clCreateBuffer", *const with =
                                                   "clCreateBufferWithProperties";
    cl_context no_context = (cl_context)u->buffer;

    RIGHT(call, "the host's bytes are copied at once", copies_host_bytes(u));
    RIGHT(call, "the host's bytes are used", uses_host_bytes(u));
    RIGHT(call, "no flags mean read-write", no_flags_mean_read_write(u));
    WRONG(call, "no context", CL_INVALID_CONTEXT,
          NEW(u, clCreateBuffer(NULL, 0, 64, NULL, &u->rc)));
    WRONG_KIND(call, "a context that is a buffer", CL_INVALID_CONTEXT,
               NEW(u, clCreateBuffer(no_context, 0, 64, NULL, &u->rc)));
    wrong_creation(u, call, create);
    RIGHT(with, "an empty list is told, none is not", empty_properties_are_told(u));
    WRONG(with, "no context", CL_INVALID_CONTEXT,
          NEW(u, clCreateBufferWithProperties(NULL, NULL, 0, 64, NULL, &u->rc)));
    WRONG_KIND(
        with, "a context that is a buffer", CL_INVALID_CONTEXT,
        NEW(u, clCreateBufferWithProperties(no_context, NULL, 0, 64, NULL, &u->rc)));
    WRONG(with, "a property that there is not", CL_INVALID_PROPERTY,
          NEW(u, clCreateBufferWithProperties(u->context, unknown, 0, 64, NULL, &u->rc)));
    wrong_creation(u, with, create_with);
}

/* ---- 5.2.1 sub-buffers ------------------------------------------------------------- */

static cl_int
sub_buffer(struct use *u, cl_mem parent, cl_mem_flags flags, size_t origin, size_t size)
{
    const cl_buffer_region r = {origin, size};

    return NEW(
        u, clCreateSubBuffer(parent, flags, CL_BUFFER_CREATE_TYPE_REGION, &r, &u->rc));
}

static cl_int
of_parent_with(struct use *u, cl_mem_flags parent_flags, cl_mem_flags flags)
{
    cl_mem parent = clCreateBuffer(u->context, parent_flags, 64, NULL, &u->rc);
    cl_int rc;

    MUST(u->rc);
    rc = sub_buffer(u, parent, flags, 0, 64);
    MUST(clReleaseMemObject(parent));
    return rc;
}

static bool
sub_buffer_is_a_part(struct use *u, size_t align)
{
    const cl_buffer_region r = {align, 64};
    const char words[] =
        "sixty-four of them, in the middle of their parent, no further...";
    cl_mem m;
    bool good;

    buffer_fill(u, 0);
    m = clCreateSubBuffer(u->buffer, CL_MEM_WRITE_ONLY, CL_BUFFER_CREATE_TYPE_REGION, &r,
                          &u->rc);
    good = m && u->rc == CL_SUCCESS && buffer_tells(u, m, CL_MEM_WRITE_ONLY, 64) &&
           NUMBER(clGetMemObjectInfo, m, CL_MEM_OFFSET) == align &&
           NUMBER(clGetMemObjectInfo, m, CL_MEM_ASSOCIATED_MEMOBJECT) ==
               (uintptr_t)u->buffer &&
           clEnqueueWriteBuffer(u->queue, m, CL_TRUE, 0, 64, words, 0, NULL, NULL) ==
               CL_SUCCESS &&
           buffer_is(u, align, words, 64);
    return m && clReleaseMemObject(m) == CL_SUCCESS && good;
}

static cl_int
sub_of_sub(struct use *u)
{
    const cl_buffer_region r = {0, 64};
    cl_mem m = clCreateSubBuffer(u->buffer, 0, CL_BUFFER_CREATE_TYPE_REGION, &r, &u->rc);
    cl_int rc;

    MUST(u->rc);
    rc = sub_buffer(u, m, 0, 0, 32);
    MUST(clReleaseMemObject(m));
    return rc;
}

static const struct {
    const char *what;
    cl_mem_flags parent, sub;
} flag_clashes[] = {
    {"read-only of write-only", CL_MEM_WRITE_ONLY, CL_MEM_READ_ONLY},
    {"read-write of write-only", CL_MEM_WRITE_ONLY, CL_MEM_READ_WRITE},
    {"write-only of read-only", CL_MEM_READ_ONLY, CL_MEM_WRITE_ONLY},
    {"read-write of read-only", CL_MEM_READ_ONLY, CL_MEM_READ_WRITE},
    {"host reads of host writes only", CL_MEM_HOST_WRITE_ONLY, CL_MEM_HOST_READ_ONLY},
    {"host writes of host reads only", CL_MEM_HOST_READ_ONLY, CL_MEM_HOST_WRITE_ONLY},
    {"host reads of no host access", CL_MEM_HOST_NO_ACCESS, CL_MEM_HOST_READ_ONLY},
    {"a host pointer used", 0, CL_MEM_USE_HOST_PTR},
    {"host memory allocated", 0, CL_MEM_ALLOC_HOST_PTR},
    {"a host pointer copied", 0, CL_MEM_COPY_HOST_PTR},
    {"read-only and write-only", 0, CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY},
    {"a flag that there is not", 0, 1 << 25},
};

static void
sub_buffers(struct use *u)
{
    const size_t align = device_number(u, CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8;
    const cl_buffer_region r = {0, 64};
    const char *const call = "clCreateSubBuffer";

    RIGHT(call, "it is a part of its parent", sub_buffer_is_a_part(u, align));
    WRONG(call, "no parent", CL_INVALID_MEM_OBJECT, sub_buffer(u, NULL, 0, 0, 64));
    WRONG_KIND(call, "a parent that is a queue", CL_INVALID_MEM_OBJECT,
               sub_buffer(u, (cl_mem)u->queue, 0, 0, 64));
    WRONG(call, "a parent that is a sub-buffer", CL_INVALID_MEM_OBJECT, sub_of_sub(u));
    for (size_t i = 0; i < sizeof flag_clashes / sizeof *flag_clashes; i++)
        WRONG_DIFFERS("sub-buffer-flags", CL_SUCCESS, call, flag_clashes[i].what,
                      CL_INVALID_VALUE,
                      of_parent_with(u, flag_clashes[i].parent, flag_clashes[i].sub));
    WRONG(call, "a way that there is not", CL_INVALID_VALUE,
          NEW(u, clCreateSubBuffer(u->buffer, 0, 0x7777, &r, &u->rc)));
    WRONG(call, "no region", CL_INVALID_VALUE,
          NEW(u, clCreateSubBuffer(u->buffer, 0, CL_BUFFER_CREATE_TYPE_REGION, NULL,
                                   &u->rc)));
    WRONG(call, "an origin past the end", CL_INVALID_VALUE,
          sub_buffer(u, u->buffer, 0, USE_BYTES, align));
    WRONG(call, "an end past the end", CL_INVALID_VALUE,
          sub_buffer(u, u->buffer, 0, align, USE_BYTES));
    WRONG_DIFFERS("sub-buffer-overflow", CL_SUCCESS, call, "an end past all numbers",
                  CL_INVALID_VALUE,
                  sub_buffer(u, u->buffer, 0, align, SIZE_MAX - align + 1 + 64));
    WRONG(call, "size 0", CL_INVALID_BUFFER_SIZE, sub_buffer(u, u->buffer, 0, 0, 0));
    WRONG(call, "an origin between alignments", CL_MISALIGNED_SUB_BUFFER_OFFSET,
          sub_buffer(u, u->buffer, 0, align / 2, 64));
}

/* ---- 5.5 queries, counts, destructors ---------------------------------------------- */

struct order {
    int n;
    int seen[2];
    volatile int both; /* set by the one that was registered first, so comes last */
};

static void CL_CALLBACK
first(cl_mem m, void *user_data)
{
    struct order *o = user_data;

    (void)m;
    o->seen[o->n++] = 1;
    __atomic_store_n(&o->both, 1, __ATOMIC_RELEASE);
}

static void CL_CALLBACK
second(cl_mem m, void *user_data)
{
    struct order *o = user_data;

    (void)m;
    o->seen[o->n++] = 2;
}

static bool
destructors_run_last_first(struct use *u)
{
    struct order o = {0};
    cl_mem m = clCreateBuffer(u->context, 0, 64, NULL, &u->rc);

    MUST(u->rc);
    return clSetMemObjectDestructorCallback(m, first, &o) == CL_SUCCESS &&
           clSetMemObjectDestructorCallback(m, second, &o) == CL_SUCCESS &&
           clRetainMemObject(m) == CL_SUCCESS && clReleaseMemObject(m) == CL_SUCCESS &&
           o.n == 0 && clReleaseMemObject(m) == CL_SUCCESS && comes_true(&o.both) &&
           o.n == 2 && o.seen[0] == 2 && o.seen[1] == 1;
}

static void
objects(struct use *u)
{
    const struct query q = {
        "clGetMemObjectInfo",  (query_fn)clGetMemObjectInfo, u->buffer,      u->queue,
        CL_INVALID_MEM_OBJECT, CL_MEM_REFERENCE_COUNT,       sizeof(cl_uint)};
    const struct counted counts = {"clRetainMemObject", "clReleaseMemObject",
                                   (count_fn)clRetainMemObject,
                                   (count_fn)clReleaseMemObject, q};
    const char *const call = "clSetMemObjectDestructorCallback";

    use_query(&q);
    use_counts(&counts);
    RIGHT(call, "called at the last release, the newest first",
          destructors_run_last_first(u));
    WRONG(call, "no object", CL_INVALID_MEM_OBJECT,
          clSetMemObjectDestructorCallback(NULL, first, NULL));
    WRONG_KIND(call, "an object of another kind", CL_INVALID_MEM_OBJECT,
               clSetMemObjectDestructorCallback((cl_mem)u->queue, first, NULL));
    WRONG(call, "no callback", CL_INVALID_VALUE,
          clSetMemObjectDestructorCallback(u->buffer, NULL, NULL));
}

void
api_buffer(struct use *u)
{
    creation(u);
    sub_buffers(u);
    objects(u);
    api_transfer(u);
    api_rectangle(u);
    api_map(u);
}
