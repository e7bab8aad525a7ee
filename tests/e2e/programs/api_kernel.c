/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.9: kernels, their arguments and queries. */
#include "api_use.h"

static cl_kernel add, four;

static cl_program
unbuilt(struct use *u)
{
    const char *source = use_source;
    cl_program p = clCreateProgramWithSource(u->context, 1, &source, NULL, &u->rc);

    MUST(u->rc);
    return p;
}

/* ---- 5.9.1 creation ---------------------------------------------------------------- */

static cl_int
create(struct use *u, cl_program p, const char *name)
{
    return NEW(u, clCreateKernel(p, name, &u->rc));
}

static bool
kernels_are_made(struct use *u)
{
    cl_kernel all[3] = {NULL};
    cl_uint n = 0;
    bool good = clCreateKernelsInProgram(u->program, 0, NULL, &n) == CL_SUCCESS &&
                n == 3 &&
                clCreateKernelsInProgram(u->program, 3, all, NULL) == CL_SUCCESS;

    for (cl_uint i = 0; good && i < 3; i++)
        good = all[i] && clReleaseKernel(all[i]) == CL_SUCCESS;
    return good;
}

static void
creation(struct use *u)
{
    const char *const all = "clCreateKernelsInProgram";
    cl_program no_program = (cl_program)u->buffer, p = unbuilt(u);
    cl_kernel two[2];
    cl_uint n;

    RIGHT("clCreateKernel", "it tells its name",
          TEXT_IS(clGetKernelInfo, add, CL_KERNEL_FUNCTION_NAME, "add"));
    WRONG("clCreateKernel", "no program", CL_INVALID_PROGRAM, create(u, NULL, "add"));
    WRONG_KIND("clCreateKernel", "a program that is a buffer", CL_INVALID_PROGRAM,
               create(u, no_program, "add"));
    WRONG("clCreateKernel", "a program not built", CL_INVALID_PROGRAM_EXECUTABLE,
          create(u, p, "add"));
    WRONG("clCreateKernel", "a name that the program has not", CL_INVALID_KERNEL_NAME,
          create(u, u->program, "subtract"));
    WRONG("clCreateKernel", "no name", CL_INVALID_VALUE, create(u, u->program, NULL));
    RIGHT(all, "the count, then all of them", kernels_are_made(u));
    WRONG(all, "no program", CL_INVALID_PROGRAM,
          clCreateKernelsInProgram(NULL, 0, NULL, &n));
    WRONG_KIND(all, "a program that is a buffer", CL_INVALID_PROGRAM,
               clCreateKernelsInProgram(no_program, 0, NULL, &n));
    WRONG(all, "a program not built", CL_INVALID_PROGRAM_EXECUTABLE,
          clCreateKernelsInProgram(p, 0, NULL, &n));
    WRONG(all, "room for fewer than there are", CL_INVALID_VALUE,
          clCreateKernelsInProgram(u->program, 2, two, &n));
    MUST(clReleaseProgram(p));
}

/* ---- 5.9.2 arguments --------------------------------------------------------------- */

static bool
arguments_arrive(struct use *u, cl_kernel k)
{
    const size_t global = 8, local = 4;
    const uint32_t want[9] = {7, 7, 7, 7, 7, 7, 7, 7, 0};

    MUST(clEnqueueFillBuffer(u->queue, u->buffer, &want[8], 4, 0, USE_BYTES, 0, NULL,
                             NULL));
    return clEnqueueNDRangeKernel(u->queue, k, 1, NULL, &global, &local, 0, NULL, NULL) ==
               CL_SUCCESS &&
           buffer_is(u, 0, want, sizeof want);
}

static bool
set_all(struct use *u, cl_kernel k)
{
    const cl_uint seven = 7;

    return clSetKernelArg(k, 0, sizeof(cl_mem), &u->buffer) == CL_SUCCESS &&
           clSetKernelArg(k, 1, sizeof seven, &seven) == CL_SUCCESS &&
           clSetKernelArg(k, 2, 16, NULL) == CL_SUCCESS;
}

