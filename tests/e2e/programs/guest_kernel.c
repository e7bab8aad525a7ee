/* SPDX-License-Identifier: MIT */
/*
 * guest_kernel [strict]: kernels, their arguments, what is asked about them, and launches. `strict`
 * adds what the specification asks and a driver may be too lax, or too strict, to do.
 */
#include "cltest.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETS 500

static struct cl c;
static bool strict;

static void
done(const char *name)
{
    puts(name);
    fflush(stdout);
}

static int
launch(cl_kernel kernel, size_t global, size_t local)
{
    return clEnqueueNDRangeKernel(c.queue, kernel, 1, NULL, &global,
                                  local ? &local : NULL, 0, NULL, NULL);
}

static void
read_words(cl_mem b, uint32_t *to, size_t n)
{
    OK(clEnqueueReadBuffer(c.queue, b, CL_TRUE, 0, n * sizeof *to, to, 0, NULL, NULL));
}

/* ---- by value ---------------------------------------------------------------------- */

static const char values_source[] =
    "typedef struct { int a; float4 b; char c; } foo;\n"
    "typedef foo bar;\n"
    "typedef uint u32;\n"
    "struct big { uint word[200]; };\n"
    "enum color { RED, GREEN = 70000 };\n"
    "kernel void k(global uint *o, foo f, bar g, u32 u, float3 v, struct big b,\n"
    "              enum color e, ulong l, uchar2 h)\n"
    "{ o[0] = f.a + g.c + u; o[1] = (uint)(f.b.w + v.z); o[2] = b.word[199];\n"
    "  o[3] = (uint)e + (uint)l + h.y; }\n";

struct foo {
    cl_int a;
    cl_float4 b;
    cl_char c;
};

struct big {
    cl_uint word[200];
};

static void
values(void)
{
    cl_program p = cl_build(&c, values_source);
    cl_kernel kernel = cl_kernel_of(p, "k");
    cl_mem out = cl_buffer(&c, 0, 64, NULL);
    struct foo f = {.a = 1, .b = {{1, 2, 3, 4}}}, g = {.c = 10};
    struct big big = {.word[199] = 1999};
    cl_uint u = 100, got[4];
    cl_float3 v = {{5, 6, 7}};
    cl_int color = 70000;
    cl_ulong l = 5;
    cl_uchar2 h = {{1, 2}};

    EXPECT(launch(kernel, 1, 0) == CL_INVALID_KERNEL_ARGS);
    if (strict) {
        EXPECT(clSetKernelArg(kernel, 1, sizeof f - 1, &f) == CL_INVALID_ARG_SIZE);
        EXPECT(clSetKernelArg(kernel, 1, sizeof f + 16, &big) == CL_INVALID_ARG_SIZE);
        EXPECT(clSetKernelArg(kernel, 2, 4, &g) == CL_INVALID_ARG_SIZE);
        EXPECT(clSetKernelArg(kernel, 3, 8, &l) == CL_INVALID_ARG_SIZE);
        EXPECT(clSetKernelArg(kernel, 5, 4, &big) == CL_INVALID_ARG_SIZE);
        EXPECT(clSetKernelArg(kernel, 6, 1, &color) == CL_INVALID_ARG_SIZE);
        EXPECT(clSetKernelArg(kernel, 4, 12, &v) == CL_INVALID_ARG_SIZE);
        EXPECT(clSetKernelArg(kernel, 7, 4, &l) == CL_INVALID_ARG_SIZE);
        EXPECT(clSetKernelArg(kernel, 8, 1, &h) == CL_INVALID_ARG_SIZE);
    }
    EXPECT(clSetKernelArg(kernel, 7, 8, NULL) == CL_INVALID_ARG_VALUE);
    EXPECT(clSetKernelArg(kernel, 9, 8, &l) == CL_INVALID_ARG_INDEX);
    OK(clSetKernelArg(kernel, 0, sizeof out, &out));
    OK(clSetKernelArg(kernel, 1, sizeof f, &f));
    OK(clSetKernelArg(kernel, 2, sizeof g, &g));
    OK(clSetKernelArg(kernel, 3, sizeof u, &u));
    OK(clSetKernelArg(kernel, 4, sizeof v, &v));
    OK(clSetKernelArg(kernel, 5, sizeof big, &big));
    OK(clSetKernelArg(kernel, 6, sizeof color, &color));
    OK(clSetKernelArg(kernel, 7, sizeof l, &l));
    OK(clSetKernelArg(kernel, 8, sizeof h, &h));
    OK(launch(kernel, 1, 0));
    read_words(out, got, 4);
    EXPECT(got[0] == 111 && got[1] == 11 && got[2] == 1999 && got[3] == 70007);
    OK(clReleaseMemObject(out));
    OK(clReleaseKernel(kernel));
    OK(clReleaseProgram(p));
    done("arguments by value");
}

