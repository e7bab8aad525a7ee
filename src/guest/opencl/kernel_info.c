/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.9: what is asked of the device about a kernel; and clones. */
#include "guest/opencl/kernel.h"

#include "api/opencl_send.h"
#include "base/cleanup.h"
#include "wire/arg_type.h"

#include <stdlib.h>
#include <string.h>

/* ---- sizes of arguments ------------------------------------------------------------ */

/* A type of the program's own: the worker may know its size. */
static cl_int
ask_size(struct _cl_kernel *k, cl_uint index, size_t *ret)
{
    struct pending p = {0};
    uint64_t size = 0;
    cl_int rc = send_tessera_argument_size(k->o.session, &p, k->o.id, index);

    if (rc == CL_SUCCESS)
        rc = session_wait(k->o.session, &p);
    if (rc == CL_SUCCESS)
        rc = (cl_int)p.status;
    if (rc == CL_SUCCESS && p.answer && p.answer_len == sizeof size)
        memcpy(&size, p.answer, sizeof size);
    free(p.answer);
    *ret = size;
    return rc;
}

cl_int
kernel_learn_size(struct _cl_kernel *k, cl_uint index)
{
    const struct arg_meta *meta = &k->meta->args[index];
    struct kernel_arg *a = &k->args[index];
    cl_int rc = CL_SUCCESS;

    if (a->size_known || a->size_asked || !meta->known)
        return CL_SUCCESS;
    a->size = arg_type_size(meta->type_name);
    if (a->size == 0)
        rc = ask_size(k, index, &a->size);
    a->size_asked = rc == CL_SUCCESS;
    a->size_known = a->size > 0;
    return rc;
}

uint64_t
kernel_local_bytes(struct _cl_kernel *k)
{
    uint64_t bytes = k->meta->local_bytes;

    pthread_mutex_lock(&k->lock);
    for (cl_uint i = 0; i < k->meta->n_args; i++) {
        if (__builtin_add_overflow(bytes, k->args[i].local_bytes, &bytes))
            bytes = UINT64_MAX;
    }
    pthread_mutex_unlock(&k->lock);
    return bytes;
}

/* ---- section 5.9.4: queries about work-groups -------------------------------------- */

struct group_info_ask {
    struct _cl_kernel *kernel;
    cl_device_id device;
    cl_uint param;
    const void *input; /* of sub-group queries */
    size_t input_len;
};

static cl_int
group_info_send(void *arg, struct pending *p, struct extent out)
{
    struct group_info_ask *a = arg;

    return send_clGetKernelWorkGroupInfo(a->kernel->o.session, p, a->kernel->o.id,
                                         a->device->o.id, a->param, out);
}

static cl_int
group_info(struct _cl_kernel *k, cl_device_id device, cl_uint param, void *value,
           size_t len)
{
    struct group_info_ask a = {.kernel = k, .device = device, .param = param};
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t got;
    cl_int rc = ask_bytes(k->o.session, group_info_send, &a, &bytes, &got);

    if (rc == CL_SUCCESS && got != len)
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS)
        memcpy(value, bytes, len);
    return rc;
}

cl_int
kernel_ask_limits(struct _cl_kernel *k, cl_device_id device, struct kernel_limits *ret)
{
    const struct program_device *on = program_on(k->program, device);
    struct kernel_limits l = {.known = true}, *kept;
    cl_int rc = CL_SUCCESS;

    if (!on)
        return CL_INVALID_DEVICE;
    kept = &k->limits[on - k->program->devices];
    pthread_mutex_lock(&k->lock);
    if (!kept->known) {
        rc = group_info(k, device, CL_KERNEL_WORK_GROUP_SIZE, &l.work_group_size,
                        sizeof l.work_group_size);
        if (rc == CL_SUCCESS)
            rc = group_info(k, device, CL_KERNEL_COMPILE_WORK_GROUP_SIZE, l.required,
                            sizeof l.required);
        if (rc == CL_SUCCESS)
            *kept = l;
    }
    *ret = *kept;
    pthread_mutex_unlock(&k->lock);
    return rc;
}

/* No device: the kernel's only one. */
static cl_int
check_device(const struct _cl_kernel *k, cl_device_id *device)
{
    if (!*device && k->program->n_devices == 1)
        *device = k->program->devices[0].device;
    return *device && program_on(k->program, *device) ? CL_SUCCESS : CL_INVALID_DEVICE;
}

