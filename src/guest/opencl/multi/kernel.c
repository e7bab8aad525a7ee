/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.9: kernels of a context over several vGPUs, and their queries. */
#include "guest/opencl/multi/kernel.h"

#include "base/cleanup.h"
#include "guest/opencl/kernel.h"
#include "guest/opencl/mem.h"

#include <stdlib.h>
#include <string.h>

static void
arg_clear(struct multi_arg *a)
{
    free(a->value);
    mem_ref_drop(a->ref);
    if (a->smp)
        object_unhold(&a->smp->o);
    a->value = NULL;
    a->ref = NULL;
    a->smp = NULL;
}

static void
kernel_destroy(struct object *o)
{
    struct multi_kernel *k = (struct multi_kernel *)o;

    for (unsigned v = 0; k->inner && v < k->program->context->n_vgpus; v++) {
        if (k->inner[v])
            ordinary->clReleaseKernel(k->inner[v]);
    }
    for (cl_uint i = 0; k->args && i < k->n_args; i++)
        arg_clear(&k->args[i]);
    object_release(&k->program->o);
    free(k->inner);
    free(k->args);
    free(k);
}

/* Takes over what the driver tells; without it the value decides when it is set. */
static void
arg_learn(struct multi_arg *a, cl_kernel inner, cl_uint index)
{
    /* Not by clGetKernelArgInfo: the program may not have asked for it. */
    const struct arg_meta *meta = &inner->meta->args[index];
    const cl_kernel_arg_address_qualifier address = meta->address;
    const cl_kernel_arg_access_qualifier access = meta->access;
    const cl_kernel_arg_type_qualifier type = meta->type;

    if (!meta->known)
        return;
    a->known = true;
    a->access = access;
    a->sampler = strcmp(meta->type_name, "sampler_t") == 0;
    a->memory = !a->sampler && (address == CL_KERNEL_ARG_ADDRESS_GLOBAL ||
                                address == CL_KERNEL_ARG_ADDRESS_CONSTANT ||
                                access != CL_KERNEL_ARG_ACCESS_NONE);
    a->reads_only = address == CL_KERNEL_ARG_ADDRESS_CONSTANT ||
                    (type & CL_KERNEL_ARG_TYPE_CONST) ||
                    access == CL_KERNEL_ARG_ACCESS_READ_ONLY;
}

/* Creates the inner kernels. CL_INVALID_KERNEL_DEFINITION when the devices' differ. */
static cl_int
kernel_fill(struct multi_kernel *k, const char *name)
{
    const struct multi_program *p = k->program;
    cl_int worst = CL_INVALID_PROGRAM_EXECUTABLE;
    bool found = false;

    for (unsigned v = 0; v < p->context->n_vgpus; v++) {
        cl_uint n_args;
        cl_int rc;

        if (!p->inner[v])
            continue;
        k->inner[v] = ordinary->clCreateKernel(p->inner[v], name, &rc);
        if (rc != CL_SUCCESS) {
            worst = rc == CL_INVALID_PROGRAM_EXECUTABLE ? worst : rc;
            continue;
        }
        rc = ordinary->clGetKernelInfo(k->inner[v], CL_KERNEL_NUM_ARGS, sizeof n_args,
                                       &n_args, NULL);
        if (rc != CL_SUCCESS)
            return rc;
        if (found && n_args != k->n_args)
            return CL_INVALID_KERNEL_DEFINITION;
        k->first = found ? k->first : v;
        k->n_args = n_args;
        found = true;
    }
    return found ? CL_SUCCESS : worst;
}

cl_int
multi_kernel_new(struct multi_program *p, const char *name, struct multi_kernel **ret)
{
    struct multi_kernel *k = calloc(1, sizeof *k);
    cl_int rc = CL_OUT_OF_HOST_MEMORY;

    if (!k)
        return rc;
    multi_init(&k->o, KIND_multi_kernel, kernel_destroy);
    object_retain(&p->o);
    k->program = p;
    k->inner = calloc(p->context->n_vgpus, sizeof(cl_kernel));
    if (k->inner)
        rc = kernel_fill(k, name);
    if (rc == CL_SUCCESS) {
        k->args = calloc(k->n_args + 1u, sizeof *k->args);
        rc = k->args ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    }
    if (rc != CL_SUCCESS) {
        object_unhold(&k->o);
        return rc;
    }
    for (cl_uint i = 0; i < k->n_args; i++)
        arg_learn(&k->args[i], k->inner[k->first], i);
    *ret = k;
    return CL_SUCCESS;
}

