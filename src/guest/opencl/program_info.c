/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.8.9: program queries. */
#include "guest/opencl/program.h"

#include "api/opencl_send.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

struct binary_ask {
    struct _cl_program *program;
    cl_device_id *devices;
};

static cl_int
binary_send(void *arg, struct pending *p, struct extent out)
{
    struct binary_ask *a = arg;

    return send_tessera_program_binary(a->program->o.session, p, a->program->o.id,
                                       a->program->n_devices, a->devices, out);
}

/* Has any device a binary? The driver is not asked about programs that were never built. */
static bool
program_has_binaries(struct _cl_program *p)
{
    bool has = p->origin == PROGRAM_BINARY;

    pthread_mutex_lock(&p->lock);
    for (cl_uint i = 0; i < p->n_devices; i++)
        has = has || p->devices[i].type != CL_PROGRAM_BINARY_TYPE_NONE;
    pthread_mutex_unlock(&p->lock);
    return has;
}

/* One byte string for each device; *ret is malloc'ed, NULL when there are no binaries. */
static cl_int
program_ask_binaries(struct _cl_program *p, uint8_t **ret, size_t *ret_len)
{
    _cleanup_free_ cl_device_id *devices = calloc(p->n_devices, sizeof(cl_device_id));
    struct binary_ask a = {p, devices};

    *ret = NULL;
    *ret_len = 0;
    if (!devices)
        return CL_OUT_OF_HOST_MEMORY;
    for (cl_uint i = 0; i < p->n_devices; i++)
        devices[i] = p->devices[i].device;
    if (!program_has_binaries(p))
        return CL_SUCCESS;
    return ask_bytes(p->o.session, binary_send, &a, ret, ret_len);
}

static cl_int
program_binary_sizes(struct _cl_program *p, size_t cap, void *value, size_t *ret_len)
{
    _cleanup_free_ size_t *sizes = calloc(p->n_devices, sizeof *sizes);
    _cleanup_free_ uint8_t *bytes = NULL;
    struct dec d;
    uint64_t len;
    size_t total;
    cl_int rc = program_ask_binaries(p, &bytes, &total);

    if (rc != CL_SUCCESS || !sizes)
        return rc != CL_SUCCESS ? rc : CL_OUT_OF_HOST_MEMORY;
    dec_init(&d, bytes, total);
    for (cl_uint i = 0; bytes && i < p->n_devices; i++) {
        dec_bytes(&d, "binary", &len);
        sizes[i] = len;
    }
    return info_put(sizes, p->n_devices * sizeof *sizes, cap, value, ret_len);
}

/* The value is an array of one pointer per device, to memory that the program provides. */
static cl_int
program_binaries(struct _cl_program *p, size_t cap, void *value, size_t *ret_len)
{
    const size_t need = p->n_devices * sizeof(unsigned char *);
    _cleanup_free_ uint8_t *bytes = NULL;
    unsigned char *const *targets = value;
    struct dec d;
    size_t total;
    cl_int rc;

    if (value && cap < need)
        return CL_INVALID_VALUE;
    if (ret_len)
        *ret_len = need;
    if (!value)
        return CL_SUCCESS;
    rc = program_ask_binaries(p, &bytes, &total);
    if (rc != CL_SUCCESS)
        return rc;
    dec_init(&d, bytes, total);
    for (cl_uint i = 0; bytes && i < p->n_devices; i++) {
        uint64_t len;
        const uint8_t *binary = dec_bytes(&d, "binary", &len);

        if (targets[i])
            memcpy(targets[i], binary, len);
    }
    return CL_SUCCESS;
}

static cl_int
program_device_list(const struct _cl_program *p, size_t cap, void *value, size_t *ret_len)
{
    _cleanup_free_ cl_device_id *devices = calloc(p->n_devices, sizeof(cl_device_id));

    if (!devices)
        return CL_OUT_OF_HOST_MEMORY;
    for (cl_uint i = 0; i < p->n_devices; i++)
        devices[i] = p->devices[i].device;
    return info_put(devices, p->n_devices * sizeof(cl_device_id), cap, value, ret_len);
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
        return INFO_VALUE(cl_uint, program->n_devices);
    case CL_PROGRAM_DEVICES:
        return program_device_list(program, param_value_size, param_value,
                                   param_value_size_ret);
    case CL_PROGRAM_SOURCE:
        return info_string(program->origin == PROGRAM_SOURCE ? program->source : "",
                           param_value_size, param_value, param_value_size_ret);
    case CL_PROGRAM_IL:
        return info_put(program->source,
                        program->origin == PROGRAM_IL ? program->source_len : 0,
                        param_value_size, param_value, param_value_size_ret);
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
    cl_device_id device;
    cl_program_build_info param;
};

