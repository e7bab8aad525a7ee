/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.9: kernel objects, their arguments and queries. */
#include "guest/opencl/kernel.h"

#include "api/opencl_send.h"
#include "base/cleanup.h"
#include "guest/opencl/image.h"
#include "guest/opencl/sampler.h"

#include <stdlib.h>
#include <string.h>

/* With a longer name it is made at once: whoever makes it hears whether the ring takes it. */
#define HELD_NAME_BYTES 64u

static void
kernel_destroy(struct object *o)
{
    struct _cl_kernel *k = (struct _cl_kernel *)o;

    metadata_unhold(k->metadata);
    pthread_mutex_destroy(&k->lock);
    free(k->args);
    free(k->limits);
    free(k);
}

/* As natively, a kernel is a reference to its program. */
static void
kernel_released(struct object *o)
{
    struct _cl_kernel *k = (struct _cl_kernel *)o;

    atomic_fetch_sub(&k->program->kernels, 1);
    object_release(&k->program->o);
}

struct _cl_kernel *
kernel_alloc(struct _cl_program *p, struct metadata *m, const struct kernel_meta *meta)
{
    struct _cl_kernel *k = calloc(1, sizeof *k);

    if (!k) {
        metadata_unhold(m);
        return NULL;
    }
    object_init(&k->o, KIND_kernel, p->o.session, kernel_destroy);
    pthread_mutex_init(&k->lock, NULL);
    object_retain(&p->o);
    atomic_fetch_add(&p->kernels, 1);
    k->o.released = kernel_released;
    k->program = p;
    k->metadata = m;
    k->meta = meta;
    k->args = calloc(meta->n_args + 1u, sizeof *k->args);
    k->limits = calloc(p->n_devices, sizeof *k->limits);
    k->o.id = session_new_id(p->o.session);
    return k;
}

cl_int
kernel_made(struct _cl_kernel *k, cl_int rc, cl_kernel *ret)
{
    if (rc == CL_SUCCESS) {
        *ret = k;
        return rc;
    }
    session_drop_id(k->o.session, k->o.id);
    kernel_released(&k->o);
    object_unhold(&k->o);
    return rc;
}

static cl_int
kernel_send(struct object *o, struct pending *p)
{
    const struct _cl_kernel *k = (struct _cl_kernel *)o;

    return send_clCreateKernel(o->session, p, o->id, k->program->o.id, k->meta->name);
}

static cl_int
kernel_new(struct _cl_program *p, struct metadata *m, const struct kernel_meta *meta,
           cl_kernel *ret)
{
    struct _cl_kernel *k = kernel_alloc(p, m, meta);
    cl_int rc;

    if (!k)
        return CL_OUT_OF_HOST_MEMORY;
    k->o.make = kernel_send;
    rc = k->args && k->limits && k->o.id.v ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS && strlen(meta->name) <= HELD_NAME_BYTES)
        rc = held_add(&k->o);
    else if (rc == CL_SUCCESS)
        rc = kernel_send(&k->o, NULL);
    return kernel_made(k, rc, ret);
}

static const struct kernel_meta *
metadata_find(const struct metadata *m, const char *name)
{
    for (cl_uint i = 0; i < m->n_kernels; i++) {
        if (strcmp(m->kernels[i].name, name) == 0)
            return &m->kernels[i];
    }
    return NULL;
}

/* Section 5.9.1. */
CL_API_ENTRY cl_kernel CL_API_CALL
tsr_clCreateKernel(cl_program program, const char *kernel_name, cl_int *errcode_ret)
{
    const struct kernel_meta *meta;
    cl_kernel k = NULL;
    struct metadata *m;
    cl_int rc;

    if (!object_is(program, KIND_program))
        RETURN_WITH(errcode_ret, CL_INVALID_PROGRAM, NULL);
    if (!kernel_name)
        RETURN_WITH(errcode_ret, CL_INVALID_VALUE, NULL);
    m = program_metadata(program);
    if (!m)
        RETURN_WITH(errcode_ret, CL_INVALID_PROGRAM_EXECUTABLE, NULL);
    meta = metadata_find(m, kernel_name);
    if (!meta) {
        metadata_unhold(m);
        RETURN_WITH(errcode_ret, CL_INVALID_KERNEL_NAME, NULL);
    }
    rc = kernel_new(program, m, meta, &k);
    RETURN_WITH(errcode_ret, rc, k);
}