/* Section 5.9.1. */
CL_API_ENTRY cl_kernel CL_API_CALL
multi_clCreateKernel(cl_program program, const char *kernel_name, cl_int *errcode_ret)
{
    struct multi_program *p = multi_program_of(program);
    struct multi_kernel *k = NULL;
    cl_int rc;

    if (!p)
        RETURN_WITH(errcode_ret, CL_INVALID_PROGRAM, NULL);
    if (!kernel_name)
        RETURN_WITH(errcode_ret, CL_INVALID_VALUE, NULL);
    rc = multi_kernel_new(p, kernel_name, &k);
    RETURN_WITH(errcode_ret, rc, (cl_kernel)k);
}

/* The names of all kernels, separated by ';'. */
static cl_int
kernel_names(cl_program program, char **ret)
{
    size_t len;
    cl_int rc = multi_clGetProgramInfo(program, CL_PROGRAM_KERNEL_NAMES, 0, NULL, &len);

    if (rc != CL_SUCCESS)
        return rc;
    *ret = malloc(len + 1);
    if (!*ret)
        return CL_OUT_OF_HOST_MEMORY;
    return multi_clGetProgramInfo(program, CL_PROGRAM_KERNEL_NAMES, len, *ret, NULL);
}

/* Section 5.9.1. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clCreateKernelsInProgram(cl_program program, cl_uint num_kernels,
                               cl_kernel *kernels, cl_uint *num_kernels_ret)
{
    struct multi_program *p = multi_program_of(program);
    _cleanup_free_ char *names = NULL;
    char *save = NULL;
    size_t n;
    cl_uint made = 0;
    cl_int rc;

    if (!p)
        return CL_INVALID_PROGRAM;
    rc = multi_clGetProgramInfo(program, CL_PROGRAM_NUM_KERNELS, sizeof n, &n, NULL);
    if (rc == CL_SUCCESS)
        rc = kernel_names(program, &names);
    if (rc == CL_SUCCESS && kernels && num_kernels < n)
        rc = CL_INVALID_VALUE;
    if (rc != CL_SUCCESS)
        return rc;
    for (char *name = strtok_r(names, ";", &save); kernels && name && made < n;
         name = strtok_r(NULL, ";", &save)) {
        struct multi_kernel *k;

        rc = multi_kernel_new(p, name, &k);
        if (rc != CL_SUCCESS)
            break;
        kernels[made++] = (cl_kernel)k;
    }
    while (rc != CL_SUCCESS && made > 0)
        object_release(&multi_kernel_of(kernels[--made])->o);
    if (rc == CL_SUCCESS && num_kernels_ret)
        *num_kernels_ret = (cl_uint)n;
    return rc;
}

/* Section 5.9.1. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clRetainKernel(cl_kernel kernel)
{
    return object_retain_call(kernel, KIND_multi_kernel, CL_INVALID_KERNEL);
}

/* Section 5.9.1. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clReleaseKernel(cl_kernel kernel)
{
    return object_release_call(kernel, KIND_multi_kernel, CL_INVALID_KERNEL);
}

/* ---- arguments --------------------------------------------------------------------- */

static enum multi_arg_kind
arg_kind_of(const struct multi_arg *a, size_t size, const void *value)
{
    void *handle = NULL;

    if (a->known && a->sampler)
        return MULTI_ARG_SAMPLER;
    if (a->known)
        return a->memory ? MULTI_ARG_MEM : MULTI_ARG_VALUE;
    if (size != sizeof handle || !value)
        return MULTI_ARG_VALUE;
    memcpy(&handle, value, sizeof handle);
    return handle_is_mem(handle) ? MULTI_ARG_MEM : MULTI_ARG_VALUE;
}

/* An image for an image, and one that may be used so; a buffer for a pointer, or none. */
static cl_int
check_mem(const struct multi_arg *a, const struct multi_mem *m, const void *value)
{
    const cl_mem_flags limits = CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY;
    cl_mem_flags forbidden = 0;

    if (!a->known)
        return CL_SUCCESS;
    if (a->access == CL_KERNEL_ARG_ACCESS_NONE)
        return m && m->image ? CL_INVALID_MEM_OBJECT : CL_SUCCESS;
    if (!value)
        return CL_INVALID_ARG_VALUE;
    if (!m || !m->image)
        return CL_INVALID_MEM_OBJECT;
    if (a->access == CL_KERNEL_ARG_ACCESS_READ_ONLY)
        forbidden = CL_MEM_WRITE_ONLY;
    else
        forbidden =
            a->access == CL_KERNEL_ARG_ACCESS_READ_WRITE ? limits : CL_MEM_READ_ONLY;
    return m->flags & forbidden ? CL_INVALID_ARG_VALUE : CL_SUCCESS;
}

