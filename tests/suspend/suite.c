/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void
check_status(cl_int status, const char *what, const char *file, int line)
{
    if (status != CL_SUCCESS)
        part_fail("%s:%d: %s: OpenCL error %d", file, line, what, status);
}

cl_uint
count_of(cl_mem m, cl_mem_info what)
{
    cl_uint n = 0;

    OK(clGetMemObjectInfo(m, what, sizeof n, &n, NULL));
    return n;
}

cl_int
status_of(cl_event e)
{
    cl_int status = 0;

    OK(clGetEventInfo(e, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status,
                      NULL));
    return status;
}

bool
ends_soon(cl_event e, cl_int *ret_status)
{
    for (unsigned i = 0; i < 10000; i++) {
        *ret_status = status_of(e);
        if (*ret_status <= CL_COMPLETE)
            return true;
        sleep_ms(1);
    }
    return false;
}

bool
device_has(const char *extension)
{
    char names[4096] = " ", wanted[128];
    size_t len = 0;

    OK(clGetDeviceInfo(w.device, CL_DEVICE_EXTENSIONS, sizeof names - 2, names + 1,
                       &len));
    strcat(names, " ");
    snprintf(wanted, sizeof wanted, " %s ", extension);
    return strstr(names, wanted) != NULL;
}

void
pattern(uint32_t *p, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (seed + 1) * 2246822519u + (uint32_t)i * 3266489917u;
}

void
scramble_host(uint32_t *p, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t x = (p[i] ^ (seed + (uint32_t)i)) * 2654435761u;

        p[i] = x ^ (x >> 15);
    }
}

void
same(const void *got, const void *want, size_t bytes, const char *what)
{
    const uint8_t *const g = got, *const e = want;

    for (size_t i = 0; i < bytes; i++) {
        if (g[i] != e[i])
            part_fail("%s: byte %zu of %zu is %02x, not %02x", what, i, bytes, g[i],
                      e[i]);
    }
}

cl_command_queue
queue_new(cl_command_queue_properties properties)
{
    cl_int rc;
    cl_command_queue q = clCreateCommandQueue(w.context, w.device, properties, &rc);

    OK(rc);
    return q;
}

cl_mem
buffer_new(cl_mem_flags flags, size_t bytes, void *host)
{
    cl_int rc;
    cl_mem m = clCreateBuffer(w.context, flags, bytes, host, &rc);

    OK(rc);
    return m;
}

cl_mem
words_new(uint32_t *ret_host, uint32_t seed)
{
    pattern(ret_host, WORDS, seed);
    return buffer_new(CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, BYTES, ret_host);
}

cl_program
build(const char *source, const char *options)
{
    cl_int rc;
    cl_program p = clCreateProgramWithSource(w.context, 1, &source, NULL, &rc);

    OK(rc);
    OK(clBuildProgram(p, 1, &w.device, options, NULL, NULL));
    return p;
}

cl_kernel
kernel_of(cl_program program, const char *name)
{
    cl_int rc;
    cl_kernel k = clCreateKernel(program, name, &rc);

    OK(rc);
    return k;
}

cl_event
gate_new(void)
{
    cl_int rc;
    cl_event e = clCreateUserEvent(w.context, &rc);

    OK(rc);
    return e;
}

void
gate_open(cl_event gate)
{
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clReleaseEvent(gate));
}

cl_event
launch(cl_command_queue q, cl_mem m, size_t words, uint32_t seed, cl_event wait)
{
    cl_event e;

    OK(clSetKernelArg(w.scramble, 0, sizeof(cl_mem), &m));
    OK(clSetKernelArg(w.scramble, 1, sizeof seed, &seed));
    OK(clEnqueueNDRangeKernel(q, w.scramble, 1, NULL, &words, NULL, wait ? 1 : 0,
                              wait ? &wait : NULL, &e));
    return e;
}

void
compare(cl_mem m, size_t offset, const void *want, size_t bytes, const char *what)
{
    void *const got = malloc(bytes);

    EXPECT(got != NULL);
    OK(clEnqueueReadBuffer(w.queue, m, CL_TRUE, offset, bytes, got, 0, NULL, NULL));
    same(got, want, bytes, what);
    free(got);
}

void
scramble_both(cl_mem m, uint32_t *host, size_t words, uint32_t seed)
{
    OK(clReleaseEvent(launch(w.queue, m, words, seed, NULL)));
    scramble_host(host, words, seed);
    compare(m, 0, host, words * 4, "what a kernel made");
}

void
sleep_ms(unsigned ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    nanosleep(&t, NULL);
}