/* ---- memory arguments -------------------------------------------------------------- */

static void
memory_arguments(void)
{
    cl_program p = cl_build(&c, "kernel void k(global uint *o, constant uint *t,\n"
                                "              local uint *l, global uint *none)\n"
                                "{ l[0] = t[1]; o[0] = l[0] + (none ? 1000 : 1); }\n");
    cl_kernel kernel = cl_kernel_of(p, "k");
    cl_uint table[2] = {7, 41}, got;
    cl_mem out = cl_buffer(&c, 0, 64, NULL);
    cl_mem constant = cl_buffer(&c, CL_MEM_COPY_HOST_PTR, sizeof table, table);
    cl_ulong most, used;

    EXPECT(clSetKernelArg(kernel, 0, 3, &out) == CL_INVALID_ARG_SIZE);
    EXPECT(clSetKernelArg(kernel, 2, 16, &out) == CL_INVALID_ARG_VALUE);
    EXPECT(clSetKernelArg(kernel, 2, 0, NULL) == CL_INVALID_ARG_SIZE);
    OK(clSetKernelArg(kernel, 0, sizeof out, &out));
    OK(clSetKernelArg(kernel, 1, sizeof constant, &constant));
    OK(clSetKernelArg(kernel, 2, 256, NULL));
    OK(clSetKernelArg(kernel, 3, sizeof(cl_mem), NULL));
    OK(clGetKernelWorkGroupInfo(kernel, c.device, CL_KERNEL_LOCAL_MEM_SIZE, sizeof used,
                                &used, NULL));
    EXPECT(used >= 256);
    OK(launch(kernel, 1, 0));
    read_words(out, &got, 1);
    EXPECT(got == 42);
    if (strict) {
        OK(clGetDeviceInfo(c.device, CL_DEVICE_LOCAL_MEM_SIZE, sizeof most, &most, NULL));
        OK(clSetKernelArg(kernel, 2, most + 1, NULL));
        EXPECT(launch(kernel, 1, 0) == CL_OUT_OF_RESOURCES);
        OK(clSetKernelArg(kernel, 2, most / 2, NULL));
        OK(launch(kernel, 1, 0));
        OK(clFinish(c.queue));
    }
    OK(clReleaseMemObject(out));
    OK(clReleaseMemObject(constant));
    OK(clReleaseKernel(kernel));
    OK(clReleaseProgram(p));
    done("buffers, constants, local memory, NULL");
}

/* ---- queries ----------------------------------------------------------------------- */

static const char asked_source[] =
    "kernel __attribute__((reqd_work_group_size(4, 2, 1)))\n"
    "void fixed(global uint *o) { o[get_global_id(1) * 8 + get_global_id(0)] = 1; }\n"
    "kernel void plain(const global float *restrict a, volatile global int *b,\n"
    "                  const uint n, constant uint *t, local float4 *l) {}\n";

static void
argument_is(cl_kernel kernel, cl_uint index, const char *type, const char *name,
            cl_kernel_arg_address_qualifier address, cl_kernel_arg_type_qualifier q)
{
    cl_kernel_arg_address_qualifier a;
    cl_kernel_arg_access_qualifier access;
    cl_kernel_arg_type_qualifier t;
    char text[64];

    OK(clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_TYPE_NAME, sizeof text, text,
                          NULL));
    EXPECT(strcmp(text, type) == 0);
    OK(clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_NAME, sizeof text, text, NULL));
    EXPECT(strcmp(text, name) == 0);
    OK(clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof a, &a,
                          NULL));
    OK(clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_TYPE_QUALIFIER, sizeof t, &t,
                          NULL));
    OK(clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_ACCESS_QUALIFIER, sizeof access,
                          &access, NULL));
    EXPECT(a == address && t == q && access == CL_KERNEL_ARG_ACCESS_NONE);
}

