/* SPDX-License-Identifier: MIT */
/*
 * guest_multi_end limit BYTES   of two devices with BYTES each the second one's limit is met, by
 *                               commands; the first is not touched by it
 * guest_multi_end loop          memory moves between all devices without end; says "running";
 *                               ends with status 3 when a call fails
 * guest_multi_end fork          a child inherits a context over all devices: its calls fail, and it
 *                               makes a context of its own
 */
#include "cltest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX 8u
#define CHUNK ((size_t)32 << 20)
#define WORDS ((size_t)4096)

static cl_device_id devices[MAX];
static cl_uint n;
static cl_context context;
static cl_command_queue queues[MAX];

static void
open_all(void)
{
    cl_platform_id platform;
    cl_int rc;

    OK(clGetPlatformIDs(1, &platform, NULL));
    OK(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MAX, devices, &n));
    EXPECT(n >= 2 && n <= MAX);
    context = clCreateContextFromType(NULL, CL_DEVICE_TYPE_ALL, NULL, NULL, &rc);
    OK(rc);
    for (cl_uint i = 0; i < n; i++) {
        queues[i] = clCreateCommandQueue(context, devices[i], 0, &rc);
        OK(rc);
    }
}

static void
close_all(void)
{
    for (cl_uint i = 0; i < n; i++)
        OK(clReleaseCommandQueue(queues[i]));
    OK(clReleaseContext(context));
}

static cl_mem
chunk(void)
{
    cl_int rc;
    cl_mem b = clCreateBuffer(context, 0, CHUNK, NULL, &rc);

    OK(rc);
    return b;
}

static cl_int
fill(cl_uint device, cl_mem b, uint32_t value)
{
    return clEnqueueFillBuffer(queues[device], b, &value, sizeof value, 0, CHUNK, 0, NULL,
                               NULL);
}

static void
expect_value(cl_uint device, cl_mem b, uint32_t value)
{
    uint32_t first, last;

    OK(clEnqueueReadBuffer(queues[device], b, CL_TRUE, 0, 4, &first, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queues[device], b, CL_TRUE, CHUNK - 4, 4, &last, 0, NULL,
                           NULL));
    EXPECT(first == value && last == value);
}

static void
limit(size_t bytes)
{
    const cl_uint count = (cl_uint)(bytes / CHUNK);
    cl_mem *b = alloc((count + 1) * sizeof *b);
    cl_ulong says;

    OK(clGetDeviceInfo(devices[1], CL_DEVICE_GLOBAL_MEM_SIZE, sizeof says, &says, NULL));
    EXPECT(says == bytes);
    for (cl_uint i = 0; i <= count; i++)
        b[i] = chunk();
    for (cl_uint i = 0; i < count; i++)
        OK(fill(1, b[i], i));
    /* The first device has room for what the second has not, but not the other way round. */
    OK(fill(0, b[count], count));
    EXPECT(fill(1, b[count], 7) == CL_MEM_OBJECT_ALLOCATION_FAILURE);
    expect_value(0, b[count], count);
    expect_value(0, b[0], 0);
    OK(clFinish(queues[1]));
    OK(clReleaseMemObject(b[1]));
    OK(clEnqueueMigrateMemObjects(queues[1], 1, &b[count], 0, 0, NULL, NULL));
    expect_value(1, b[count], count);
    for (cl_uint i = 0; i <= count; i++) {
        if (i != 1)
            OK(clReleaseMemObject(b[i]));
    }
    free(b);
    puts("the second device's limit");
}

static _Noreturn void
loop(void)
{
    static uint32_t host[WORDS];
    const char *source = scramble_source;
    const size_t words = WORDS;
    cl_int rc;
    cl_program p = clCreateProgramWithSource(context, 1, &source, NULL, &rc);
    cl_mem b = clCreateBuffer(context, 0, sizeof host, NULL, &rc);
    cl_kernel k;

    OK(rc);
    OK(clBuildProgram(p, 0, NULL, "", NULL, NULL));
    k = cl_kernel_of(p, "scramble");
    OK(clSetKernelArg(k, 0, sizeof b, &b));
    for (uint32_t i = 0;; i++) {
        cl_event e;

        rc = clSetKernelArg(k, 1, sizeof i, &i);
        if (rc == CL_SUCCESS)
            rc = clEnqueueNDRangeKernel(queues[i % n], k, 1, NULL, &words, NULL, 0, NULL,
                                        &e);
        if (rc == CL_SUCCESS && i % 5 == 0)
            rc = clWaitForEvents(1, &e);
        if (rc == CL_SUCCESS)
            rc = clEnqueueReadBuffer(queues[(i + 1) % n], b, CL_TRUE, 0, sizeof host,
                                     host, 1, &e, NULL);
        if (i == 20) {
            puts("running");
            fflush(stdout);
        }
        if (rc != CL_SUCCESS) {
            printf("a call failed: %d\n", rc);
            exit(3);
        }
        OK(clReleaseEvent(e));
    }
}

static int
child(cl_mem b, cl_event user)
{
    uint32_t word = 0;
    cl_int rc;

    if (clEnqueueReadBuffer(queues[1], b, CL_TRUE, 0, 4, &word, 0, NULL, NULL) ==
        CL_SUCCESS)
        return 10;
    if (clSetUserEventStatus(user, CL_COMPLETE) == CL_SUCCESS)
        return 11;
    if (clCreateBuffer(context, 0, 4, NULL, &rc) || rc == CL_SUCCESS)
        return 12;
    OK(clReleaseEvent(user));
    OK(clReleaseMemObject(b));
    close_all();
    open_all();
    b = chunk();
    OK(fill(0, b, 5));
    OK(clFinish(queues[0]));
    expect_value(1, b, 5);
    OK(clReleaseMemObject(b));
    close_all();
    return 0;
}

static void
fork_with_context(void)
{
    cl_mem b = chunk();
    cl_event user;
    int status;
    pid_t pid;
    cl_int rc;

    OK(fill(0, b, 9));
    OK(clFinish(queues[0]));
    expect_value(1, b, 9);
    user = clCreateUserEvent(context, &rc);
    OK(rc);
    pid = fork();
    if (pid == 0)
        _exit(child(b, user));
    EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail("the child ended with %#x", status);
    OK(clSetUserEventStatus(user, CL_COMPLETE));
    OK(clReleaseEvent(user));
    expect_value(1, b, 9);
    OK(clReleaseMemObject(b));
    puts("parent and child");
}

int
main(int argc, char **argv)
{
    open_all();
    if (argc == 3 && strcmp(argv[1], "limit") == 0)
        limit(strtoull(argv[2], NULL, 10));
    else if (argc == 2 && strcmp(argv[1], "loop") == 0)
        loop();
    else if (argc == 2 && strcmp(argv[1], "fork") == 0)
        fork_with_context();
    else
        fail("usage: guest_multi_end limit BYTES | loop | fork");
    close_all();
    return 0;
}