/* A buffer argument may be no buffer: the pointer is NULL in the kernel. */
static bool
no_buffer_may_be_set(struct use *u)
{
    const cl_mem none = NULL;

    return clSetKernelArg(add, 0, sizeof none, &none) == CL_SUCCESS &&
           clSetKernelArg(add, 0, sizeof none, NULL) == CL_SUCCESS &&
           clSetKernelArg(add, 0, sizeof(cl_mem), &u->buffer) == CL_SUCCESS;
}

static void
arguments(struct use *u)
{
    const char *const call = "clSetKernelArg";
    const cl_ulong wide = 7, local[2] = {0, 0};
    const void *queue = u->queue;

    RIGHT(call, "buffer, number and local memory arrive",
          set_all(u, add) && arguments_arrive(u, add));
    RIGHT(call, "a buffer may be NULL", no_buffer_may_be_set(u));
    WRONG(call, "no kernel", CL_INVALID_KERNEL, clSetKernelArg(NULL, 1, 4, &wide));
    WRONG_KIND(call, "a kernel that is a buffer", CL_INVALID_KERNEL,
               clSetKernelArg((cl_kernel)u->buffer, 1, 4, &wide));
    WRONG(call, "an argument that there is not", CL_INVALID_ARG_INDEX,
          clSetKernelArg(add, 3, 4, &wide));
    WRONG(call, "a number without a value", CL_INVALID_ARG_VALUE,
          clSetKernelArg(add, 1, 4, NULL));
    WRONG(call, "a number of half the size", CL_INVALID_ARG_SIZE,
          clSetKernelArg(add, 1, 2, &wide));
    WRONG(call, "a number of twice the size", CL_INVALID_ARG_SIZE,
          clSetKernelArg(add, 1, 8, &wide));
    WRONG(call, "a number of size 0", CL_INVALID_ARG_SIZE,
          clSetKernelArg(add, 1, 0, &wide));
    WRONG(call, "a buffer of half a handle", CL_INVALID_ARG_SIZE,
          clSetKernelArg(add, 0, 4, &u->buffer));
    WRONG_KIND(call, "a buffer that is a queue", CL_INVALID_MEM_OBJECT,
               clSetKernelArg(add, 0, sizeof queue, &queue));
    WRONG(call, "local memory with a value", CL_INVALID_ARG_VALUE,
          clSetKernelArg(add, 2, 16, local));
    WRONG(call, "local memory of size 0", CL_INVALID_ARG_SIZE,
          clSetKernelArg(add, 2, 0, NULL));
    RIGHT(call, "what was refused left the arguments as they were",
          arguments_arrive(u, add));
}

/* ---- 5.9.3 clones ------------------------------------------------------------------ */

/* The clone has its arguments; setting one of them does not show in the other. */
static bool
clone_is_its_own(struct use *u)
{
    const cl_uint nine = 9;
    cl_kernel k = clCloneKernel(add, &u->rc);
    bool good = k && u->rc == CL_SUCCESS &&
                NUMBER(clGetKernelInfo, k, CL_KERNEL_REFERENCE_COUNT) == 1 &&
                NUMBER(clGetKernelInfo, k, CL_KERNEL_PROGRAM) == (uintptr_t)u->program &&
                arguments_arrive(u, k) &&
                clSetKernelArg(k, 1, sizeof nine, &nine) == CL_SUCCESS &&
                arguments_arrive(u, add);

    return k && clReleaseKernel(k) == CL_SUCCESS && good;
}

static void
clones(struct use *u)
{
    const char *const call = "clCloneKernel";

    RIGHT(call, "its arguments are copied, then its own", clone_is_its_own(u));
    WRONG(call, "no kernel", CL_INVALID_KERNEL, NEW(u, clCloneKernel(NULL, &u->rc)));
    WRONG_KIND(call, "a kernel that is a buffer", CL_INVALID_KERNEL,
               NEW(u, clCloneKernel((cl_kernel)u->buffer, &u->rc)));
}

/* ---- 5.9.4 queries ----------------------------------------------------------------- */

