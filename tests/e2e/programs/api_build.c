/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, sections 5.8 and 5.10: what builds, links and launches make of rare requests. */
#include "api_use.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char plain[] = "kernel void one(global int *p) { *p = 1; }";

static cl_program
source(struct use *u, const char *text)
{
    cl_program p = clCreateProgramWithSource(u->context, 1, &text, NULL, &u->rc);

    MUST(u->rc);
    return p;
}

static cl_int
built_with(struct use *u, const char *text, const char *options)
{
    cl_program p = source(u, text);
    cl_int rc = clBuildProgram(p, 1, &u->device, options, NULL, NULL);

    MUST(clReleaseProgram(p));
    return rc;
}

/* The folder's name has a blank. */
static bool
quoted_folder_is_found(struct use *u)
{
    char folder[] = "/tmp/api use XXXXXX", file[64], options[64];
    bool good = mkdtemp(folder) != NULL;
    FILE *f;

    snprintf(file, sizeof file, "%s/one.h", folder);
    snprintf(options, sizeof options, "-I \"%s\"", folder);
    f = good ? fopen(file, "w") : NULL;
    good = f && fprintf(f, "#define ONE 1\n") > 0;
    good &= f && fclose(f) == 0;
    good = good && built_with(u,
                              "#include \"one.h\"\n"
                              "kernel void one(global int *p) { *p = ONE; }",
                              options) == CL_SUCCESS;
    unlink(file);
    rmdir(folder);
    return good;
}

static cl_program
linked(struct use *u, const char *text, const char *options)
{
    cl_program p = source(u, text), made;

    MUST(clCompileProgram(p, 1, &u->device, "", 0, NULL, NULL, NULL, NULL));
    made = clLinkProgram(u->context, 1, &u->device, options, 1, &p, NULL, NULL, &u->rc);
    MUST(clReleaseProgram(p));
    return made;
}

/* The link began, so there is a program, and its log. */
static bool
failed_link_is_a_program(struct use *u)
{
    cl_program p = linked(u,
                          "void missing(global int *p);\n"
                          "kernel void one(global int *p) { missing(p); }",
                          "");
    cl_build_status status = CL_BUILD_NONE;
    bool good = p && u->rc == CL_LINK_PROGRAM_FAILURE &&
                clGetProgramBuildInfo(p, u->device, CL_PROGRAM_BUILD_STATUS,
                                      sizeof status, &status, NULL) == CL_SUCCESS &&
                status == CL_BUILD_ERROR;

    return p && clReleaseProgram(p) == CL_SUCCESS && good;
}

static bool
link_takes(struct use *u, const char *options)
{
    cl_program p = linked(u, plain, options);

    return p && clReleaseProgram(p) == CL_SUCCESS && u->rc == CL_SUCCESS;
}

/* Section 5.8.9: a size of 0 for a device without a binary. */
static bool
unbuilt_sizes_are_0(struct use *u)
{
    size_t sizes[16], sum = 0;
    cl_program p = source(u, plain);
    cl_int rc;

    memset(sizes, 1, sizeof sizes);
    rc = clGetProgramInfo(p, CL_PROGRAM_BINARY_SIZES, u->n_devices * sizeof *sizes, sizes,
                          NULL);
    for (cl_uint i = 0; i < u->n_devices; i++)
        sum += sizes[i];
    MUST(clReleaseProgram(p));
    return rc == CL_SUCCESS && sum == 0;
}

static bool
failed_build_has_no_binary(struct use *u)
{
    cl_program p = source(u, "kernel void one(");
    cl_program_binary_type type = 77;
    bool good = clBuildProgram(p, 1, &u->device, "", NULL, NULL) != CL_SUCCESS &&
                clGetProgramBuildInfo(p, u->device, CL_PROGRAM_BINARY_TYPE, sizeof type,
                                      &type, NULL) == CL_SUCCESS &&
                type == CL_PROGRAM_BINARY_TYPE_NONE;

    MUST(clReleaseProgram(p));
    return good;
}

/* ---- 5.10 launches ----------------------------------------------------------------- */

/* Since version 2.1 the required size need not be said twice. */
static bool
required_size_is_taken(struct use *u)
{
    cl_kernel four = clCreateKernel(u->program, "four", &u->rc);
    const size_t global = 8;
    const uint32_t all[2] = {4, 4};
    bool good;

    MUST(u->rc);
    buffer_fill(u, 1);
    MUST(clSetKernelArg(four, 0, sizeof u->buffer, &u->buffer));
    good = clEnqueueNDRangeKernel(u->queue, four, 1, NULL, &global, NULL, 0, NULL,
                                  NULL) == CL_SUCCESS &&
           buffer_is(u, 0, all, sizeof all);
    MUST(clReleaseKernel(four));
    return good;
}

static cl_int
too_much_local(struct use *u)
{
    const size_t bytes = device_number(u, CL_DEVICE_LOCAL_MEM_SIZE) + 1, one = 1;
    cl_kernel add = clCreateKernel(u->program, "add", &u->rc);
    const cl_uint n = 1;
    cl_int rc;

    MUST(u->rc);
    MUST(clSetKernelArg(add, 0, sizeof u->buffer, &u->buffer));
    MUST(clSetKernelArg(add, 1, sizeof n, &n));
    MUST(clSetKernelArg(add, 2, bytes, NULL));
    rc = clEnqueueNDRangeKernel(u->queue, add, 1, NULL, &one, &one, 0, NULL, NULL);
    MUST(clFinish(u->queue));
    MUST(clReleaseKernel(add));
    return rc;
}

void
api_build(struct use *u)
{
    WRONG_CRASHES("include-nothing", "clBuildProgram", "-I that names no folder",
                  CL_INVALID_BUILD_OPTIONS, built_with(u, plain, "-I"));
    RIGHT_DIFFERS("include-quoted", "clBuildProgram", "-I that names a folder in quotes",
                  quoted_folder_is_found(u));
    RIGHT_DIFFERS("link-failed", "clLinkProgram", "a link that fails gives a program",
                  failed_link_is_a_program(u));
    RIGHT_DIFFERS("link-options", "clLinkProgram", "-cl-denorms-are-zero",
                  link_takes(u, "-cl-denorms-are-zero"));
    RIGHT_DIFFERS("binary-sizes-unbuilt", "clGetProgramInfo",
                  "without a build each binary has 0 bytes", unbuilt_sizes_are_0(u));
    RIGHT_DIFFERS("binary-type-failed", "clGetProgramBuildInfo",
                  "a build that failed has no binary", failed_build_has_no_binary(u));
}

void
api_launch(struct use *u)
{
    if (device_number(u, CL_DEVICE_NUMERIC_VERSION) >= CL_MAKE_VERSION(2, 1, 0))
        RIGHT_DIFFERS("required-size", "clEnqueueNDRangeKernel",
                      "without a local size the required one is taken",
                      required_size_is_taken(u));
    WRONG_CRASHES("local-memory", "clEnqueueNDRangeKernel",
                  "more local memory than there is", CL_OUT_OF_RESOURCES,
                  too_much_local(u));
}
