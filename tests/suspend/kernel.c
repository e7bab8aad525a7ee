/* SPDX-License-Identifier: MIT */
/* Kernels whose arguments were set before the pause, wholly or in part, and clones of them. */
#include "suite.h"

#include <string.h>

struct pair {
    cl_uint a;
    cl_uint b[3];
};

static const char source[] =
    "typedef struct { uint a; uint b[3]; } pair;\n"
    "kernel void every(global uint *out, uint value, pair s, float4 f, global uint "
    "*none,\n"
    "                local uint *l, read_only image2d_t image, sampler_t sampler,\n"
    "                constant uint *c, global const uint *part)\n"
    "{\n"
    "    uint i = get_global_id(0);\n"
    "    l[get_local_id(0)] = c[i];\n"
    "    barrier(CLK_LOCAL_MEM_FENCE);\n"
    "    uint4 t = read_imageui(image, sampler, (int2)(i, 0));\n"
    "    out[i] = value + s.a + s.b[2] + (uint)f.w + (none ? 1u << 30 : 0) + t.y + "
    "part[i]\n"
    "        + l[get_local_size(0) - 1 - get_local_id(0)];\n"
    "}\n"
    "__attribute__((reqd_work_group_size(4, 1, 1)))\n"
    "kernel void sized(global uint *out, uint value) { out[get_global_id(0)] = value; "
    "}\n";

#define ITEMS ((size_t)64)
#define LOCAL ((size_t)8)

static cl_program program;
static cl_kernel all_set, cloned, partly, orphan, sized;
static cl_mem out, image, constants, parent, part;
static cl_sampler sampler;
static uint32_t constant_words[ITEMS], image_words[ITEMS * 4], parent_words[WORDS];
static size_t part_word;

static void
objects_make(void)
{
    const cl_image_format format = {CL_RGBA, CL_UNSIGNED_INT32};
    const cl_image_desc desc = {
        .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = ITEMS, .image_height = 1};
    cl_buffer_region region = {0, ITEMS * 4};
    cl_uint align_bits = 0;
    cl_int rc;

    pattern(constant_words, ITEMS, 1);
    pattern(image_words, ITEMS * 4, 2);
    out = buffer_new(0, ITEMS * 4, NULL);
    constants =
        buffer_new(CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, ITEMS * 4, constant_words);
    image =
        clCreateImage(w.context, CL_MEM_COPY_HOST_PTR, &format, &desc, image_words, &rc);
    OK(rc);
    sampler =
        clCreateSampler(w.context, CL_FALSE, CL_ADDRESS_CLAMP, CL_FILTER_NEAREST, &rc);
    OK(rc);
    parent = words_new(parent_words, 3);
    OK(clGetDeviceInfo(w.device, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof align_bits,
                       &align_bits, NULL));
    part_word = align_bits / 32;
    region.origin = part_word * 4;
    part = clCreateSubBuffer(parent, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &rc);
    OK(rc);
}

static void
set_all(cl_kernel k, cl_uint value)
{
    const struct pair s = {100, {1, 2, 3}};
    const cl_float4 f = {{1, 2, 3, 4}};
    cl_mem none = NULL;

    OK(clSetKernelArg(k, 0, sizeof(cl_mem), &out));
    OK(clSetKernelArg(k, 1, sizeof value, &value));
    OK(clSetKernelArg(k, 2, sizeof s, &s));
    OK(clSetKernelArg(k, 3, sizeof f, &f));
    OK(clSetKernelArg(k, 4, sizeof(cl_mem), &none));
    OK(clSetKernelArg(k, 5, LOCAL * 4, NULL));
    OK(clSetKernelArg(k, 6, sizeof(cl_mem), &image));
    OK(clSetKernelArg(k, 7, sizeof sampler, &sampler));
    OK(clSetKernelArg(k, 8, sizeof(cl_mem), &constants));
    OK(clSetKernelArg(k, 9, sizeof(cl_mem), &part));
}

static void
run_all(cl_kernel k, cl_uint value)
{
    uint32_t want[ITEMS];

    for (size_t i = 0; i < ITEMS; i++)
        want[i] = value + 100 + 3 + 4 + image_words[i * 4 + 1] +
                  parent_words[part_word + i] +
                  constant_words[i / LOCAL * LOCAL + LOCAL - 1 - i % LOCAL];
    OK(clEnqueueNDRangeKernel(w.queue, k, 1, NULL, &(size_t){ITEMS}, &(size_t){LOCAL}, 0,
                              NULL, NULL));
    compare(out, 0, want, sizeof want, "what a kernel with every type of argument made");
}

static void
args_make(void)
{
    objects_make();
    program = build(source, "-cl-kernel-arg-info");
    all_set = kernel_of(program, "every");
    set_all(all_set, 1000);
    partly = kernel_of(program, "every");
    set_all(partly, 2000);
    OK(clReleaseKernel(partly));
    partly = kernel_of(program, "every");
    OK(clSetKernelArg(partly, 0, sizeof(cl_mem), &out));
    OK(clSetKernelArg(partly, 5, LOCAL * 4, NULL));
    sized = kernel_of(program, "sized");
    OK(clRetainKernel(all_set));
    watch(KERNEL, all_set, "a kernel with all arguments");
    watch(KERNEL, partly, "a kernel with some arguments");
    watch(KERNEL, sized, "a kernel that has a work-group size");
    watch(PROGRAM, program, "their program");
}