/* Section 5.9.1. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clCreateKernelsInProgram(cl_program program, cl_uint num_kernels, cl_kernel *kernels,
                             cl_uint *num_kernels_ret)
{
    struct metadata *m;
    cl_int rc = CL_SUCCESS;
    cl_uint made = 0;

    if (!object_is(program, KIND_program))
        return CL_INVALID_PROGRAM;
    m = program_metadata(program);
    if (!m)
        return CL_INVALID_PROGRAM_EXECUTABLE;
    if (kernels && num_kernels < m->n_kernels)
        rc = CL_INVALID_VALUE;
    for (; rc == CL_SUCCESS && kernels && made < m->n_kernels; made++) {
        metadata_hold(m);
        rc = kernel_new(program, m, &m->kernels[made], &kernels[made]);
        if (rc != CL_SUCCESS)
            break;
    }
    while (rc != CL_SUCCESS && made > 0)
        object_release(&kernels[--made]->o);
    if (rc == CL_SUCCESS && num_kernels_ret)
        *num_kernels_ret = m->n_kernels;
    metadata_unhold(m);
    return rc;
}

/* Section 5.9.1. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clRetainKernel(cl_kernel kernel)
{
    return object_retain_call(kernel, KIND_kernel, CL_INVALID_KERNEL);
}

/* Section 5.9.1. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clReleaseKernel(cl_kernel kernel)
{
    return object_release_call(kernel, KIND_kernel, CL_INVALID_KERNEL);
}

/* ---- arguments --------------------------------------------------------------------- */

static bool
arg_is_image(const struct arg_meta *a)
{
    return a->known && a->access != CL_KERNEL_ARG_ACCESS_NONE &&
           strncmp(a->type_name, "image", strlen("image")) == 0;
}

/* Is this a memory object? Where the driver told nothing: a value that is a live handle is one. */
static bool
arg_is_mem(const struct arg_meta *a, size_t size, const void *value)
{
    if (a->known)
        return a->address == CL_KERNEL_ARG_ADDRESS_GLOBAL ||
               a->address == CL_KERNEL_ARG_ADDRESS_CONSTANT || arg_is_image(a);
    if (size != sizeof(cl_mem) || !value)
        return false;
    return handle_is_mem(*(void *const *)value);
}

static bool
arg_is_local(const struct arg_meta *a, const void *value)
{
    return a->known ? a->address == CL_KERNEL_ARG_ADDRESS_LOCAL : value == NULL;
}

static cl_int
set_local(struct _cl_kernel *k, cl_uint index, size_t size, const void *value)
{
    if (value)
        return CL_INVALID_ARG_VALUE;
    if (size == 0)
        return CL_INVALID_ARG_SIZE;
    k->args[index].local_bytes = size;
    return send_clSetKernelArg(k->o.session, NULL, k->o.id, index, ARG_LOCAL, size,
                               (struct guest_id){0}, NULL, 0);
}

/* A sampler: declared as one, or a live handle of one where the driver told nothing. */
static bool
arg_is_sampler(const struct arg_meta *a, size_t size, const void *value)
{
    if (a->known)
        return strcmp(a->type_name, "sampler_t") == 0;
    return size == sizeof(cl_sampler) && value && handle_is_mem(*(void *const *)value) &&
           object_is(*(void *const *)value, KIND_sampler);
}