static cl_int
set_mem(struct multi_kernel *k, struct multi_arg *a, size_t size, const void *value)
{
    cl_int rc;

    struct multi_mem *m = NULL;
    cl_mem handle = NULL;

    if (size != sizeof handle)
        return CL_INVALID_ARG_SIZE;
    if (value)
        memcpy(&handle, value, sizeof handle);
    if (handle) {
        m = multi_mem_of(handle);
        if (!m || m->context != k->program->context)
            return CL_INVALID_MEM_OBJECT;
    }
    rc = check_mem(a, m, value);
    if (rc != CL_SUCCESS)
        return rc;
    if (m)
        atomic_fetch_add(&m->ref->holds, 1);
    arg_clear(a);
    a->ref = m ? m->ref : NULL;
    return CL_SUCCESS;
}

static cl_int
set_sampler(struct multi_kernel *k, cl_uint index, size_t size, const void *value)
{
    struct multi_arg *a = &k->args[index];
    struct multi_sampler *s;
    cl_sampler handle = NULL;
    cl_int rc;

    if (size != sizeof handle)
        return CL_INVALID_ARG_SIZE;
    if (value)
        memcpy(&handle, value, sizeof handle);
    s = multi_sampler_of(handle);
    if (!s || s->context != k->program->context)
        return CL_INVALID_SAMPLER;
    rc = ordinary->clSetKernelArg(k->inner[k->first], index, size, &s->inner[k->first]);
    if (rc != CL_SUCCESS)
        return rc;
    object_hold(&s->o);
    arg_clear(a);
    a->smp = s;
    return CL_SUCCESS;
}

/* Local memory too: without a value. */
static cl_int
set_value(struct multi_kernel *k, cl_uint index, size_t size, const void *value)
{
    struct multi_arg *a = &k->args[index];
    void *copy = NULL;
    cl_int rc = ordinary->clSetKernelArg(k->inner[k->first], index, size, value);

    if (rc != CL_SUCCESS)
        return rc;
    if (value && size > 0) { /* a size that is right: so much may be read */
        copy = malloc(size);
        if (!copy) {
            a->fresh &= ~(1ull << k->first);
            return CL_OUT_OF_HOST_MEMORY;
        }
        memcpy(copy, value, size);
    }
    arg_clear(a);
    a->value = copy;
    return CL_SUCCESS;
}

/* Section 5.9.2. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clSetKernelArg(cl_kernel kernel, cl_uint arg_index, size_t arg_size,
                     const void *arg_value)
{
    struct multi_kernel *k = multi_kernel_of(kernel);
    struct multi_arg *a;
    enum multi_arg_kind kind;
    cl_int rc;

    if (!k)
        return CL_INVALID_KERNEL;
    if (arg_index >= k->n_args)
        return CL_INVALID_ARG_INDEX;
    rc = multi_lock(k->program->context);
    if (rc != CL_SUCCESS)
        return rc;
    a = &k->args[arg_index];
    kind = arg_kind_of(a, arg_size, arg_value);
    if (kind == MULTI_ARG_MEM)
        rc = set_mem(k, a, arg_size, arg_value);
    else if (kind == MULTI_ARG_SAMPLER)
        rc = set_sampler(k, arg_index, arg_size, arg_value);
    else
        rc = set_value(k, arg_index, arg_size, arg_value);
    if (rc == CL_SUCCESS) {
        a->set = true;
        a->kind = kind;
        a->size = arg_size;
        a->fresh = kind == MULTI_ARG_MEM ? 0 : 1ull << k->first;
    }
    multi_unlock(k->program->context);
    return rc;
}

/* A copy of what is set; nothing of it has come to the new inner kernels. */
static cl_int
arg_copy(struct multi_arg *to, const struct multi_arg *from)
{
    *to = *from;
    to->fresh = 0;
    if (from->value) {
        to->value = malloc(from->size);
        if (!to->value) {
            *to = (struct multi_arg){0};
            return CL_OUT_OF_HOST_MEMORY;
        }
        memcpy(to->value, from->value, from->size);
    }
    if (to->ref)
        atomic_fetch_add(&to->ref->holds, 1);
    if (to->smp)
        object_hold(&to->smp->o);
    return CL_SUCCESS;
}