static cl_int
build_info_send(void *arg, struct pending *p, struct extent out)
{
    struct build_info_ask *a = arg;

    return send_clGetProgramBuildInfo(a->program->o.session, p, a->program->o.id,
                                      a->device->o.id, a->param, out);
}

static cl_int
build_info_remote(struct build_info_ask a, size_t cap, void *value, size_t *ret_len)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t len;
    cl_int rc = ask_bytes(a.program->o.session, build_info_send, &a, &bytes, &len);

    return rc == CL_SUCCESS ? info_put(bytes, len, cap, value, ret_len) : rc;
}

cl_int
program_binary_type(struct _cl_program *p, cl_device_id device,
                    cl_program_binary_type *ret)
{
    struct build_info_ask a = {p, device, CL_PROGRAM_BINARY_TYPE};
    struct program_device *d = program_on(p, device);
    cl_program_binary_type type;
    bool unknown;
    cl_int rc;

    pthread_mutex_lock(&p->lock);
    unknown = d->type_unknown;
    *ret = d->type;
    pthread_mutex_unlock(&p->lock);
    if (!unknown)
        return CL_SUCCESS;
    rc = build_info_remote(a, sizeof type, &type, NULL);
    if (rc != CL_SUCCESS)
        return rc;
    pthread_mutex_lock(&p->lock);
    if (d->type_unknown)
        d->type = type;
    d->type_unknown = false;
    *ret = d->type;
    pthread_mutex_unlock(&p->lock);
    return CL_SUCCESS;
}

/* "" for a program that was not built, or whose build did not end yet. */
static cl_int
build_log(struct build_info_ask a, size_t cap, void *value, size_t *ret_len)
{
    const struct program_device *d = program_on(a.program, a.device);
    cl_build_status status;
    const char *log;

    pthread_mutex_lock(&a.program->lock);
    status = d->status;
    log = a.program->log;
    pthread_mutex_unlock(&a.program->lock);
    if (log)
        return info_string(log, cap, value, ret_len);
    if (status == CL_BUILD_NONE || status == CL_BUILD_IN_PROGRESS)
        return info_string("", cap, value, ret_len);
    return build_info_remote(a, cap, value, ret_len);
}

/* Taken out under the lock: another thread may begin a build meanwhile. */
static cl_int
build_options(struct _cl_program *p, const struct program_device *d, size_t cap,
              void *value, size_t *ret_len)
{
    cl_int rc;

    pthread_mutex_lock(&p->lock);
    rc = info_string(d->options ? d->options : "", cap, value, ret_len);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static cl_build_status
build_status(struct _cl_program *p, const struct program_device *d)
{
    cl_build_status status;

    pthread_mutex_lock(&p->lock);
    status = d->status;
    pthread_mutex_unlock(&p->lock);
    return status;
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetProgramBuildInfo(cl_program program, cl_device_id device,
                          cl_program_build_info param_name, size_t param_value_size,
                          void *param_value, size_t *param_value_size_ret)
{
    const struct build_info_ask ask = {program, device, param_name};
    cl_program_binary_type type;
    const struct program_device *d;
    cl_int rc;

    if (!object_is(program, KIND_program))
        return CL_INVALID_PROGRAM;
    d = program_on(program, device);
    if (!d)
        return CL_INVALID_DEVICE;
    switch (param_name) {
    case CL_PROGRAM_BUILD_STATUS:
        return INFO_VALUE(cl_build_status, build_status(program, d));
    case CL_PROGRAM_BUILD_OPTIONS:
        return build_options(program, d, param_value_size, param_value,
                             param_value_size_ret);
    case CL_PROGRAM_BINARY_TYPE:
        rc = program_binary_type(program, device, &type);
        return rc == CL_SUCCESS ? INFO_VALUE(cl_program_binary_type, type) : rc;
    case CL_PROGRAM_BUILD_LOG:
        return build_log(ask, param_value_size, param_value, param_value_size_ret);
    case CL_PROGRAM_BUILD_GLOBAL_VARIABLE_TOTAL_SIZE:
        if (build_status(program, d) != CL_BUILD_SUCCESS)
            return INFO_VALUE(size_t, 0);
        return build_info_remote(ask, param_value_size, param_value,
                                 param_value_size_ret);
    default:
        return CL_INVALID_VALUE;
    }
}