/* Section 5.9.2: CL_INVALID_ARG_VALUE for an image that its qualifier forbids. */
static cl_int
check_image_arg(const struct arg_meta *a, const struct _cl_mem *m)
{
    if (!m || !m->image)
        return CL_INVALID_MEM_OBJECT;
    if (a->access == CL_KERNEL_ARG_ACCESS_READ_ONLY && (m->flags & CL_MEM_WRITE_ONLY))
        return CL_INVALID_ARG_VALUE;
    if (a->access == CL_KERNEL_ARG_ACCESS_WRITE_ONLY && (m->flags & CL_MEM_READ_ONLY))
        return CL_INVALID_ARG_VALUE;
    if (a->access == CL_KERNEL_ARG_ACCESS_READ_WRITE &&
        (m->flags & (CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY)))
        return CL_INVALID_ARG_VALUE;
    return CL_SUCCESS;
}

static cl_int
set_sampler(struct _cl_kernel *k, cl_uint index, size_t size, const void *value)
{
    cl_sampler s = NULL;

    if (size != sizeof(cl_sampler))
        return CL_INVALID_ARG_SIZE;
    if (!value)
        return CL_INVALID_ARG_VALUE;
    memcpy(&s, value, sizeof s);
    if (!handle_is_mem(s) || !object_is(s, KIND_sampler) ||
        s->context != k->program->context)
        return CL_INVALID_SAMPLER;
    return send_clSetKernelArg(k->o.session, NULL, k->o.id, index, ARG_OBJECT, size,
                               s->o.id, NULL, 0);
}

static cl_int
set_mem(struct _cl_kernel *k, cl_uint index, size_t size, const void *value)
{
    const struct arg_meta *a = &k->meta->args[index];
    cl_mem m = NULL;
    cl_int rc;

    if (size != sizeof(cl_mem))
        return CL_INVALID_ARG_SIZE;
    if (value)
        memcpy(&m, value, sizeof m);
    if (m && (!object_is(m, KIND_mem) || m->context != k->program->context))
        return CL_INVALID_MEM_OBJECT;
    if (arg_is_image(a)) {
        rc = value ? check_image_arg(a, m) : CL_INVALID_ARG_VALUE;
        if (rc != CL_SUCCESS)
            return rc;
    } else if (a->known && m && m->image) {
        return CL_INVALID_MEM_OBJECT; /* a pointer wants a buffer */
    }
    return send_clSetKernelArg(k->o.session, NULL, k->o.id, index, ARG_OBJECT, size,
                               object_id(m), NULL, 0);
}

/* Where the type does not tell the size, the first set asks the driver; later ones know it. */
static cl_int
set_value(struct _cl_kernel *k, cl_uint index, size_t size, const void *value)
{
    struct kernel_arg *a = &k->args[index];
    struct pending p = {0};
    cl_int rc;

    if (!value)
        return CL_INVALID_ARG_VALUE;
    rc = kernel_learn_size(k, index);
    if (rc != CL_SUCCESS)
        return rc;
    if (size == 0 || (a->size_known && a->size != size))
        return CL_INVALID_ARG_SIZE;
    rc = send_clSetKernelArg(k->o.session, a->size_known ? NULL : &p, k->o.id, index,
                             ARG_VALUE, size, (struct guest_id){0}, value, size);
    if (rc != CL_SUCCESS || a->size_known)
        return rc;
    rc = session_wait(k->o.session, &p);
    if (rc == CL_SUCCESS)
        rc = (cl_int)p.status;
    if (rc == CL_SUCCESS) {
        a->size_known = true;
        a->size = size;
    }
    return rc;
}