static bool
kernel_tells(const struct use *u)
{
    return NUMBER(clGetKernelInfo, add, CL_KERNEL_NUM_ARGS) == 3 &&
           NUMBER(clGetKernelInfo, add, CL_KERNEL_CONTEXT) == (uintptr_t)u->context &&
           NUMBER(clGetKernelInfo, add, CL_KERNEL_PROGRAM) == (uintptr_t)u->program &&
           TEXT_IS(clGetKernelInfo, add, CL_KERNEL_ATTRIBUTES, "");
}

static bool
attributes_are_told(void)
{
    char text[256] = "";

    return clGetKernelInfo(four, CL_KERNEL_ATTRIBUTES, sizeof text, text, NULL) ==
               CL_SUCCESS &&
           strstr(text, "reqd_work_group_size(4") != NULL;
}

static bool
argument_is(cl_uint index, cl_uint address, const char *type, const char *name)
{
    cl_kernel_arg_address_qualifier a = 0;
    cl_kernel_arg_access_qualifier access = 0;
    char text[64] = "";

    return clGetKernelArgInfo(add, index, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof a, &a,
                              NULL) == CL_SUCCESS &&
           a == address &&
           clGetKernelArgInfo(add, index, CL_KERNEL_ARG_ACCESS_QUALIFIER, sizeof access,
                              &access, NULL) == CL_SUCCESS &&
           access == CL_KERNEL_ARG_ACCESS_NONE &&
           clGetKernelArgInfo(add, index, CL_KERNEL_ARG_TYPE_NAME, sizeof text, text,
                              NULL) == CL_SUCCESS &&
           strcmp(text, type) == 0 &&
           clGetKernelArgInfo(add, index, CL_KERNEL_ARG_NAME, sizeof text, text, NULL) ==
               CL_SUCCESS &&
           strcmp(text, name) == 0;
}

/* Of a program whose build was given these options. */
static cl_int
argument_built_with(struct use *u, const char *options)
{
    cl_program p = program_of(u, use_source, options);
    cl_kernel k = clCreateKernel(p, "add", &u->rc);
    cl_int rc;

    MUST(u->rc);
    rc = clGetKernelArgInfo(k, 0, CL_KERNEL_ARG_NAME, 0, NULL, NULL);
    MUST(clReleaseKernel(k));
    MUST(clReleaseProgram(p));
    return rc;
}

static void
argument_queries(struct use *u)
{
    const char *const call = "clGetKernelArgInfo";
    cl_uint a;

    RIGHT(call, "of a pointer to global memory",
          argument_is(0, CL_KERNEL_ARG_ADDRESS_GLOBAL, "uint*", "p"));
    RIGHT(call, "of a number",
          argument_is(1, CL_KERNEL_ARG_ADDRESS_PRIVATE, "uint", "n"));
    RIGHT(call, "of a pointer to local memory",
          argument_is(2, CL_KERNEL_ARG_ADDRESS_LOCAL, "uint*", "l"));
    WRONG(call, "of a program that was built without -cl-kernel-arg-info",
          CL_KERNEL_ARG_INFO_NOT_AVAILABLE, argument_built_with(u, ""));
    WRONG_DIFFERS("arg-info-option", CL_SUCCESS, call,
                  "where a macro's value alone says so", CL_KERNEL_ARG_INFO_NOT_AVAILABLE,
                  argument_built_with(u, "-DA=-cl-kernel-arg-info"));
    WRONG(call, "no kernel", CL_INVALID_KERNEL,
          clGetKernelArgInfo(NULL, 0, CL_KERNEL_ARG_NAME, 0, NULL, NULL));
    WRONG_KIND(
        call, "a kernel that is a buffer", CL_INVALID_KERNEL,
        clGetKernelArgInfo((cl_kernel)u->buffer, 0, CL_KERNEL_ARG_NAME, 0, NULL, NULL));
    WRONG(call, "an argument that there is not", CL_INVALID_ARG_INDEX,
          clGetKernelArgInfo(add, 3, CL_KERNEL_ARG_NAME, 0, NULL, NULL));
    WRONG(call, "a parameter that there is not", CL_INVALID_VALUE,
          clGetKernelArgInfo(add, 0, 0x7ffffff0, 0, NULL, NULL));
    WRONG(call, "room one byte too small", CL_INVALID_VALUE,
          clGetKernelArgInfo(add, 0, CL_KERNEL_ARG_ADDRESS_QUALIFIER, 3, &a, NULL));
}

