/* SPDX-License-Identifier: MIT */
/* Kernel objects of the fake driver, their arguments, and queries. */
#include "worker/fake_internal.h"

#include <stdlib.h>
#include <string.h>

static void
kernel_destroy(void *self)
{
    cl_kernel k = self;

    pthread_mutex_lock(&fake_lock);
    k->program->num_kernels--;
    pthread_mutex_unlock(&fake_lock);
    fake_unref(k->program);
    k->base.kind = FAKE_DEAD;
    free(k->name);
    free(k);
}

/* Under fake_lock. Takes name, which is NULL if there was no memory for it. */
static cl_kernel
kernel_new(cl_program p, char *name)
{
    cl_kernel k = name ? calloc(1, sizeof(*k)) : NULL;

    if (!k) {
        free(name);
        return NULL;
    }
    fake_object_init(k, FAKE_KERNEL, kernel_destroy);
    k->program = fake_ref(p);
    k->name = name;
    k->code = fake_builtin_find(name);
    k->has_arg_info = strstr(p->options, "-cl-kernel-arg-info");
    p->num_kernels++;
    return k;
}

/* Under fake_lock: is name one of "a;b;c"? */
static bool
program_has(cl_program p, const char *name)
{
    const size_t len = strlen(name);

    for (const char *s = p->names; s && *s; s += strcspn(s, ";"), s += *s == ';') {
        if (strcspn(s, ";") == len && memcmp(s, name, len) == 0)
            return true;
    }
    return false;
}

cl_kernel
fake_clCreateKernel(cl_program program, const char *kernel_name, cl_int *errcode_ret)
{
    cl_kernel k = NULL;
    cl_int err = CL_SUCCESS;

    if (!fake_is(program, FAKE_PROGRAM))
        return fake_ret(errcode_ret, CL_INVALID_PROGRAM, NULL);
    if (!kernel_name)
        return fake_ret(errcode_ret, CL_INVALID_VALUE, NULL);

    pthread_mutex_lock(&fake_lock);
    if (program->status != CL_BUILD_SUCCESS)
        err = CL_INVALID_PROGRAM_EXECUTABLE;
    else if (!program_has(program, kernel_name))
        err = CL_INVALID_KERNEL_NAME;
    else if (!(k = kernel_new(program, strdup(kernel_name))))
        err = CL_OUT_OF_HOST_MEMORY;
    pthread_mutex_unlock(&fake_lock);
    return fake_ret(errcode_ret, err, k);
}

/* Under fake_lock: makes kernels in the order of their names; how many it could. */
static cl_uint
kernels_new(cl_program p, cl_kernel *kernels)
{
    const char *s = p->names;
    cl_uint n = 0;

    while (n < p->num_names) {
        const size_t len = strcspn(s, ";");

        kernels[n] = kernel_new(p, strndup(s, len));
        if (!kernels[n])
            break;
        n++;
        s += len + 1;
    }
    return n;
}

cl_int
fake_clCreateKernelsInProgram(cl_program program, cl_uint num_kernels, cl_kernel *kernels,
                              cl_uint *num_kernels_ret)
{
    cl_uint made = 0, num;
    cl_int err = CL_SUCCESS;

    if (!fake_is(program, FAKE_PROGRAM))
        return CL_INVALID_PROGRAM;

    pthread_mutex_lock(&fake_lock);
    num = program->num_names;
    if (program->status != CL_BUILD_SUCCESS)
        err = CL_INVALID_PROGRAM_EXECUTABLE;
    else if (kernels && num_kernels < num)
        err = CL_INVALID_VALUE;
    else if (kernels)
        made = kernels_new(program, kernels);
    pthread_mutex_unlock(&fake_lock);

    if (!err && kernels && made < num) {
        while (made)
            fake_unref(kernels[--made]);
        err = CL_OUT_OF_HOST_MEMORY;
    }
    if (!err && num_kernels_ret)
        *num_kernels_ret = num;
    return err;
}

static cl_int
arg_read_mem(struct fake_arg *arg, const void *value)
{
    const cl_mem *mem = value;

    if (arg->size != sizeof(cl_mem))
        return CL_INVALID_ARG_SIZE;
    if (mem && *mem && (!fake_is(*mem, FAKE_MEM) || (*mem)->shape.element))
        return CL_INVALID_MEM_OBJECT;
    arg->mem = mem ? *mem : NULL;
    return CL_SUCCESS;
}

static cl_int
arg_read(const struct fake_param *param, struct fake_arg *arg, const void *value)
{
    switch (param->address) {
    case CL_KERNEL_ARG_ADDRESS_GLOBAL:
        return arg_read_mem(arg, value);
    case CL_KERNEL_ARG_ADDRESS_LOCAL:
        if (value)
            return CL_INVALID_ARG_VALUE;
        return arg->size ? CL_SUCCESS : CL_INVALID_ARG_SIZE;
    default:
        if (!value)
            return CL_INVALID_ARG_VALUE;
        if (arg->size != param->value_bytes)
            return CL_INVALID_ARG_SIZE;
        memcpy(arg->value, value, arg->size);
        return CL_SUCCESS;
    }
}