static void
argument_queries(cl_kernel plain)
{
    char small[2];

    argument_is(plain, 0, "float*", "a", CL_KERNEL_ARG_ADDRESS_GLOBAL,
                CL_KERNEL_ARG_TYPE_CONST | CL_KERNEL_ARG_TYPE_RESTRICT);
    argument_is(plain, 1, "int*", "b", CL_KERNEL_ARG_ADDRESS_GLOBAL,
                CL_KERNEL_ARG_TYPE_VOLATILE);
    argument_is(plain, 2, "uint", "n", CL_KERNEL_ARG_ADDRESS_PRIVATE, 0);
    argument_is(plain, 3, "uint*", "t", CL_KERNEL_ARG_ADDRESS_CONSTANT,
                CL_KERNEL_ARG_TYPE_CONST);
    argument_is(plain, 4, "float4*", "l", CL_KERNEL_ARG_ADDRESS_LOCAL, 0);
    EXPECT(clGetKernelArgInfo(plain, 5, CL_KERNEL_ARG_NAME, 0, NULL, NULL) ==
           CL_INVALID_ARG_INDEX);
    EXPECT(clGetKernelArgInfo(plain, 0, CL_KERNEL_ARG_TYPE_NAME, sizeof small, small,
                              NULL) == CL_INVALID_VALUE);
}

static void
group_queries(cl_kernel fixed, cl_kernel plain)
{
    size_t sizes[3], n;
    cl_ulong bytes;
    cl_int rc;

    OK(clGetKernelWorkGroupInfo(fixed, c.device, CL_KERNEL_COMPILE_WORK_GROUP_SIZE,
                                sizeof sizes, sizes, NULL));
    EXPECT(sizes[0] == 4 && sizes[1] == 2 && sizes[2] == 1);
    /* NULL stands for the only device. */
    rc = clGetKernelWorkGroupInfo(plain, NULL, CL_KERNEL_COMPILE_WORK_GROUP_SIZE,
                                  sizeof sizes, sizes, &n);
    EXPECT(rc == (c.n_devices > 1 ? CL_INVALID_DEVICE : CL_SUCCESS));
    OK(clGetKernelWorkGroupInfo(plain, c.device, CL_KERNEL_COMPILE_WORK_GROUP_SIZE,
                                sizeof sizes, sizes, &n));
    EXPECT(n == sizeof sizes && sizes[0] == 0 && sizes[1] == 0);
    OK(clGetKernelWorkGroupInfo(plain, c.device,
                                CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, sizeof n,
                                &n, NULL));
    EXPECT(n > 0);
    OK(clGetKernelWorkGroupInfo(plain, c.device, CL_KERNEL_PRIVATE_MEM_SIZE, sizeof bytes,
                                &bytes, NULL));
    EXPECT(clGetKernelWorkGroupInfo(plain, c.device, CL_KERNEL_GLOBAL_WORK_SIZE,
                                    sizeof sizes, sizes, NULL) == CL_INVALID_VALUE);
    EXPECT(clGetKernelWorkGroupInfo(plain, c.device, 0x9999, 0, NULL, NULL) ==
           CL_INVALID_VALUE);
    EXPECT(clGetKernelWorkGroupInfo(NULL, c.device, CL_KERNEL_WORK_GROUP_SIZE, 0, NULL,
                                    NULL) == CL_INVALID_KERNEL);
}

static void
queries(void)
{
    const char *source = asked_source;
    cl_kernel fixed, plain, both[2];
    cl_program p, of;
    cl_uint n;
    char text[128];
    size_t len;
    cl_int rc;

    p = clCreateProgramWithSource(c.context, 1, &source, NULL, &rc);
    OK(rc);
    OK(clBuildProgram(p, 0, NULL, "-cl-kernel-arg-info", NULL, NULL));
    fixed = cl_kernel_of(p, "fixed");
    plain = cl_kernel_of(p, "plain");
    OK(clGetProgramInfo(p, CL_PROGRAM_REFERENCE_COUNT, sizeof n, &n, NULL));
    EXPECT(n == 3);
    OK(clGetKernelInfo(plain, CL_KERNEL_PROGRAM, sizeof of, &of, NULL));
    EXPECT(of == p);
    OK(clGetKernelInfo(plain, CL_KERNEL_NUM_ARGS, sizeof n, &n, NULL));
    EXPECT(n == 5);
    OK(clGetKernelInfo(fixed, CL_KERNEL_ATTRIBUTES, sizeof text, text, NULL));
    EXPECT(strstr(text, "reqd_work_group_size(4") != NULL);
    argument_queries(plain);
    group_queries(fixed, plain);
    OK(clGetProgramInfo(p, CL_PROGRAM_KERNEL_NAMES, sizeof text, text, &len));
    EXPECT(strstr(text, "fixed") && strstr(text, "plain") && len == strlen(text) + 1);
    EXPECT(clCreateKernelsInProgram(p, 1, both, &n) == CL_INVALID_VALUE);
    OK(clCreateKernelsInProgram(p, 2, both, &n));
    EXPECT(n == 2);
    OK(clReleaseKernel(both[0]));
    OK(clReleaseKernel(both[1]));
    /* The kernels keep the program. */
    OK(clReleaseProgram(p));
    OK(clGetProgramInfo(of, CL_PROGRAM_REFERENCE_COUNT, sizeof n, &n, NULL));
    EXPECT(n == 2);
    both[0] = cl_kernel_of(of, "plain");
    OK(clReleaseKernel(both[0]));
    OK(clReleaseKernel(fixed));
    OK(clReleaseKernel(plain));
    done("queries");
}

