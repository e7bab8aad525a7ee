/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.8.7: program queries. */
#include "guest/opencl/program.h"

#include "api/opencl_send.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

static cl_int
binary_ask(void *arg, struct pending *p, struct extent out)
{
    struct _cl_program *program = arg;

    return send_tessera_program_binary(program->o.session, p, program->o.id, out);
}

static cl_int
program_binary_sizes(struct _cl_program *p, size_t cap, void *value, size_t *ret_len)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t len;
    cl_int rc = ask_bytes(p->o.session, binary_ask, p, &bytes, &len);

    return rc == CL_SUCCESS ? info_put(&len, sizeof len, cap, value, ret_len) : rc;
}

/* The value is an array of one pointer per device, to memory that the program provides. */
static cl_int
program_binaries(struct _cl_program *p, size_t cap, void *value, size_t *ret_len)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    unsigned char *const *targets = value;
    size_t len;
    cl_int rc;

    if (value && cap < sizeof *targets)
        return CL_INVALID_VALUE;
    if (ret_len)
        *ret_len = sizeof *targets;
    if (!value || !targets[0])
        return CL_SUCCESS;
    rc = ask_bytes(p->o.session, binary_ask, p, &bytes, &len);
    if (rc == CL_SUCCESS)
        memcpy(targets[0], bytes, len);
    return rc;
}

static cl_int
program_kernel_names(struct _cl_program *p, size_t cap, void *value, size_t *ret_len)
{
    struct metadata *m = program_metadata(p);
    _cleanup_free_ char *names = NULL;
    size_t len = 1;
    char *end;

    if (!m)
        return CL_INVALID_PROGRAM_EXECUTABLE;
    for (cl_uint i = 0; i < m->n_kernels; i++)
        len += strlen(m->kernels[i].name) + 1;
    names = malloc(len);
    if (names) {
        end = names;
        *end = '\0';
        for (cl_uint i = 0; i < m->n_kernels; i++) {
            if (i > 0)
                *end++ = ';';
            end = stpcpy(end, m->kernels[i].name);
        }
    }
    metadata_unhold(m);
    return names ? info_string(names, cap, value, ret_len) : CL_OUT_OF_HOST_MEMORY;
}

static cl_int
program_num_kernels(struct _cl_program *p, size_t *ret)
{
    struct metadata *m = program_metadata(p);

    if (!m)
        return CL_INVALID_PROGRAM_EXECUTABLE;
    *ret = m->n_kernels;
    metadata_unhold(m);
    return CL_SUCCESS;
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetProgramInfo(cl_program program, cl_program_info param_name,
                     size_t param_value_size, void *param_value,
                     size_t *param_value_size_ret)
{
    size_t n = 0;
    cl_int rc;

    if (!object_is(program, KIND_program))
        return CL_INVALID_PROGRAM;
    switch (param_name) {
    case CL_PROGRAM_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, atomic_load(&program->o.refs));
    case CL_PROGRAM_CONTEXT:
        return INFO_VALUE(cl_context, program->context);
    case CL_PROGRAM_NUM_DEVICES:
        return INFO_VALUE(cl_uint, 1);
    case CL_PROGRAM_DEVICES:
        return INFO_VALUE(cl_device_id, &program->context->device->handle);
    case CL_PROGRAM_SOURCE:
        return info_string(program->source ? program->source : "", param_value_size,
                           param_value, param_value_size_ret);
    case CL_PROGRAM_IL:
        return info_put(NULL, 0, param_value_size, param_value, param_value_size_ret);
    case CL_PROGRAM_BINARY_SIZES:
        return program_binary_sizes(program, param_value_size, param_value,
                                    param_value_size_ret);
    case CL_PROGRAM_BINARIES:
        return program_binaries(program, param_value_size, param_value,
                                param_value_size_ret);
    case CL_PROGRAM_NUM_KERNELS:
        rc = program_num_kernels(program, &n);
        return rc == CL_SUCCESS ? INFO_VALUE(size_t, n) : rc;
    case CL_PROGRAM_KERNEL_NAMES:
        return program_kernel_names(program, param_value_size, param_value,
                                    param_value_size_ret);
    case CL_PROGRAM_SCOPE_GLOBAL_CTORS_PRESENT:
    case CL_PROGRAM_SCOPE_GLOBAL_DTORS_PRESENT:
        return INFO_VALUE(cl_bool, CL_FALSE);
    default:
        return CL_INVALID_VALUE;
    }
}

struct build_info_ask {
    struct _cl_program *program;
    cl_program_build_info param;
};

static cl_int
build_info_send(void *arg, struct pending *p, struct extent out)
{
    struct build_info_ask *a = arg;

    return send_clGetProgramBuildInfo(a->program->o.session, p, a->program->o.id,
                                      a->param, out);
}

static cl_int
build_info_remote(struct _cl_program *p, cl_program_build_info param, size_t cap,
                  void *value, size_t *ret_len)
{
    struct build_info_ask a = {p, param};
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t len;
    cl_int rc = ask_bytes(p->o.session, build_info_send, &a, &bytes, &len);

    return rc == CL_SUCCESS ? info_put(bytes, len, cap, value, ret_len) : rc;
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetProgramBuildInfo(cl_program program, cl_device_id device,
                          cl_program_build_info param_name, size_t param_value_size,
                          void *param_value, size_t *param_value_size_ret)
{
    if (!object_is(program, KIND_program))
        return CL_INVALID_PROGRAM;
    if (!context_has_device(program->context, device))
        return CL_INVALID_DEVICE;
    switch (param_name) {
    case CL_PROGRAM_BUILD_STATUS:
        return INFO_VALUE(cl_build_status, program->status);
    case CL_PROGRAM_BUILD_OPTIONS:
        return info_string(program->options ? program->options : "", param_value_size,
                           param_value, param_value_size_ret);
    case CL_PROGRAM_BINARY_TYPE:
        return INFO_VALUE(cl_program_binary_type, program->binary_type);
    case CL_PROGRAM_BUILD_LOG:
        if (program->status == CL_BUILD_NONE)
            return info_string("", param_value_size, param_value, param_value_size_ret);
        return build_info_remote(program, param_name, param_value_size, param_value,
                                 param_value_size_ret);
    case CL_PROGRAM_BUILD_GLOBAL_VARIABLE_TOTAL_SIZE:
        return build_info_remote(program, param_name, param_value_size, param_value,
                                 param_value_size_ret);
    default:
        return CL_INVALID_VALUE;
    }
}