cl_int
fake_clSetKernelArg(cl_kernel kernel, cl_uint arg_index, size_t arg_size,
                    const void *arg_value)
{
    struct fake_arg arg = {.set = true, .size = arg_size};
    cl_int err;

    if (!fake_is(kernel, FAKE_KERNEL))
        return CL_INVALID_KERNEL;
    if (arg_index >= kernel->code->num_params)
        return CL_INVALID_ARG_INDEX;
    err = arg_read(&kernel->code->params[arg_index], &arg, arg_value);
    if (err)
        return err;
    pthread_mutex_lock(&fake_lock);
    kernel->args[arg_index] = arg;
    pthread_mutex_unlock(&fake_lock);
    return CL_SUCCESS;
}

cl_int
fake_clGetKernelInfo(cl_kernel kernel, cl_kernel_info param_name, size_t param_value_size,
                     void *param_value, size_t *param_value_size_ret)
{
    struct fake_out out = {param_value_size, param_value, param_value_size_ret};
    cl_uint users;

    if (!fake_is(kernel, FAKE_KERNEL))
        return CL_INVALID_KERNEL;
    users = kernel->base.users;

    const struct fake_info table[] = {
        {CL_KERNEL_FUNCTION_NAME, kernel->name, strlen(kernel->name) + 1},
        FAKE_INFO(CL_KERNEL_NUM_ARGS, kernel->code->num_params),
        FAKE_INFO(CL_KERNEL_REFERENCE_COUNT, users),
        FAKE_INFO(CL_KERNEL_CONTEXT, kernel->program->context),
        FAKE_INFO(CL_KERNEL_PROGRAM, kernel->program),
        {CL_KERNEL_ATTRIBUTES, "", 1},
    };
    return fake_answer_from(table, ARRAY_LEN(table), param_name, out);
}

cl_int
fake_clGetKernelArgInfo(cl_kernel kernel, cl_uint arg_indx, cl_kernel_arg_info param_name,
                        size_t param_value_size, void *param_value,
                        size_t *param_value_size_ret)
{
    struct fake_out out = {param_value_size, param_value, param_value_size_ret};
    const cl_kernel_arg_access_qualifier access = CL_KERNEL_ARG_ACCESS_NONE;
    const struct fake_param *p;

    if (!fake_is(kernel, FAKE_KERNEL))
        return CL_INVALID_KERNEL;
    if (arg_indx >= kernel->code->num_params)
        return CL_INVALID_ARG_INDEX;
    if (!kernel->has_arg_info)
        return CL_KERNEL_ARG_INFO_NOT_AVAILABLE;
    p = &kernel->code->params[arg_indx];

    const struct fake_info table[] = {
        FAKE_INFO(CL_KERNEL_ARG_ADDRESS_QUALIFIER, p->address),
        FAKE_INFO(CL_KERNEL_ARG_ACCESS_QUALIFIER, access),
        FAKE_INFO(CL_KERNEL_ARG_TYPE_QUALIFIER, p->qualifier),
        {CL_KERNEL_ARG_TYPE_NAME, p->type, strlen(p->type) + 1},
        {CL_KERNEL_ARG_NAME, p->name, strlen(p->name) + 1},
    };
    return fake_answer_from(table, ARRAY_LEN(table), param_name, out);
}

static cl_ulong
local_bytes(cl_kernel k)
{
    cl_ulong sum = 0;

    pthread_mutex_lock(&fake_lock);
    for (cl_uint i = 0; i < k->code->num_params; i++) {
        if (k->code->params[i].address == CL_KERNEL_ARG_ADDRESS_LOCAL)
            sum += k->args[i].size;
    }
    pthread_mutex_unlock(&fake_lock);
    return sum;
}

cl_int
fake_clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id device,
                              cl_kernel_work_group_info param_name,
                              size_t param_value_size, void *param_value,
                              size_t *param_value_size_ret)
{
    static const size_t most = FAKE_MAX_GROUP_SIZE, multiple = 8, compiled[3] = {0, 0, 0};
    struct fake_out out = {param_value_size, param_value, param_value_size_ret};
    const cl_ulong private_bytes = 0;
    cl_ulong local;

    if (!fake_is(kernel, FAKE_KERNEL))
        return CL_INVALID_KERNEL;
    if (device && !fake_is(device, FAKE_DEVICE))
        return CL_INVALID_DEVICE;
    local = local_bytes(kernel);

    const struct fake_info table[] = {
        FAKE_INFO(CL_KERNEL_WORK_GROUP_SIZE, most),
        FAKE_INFO(CL_KERNEL_COMPILE_WORK_GROUP_SIZE, compiled),
        FAKE_INFO(CL_KERNEL_LOCAL_MEM_SIZE, local),
        FAKE_INFO(CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, multiple),
        FAKE_INFO(CL_KERNEL_PRIVATE_MEM_SIZE, private_bytes),
    };
    return fake_answer_from(table, ARRAY_LEN(table), param_name, out);
}
