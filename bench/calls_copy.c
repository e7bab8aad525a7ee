/* SPDX-License-Identifier: MIT */
/* Bytes to and from the device, on an idle in-order queue; memory is touched beforehand. */
#include "calls.h"

#include <stdlib.h>
#include <string.h>

#define WARM_UP_BYTES ((size_t)64 << 20) /* or once, if one is larger */
#define WARM_UP_MOST 50
#define PAGE_BYTES 4096

static cl_mem
buffer_new(struct run *r)
{
    cl_int code;
    cl_mem m = clCreateBuffer(r->c->context, CL_MEM_READ_WRITE, r->b->bytes, NULL, &code);

    calls_check(code, "clCreateBuffer");
    return m;
}

static void
copy(struct run *r, cl_mem m, void *host, bool write)
{
    const size_t n = r->b->bytes;
    cl_command_queue q = r->c->queue;

    if (write)
        calls_check(clEnqueueWriteBuffer(q, m, CL_TRUE, 0, n, host, 0, NULL, NULL),
                    "clEnqueueWriteBuffer");
    else
        calls_check(clEnqueueReadBuffer(q, m, CL_TRUE, 0, n, host, 0, NULL, NULL),
                    "clEnqueueReadBuffer");
}

static void
warm_up(struct run *r, cl_mem m, void *host, bool write)
{
    size_t times = WARM_UP_BYTES / r->b->bytes;

    if (times > WARM_UP_MOST)
        times = WARM_UP_MOST;
    copy(r, m, host, true);
    for (size_t i = 0; i <= times; i++)
        copy(r, m, host, write);
}

static void
copies(struct run *r, bool write)
{
    const size_t rounded = (r->b->bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    void *host = aligned_alloc(PAGE_BYTES, rounded);
    cl_mem m = buffer_new(r);

    if (!host)
        calls_fail(CL_OUT_OF_HOST_MEMORY, "aligned_alloc");
    memset(host, 1, rounded);
    warm_up(r, m, host, write);
    while (run_more(r)) {
        const uint64_t t = clock_ns();

        copy(r, m, host, write);
        run_sample(r, 0, (double)(clock_ns() - t));
    }
    clReleaseMemObject(m);
    calls_check(clFinish(r->c->queue), "clFinish");
    free(host);
}

void
bench_write(struct run *r)
{
    copies(r, true);
}

void
bench_read(struct run *r)
{
    copies(r, false);
}

static void
map_fill(struct run *r, cl_mem m, int value)
{
    cl_int code;
    void *p = clEnqueueMapBuffer(r->c->queue, m, CL_TRUE, CL_MAP_WRITE_INVALIDATE_REGION,
                                 0, r->b->bytes, 0, NULL, NULL, &code);

    calls_check(code, "clEnqueueMapBuffer");
    memset(p, value, r->b->bytes);
    calls_check(clEnqueueUnmapMemObject(r->c->queue, m, p, 0, NULL, NULL),
                "clEnqueueUnmapMemObject");
    calls_check(clFinish(r->c->queue), "clFinish");
}

void
bench_map_fill(struct run *r)
{
    cl_mem m = buffer_new(r);

    for (int i = 0; i < 2; i++)
        map_fill(r, m, i);
    while (run_more(r)) {
        const uint64_t t = clock_ns();

        map_fill(r, m, (int)r->series[0].n & 0xff);
        run_sample(r, 0, (double)(clock_ns() - t));
    }
    clReleaseMemObject(m);
    calls_check(clFinish(r->c->queue), "clFinish");
}
