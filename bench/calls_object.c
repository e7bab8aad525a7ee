/* SPDX-License-Identifier: MIT */
/* Objects: builds, and creating and releasing. */
#include "calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_BYTES 4096

/* Of a size that programs have; the number makes it new to every cache. */
static const char source_format[] =
    "#define NONCE %lluul\n"
    "__kernel void scale(__global float *v, float by, uint n)\n"
    "{\n"
    "    uint i = get_global_id(0);\n"
    "    if (i < n)\n"
    "        v[i] = v[i] * by + (float)(NONCE & 7);\n"
    "}\n"
    "__kernel void product(__global const float *a, __global const float *b,\n"
    "                      __global float *c, uint n)\n"
    "{\n"
    "    __local float ta[16][16], tb[16][16];\n"
    "    uint x = get_local_id(0), y = get_local_id(1);\n"
    "    uint col = get_global_id(0), row = get_global_id(1);\n"
    "    float sum = 0.0f;\n"
    "    for (uint t = 0; t < n; t += 16) {\n"
    "        ta[y][x] = a[row * n + t + x];\n"
    "        tb[y][x] = b[(t + y) * n + col];\n"
    "        barrier(CLK_LOCAL_MEM_FENCE);\n"
    "        for (uint k = 0; k < 16; k++)\n"
    "            sum = mad(ta[y][k], tb[k][x], sum);\n"
    "        barrier(CLK_LOCAL_MEM_FENCE);\n"
    "    }\n"
    "    c[row * n + col] = sum;\n"
    "}\n"
    "__kernel void total(__global const float *v, __global float *out, uint n)\n"
    "{\n"
    "    float sum = 0.0f;\n"
    "    for (uint i = get_global_id(0); i < n; i += get_global_size(0))\n"
    "        sum += exp(v[i]) * rsqrt(fabs(v[i]) + 1.0f);\n"
    "    out[get_global_id(0)] = sum;\n"
    "}\n";

static double
build(struct run *r, unsigned long long nonce)
{
    char text[sizeof source_format + 32];
    const char *source = text;
    cl_program p;
    cl_int code;
    uint64_t t;
    double ns;

    snprintf(text, sizeof text, source_format, nonce);
    t = clock_ns();
    p = clCreateProgramWithSource(r->c->context, 1, &source, NULL, &code);
    calls_check(code, "clCreateProgramWithSource");
    calls_check(clBuildProgram(p, 1, &r->c->device, "", NULL, NULL), "clBuildProgram");
    ns = (double)(clock_ns() - t);
    clReleaseProgram(p);
    return ns;
}

void
bench_build_warm(struct run *r)
{
    build(r, 0);
    while (run_more(r))
        run_sample(r, 0, build(r, 0));
}

void
bench_build_cold(struct run *r)
{
    unsigned long long nonce = clock_ns() ^ (unsigned long long)getpid() << 40;

    build(r, nonce++);
    while (run_more(r))
        run_sample(r, 0, build(r, nonce++));
}

/* Creating and releasing: `count` of a kind, then a finish. */

struct kind {
    void *(*create)(struct calls *c);
    void (*release)(void *object);
};

static void *
buffer_create(struct calls *c)
{
    cl_int code;
    cl_mem m = clCreateBuffer(c->context, CL_MEM_READ_WRITE, BUFFER_BYTES, NULL, &code);

    calls_check(code, "clCreateBuffer");
    return m;
}

static void
buffer_release(void *object)
{
    calls_check(clReleaseMemObject(object), "clReleaseMemObject");
}

static void *
kernel_create(struct calls *c)
{
    cl_int code;
    cl_kernel k = clCreateKernel(c->program, "nothing", &code);

    calls_check(code, "clCreateKernel");
    return k;
}

static void
kernel_release(void *object)
{
    calls_check(clReleaseKernel(object), "clReleaseKernel");
}

static void *
event_create(struct calls *c)
{
    cl_int code;
    cl_event e = clCreateUserEvent(c->context, &code);

    calls_check(code, "clCreateUserEvent");
    return e;
}

static void
event_release(void *object)
{
    calls_check(clReleaseEvent(object), "clReleaseEvent");
}

/* *ret_call is the time in the caller, *ret_done until nothing is left to do. */
static void
create_and_release(struct run *r, const struct kind *k, void **objects, double *ret_call,
                   double *ret_done)
{
    const unsigned count = r->b->count;
    const uint64_t t = clock_ns();

    for (unsigned i = 0; i < count; i++)
        objects[i] = k->create(r->c);
    for (unsigned i = 0; i < count; i++)
        k->release(objects[i]);
    *ret_call = (double)(clock_ns() - t) / count;
    calls_check(clFinish(r->c->queue), "clFinish");
    *ret_done = (double)(clock_ns() - t) / count;
}

static void
objects(struct run *r, const struct kind *k)
{
    void **all = calloc(r->b->count, sizeof *all);
    double call, done;

    if (!all)
        calls_fail(CL_OUT_OF_HOST_MEMORY, "calloc");
    create_and_release(r, k, all, &call, &done);
    while (run_more(r)) {
        create_and_release(r, k, all, &call, &done);
        run_sample(r, 0, call);
        run_sample(r, 1, done);
    }
    free(all);
}

void
bench_buffers(struct run *r)
{
    static const struct kind kind = {buffer_create, buffer_release};

    objects(r, &kind);
}

void
bench_kernels(struct run *r)
{
    static const struct kind kind = {kernel_create, kernel_release};

    objects(r, &kind);
}

void
bench_events(struct run *r)
{
    static const struct kind kind = {event_create, event_release};

    objects(r, &kind);
}