/* Section 5.9.2. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clSetKernelArg(cl_kernel kernel, cl_uint arg_index, size_t arg_size,
                   const void *arg_value)
{
    const struct arg_meta *meta;
    cl_int rc;

    if (!object_is(kernel, KIND_kernel))
        return CL_INVALID_KERNEL;
    if (arg_index >= kernel->meta->n_args)
        return CL_INVALID_ARG_INDEX;
    meta = &kernel->meta->args[arg_index];
    pthread_mutex_lock(&kernel->lock);
    if (arg_is_sampler(meta, arg_size, arg_value))
        rc = set_sampler(kernel, arg_index, arg_size, arg_value);
    else if (arg_is_mem(meta, arg_size, arg_value))
        rc = set_mem(kernel, arg_index, arg_size, arg_value);
    else if (arg_is_local(meta, arg_value))
        rc = set_local(kernel, arg_index, arg_size, arg_value);
    else
        rc = set_value(kernel, arg_index, arg_size, arg_value);
    if (rc == CL_SUCCESS) {
        kernel->args[arg_index].set = true;
        kernel->args[arg_index].mem = NULL;
        if (arg_value && arg_is_mem(meta, arg_size, arg_value))
            memcpy(&kernel->args[arg_index].mem, arg_value, sizeof(cl_mem));
    }
    pthread_mutex_unlock(&kernel->lock);
    return rc;
}

cl_int
kernel_check_args(struct _cl_kernel *k)
{
    cl_int rc = CL_SUCCESS;

    pthread_mutex_lock(&k->lock);
    for (cl_uint i = 0; i < k->meta->n_args; i++) {
        if (!k->args[i].set)
            rc = CL_INVALID_KERNEL_ARGS;
    }
    pthread_mutex_unlock(&k->lock);
    return rc;
}

/* ---- queries ----------------------------------------------------------------------- */

/* Section 5.9.4. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetKernelInfo(cl_kernel kernel, cl_kernel_info param_name, size_t param_value_size,
                    void *param_value, size_t *param_value_size_ret)
{
    const struct _cl_kernel *k = kernel;

    if (!object_is(k, KIND_kernel))
        return CL_INVALID_KERNEL;
    switch (param_name) {
    case CL_KERNEL_FUNCTION_NAME:
        return info_string(k->meta->name, param_value_size, param_value,
                           param_value_size_ret);
    case CL_KERNEL_NUM_ARGS:
        return INFO_VALUE(cl_uint, k->meta->n_args);
    case CL_KERNEL_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, atomic_load(&k->o.refs));
    case CL_KERNEL_CONTEXT:
        return INFO_VALUE(cl_context, k->program->context);
    case CL_KERNEL_PROGRAM:
        return INFO_VALUE(cl_program, k->program);
    case CL_KERNEL_ATTRIBUTES:
        return info_string(k->meta->attributes, param_value_size, param_value,
                           param_value_size_ret);
    default:
        return CL_INVALID_VALUE;
    }
}

/* Section 5.9.4. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetKernelArgInfo(cl_kernel kernel, cl_uint arg_index, cl_kernel_arg_info param_name,
                       size_t param_value_size, void *param_value,
                       size_t *param_value_size_ret)
{
    const struct arg_meta *a;

    if (!object_is(kernel, KIND_kernel))
        return CL_INVALID_KERNEL;
    if (arg_index >= kernel->meta->n_args)
        return CL_INVALID_ARG_INDEX;
    a = &kernel->meta->args[arg_index];
    if (!a->known || kernel->metadata->args_hidden)
        return CL_KERNEL_ARG_INFO_NOT_AVAILABLE;
    switch (param_name) {
    case CL_KERNEL_ARG_ADDRESS_QUALIFIER:
        return INFO_VALUE(cl_kernel_arg_address_qualifier, a->address);
    case CL_KERNEL_ARG_ACCESS_QUALIFIER:
        return INFO_VALUE(cl_kernel_arg_access_qualifier, a->access);
    case CL_KERNEL_ARG_TYPE_QUALIFIER:
        return INFO_VALUE(cl_kernel_arg_type_qualifier, a->type);
    case CL_KERNEL_ARG_TYPE_NAME:
        return info_string(a->type_name, param_value_size, param_value,
                           param_value_size_ret);
    case CL_KERNEL_ARG_NAME:
        return info_string(a->name, param_value_size, param_value, param_value_size_ret);
    default:
        return CL_INVALID_VALUE;
    }
}
