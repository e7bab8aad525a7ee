/* SPDX-License-Identifier: MIT */
/*
 * guest_program: programs from long and odd sources, errors in them, binaries, metadata.
 */
#include "cltest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS 100u
#define PART_BYTES ((size_t)3072) /* 300 KiB together */
#define WORDS ((size_t)1000)
#define WAIT_MS 20000u

static struct cl c;

static void
done(const char *name)
{
    puts(name);
    fflush(stdout);
}

static void
run_scramble(cl_program program, uint32_t seed, const char *what)
{
    cl_kernel kernel = cl_kernel_of(program, "scramble");
    uint32_t host[WORDS], got[WORDS];
    const size_t words = WORDS;
    cl_mem b;

    pattern_fill(host, WORDS, 1);
    b = cl_buffer(&c, CL_MEM_COPY_HOST_PTR, sizeof host, host);
    cl_args(kernel, b, seed);
    OK(clEnqueueNDRangeKernel(c.queue, kernel, 1, NULL, &words, NULL, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(c.queue, b, CL_TRUE, 0, sizeof got, got, 0, NULL, NULL));
    scramble_host(host, WORDS, seed);
    same_words(got, host, WORDS, what);
    OK(clReleaseKernel(kernel));
    OK(clReleaseMemObject(b));
}

/* A part: a comment that fills it up. Not NUL-terminated: its length is given. */
static char *
part_new(unsigned i)
{
    char *part = alloc(PART_BYTES);

    memset(part, 'x', PART_BYTES);
    part[0] = '/';
    part[1] = '*';
    part[2] = (char)('a' + i % 26);
    part[PART_BYTES - 3] = '*';
    part[PART_BYTES - 2] = '/';
    part[PART_BYTES - 1] = '\n';
    return part;
}

static void
long_source(void)
{
    const char *parts[PARTS + 1];
    size_t lengths[PARTS + 1], size;
    cl_program program;
    cl_int rc;
    char *back;

    for (unsigned i = 0; i < PARTS; i++) {
        parts[i] = part_new(i);
        lengths[i] = PART_BYTES;
    }
    parts[PARTS] = scramble_source;
    lengths[PARTS] = 0; /* to its NUL */
    program = clCreateProgramWithSource(c.context, PARTS + 1, parts, lengths, &rc);
    OK(rc);
    OK(clGetProgramInfo(program, CL_PROGRAM_SOURCE, 0, NULL, &size));
    EXPECT(size == PARTS * PART_BYTES + strlen(scramble_source) + 1);
    back = alloc(size);
    OK(clGetProgramInfo(program, CL_PROGRAM_SOURCE, size, back, NULL));
    for (unsigned i = 0; i < PARTS; i++) {
        same_bytes(back + i * PART_BYTES, parts[i], PART_BYTES, "source");
        free((char *)parts[i]);
    }
    free(back);
    OK(clBuildProgram(program, 1, &c.device, NULL, NULL, NULL));
    run_scramble(program, 5, "long source");
    OK(clReleaseProgram(program));
    done("source of 300 KiB");
}

static void
build_error(void)
{
    const char *source = "kernel void broken(global uint *p) { p[0] = nothing_here; }\n";
    cl_program program;
    cl_build_status status;
    char log[4096];
    cl_int rc;

    program = clCreateProgramWithSource(c.context, 1, &source, NULL, &rc);
    OK(rc);
    EXPECT(clBuildProgram(program, 1, &c.device, NULL, NULL, NULL) ==
           CL_BUILD_PROGRAM_FAILURE);
    OK(clGetProgramBuildInfo(program, c.device, CL_PROGRAM_BUILD_STATUS, sizeof status,
                             &status, NULL));
    EXPECT(status == CL_BUILD_ERROR);
    OK(clGetProgramBuildInfo(program, c.device, CL_PROGRAM_BUILD_LOG, sizeof log, log,
                             NULL));
    EXPECT(strstr(log, "nothing_here") != NULL);
    EXPECT(!clCreateKernel(program, "broken", &rc) &&
           rc == CL_INVALID_PROGRAM_EXECUTABLE);
    OK(clReleaseProgram(program));
    done("build error");
}

static void
build_options(void)
{
    const char *source = "kernel void scramble(global uint *p, uint seed)\n"
                         "{ size_t i = get_global_id(0);\n"
                         "  uint x = (p[i] ^ (seed + (uint)i)) * FACTOR;\n"
                         "  p[i] = x ^ (x >> 15); }\n";
    cl_program program;
    char options[64] = "";
    cl_int rc;

    program = clCreateProgramWithSource(c.context, 1, &source, NULL, &rc);
    OK(rc);
    OK(clBuildProgram(program, 1, &c.device, "-DFACTOR=2654435761u", NULL, NULL));
    run_scramble(program, 6, "build options");
    OK(clGetProgramBuildInfo(program, c.device, CL_PROGRAM_BUILD_OPTIONS, sizeof options,
                             options, NULL));
    EXPECT(strcmp(options, "-DFACTOR=2654435761u") == 0);
    OK(clReleaseProgram(program));
    done("build options");
}

static void
binary(void)
{
    cl_program program = cl_build(&c, scramble_source), again;
    unsigned char *bytes[16] = {NULL};
    cl_int rc, status;
    size_t size[16], len;

    OK(clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, size, &len));
    EXPECT(len == c.n_devices * sizeof *size && size[c.index] > 0);
    bytes[c.index] = alloc(size[c.index]);
    OK(clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof bytes, bytes, NULL));
    OK(clReleaseProgram(program));
    again =
        clCreateProgramWithBinary(c.context, 1, &c.device, &size[c.index],
                                  (const unsigned char **)&bytes[c.index], &status, &rc);
    OK(rc);
    OK(status);
    OK(clBuildProgram(again, 1, &c.device, NULL, NULL, NULL));
    run_scramble(again, 7, "program from a binary");
    OK(clReleaseProgram(again));
    free(bytes[c.index]);
    done("binary");
}