static cl_int
group_info(cl_kernel k, cl_device_id d, cl_uint param, size_t size, void *value)
{
    return clGetKernelWorkGroupInfo(k, d, param, size, value, NULL);
}

static bool
groups_are_told(struct use *u)
{
    size_t most = 0, multiple = 0, required[3] = {9, 9, 9}, none[3] = {9, 9, 9};
    cl_ulong local = 0, private = UINT64_MAX;

    return group_info(add, u->device, CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most) ==
               CL_SUCCESS &&
           most >= 1 && most <= device_number(u, CL_DEVICE_MAX_WORK_GROUP_SIZE) &&
           group_info(four, u->device, CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof required,
                      required) == CL_SUCCESS &&
           required[0] == 4 && required[1] == 1 && required[2] == 1 &&
           group_info(add, u->device, CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof none,
                      none) == CL_SUCCESS &&
           none[0] == 0 && none[1] == 0 && none[2] == 0 &&
           group_info(add, u->device, CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE,
                      sizeof multiple, &multiple) == CL_SUCCESS &&
           multiple >= 1 &&
           group_info(add, u->device, CL_KERNEL_PRIVATE_MEM_SIZE, sizeof private,
                      &private) == CL_SUCCESS &&
           private != UINT64_MAX &&
           group_info(add, u->device, CL_KERNEL_LOCAL_MEM_SIZE, sizeof local, &local) ==
               CL_SUCCESS;
}

static void
group_queries(struct use *u)
{
    const char *const call = "clGetKernelWorkGroupInfo";
    size_t v, three[3];

    RIGHT(call, "sizes, required and possible", groups_are_told(u));
    if (u->n_devices == 1)
        RIGHT(call, "the one device need not be named",
              group_info(add, NULL, CL_KERNEL_WORK_GROUP_SIZE, sizeof v, &v) ==
                  CL_SUCCESS);
    else
        WRONG(call, "no device, of several", CL_INVALID_DEVICE,
              group_info(add, NULL, CL_KERNEL_WORK_GROUP_SIZE, sizeof v, &v));
    WRONG(call, "no kernel", CL_INVALID_KERNEL,
          group_info(NULL, u->device, CL_KERNEL_WORK_GROUP_SIZE, sizeof v, &v));
    WRONG_KIND(call, "a kernel that is a buffer", CL_INVALID_KERNEL,
               group_info((cl_kernel)u->buffer, u->device, CL_KERNEL_WORK_GROUP_SIZE,
                          sizeof v, &v));
    WRONG_KIND(call, "a device that is a buffer", CL_INVALID_DEVICE,
               group_info(add, (cl_device_id)u->buffer, CL_KERNEL_WORK_GROUP_SIZE,
                          sizeof v, &v));
    WRONG(call, "a parameter that there is not", CL_INVALID_VALUE,
          group_info(add, u->device, 0x7ffffff0, sizeof v, &v));
    WRONG(call, "room one byte too small", CL_INVALID_VALUE,
          group_info(add, u->device, CL_KERNEL_WORK_GROUP_SIZE, sizeof v - 1, &v));
    WRONG(call, "room for one of three sizes", CL_INVALID_VALUE,
          group_info(four, u->device, CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof v, &v));
    WRONG(call, "the largest range of a kernel that is not built in", CL_INVALID_VALUE,
          group_info(add, u->device, CL_KERNEL_GLOBAL_WORK_SIZE, sizeof three, three));
}

/* ---- 5.9.4 sub-groups -------------------------------------------------------------- */

static cl_int
sub_group(cl_kernel k, cl_device_id d, cl_uint param, size_t in_size, const void *in)
{
    size_t v[3];

    return clGetKernelSubGroupInfo(k, d, param, in_size, in, sizeof v, v, NULL);
}

