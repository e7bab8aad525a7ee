/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.9.2: images and samplers as arguments of kernels. */
#include "api_use.h"

static const char source[] =
    "kernel void look(read_only image2d_t from, sampler_t s, global uint *to)\n"
    "{\n"
    "    to[get_global_id(0)] = read_imageui(from, s, (int2)(get_global_id(0), 0)).y;\n"
    "}\n"
    "kernel void store(write_only image2d_t to)\n"
    "{\n"
    "    write_imageui(to, (int2)(get_global_id(0), 0), (uint4)(get_global_id(0) + 5));\n"
    "}\n";

static cl_kernel look, store;
static cl_sampler sampler;

static cl_mem
image_of(struct use *u, cl_mem_flags flags)
{
    const cl_image_format f = {CL_RGBA, CL_UNSIGNED_INT8};
    const cl_image_desc d = {
        .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 4, .image_height = 1};
    cl_mem m = clCreateImage(u->context, flags, &f, &d, NULL, &u->rc);

    MUST(u->rc);
    return m;
}

static cl_kernel
kernel_of(struct use *u, cl_program p, const char *name)
{
    cl_kernel k = clCreateKernel(p, name, &u->rc);

    MUST(u->rc);
    return k;
}

static bool
pixels_pass_through(struct use *u, cl_mem image)
{
    const uint32_t want[4] = {5, 6, 7, 8};
    const size_t global = 4;

    return clSetKernelArg(store, 0, sizeof image, &image) == CL_SUCCESS &&
           clSetKernelArg(look, 0, sizeof image, &image) == CL_SUCCESS &&
           clSetKernelArg(look, 1, sizeof sampler, &sampler) == CL_SUCCESS &&
           clSetKernelArg(look, 2, sizeof(cl_mem), &u->buffer) == CL_SUCCESS &&
           clEnqueueNDRangeKernel(u->queue, store, 1, NULL, &global, NULL, 0, NULL,
                                  NULL) == CL_SUCCESS &&
           clEnqueueNDRangeKernel(u->queue, look, 1, NULL, &global, NULL, 0, NULL,
                                  NULL) == CL_SUCCESS &&
           buffer_is(u, 0, want, sizeof want);
}

static cl_int
set_image(struct use *u, cl_kernel k, cl_mem_flags flags)
{
    cl_mem m = image_of(u, flags);
    cl_int rc = clSetKernelArg(k, 0, sizeof m, &m);

    MUST(clReleaseMemObject(m));
    return rc;
}

static void
wrong_arguments(struct use *u)
{
    const char *const call = "clSetKernelArg";
    const void *queue = u->queue;

    /* A valid memory object, yet none that the argument can be. */
    WRONG_OR_DIFFERS("image-arg", CL_SUCCESS, call, "an image that is a plain buffer",
                     CL_INVALID_MEM_OBJECT, CL_INVALID_ARG_VALUE,
                     clSetKernelArg(look, 0, sizeof(cl_mem), &u->buffer));
    WRONG_KIND(call, "an image that is a queue", CL_INVALID_MEM_OBJECT,
               clSetKernelArg(look, 0, sizeof queue, &queue));
    WRONG(call, "an image of half a handle", CL_INVALID_ARG_SIZE,
          clSetKernelArg(look, 0, 4, &u->buffer));
    WRONG_DIFFERS("image-arg", CL_SUCCESS, call, "a write-only image to read",
                  CL_INVALID_ARG_VALUE, set_image(u, look, CL_MEM_WRITE_ONLY));
    WRONG_DIFFERS("image-arg", CL_SUCCESS, call, "a read-only image to write",
                  CL_INVALID_ARG_VALUE, set_image(u, store, CL_MEM_READ_ONLY));
    WRONG_KIND(call, "a sampler that is a queue", CL_INVALID_SAMPLER,
               clSetKernelArg(look, 1, sizeof queue, &queue));
    WRONG(call, "a sampler of half a handle", CL_INVALID_ARG_SIZE,
          clSetKernelArg(look, 1, 4, &sampler));
    WRONG_OR(call, "a sampler without a value", CL_INVALID_SAMPLER, CL_INVALID_ARG_VALUE,
             clSetKernelArg(look, 1, sizeof sampler, NULL));
}

/* A part of api_sampler, for a device with images. */
void
api_image_args(struct use *u)
{
    cl_program p = program_of(u, source, "");
    cl_mem image = image_of(u, CL_MEM_READ_WRITE);

    look = kernel_of(u, p, "look");
    store = kernel_of(u, p, "store");
    sampler =
        clCreateSampler(u->context, CL_FALSE, CL_ADDRESS_NONE, CL_FILTER_NEAREST, &u->rc);
    MUST(u->rc);
    RIGHT("clSetKernelArg", "an image is written, and read by a sampler",
          pixels_pass_through(u, image));
    wrong_arguments(u);
    MUST(clFinish(u->queue));
    MUST(clReleaseSampler(sampler));
    MUST(clReleaseKernel(look));
    MUST(clReleaseKernel(store));
    MUST(clReleaseMemObject(image));
    MUST(clReleaseProgram(p));
}
