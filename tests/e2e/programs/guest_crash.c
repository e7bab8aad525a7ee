/* SPDX-License-Identifier: MIT */
/*
 * guest_crash: launches a kernel that writes to where nothing is. Natively that is the end
 * of the program; on a vGPU it is that of its worker, and every call must then say so, at
 * once. With the argument "wait" it runs good kernels until somebody ends its worker.
 */
#include "cltest.h"

#include <stdio.h>
#include <string.h>

#define LIMIT_S 2.0
#define CALLS 200

static const char source[] =
    "kernel void good(global uint *p, uint v) { p[get_global_id(0)] = v; }\n"
    "kernel void crash(global uint *p, ulong at)\n"
    "{ *(global volatile uint *)(at + 4 * get_global_id(0)) = p[0]; }\n";

struct calls {
    struct cl cl;
    cl_program program;
    cl_kernel good;
    cl_mem buffer;
};

static cl_int
launch(struct calls *c, cl_kernel kernel)
{
    const size_t global = 16;

    return clEnqueueNDRangeKernel(c->cl.queue, kernel, 1, NULL, &global, NULL, 0, NULL,
                                  NULL);
}

static cl_int
run_crash(struct calls *c)
{
    cl_kernel kernel = cl_kernel_of(c->program, "crash");
    const cl_ulong at = 16;
    cl_int rc;

    OK(clSetKernelArg(kernel, 0, sizeof(cl_mem), &c->buffer));
    OK(clSetKernelArg(kernel, 1, sizeof at, &at));
    rc = launch(c, kernel);
    return rc ? rc : clFinish(c->cl.queue);
}

static cl_int
run_good(struct calls *c)
{
    cl_int rc = CL_SUCCESS;

    puts("running");
    fflush(stdout);
    while (rc == CL_SUCCESS) {
        rc = launch(c, c->good);
        if (rc == CL_SUCCESS)
            rc = clFinish(c->cl.queue);
    }
    return rc;
}

/* Whatever is called now fails, and soon. */
static void
all_fail(struct calls *c)
{
    uint32_t word;
    cl_int rc;

    for (unsigned i = 0; i < CALLS; i++) {
        EXPECT(launch(c, c->good) != CL_SUCCESS || clFinish(c->cl.queue) != CL_SUCCESS);
        EXPECT(clEnqueueReadBuffer(c->cl.queue, c->buffer, CL_TRUE, 0, 4, &word, 0, NULL,
                                   NULL) != CL_SUCCESS);
        EXPECT(clFinish(c->cl.queue) != CL_SUCCESS);
        EXPECT(!clCreateKernel(c->program, "good", &rc) && rc != CL_SUCCESS);
        EXPECT(!clCreateBuffer(c->cl.context, 0, 4096, NULL, &rc) && rc != CL_SUCCESS);
    }
}

/* What is released stays releasable: a program's destructors must come to their end. */
static void
release_all(struct calls *c)
{
    OK(clReleaseMemObject(c->buffer));
    OK(clReleaseKernel(c->good));
    OK(clReleaseProgram(c->program));
    cl_close(&c->cl);
}

int
main(int argc, char **argv)
{
    const bool wait = argc > 1 && strcmp(argv[1], "wait") == 0;
    struct calls c;
    double begin;
    cl_int rc;

    cl_open(&c.cl);
    c.program = cl_build(&c.cl, source);
    c.good = cl_kernel_of(c.program, "good");
    c.buffer = cl_buffer(&c.cl, CL_MEM_READ_WRITE, 4096, NULL);
    cl_args(c.good, c.buffer, 3);
    OK(launch(&c, c.good));
    OK(clFinish(c.cl.queue));
    rc = wait ? run_good(&c) : run_crash(&c);
    EXPECT(rc != CL_SUCCESS);
    printf("error %d\n", rc);
    begin = now_s();
    all_fail(&c);
    release_all(&c);
    EXPECT(now_s() - begin < LIMIT_S);
    puts("every call failed at once");
    return 0;
}
