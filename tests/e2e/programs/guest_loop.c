/* SPDX-License-Identifier: MIT */
/*
 * guest_loop SEED: calls of all sorts without end, to be killed in the middle of one. It
 * uses no kernel that the fake device does not know.
 */
#include "cltest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 24u
#define MAX_BYTES (8u << 20)

static const char source[] =
    "kernel void fill(global uint *p, uint value) { p[get_global_id(0)] = value; }\n";

struct loop {
    struct cl cl;
    cl_kernel fill;
    cl_mem buffer[SLOTS];
    size_t bytes[SLOTS];
    uint32_t random;
    char *host; /* MAX_BYTES */
};

static uint32_t
draw(struct loop *l, uint32_t below)
{
    l->random = l->random * 1664525u + 1013904223u;
    return (l->random >> 8) % below;
}

static void
replace(struct loop *l, unsigned i)
{
    if (l->buffer[i])
        OK(clReleaseMemObject(l->buffer[i]));
    l->bytes[i] = (size_t)4 * (1 + draw(l, MAX_BYTES / 4));
    l->buffer[i] = cl_buffer(&l->cl, CL_MEM_READ_WRITE, l->bytes[i], NULL);
}

static void
transfer(struct loop *l, unsigned i, bool in)
{
    const cl_bool blocking = draw(l, 2);

    if (in)
        OK(clEnqueueWriteBuffer(l->cl.queue, l->buffer[i], blocking, 0, l->bytes[i],
                                l->host, 0, NULL, NULL));
    else
        OK(clEnqueueReadBuffer(l->cl.queue, l->buffer[i], blocking, 0, l->bytes[i],
                               l->host, 0, NULL, NULL));
}

static void
map(struct loop *l, unsigned i)
{
    cl_int rc;
    void *p = clEnqueueMapBuffer(l->cl.queue, l->buffer[i], CL_TRUE, CL_MAP_WRITE, 0,
                                 l->bytes[i], 0, NULL, NULL, &rc);

    OK(rc);
    memset(p, (int)i, l->bytes[i]);
    OK(clEnqueueUnmapMemObject(l->cl.queue, l->buffer[i], p, 0, NULL, NULL));
}

static void
launch(struct loop *l, unsigned i)
{
    const size_t words = l->bytes[i] / 4;

    cl_args(l->fill, l->buffer[i], i);
    OK(clEnqueueNDRangeKernel(l->cl.queue, l->fill, 1, NULL, &words, NULL, 0, NULL,
                              NULL));
}

static void
build(struct loop *l)
{
    OK(clReleaseProgram(cl_build(&l->cl, source)));
}

static void
step(struct loop *l)
{
    const unsigned i = draw(l, SLOTS), what = draw(l, 100);

    if (!l->buffer[i] || what < 15)
        replace(l, i);
    else if (what < 55)
        transfer(l, i, what < 35);
    else if (what < 70)
        map(l, i);
    else if (what < 95)
        launch(l, i);
    else if (what < 97)
        build(l);
    else
        OK(clFinish(l->cl.queue));
}

int
main(int argc, char **argv)
{
    struct loop l = {.random = argc > 1 ? (uint32_t)atoi(argv[1]) : 1};

    cl_open(&l.cl);
    l.fill = cl_kernel_of(cl_build(&l.cl, source), "fill");
    l.host = alloc(MAX_BYTES);
    memset(l.host, 1, MAX_BYTES);
    puts("running");
    fflush(stdout);
    for (;;)
        step(&l);
}