static bool
sub_groups_are_told(struct use *u)
{
    const size_t local = 16;
    size_t size = 0, count = 0;

    return clGetKernelSubGroupInfo(add, u->device,
                                   CL_KERNEL_MAX_SUB_GROUP_SIZE_FOR_NDRANGE, sizeof local,
                                   &local, sizeof size, &size, NULL) == CL_SUCCESS &&
           clGetKernelSubGroupInfo(add, u->device, CL_KERNEL_SUB_GROUP_COUNT_FOR_NDRANGE,
                                   sizeof local, &local, sizeof count, &count,
                                   NULL) == CL_SUCCESS &&
           size >= 1 && count >= 1 && size * count >= local;
}

static void
sub_group_queries(struct use *u)
{
    const struct _cl_icd_dispatch *table = *(struct _cl_icd_dispatch **)add;
    const cl_uint param = CL_KERNEL_MAX_SUB_GROUP_SIZE_FOR_NDRANGE;
    const char *const call = "clGetKernelSubGroupInfo";
    const size_t local = 16;
    size_t v;

    if (!device_number(u, CL_DEVICE_MAX_NUM_SUB_GROUPS)) {
        REFUSED(call, "sub-groups are not reported", CL_INVALID_OPERATION,
                sub_group(add, u->device, param, sizeof local, &local));
    } else {
        RIGHT(call, "sub-groups hold the group", sub_groups_are_told(u));
        WRONG_KIND(call, "a device that is a buffer", CL_INVALID_DEVICE,
                   sub_group(add, (cl_device_id)u->buffer, param, sizeof local, &local));
        WRONG(call, "a parameter that there is not", CL_INVALID_VALUE,
              sub_group(add, u->device, 0x7ffffff0, sizeof local, &local));
        WRONG(call, "no local size", CL_INVALID_VALUE,
              sub_group(add, u->device, param, 0, NULL));
    }
    WRONG(call, "no kernel", CL_INVALID_KERNEL,
          sub_group(NULL, u->device, param, sizeof local, &local));
    WRONG_KIND(call, "a kernel that is a buffer", CL_INVALID_KERNEL,
               sub_group((cl_kernel)u->buffer, u->device, param, sizeof local, &local));
    if (device_text_has(u, CL_DEVICE_EXTENSIONS, "cl_khr_subgroups"))
        RIGHT("clGetKernelSubGroupInfoKHR", "it answers as the newer call",
              table->clGetKernelSubGroupInfoKHR(add, u->device, param, sizeof local,
                                                &local, sizeof v, &v,
                                                NULL) == CL_SUCCESS &&
                  v >= 1);
    else
        REFUSED("clGetKernelSubGroupInfoKHR", "cl_khr_subgroups is not reported",
                CL_INVALID_OPERATION,
                table->clGetKernelSubGroupInfoKHR
                    ? table->clGetKernelSubGroupInfoKHR(
                          add, u->device, param, sizeof local, &local, sizeof v, &v, NULL)
                    : CL_INVALID_OPERATION);
}

void
api_kernel(struct use *u)
{
    add = clCreateKernel(u->program, "add", &u->rc);
    MUST(u->rc);
    four = clCreateKernel(u->program, "four", &u->rc);
    MUST(u->rc);
    {
        const struct query q = {
            "clGetKernelInfo", (query_fn)clGetKernelInfo, add,
            u->buffer,         CL_INVALID_KERNEL,         CL_KERNEL_REFERENCE_COUNT,
            sizeof(cl_uint)};
        const struct counted counts = {"clRetainKernel", "clReleaseKernel",
                                       (count_fn)clRetainKernel,
                                       (count_fn)clReleaseKernel, q};

        creation(u);
        arguments(u);
        clones(u);
        use_query(&q);
        use_counts(&counts);
    }
    RIGHT("clGetKernelInfo", "arguments, context, program", kernel_tells(u));
    RIGHT("clGetKernelInfo", "attributes", attributes_are_told());
    argument_queries(u);
    group_queries(u);
    sub_group_queries(u);
    MUST(clReleaseKernel(add));
    MUST(clReleaseKernel(four));
}