static void
metadata(void)
{
    cl_program program = cl_build(&c, scramble_source);
    cl_kernel kernel;
    cl_uint args, kernels;
    char name[64];
    size_t most;
    cl_int rc;

    OK(clCreateKernelsInProgram(program, 1, &kernel, &kernels));
    EXPECT(kernels == 1);
    OK(clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL));
    EXPECT(strcmp(name, "scramble") == 0);
    OK(clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof args, &args, NULL));
    EXPECT(args == 2);
    OK(clGetKernelWorkGroupInfo(kernel, c.device, CL_KERNEL_WORK_GROUP_SIZE, sizeof most,
                                &most, NULL));
    EXPECT(most > 0);
    EXPECT(clSetKernelArg(kernel, 2, 4, &args) == CL_INVALID_ARG_INDEX);
    EXPECT(clSetKernelArg(kernel, 0, 3, &args) == CL_INVALID_ARG_SIZE);
    EXPECT(!clCreateKernel(program, "scrambler", &rc) && rc == CL_INVALID_KERNEL_NAME);
    OK(clReleaseKernel(kernel));
    OK(clReleaseProgram(program));
    done("metadata");
}

static atomic_int built;

static void CL_CALLBACK
on_built(cl_program program, void *arg)
{
    (void)program;
    atomic_store(&built, *(int *)arg);
}

static void
build_callback(void)
{
    const char *source = scramble_source;
    int number = 4711;
    cl_program program;
    cl_int rc;

    program = clCreateProgramWithSource(c.context, 1, &source, NULL, &rc);
    OK(rc);
    OK(clBuildProgram(program, 1, &c.device, NULL, on_built, &number));
    for (unsigned ms = 0; atomic_load(&built) != number; ms++) {
        EXPECT(ms < WAIT_MS);
        sleep_ms(1);
    }
    run_scramble(program, 8, "program built with a callback");
    OK(clReleaseProgram(program));
    done("build callback");
}

int
main(void)
{
    cl_open(&c);
    long_source();
    build_error();
    build_options();
    binary();
    metadata();
    build_callback();
    cl_close(&c);
    return 0;
}
