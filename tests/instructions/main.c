/* SPDX-License-Identifier: MIT */
/*
 * instructions DRIVER: the calls whose instructions are counted. DRIVER is libtessera-opencl.so.
 *
 * To be run by Callgrind with --toggle-collect=measured --dump-after=measured, so that each part of
 * its output is one measured() and nothing else. On stdout the first line is the compiler; then
 * comes one for each part, in that order: NAME, SIDE (guest or worker), how many operations, how
 * many frames.
 */
#include "host.h"

#include <CL/cl_icd.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COUNT 500   /* fits the rings, and the credit that a session begins with */
#define WARM_UPS 2  /* ids, tables and malloc's lists have found their size then */
#define LIMIT_S 120 /* a call that waits for an answer would wait for ever */
#define BUFFER_BYTES 4096
#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif
#define SMALL_BYTES 64

struct guest {
    const struct _cl_icd_dispatch *cl;
    cl_device_id device;
    cl_context context;
    cl_command_queue queue;
    cl_program program;
    cl_kernel kernel;
    cl_mem buffer;
    void *objects[COUNT];
    unsigned frames; /* of the last host_dispatch() */
};

struct operation {
    const char *name;
    void (*run)(struct guest *g); /* COUNT of them */
};

static void
check(cl_int rc, const char *call)
{
    if (rc == CL_SUCCESS)
        return;
    fprintf(stderr, "instructions: %s: OpenCL error %d\n", call, rc);
    exit(EXIT_FAILURE);
}

/* ---- operations ---------------------------------------------------------------------------- */

static void
launches(struct guest *g)
{
    const size_t global = 1, local = 1;

    for (cl_uint i = 0; i < COUNT; i++) {
        check(g->cl->clSetKernelArg(g->kernel, 1, sizeof i, &i), "clSetKernelArg");
        check(g->cl->clEnqueueNDRangeKernel(g->queue, g->kernel, 1, NULL, &global, &local,
                                            0, NULL, NULL),
              "clEnqueueNDRangeKernel");
    }
}

static void
launches_with_events(struct guest *g)
{
    const size_t global = 1, local = 1;

    for (cl_uint i = 0; i < COUNT; i++) {
        cl_event event;

        check(g->cl->clEnqueueNDRangeKernel(g->queue, g->kernel, 1, NULL, &global, &local,
                                            0, NULL, &event),
              "clEnqueueNDRangeKernel");
        check(g->cl->clReleaseEvent(event), "clReleaseEvent");
    }
}

static void
queued_writes(struct guest *g)
{
    static const char data[SMALL_BYTES];

    for (unsigned i = 0; i < COUNT; i++)
        check(g->cl->clEnqueueWriteBuffer(g->queue, g->buffer, CL_FALSE, 0, sizeof data,
                                          data, 0, NULL, NULL),
              "clEnqueueWriteBuffer");
}

static void
direct_writes(struct guest *g)
{
    static const char data[SMALL_BYTES];

    for (unsigned i = 0; i < COUNT; i++)
        check(g->cl->clEnqueueWriteBuffer(g->queue, g->buffer, CL_TRUE, 0, sizeof data,
                                          data, 0, NULL, NULL),
              "clEnqueueWriteBuffer");
}

static void
direct_reads(struct guest *g)
{
    char data[SMALL_BYTES];

    for (unsigned i = 0; i < COUNT; i++)
        check(g->cl->clEnqueueReadBuffer(g->queue, g->buffer, CL_TRUE, 0, sizeof data,
                                         data, 0, NULL, NULL),
              "clEnqueueReadBuffer");
}

static void
buffers(struct guest *g)
{
    cl_int rc;

    for (unsigned i = 0; i < COUNT; i++) {
        g->objects[i] =
            g->cl->clCreateBuffer(g->context, CL_MEM_READ_WRITE, BUFFER_BYTES, NULL, &rc);
        check(rc, "clCreateBuffer");
    }
    for (unsigned i = 0; i < COUNT; i++)
        check(g->cl->clReleaseMemObject(g->objects[i]), "clReleaseMemObject");
}

static void
kernels(struct guest *g)
{
    cl_int rc;

    for (unsigned i = 0; i < COUNT; i++) {
        g->objects[i] = g->cl->clCreateKernel(g->program, "fill", &rc);
        check(rc, "clCreateKernel");
    }
    for (unsigned i = 0; i < COUNT; i++)
        check(g->cl->clReleaseKernel(g->objects[i]), "clReleaseKernel");
}

static void
user_events(struct guest *g)
{
    cl_int rc;

    for (unsigned i = 0; i < COUNT; i++) {
        g->objects[i] = g->cl->clCreateUserEvent(g->context, &rc);
        check(rc, "clCreateUserEvent");
    }
    for (unsigned i = 0; i < COUNT; i++)
        check(g->cl->clReleaseEvent(g->objects[i]), "clReleaseEvent");
}