/* ---- clones ------------------------------------------------------------------------ */

static void
clones(void)
{
    cl_program p = cl_build(&c, scramble_source);
    cl_kernel kernel = cl_kernel_of(p, "scramble"), clone;
    uint32_t host[64], got[64], again[64];
    cl_mem b;
    cl_int rc;

    pattern_fill(host, 64, 3);
    memcpy(again, host, sizeof host);
    b = cl_buffer(&c, CL_MEM_COPY_HOST_PTR, sizeof host, host);
    cl_args(kernel, b, 9);
    clone = clCloneKernel(kernel, &rc);
    OK(rc);
    cl_args(kernel, b, 10);
    /* The clone keeps what was set before. */
    OK(launch(clone, 64, 0));
    read_words(b, got, 64);
    scramble_host(again, 64, 9);
    same_words(got, again, 64, "clone");
    OK(launch(kernel, 64, 0));
    read_words(b, got, 64);
    scramble_host(again, 64, 10);
    same_words(got, again, 64, "original");
    EXPECT(!clCloneKernel(NULL, &rc) && rc == CL_INVALID_KERNEL);
    OK(clReleaseKernel(kernel));
    OK(launch(clone, 64, 0));
    OK(clReleaseKernel(clone));
    OK(clReleaseMemObject(b));
    OK(clReleaseProgram(p));
    OK(clFinish(c.queue));
    done("clones");
}

/* ---- launches ---------------------------------------------------------------------- */

static int
launch2(cl_kernel kernel, const size_t *global, const size_t *local)
{
    return clEnqueueNDRangeKernel(c.queue, kernel, 2, NULL, global, local, 0, NULL, NULL);
}

static void
launches(void)
{
    cl_program p = cl_build(&c, asked_source), q = cl_build(&c, scramble_source);
    cl_kernel fixed = cl_kernel_of(p, "fixed"), free_size = cl_kernel_of(q, "scramble");
    const size_t global[2] = {8, 4}, fits[2] = {4, 2}, not [2] = {2, 2}, none[2] = {0, 4};
    cl_mem b = cl_buffer(&c, 0, 4096, NULL);
    size_t most, items[3], offset = 32, one = 64;
    cl_event event;
    cl_int status;

    OK(clSetKernelArg(fixed, 0, sizeof b, &b));
    cl_args(free_size, b, 1);
    OK(launch2(fixed, global, fits));
    EXPECT(launch2(fixed, global, not ) == CL_INVALID_WORK_GROUP_SIZE);
    EXPECT(launch(fixed, 8, 4) == CL_INVALID_WORK_GROUP_SIZE);
    if (strict)
        OK(launch2(fixed, global, NULL));
    OK(clGetDeviceInfo(c.device, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof most, &most,
                       NULL));
    OK(clGetDeviceInfo(c.device, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof items, items,
                       NULL));
    EXPECT(launch(free_size, 4 * items[0], 2 * items[0]) == CL_INVALID_WORK_ITEM_SIZE ||
           !strict);
    EXPECT(launch2(free_size, (size_t[]){most, 2}, (size_t[]){most, 2}) ==
           CL_INVALID_WORK_GROUP_SIZE);
    EXPECT(launch(free_size, 64, 3) == CL_INVALID_WORK_GROUP_SIZE);
    EXPECT(clEnqueueNDRangeKernel(c.queue, free_size, 0, NULL, &one, NULL, 0, NULL,
                                  NULL) == CL_INVALID_WORK_DIMENSION);
    EXPECT(clEnqueueNDRangeKernel(c.queue, free_size, 4, NULL, &one, NULL, 0, NULL,
                                  NULL) == CL_INVALID_WORK_DIMENSION);
    OK(clEnqueueNDRangeKernel(c.queue, free_size, 1, &offset, &one, NULL, 0, NULL, NULL));
    if (strict) {
        offset = SIZE_MAX;
        EXPECT(clEnqueueNDRangeKernel(c.queue, free_size, 1, &offset, &one, NULL, 0, NULL,
                                      NULL) == CL_INVALID_GLOBAL_OFFSET);
    }
    /* Nothing to do is no error, and an event like any. */
    OK(launch2(free_size, none, NULL));
    OK(clEnqueueNDRangeKernel(c.queue, free_size, 2, NULL, none, NULL, 0, NULL, &event));
    OK(clWaitForEvents(1, &event));
    OK(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status,
                      NULL));
    EXPECT(status == CL_COMPLETE);
    OK(clReleaseEvent(event));
    OK(clFinish(c.queue));
    OK(clReleaseMemObject(b));
    OK(clReleaseKernel(fixed));
    OK(clReleaseKernel(free_size));
    OK(clReleaseProgram(p));
    OK(clReleaseProgram(q));
    done("sizes and offsets of launches");
}