/* Section 5.9.4. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id device,
                             cl_kernel_work_group_info param_name,
                             size_t param_value_size, void *param_value,
                             size_t *param_value_size_ret)
{
    struct group_info_ask a = {.kernel = kernel, .param = param_name};
    _cleanup_free_ uint8_t *bytes = NULL;
    struct kernel_limits limits;
    size_t len;
    cl_int rc;

    if (!object_is(kernel, KIND_kernel))
        return CL_INVALID_KERNEL;
    rc = check_device(kernel, &device);
    if (rc != CL_SUCCESS)
        return rc;
    if (param_name == CL_KERNEL_WORK_GROUP_SIZE ||
        param_name == CL_KERNEL_COMPILE_WORK_GROUP_SIZE) {
        rc = kernel_ask_limits(kernel, device, &limits);
        if (rc != CL_SUCCESS)
            return rc;
        if (param_name == CL_KERNEL_WORK_GROUP_SIZE)
            return INFO_VALUE(size_t, limits.work_group_size);
        return info_put(limits.required, sizeof limits.required, param_value_size,
                        param_value, param_value_size_ret);
    }
    a.device = device;
    rc = ask_bytes(kernel->o.session, group_info_send, &a, &bytes, &len);
    if (rc != CL_SUCCESS)
        return rc;
    return info_put(bytes, len, param_value_size, param_value, param_value_size_ret);
}

static cl_int
sub_group_info_send(void *arg, struct pending *p, struct extent out)
{
    struct group_info_ask *a = arg;

    return send_clGetKernelSubGroupInfo(a->kernel->o.session, p, a->kernel->o.id,
                                        a->device->o.id, a->param, a->input, a->input_len,
                                        out);
}

/* Section 5.9.4. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetKernelSubGroupInfo(cl_kernel kernel, cl_device_id device,
                            cl_kernel_sub_group_info param_name, size_t input_value_size,
                            const void *input_value, size_t param_value_size,
                            void *param_value, size_t *param_value_size_ret)
{
    struct group_info_ask a = {.kernel = kernel,
                               .param = param_name,
                               .input = input_value,
                               .input_len = input_value ? input_value_size : 0};
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t len;
    cl_int rc;

    if (!object_is(kernel, KIND_kernel))
        return CL_INVALID_KERNEL;
    rc = check_device(kernel, &device);
    if (rc != CL_SUCCESS)
        return rc;
    if (device_number(device->d, CL_DEVICE_MAX_NUM_SUB_GROUPS, 0) == 0)
        return CL_INVALID_OPERATION;
    if (a.input_len > 3 * sizeof(size_t))
        return CL_INVALID_VALUE;
    a.device = device;
    rc = ask_bytes(kernel->o.session, sub_group_info_send, &a, &bytes, &len);
    if (rc != CL_SUCCESS)
        return rc;
    return info_put(bytes, len, param_value_size, param_value, param_value_size_ret);
}

/* cl_khr_subgroups. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetKernelSubGroupInfoKHR(cl_kernel in_kernel, cl_device_id in_device,
                               cl_kernel_sub_group_info param_name,
                               size_t input_value_size, const void *input_value,
                               size_t param_value_size, void *param_value,
                               size_t *param_value_size_ret)
{
    return tsr_clGetKernelSubGroupInfo(in_kernel, in_device, param_name, input_value_size,
                                       input_value, param_value_size, param_value,
                                       param_value_size_ret);
}

/* ---- section 5.9.3: clones --------------------------------------------------------- */

/* Section 5.9.3. */
CL_API_ENTRY cl_kernel CL_API_CALL
tsr_clCloneKernel(cl_kernel source_kernel, cl_int *errcode_ret)
{
    cl_kernel from = source_kernel, k, made = NULL;
    cl_int rc;

    if (!object_is(from, KIND_kernel))
        RETURN_WITH(errcode_ret, CL_INVALID_KERNEL, NULL);
    metadata_hold(from->metadata);
    k = kernel_alloc(from->program, from->metadata, from->meta);
    if (!k)
        RETURN_WITH(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    rc = k->args && k->limits && k->o.id.v ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    /* Under its lock: what is copied here is what the worker copies. */
    pthread_mutex_lock(&from->lock);
    if (rc == CL_SUCCESS) {
        memcpy(k->args, from->args, from->meta->n_args * sizeof *k->args);
        memcpy(k->limits, from->limits, from->program->n_devices * sizeof *k->limits);
        rc = send_clCloneKernel(from->o.session, NULL, k->o.id, from->o.id);
    }
    pthread_mutex_unlock(&from->lock);
    rc = kernel_made(k, rc, &made);
    RETURN_WITH(errcode_ret, rc, made);
}
