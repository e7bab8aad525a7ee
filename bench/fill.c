/* SPDX-License-Identifier: MIT */
/*
 * bench-fill MIB random|zero: takes so much of a device's memory, in buffers of 64 MiB of random
 * words or of zeros; prints READY, waits for a line, and looks whether all is still so.
 */
#include <CL/cl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART ((size_t)64 << 20)
#define PARTS_MAX 1024

static const char source[] =
    "ulong mixed(ulong x)\n"
    "{\n"
    "    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;\n"
    "    x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;\n"
    "    return x ^ (x >> 31);\n"
    "}\n"
    "kernel void fill(global ulong *p, ulong part, ulong on)\n"
    "{\n"
    "    ulong i = get_global_id(0);\n"
    "    p[i] = on * mixed((part << 32) + i * 0x9e3779b97f4a7c15ul);\n"
    "}\n"
    "kernel void check(global const ulong *p, ulong part, ulong on, global uint *wrong)\n"
    "{\n"
    "    ulong i = get_global_id(0);\n"
    "    if (p[i] != on * mixed((part << 32) + i * 0x9e3779b97f4a7c15ul))\n"
    "        *wrong = 1;\n"
    "}\n";

static void
check(cl_int status, const char *what)
{
    if (status == CL_SUCCESS)
        return;
    fprintf(stderr, "bench-fill: %s: OpenCL error %d\n", what, status);
    exit(1);
}
#define OK(call) check((call), #call)

static cl_context context;
static cl_command_queue queue;
static cl_kernel fill, compare;
static cl_mem parts[PARTS_MAX], wrong;

static void
open_device(void)
{
    const char *text = source;
    cl_platform_id platform;
    cl_device_id device;
    cl_program program;
    cl_int rc;

    OK(clGetPlatformIDs(1, &platform, NULL));
    OK(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL));
    context = clCreateContext(NULL, 1, &device, NULL, NULL, &rc);
    check(rc, "clCreateContext");
    queue = clCreateCommandQueue(context, device, 0, &rc);
    check(rc, "clCreateCommandQueue");
    program = clCreateProgramWithSource(context, 1, &text, NULL, &rc);
    check(rc, "clCreateProgramWithSource");
    OK(clBuildProgram(program, 1, &device, "", NULL, NULL));
    fill = clCreateKernel(program, "fill", &rc);
    check(rc, "clCreateKernel");
    compare = clCreateKernel(program, "check", &rc);
    check(rc, "clCreateKernel");
}

static void
launch(cl_kernel k, cl_ulong part, cl_ulong on)
{
    const size_t words = PART / 8;

    OK(clSetKernelArg(k, 0, sizeof(cl_mem), &parts[part]));
    OK(clSetKernelArg(k, 1, sizeof part, &part));
    OK(clSetKernelArg(k, 2, sizeof on, &on));
    OK(clEnqueueNDRangeKernel(queue, k, 1, NULL, &words, NULL, 0, NULL, NULL));
}

static void
fill_all(size_t n, cl_ulong on)
{
    const cl_uint none = 0;
    cl_int rc;

    for (size_t i = 0; i < n; i++) {
        parts[i] = clCreateBuffer(context, CL_MEM_READ_WRITE, PART, NULL, &rc);
        check(rc, "clCreateBuffer");
        launch(fill, i, on);
    }
    wrong =
        clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, sizeof none, (void *)&none, &rc);
    check(rc, "clCreateBuffer");
    OK(clFinish(queue));
}

static bool
all_there(size_t n, cl_ulong on)
{
    cl_uint found = 1;

    OK(clSetKernelArg(compare, 3, sizeof(cl_mem), &wrong));
    for (size_t i = 0; i < n; i++)
        launch(compare, i, on);
    OK(clEnqueueReadBuffer(queue, wrong, CL_TRUE, 0, sizeof found, &found, 0, NULL,
                           NULL));
    return found == 0;
}

int
main(int argc, char **argv)
{
    const size_t n = argc == 3 ? strtoul(argv[1], NULL, 10) * 1048576 / PART : 0;
    const cl_ulong on = argc == 3 && strcmp(argv[2], "random") == 0;

    if (n == 0 || n > PARTS_MAX) {
        fputs("usage: bench-fill MIB random|zero\n", stderr);
        return 2;
    }
    open_device();
    fill_all(n, on);
    puts("READY");
    fflush(stdout);
    if (getchar() == EOF)
        return 0;
    if (!all_there(n, on)) {
        fputs("bench-fill: the memory has changed\n", stderr);
        return 1;
    }
    puts("unchanged");
    return 0;
}