/* ---- refusals ---------------------------------------------------------------------- */

static void
refusals(void)
{
    cl_program p = cl_build(&c, scramble_source), il;
    cl_kernel kernel = cl_kernel_of(p, "scramble");
    char text[256] = "";
    cl_bool on = CL_TRUE;
    cl_uint groups = 0;
    size_t size, n;
    cl_int rc;

    OK(clGetDeviceInfo(c.device, CL_DEVICE_IL_VERSION, sizeof text, text, NULL));
    if (!text[0]) {
        il = clCreateProgramWithIL(c.context, "nothing", 7, &rc);
        EXPECT(!il && (rc == CL_INVALID_OPERATION || !strict));
    }
    OK(clGetProgramInfo(p, CL_PROGRAM_IL, 0, NULL, &n));
    EXPECT(n == 0);
    EXPECT(!clCreateProgramWithBuiltInKernels(c.context, 1, &c.device, "no such", &rc) &&
           rc == CL_INVALID_VALUE);
    OK(clGetDeviceInfo(c.device, CL_DEVICE_MAX_NUM_SUB_GROUPS, sizeof groups, &groups,
                       NULL));
    size = 64;
    if (groups == 0)
        EXPECT(clGetKernelSubGroupInfo(
                   kernel, c.device, CL_KERNEL_MAX_SUB_GROUP_SIZE_FOR_NDRANGE,
                   sizeof size, &size, sizeof n, &n, NULL) == CL_INVALID_OPERATION);
    if (strict)
        EXPECT(clSetKernelExecInfo(kernel, CL_KERNEL_EXEC_INFO_SVM_FINE_GRAIN_SYSTEM,
                                   sizeof on, &on) == CL_INVALID_OPERATION);
    OK(clUnloadPlatformCompiler(c.platform));
    OK(clReleaseKernel(kernel));
    OK(clReleaseProgram(p));
    done("what this device has not");
}

/* ---- two threads, each with a kernel ----------------------------------------------- */

static void *
set_and_launch(void *arg)
{
    cl_command_queue queue = cl_queue(&c, 0);
    cl_kernel kernel = arg;
    const size_t words = 16;
    uint32_t host[16], got[16];
    cl_mem b;

    pattern_fill(host, 16, 5);
    b = cl_buffer(&c, CL_MEM_COPY_HOST_PTR, sizeof host, host);
    for (cl_uint i = 0; i < SETS; i++) {
        cl_args(kernel, b, i);
        OK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &words, NULL, 0, NULL, NULL));
        scramble_host(host, 16, i);
    }
    OK(clEnqueueReadBuffer(queue, b, CL_TRUE, 0, sizeof got, got, 0, NULL, NULL));
    same_words(got, host, 16, "two threads");
    OK(clReleaseMemObject(b));
    OK(clReleaseCommandQueue(queue));
    return NULL;
}

static void
two_threads(void)
{
    cl_program p = cl_build(&c, scramble_source);
    cl_kernel kernels[2] = {cl_kernel_of(p, "scramble"), cl_kernel_of(p, "scramble")};
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        EXPECT(pthread_create(&threads[i], NULL, set_and_launch, kernels[i]) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    OK(clReleaseKernel(kernels[0]));
    OK(clReleaseKernel(kernels[1]));
    OK(clReleaseProgram(p));
    done("two threads, each with a kernel of its own");
}

int
main(int argc, char **argv)
{
    strict = argc > 1 && strcmp(argv[1], "strict") == 0;
    cl_open(&c);
    values();
    memory_arguments();
    queries();
    clones();
    launches();
    refusals();
    two_threads();
    cl_close(&c);
    return 0;
}