/* Section 5.9.3. */
CL_API_ENTRY cl_kernel CL_API_CALL
multi_clCloneKernel(cl_kernel source_kernel, cl_int *errcode_ret)
{
    struct multi_kernel *k = multi_kernel_of(source_kernel), *copy = NULL;
    char name[1024];
    cl_int rc;

    if (!k)
        RETURN_WITH(errcode_ret, CL_INVALID_KERNEL, NULL);
    rc = ordinary->clGetKernelInfo(k->inner[k->first], CL_KERNEL_FUNCTION_NAME,
                                   sizeof name, name, NULL);
    if (rc == CL_SUCCESS)
        rc = multi_kernel_new(k->program, name, &copy);
    if (rc == CL_SUCCESS)
        rc = multi_lock(k->program->context);
    if (rc == CL_SUCCESS) {
        for (cl_uint i = 0; rc == CL_SUCCESS && i < k->n_args; i++)
            rc = arg_copy(&copy->args[i], &k->args[i]);
        multi_unlock(k->program->context);
    }
    if (rc != CL_SUCCESS && copy) {
        object_release(&copy->o);
        copy = NULL;
    }
    RETURN_WITH(errcode_ret, rc, (cl_kernel)copy);
}

/* ---- queries ----------------------------------------------------------------------- */

/* Section 5.9.4. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clGetKernelInfo(cl_kernel kernel, cl_kernel_info param_name,
                      size_t param_value_size, void *param_value,
                      size_t *param_value_size_ret)
{
    struct multi_kernel *k = multi_kernel_of(kernel);

    if (!k)
        return CL_INVALID_KERNEL;
    switch (param_name) {
    case CL_KERNEL_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, atomic_load(&k->o.refs));
    case CL_KERNEL_CONTEXT:
        return INFO_VALUE(cl_context, (cl_context)k->program->context);
    case CL_KERNEL_PROGRAM:
        return INFO_VALUE(cl_program, (cl_program)k->program);
    default:
        return ordinary->clGetKernelInfo(k->inner[k->first], param_name, param_value_size,
                                         param_value, param_value_size_ret);
    }
}

/* Section 5.9.4. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clGetKernelArgInfo(cl_kernel kernel, cl_uint arg_index,
                         cl_kernel_arg_info param_name, size_t param_value_size,
                         void *param_value, size_t *param_value_size_ret)
{
    struct multi_kernel *k = multi_kernel_of(kernel);

    if (!k)
        return CL_INVALID_KERNEL;
    return ordinary->clGetKernelArgInfo(k->inner[k->first], arg_index, param_name,
                                        param_value_size, param_value,
                                        param_value_size_ret);
}

/* The inner kernel that can tell of a device; NULL stands for the only one (section 5.9.4). */
static cl_int
kernel_on_device(const struct multi_kernel *k, cl_device_id device, cl_kernel *ret)
{
    int v = device ? multi_program_vgpu_of(k->program, device) : (int)k->first;

    if (!device && k->program->n_devices > 1)
        return CL_INVALID_DEVICE;
    if (v < 0 || !k->inner[v])
        return CL_INVALID_DEVICE;
    *ret = k->inner[v];
    return CL_SUCCESS;
}

/* Section 5.9.4. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id device,
                               cl_kernel_work_group_info param_name,
                               size_t param_value_size, void *param_value,
                               size_t *param_value_size_ret)
{
    struct multi_kernel *k = multi_kernel_of(kernel);
    cl_kernel inner;
    cl_int rc = k ? kernel_on_device(k, device, &inner) : CL_INVALID_KERNEL;

    if (rc != CL_SUCCESS)
        return rc;
    return ordinary->clGetKernelWorkGroupInfo(inner, device, param_name, param_value_size,
                                              param_value, param_value_size_ret);
}

/* Section 5.9.4. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clGetKernelSubGroupInfo(cl_kernel kernel, cl_device_id device,
                              cl_kernel_sub_group_info param_name,
                              size_t input_value_size, const void *input_value,
                              size_t param_value_size, void *param_value,
                              size_t *param_value_size_ret)
{
    struct multi_kernel *k = multi_kernel_of(kernel);
    cl_kernel inner;
    cl_int rc = k ? kernel_on_device(k, device, &inner) : CL_INVALID_KERNEL;

    if (rc != CL_SUCCESS)
        return rc;
    return ordinary->clGetKernelSubGroupInfo(inner, device, param_name, input_value_size,
                                             input_value, param_value_size, param_value,
                                             param_value_size_ret);
}

/* cl_khr_subgroups. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clGetKernelSubGroupInfoKHR(cl_kernel in_kernel, cl_device_id in_device,
                                 cl_kernel_sub_group_info param_name,
                                 size_t input_value_size, const void *input_value,
                                 size_t param_value_size, void *param_value,
                                 size_t *param_value_size_ret)
{
    return multi_clGetKernelSubGroupInfo(in_kernel, in_device, param_name,
                                         input_value_size, input_value, param_value_size,
                                         param_value, param_value_size_ret);
}