static void
dispatch(struct guest *g)
{
    g->frames = host_dispatch();
}

/* Direct copies come first: after a command the queue is not idle, and they would wait. */
static const struct operation operations[] = {
    {"direct-write", direct_writes},
    {"direct-read", direct_reads},
    {"buffer", buffers},
    {"kernel", kernels},
    {"user-event", user_events},
    {"launch", launches},
    {"launch-event", launches_with_events},
    {"queued-write", queued_writes},
};

/* ---- measuring ----------------------------------------------------------------------------- */

/* Callgrind finds it by its name. */
static __attribute__((noinline, noclone)) void
measured(void (*run)(struct guest *g), struct guest *g)
{
    run(g);
    __asm__ volatile(
        ""); /* no tail call: the end of this function is the end of the count */
}

static void
measure(struct guest *g, const struct operation *o)
{
    for (unsigned i = 0; i < WARM_UPS; i++) {
        o->run(g);
        dispatch(g);
    }
    measured(o->run, g);
    printf("%s guest %u 0\n", o->name, COUNT);
    measured(dispatch, g);
    printf("%s worker %u %u\n", o->name, COUNT, g->frames);
}

/* ---- the guest ----------------------------------------------------------------------------- */

/* As the OpenCL loader does it. */
static void
open_platform(struct guest *g, const char *driver)
{
    void *library = dlopen(driver, RTLD_NOW | RTLD_LOCAL);
    clIcdGetPlatformIDsKHR_fn get_platforms;
    cl_platform_id platform = NULL;

    if (!library) {
        fprintf(stderr, "instructions: %s\n", dlerror());
        exit(EXIT_FAILURE);
    }
    *(void **)&get_platforms = dlsym(library, "clIcdGetPlatformIDsKHR");
    check(get_platforms ? get_platforms(1, &platform, NULL) : CL_PLATFORM_NOT_FOUND_KHR,
          "clIcdGetPlatformIDsKHR");
    g->cl = *(const struct _cl_icd_dispatch **)platform;
    check(g->cl->clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &g->device, NULL),
          "clGetDeviceIDs");
}

static void
open_objects(struct guest *g)
{
    static const char *source = "__kernel void fill(__global uint *p, uint value) {}";
    cl_int rc;

    g->context = g->cl->clCreateContext(NULL, 1, &g->device, NULL, NULL, &rc);
    check(rc, "clCreateContext");
    g->queue = g->cl->clCreateCommandQueue(g->context, g->device, 0, &rc);
    check(rc, "clCreateCommandQueue");
    g->program = g->cl->clCreateProgramWithSource(g->context, 1, &source, NULL, &rc);
    check(rc, "clCreateProgramWithSource");
    check(g->cl->clBuildProgram(g->program, 1, &g->device, "", NULL, NULL),
          "clBuildProgram");
    g->kernel = g->cl->clCreateKernel(g->program, "fill", &rc);
    check(rc, "clCreateKernel");
    g->buffer =
        g->cl->clCreateBuffer(g->context, CL_MEM_READ_WRITE, BUFFER_BYTES, NULL, &rc);
    check(rc, "clCreateBuffer");
}

/* What is asked for once: an argument's size, a kernel's limits, whether the queue is idle. */
static void
ask_once(struct guest *g)
{
    const size_t global = 1, local = 1;
    const cl_uint n = 0;

    check(g->cl->clSetKernelArg(g->kernel, 0, sizeof(cl_mem), &g->buffer),
          "clSetKernelArg");
    check(g->cl->clSetKernelArg(g->kernel, 1, sizeof n, &n), "clSetKernelArg");
    check(g->cl->clEnqueueNDRangeKernel(g->queue, g->kernel, 1, NULL, &global, &local, 0,
                                        NULL, NULL),
          "clEnqueueNDRangeKernel");
    check(g->cl->clFinish(g->queue), "clFinish");
}

int
main(int argc, char **argv)
{
    static struct guest guest;
    char folder[] = "/tmp/tessera-instructions-XXXXXX", socket[64];

    if (argc != 2 || !mkdtemp(folder)) {
        fprintf(stderr, "Usage: %s libtessera-opencl.so\n", argv[0]);
        return EXIT_FAILURE;
    }
    alarm(LIMIT_S);
    setenv("TESSERA_VGPU", folder, 1);
    unsetenv("TESSERA_WORKER");
    host_begin(folder);
    open_platform(&guest, argv[1]);
    open_objects(&guest);
    ask_once(&guest);
    snprintf(socket, sizeof socket, "%s/socket", folder);
    unlink(socket);
    rmdir(folder);
    host_take_over();
    puts(COMPILER);
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        measure(&guest, &operations[i]);
    fflush(stdout);
    _exit(EXIT_SUCCESS); /* the session is left as a process that ends leaves it */
}
