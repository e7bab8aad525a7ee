/* SPDX-License-Identifier: MIT */
#include "cltest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char scramble_source[] = "kernel void scramble(global uint *p, uint seed)\n"
                               "{\n"
                               "    size_t i = get_global_id(0);\n"
                               "    uint x = p[i] ^ (seed + (uint)i);\n"
                               "    x *= 2654435761u;\n"
                               "    p[i] = x ^ (x >> 15);\n"
                               "}\n";

void
scramble_host(uint32_t *p, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t x = (p[i] ^ (seed + (uint32_t)i)) * 2654435761u;

        p[i] = x ^ (x >> 15);
    }
}

void
fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

void
check_status(cl_int status, const char *what, const char *file, int line)
{
    if (status != CL_SUCCESS)
        fail("%s:%d: %s: OpenCL error %d", file, line, what, status);
}

void
cl_open(struct cl *c)
{
    const char *among_all = getenv("CLTEST_DEVICE");
    cl_device_id devices[16];
    cl_uint n = 1, first = 0;
    cl_int rc;

    OK(clGetPlatformIDs(1, &c->platform, NULL));
    OK(clGetDeviceIDs(c->platform, CL_DEVICE_TYPE_ALL, 16, devices, &n));
    if (among_all)
        first = (cl_uint)atoi(among_all);
    EXPECT(first < n && n <= 16);
    c->device = devices[first];
    c->n_devices = among_all ? n : 1;
    c->index = first;
    c->context = clCreateContext(NULL, c->n_devices, devices, NULL, NULL, &rc);
    OK(rc);
    c->queue = cl_queue(c, CL_QUEUE_PROFILING_ENABLE);
}

void
cl_close(struct cl *c)
{
    OK(clReleaseCommandQueue(c->queue));
    OK(clReleaseContext(c->context));
}

cl_mem
cl_buffer(const struct cl *c, cl_mem_flags flags, size_t bytes, void *host)
{
    cl_int rc;
    cl_mem buffer = clCreateBuffer(c->context, flags, bytes, host, &rc);

    check_status(rc, "clCreateBuffer", __FILE__, __LINE__);
    return buffer;
}

cl_command_queue
cl_queue(const struct cl *c, cl_command_queue_properties properties)
{
    cl_int rc;
    cl_command_queue queue = clCreateCommandQueue(c->context, c->device, properties, &rc);

    OK(rc);
    return queue;
}

cl_program
cl_build(const struct cl *c, const char *source)
{
    cl_int rc;
    cl_program program = clCreateProgramWithSource(c->context, 1, &source, NULL, &rc);

    OK(rc);
    OK(clBuildProgram(program, 1, &c->device, "", NULL, NULL));
    return program;
}

cl_kernel
cl_kernel_of(cl_program program, const char *name)
{
    cl_int rc;
    cl_kernel kernel = clCreateKernel(program, name, &rc);

    OK(rc);
    return kernel;
}

void
cl_args(cl_kernel kernel, cl_mem buffer, cl_uint value)
{
    OK(clSetKernelArg(kernel, 0, sizeof(cl_mem), &buffer));
    OK(clSetKernelArg(kernel, 1, sizeof value, &value));
}

void *
alloc(size_t bytes)
{
    void *p = malloc(bytes);

    if (!p)
        fail("out of memory");
    return p;
}

void
pattern_fill(uint32_t *p, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = seed * 2246822519u + (uint32_t)i * 3266489917u;
}

void
same_words(const uint32_t *got, const uint32_t *want, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++) {
        if (got[i] != want[i])
            fail("%s: word %zu of %zu is %08x, not %08x", what, i, n, got[i], want[i]);
    }
}

void
same_bytes(const void *got, const void *want, size_t bytes, const char *what)
{
    const uint8_t *g = got, *w = want;

    for (size_t i = 0; i < bytes; i++) {
        if (g[i] != w[i])
            fail("%s: byte %zu of %zu is %02x, not %02x", what, i, bytes, g[i], w[i]);
    }
}

double
now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void
sleep_ms(unsigned ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    nanosleep(&t, NULL);
}

void
wait_for_file(const char *path)
{
    while (access(path, F_OK) != 0)
        sleep_ms(1);
}
