/* SPDX-License-Identifier: MIT */
/* Finding the device; the context, the queue and the program that all benchmarks share. */
#include "calls.h"

#include <stdlib.h>
#include <string.h>

#define PLATFORMS_MAX 16
#define DEVICES_MAX 64

static const char source[] = "__kernel void nothing(__global uint *out, uint n)\n"
                             "{\n"
                             "    if (n == 0xffffffffu)\n"
                             "        out[get_global_id(0)] = n;\n"
                             "}\n";

/* Does the platform's name contain the first `len` characters of `part`? */
static bool
platform_fits(cl_platform_id p, const char *part, size_t len)
{
    char name[128] = "", wanted[128] = "";

    if (len >= sizeof wanted)
        return false;
    memcpy(wanted, part, len);
    clGetPlatformInfo(p, CL_PLATFORM_NAME, sizeof name - 1, name, NULL);
    return strstr(name, wanted) != NULL;
}

static cl_device_id
device_find(const char *text)
{
    const char *colon = text ? strrchr(text, ':') : NULL;
    const size_t len = colon ? (size_t)(colon - text) : text ? strlen(text) : 0;
    const cl_uint index = colon ? (cl_uint)strtoul(colon + 1, NULL, 10) : 0;
    cl_platform_id platforms[PLATFORMS_MAX];
    cl_device_id devices[DEVICES_MAX];
    cl_uint n = 0, count;

    calls_check(clGetPlatformIDs(PLATFORMS_MAX, platforms, &n), "clGetPlatformIDs");
    for (cl_uint i = 0; i < n && i < PLATFORMS_MAX; i++) {
        if (text && !platform_fits(platforms[i], text, len))
            continue;
        count = 0;
        clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, DEVICES_MAX, devices, &count);
        if (index < count && index < DEVICES_MAX)
            return devices[index];
    }
    calls_fail(CL_DEVICE_NOT_FOUND, "clGetDeviceIDs");
}

static void
describe(struct calls *c)
{
    cl_platform_id platform;
    cl_ulong most = 0;

    calls_check(clGetDeviceInfo(c->device, CL_DEVICE_NAME, sizeof c->device_name,
                                c->device_name, NULL),
                "clGetDeviceInfo");
    calls_check(clGetDeviceInfo(c->device, CL_DEVICE_PLATFORM, sizeof(cl_platform_id),
                                &platform, NULL),
                "clGetDeviceInfo");
    calls_check(clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof c->platform_name,
                                  c->platform_name, NULL),
                "clGetPlatformInfo");
    calls_check(clGetDeviceInfo(c->device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof most,
                                &most, NULL),
                "clGetDeviceInfo");
    c->max_alloc_bytes = most;
}

void
calls_open(struct calls *c, const char *device)
{
    const char *text = source;
    cl_int code;

    *c = (struct calls){.device = device_find(device)};
    describe(c);
    c->context = clCreateContext(NULL, 1, &c->device, NULL, NULL, &code);
    calls_check(code, "clCreateContext");
    c->queue = clCreateCommandQueue(c->context, c->device, 0, &code);
    calls_check(code, "clCreateCommandQueue");
    c->program = clCreateProgramWithSource(c->context, 1, &text, NULL, &code);
    calls_check(code, "clCreateProgramWithSource");
    calls_check(clBuildProgram(c->program, 1, &c->device, "", NULL, NULL),
                "clBuildProgram");
}

void
calls_close(struct calls *c)
{
    clReleaseProgram(c->program);
    clReleaseCommandQueue(c->queue);
    clReleaseContext(c->context);
}

void
null_kernel_init(struct null_kernel *k, struct calls *c)
{
    const cl_uint n = 0;
    cl_int code;

    k->kernel = clCreateKernel(c->program, "nothing", &code);
    calls_check(code, "clCreateKernel");
    k->out = clCreateBuffer(c->context, CL_MEM_READ_WRITE, 4096, NULL, &code);
    calls_check(code, "clCreateBuffer");
    calls_check(clSetKernelArg(k->kernel, 0, sizeof(cl_mem), &k->out), "clSetKernelArg");
    calls_check(clSetKernelArg(k->kernel, 1, sizeof n, &n), "clSetKernelArg");
    calls_check(
        clEnqueueFillBuffer(c->queue, k->out, &n, sizeof n, 0, 4096, 0, NULL, NULL),
        "clEnqueueFillBuffer");
    calls_check(clFinish(c->queue), "clFinish");
}

void
null_kernel_fini(struct null_kernel *k)
{
    clReleaseKernel(k->kernel);
    clReleaseMemObject(k->out);
}

void
calls_launch(cl_command_queue queue, cl_kernel kernel)
{
    const size_t global = 1, local = 1;

    calls_check(
        clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, &local, 0, NULL, NULL),
        "clEnqueueNDRangeKernel");
}