static void
args_check(void)
{
    run_all(all_set, 1000);
    EXPECT(clEnqueueNDRangeKernel(w.queue, partly, 1, NULL, &(size_t){ITEMS}, NULL, 0,
                                  NULL, NULL) == CL_INVALID_KERNEL_ARGS);
    EXPECT(clEnqueueNDRangeKernel(w.queue, sized, 1, NULL, &(size_t){8}, &(size_t){8}, 0,
                                  NULL, NULL) != CL_SUCCESS);
}

static void
args_use(void)
{
    const cl_uint value = 5;

    OK(clSetKernelArg(all_set, 1, sizeof value, &value));
    run_all(all_set, 5);
    set_all(partly, 6);
    run_all(partly, 6);
    OK(clReleaseKernel(all_set));
    run_all(all_set, 5);
    OK(clReleaseKernel(all_set));
    OK(clReleaseKernel(partly));
    OK(clReleaseKernel(sized));
    OK(clReleaseProgram(program));
    OK(clReleaseMemObject(out));
    OK(clReleaseMemObject(image));
    OK(clReleaseMemObject(constants));
    OK(clReleaseMemObject(part));
    OK(clReleaseMemObject(parent));
    OK(clReleaseSampler(sampler));
}

/* ---- clones ------------------------------------------------------------------------ */

static cl_kernel original;
static cl_mem of_original, of_clone;
static uint32_t words[2][WORDS];

static void
clone_make(void)
{
    const cl_uint seed[2] = {20, 21};
    cl_int rc;

    of_original = words_new(words[0], 0);
    of_clone = words_new(words[1], 1);
    original = kernel_of(w.program, "scramble");
    OK(clSetKernelArg(original, 0, sizeof(cl_mem), &of_original));
    OK(clSetKernelArg(original, 1, sizeof seed[0], &seed[0]));
    cloned = clCloneKernel(original, &rc);
    OK(rc);
    OK(clSetKernelArg(cloned, 0, sizeof(cl_mem),
                      &of_clone)); /* the seed is the other's */
    OK(clSetKernelArg(original, 1, sizeof seed[1], &seed[1]));
    watch(KERNEL, original, "a kernel that was cloned");
    watch(KERNEL, cloned, "a clone");
}

static void
clone_check(void)
{
    OK(clEnqueueNDRangeKernel(w.queue, original, 1, NULL, &(size_t){WORDS}, NULL, 0, NULL,
                              NULL));
    OK(clEnqueueNDRangeKernel(w.queue, cloned, 1, NULL, &(size_t){WORDS}, NULL, 0, NULL,
                              NULL));
    scramble_host(words[0], WORDS, 21);
    scramble_host(words[1], WORDS, 20);
    compare(of_original, 0, words[0], BYTES, "what the original made");
    compare(of_clone, 0, words[1], BYTES, "what the clone made");
}

static void
clone_use(void)
{
    OK(clReleaseKernel(original));
    OK(clEnqueueNDRangeKernel(w.queue, cloned, 1, NULL, &(size_t){WORDS}, NULL, 0, NULL,
                              NULL));
    scramble_host(words[1], WORDS, 20);
    compare(of_clone, 0, words[1], BYTES, "what the clone made");
    OK(clReleaseKernel(cloned));
    OK(clReleaseMemObject(of_original));
    OK(clReleaseMemObject(of_clone));
}

/* ---- what a kernel holds stays ----------------------------------------------------- */

static cl_mem given;
static uint32_t given_words[WORDS];

static void
orphan_make(void)
{
    cl_program p = build("kernel void add(global uint *p, uint v)\n"
                         "{ p[get_global_id(0)] += v; }\n",
                         "");
    const cl_uint one = 1;

    given = words_new(given_words, 4);
    orphan = kernel_of(p, "add");
    OK(clSetKernelArg(orphan, 0, sizeof(cl_mem), &given));
    OK(clSetKernelArg(orphan, 1, sizeof one, &one));
    OK(clReleaseProgram(p));
    watch(KERNEL, orphan, "a kernel whose program was released");
    watch(MEM, given, "the buffer of a kernel");
}

static void
orphan_check(void)
{
    OK(clEnqueueNDRangeKernel(w.queue, orphan, 1, NULL, &(size_t){WORDS}, NULL, 0, NULL,
                              NULL));
    for (size_t i = 0; i < WORDS; i++)
        given_words[i]++;
    compare(given, 0, given_words, BYTES, "what a kernel without a program made");
}

/* A second kernel of that program: by its name in the first one's answer. */
static void
orphan_use(void)
{
    cl_program p = NULL;
    cl_kernel second;

    OK(clGetKernelInfo(orphan, CL_KERNEL_PROGRAM, sizeof(cl_program), &p, NULL));
    second = kernel_of(p, "add");
    OK(clReleaseKernel(second));
    orphan_check();
    OK(clReleaseKernel(orphan));
    OK(clReleaseMemObject(given));
}

const struct part kernel_parts[] = {
    {"kernel arguments", args_make, args_check, args_use},
    {"cloned kernels", clone_make, clone_check, clone_use},
    {"a kernel whose program was released", orphan_make, orphan_check, orphan_use},
    {0},
};
