/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.8: making programs of a context over several vGPUs, and their queries. */
#include "guest/opencl/multi/program.h"

#include "guest/opencl/multi/countdown.h"

#include <stdlib.h>
#include <string.h>

/* Release callbacks come from a service thread (section 5.8.4). */
static void
program_released(struct object *o)
{
    struct multi_program *p = (struct multi_program *)o;
    struct countdown *count = farewell_begin(o, &p->destructors);

    if (count)
        countdown_begun(count, p->context);
}

static void
program_destroy(struct object *o)
{
    struct multi_program *p = (struct multi_program *)o;

    for (unsigned v = 0; p->inner && v < p->context->n_vgpus; v++) {
        if (p->inner[v])
            ordinary->clReleaseProgram(p->inner[v]);
    }
    destructors_run(&p->destructors, p);
    object_release(&p->context->o);
    free(p->devices);
    free(p->inner);
    free(p);
}

struct multi_program *
multi_program_new(struct multi_context *c, cl_uint n_devices, const cl_device_id *devices)
{
    struct multi_program *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    if (n_devices == 0) {
        n_devices = c->n_devices;
        devices = c->devices;
    }
    multi_init(&p->o, KIND_multi_program, program_destroy);
    p->o.released = program_released;
    object_retain(&c->o);
    p->context = c;
    p->devices = calloc(n_devices, sizeof(cl_device_id));
    p->inner = calloc(c->n_vgpus, sizeof(cl_program));
    if (!p->devices || !p->inner) {
        object_unhold(&p->o);
        return NULL;
    }
    for (cl_uint i = 0; i < n_devices; i++) {
        if (multi_program_vgpu_of(p, devices[i]) < 0)
            p->devices[p->n_devices++] = devices[i];
    }
    return p;
}

int
multi_program_vgpu_of(const struct multi_program *p, cl_device_id device)
{
    for (cl_uint i = 0; i < p->n_devices; i++) {
        if (p->devices[i] == device)
            return multi_vgpu_of(p->context, device);
    }
    return -1;
}

/* ---- creation ---------------------------------------------------------------------- */

struct source {
    cl_uint count;
    const char **strings;
    const size_t *lengths;
    const void *il; /* instead of the strings */
    size_t il_len;
};

static cl_int
create_everywhere(cl_context context, const struct source *s, cl_program *ret)
{
    struct multi_context *c = multi_context_of(context);
    struct multi_program *p;
    cl_int rc = CL_SUCCESS;

    if (!c)
        return CL_INVALID_CONTEXT;
    p = multi_program_new(c, 0, NULL);
    if (!p)
        return CL_OUT_OF_HOST_MEMORY;
    for (unsigned v = 0; rc == CL_SUCCESS && v < c->n_vgpus; v++)
        p->inner[v] =
            s->il ? ordinary->clCreateProgramWithIL(c->vgpus[v].context, s->il, s->il_len,
                                                    &rc)
                  : ordinary->clCreateProgramWithSource(c->vgpus[v].context, s->count,
                                                        s->strings, s->lengths, &rc);
    if (rc != CL_SUCCESS) {
        object_unhold(&p->o);
        return rc;
    }
    *ret = (cl_program)p;
    return CL_SUCCESS;
}

/* Section 5.8.1. */
CL_API_ENTRY cl_program CL_API_CALL
multi_clCreateProgramWithSource(cl_context context, cl_uint count, const char **strings,
                                const size_t *lengths, cl_int *errcode_ret)
{
    const struct source s = {.count = count, .strings = strings, .lengths = lengths};
    cl_program p = NULL;
    cl_int rc = create_everywhere(context, &s, &p);

    RETURN_WITH(errcode_ret, rc, p);
}

/* Section 5.8.1. */
CL_API_ENTRY cl_program CL_API_CALL
multi_clCreateProgramWithIL(cl_context context, const void *il, size_t length,
                            cl_int *errcode_ret)
{
    const struct source s = {.il = il, .il_len = length};
    cl_program p = NULL;
    cl_int rc = CL_INVALID_VALUE;

    if (!multi_context_of(context))
        rc = CL_INVALID_CONTEXT;
    else if (il && length > 0)
        rc = create_everywhere(context, &s, &p);
    RETURN_WITH(errcode_ret, rc, p);
}

/* Each device once, and each one of the context. */
static cl_int
check_devices(const struct multi_context *c, cl_uint n, const cl_device_id *devices)
{
    if (n == 0 || !devices)
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < n; i++) {
        if (multi_vgpu_of(c, devices[i]) < 0)
            return CL_INVALID_DEVICE;
    }
    return CL_SUCCESS;
}

/* The binaries for the devices of one vGPU, picked out of the program's lists. */
struct binary_pick {
    cl_uint n;
    cl_device_id *devices;
    size_t *lengths;
    const unsigned char **binaries;
    cl_int *status;
};

static void
pick_free(struct binary_pick *k)
{
    free(k->devices);
    free(k->lengths);
    free(k->binaries);
    free(k->status);
}

static bool
pick_alloc(struct binary_pick *k, cl_uint n)
{
    *k = (struct binary_pick){.devices = calloc(n, sizeof *k->devices),
                              .lengths = calloc(n, sizeof *k->lengths),
                              .binaries = calloc(n, sizeof *k->binaries),
                              .status = calloc(n, sizeof *k->status)};
    return k->devices && k->lengths && k->binaries && k->status;
}

static cl_int
binaries_on_vgpu(struct multi_program *p, int v, cl_uint n, const cl_device_id *devices,
                 const size_t *lengths, const unsigned char **binaries, cl_int *status)
{
    struct binary_pick k;
    cl_int rc = pick_alloc(&k, n) ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;

    for (cl_uint i = 0; rc == CL_SUCCESS && i < n; i++) {
        if (multi_vgpu_of(p->context, devices[i]) != v)
            continue;
        k.devices[k.n] = devices[i];
        k.lengths[k.n] = lengths[i];
        k.binaries[k.n++] = binaries[i];
    }
    if (rc == CL_SUCCESS && k.n > 0)
        p->inner[v] = ordinary->clCreateProgramWithBinary(p->context->vgpus[v].context,
                                                          k.n, k.devices, k.lengths,
                                                          k.binaries, k.status, &rc);
    for (cl_uint i = 0, j = 0; status && i < n && j < k.n; i++) {
        if (multi_vgpu_of(p->context, devices[i]) == v)
            status[i] = k.status[j++];
    }
    pick_free(&k);
    return rc;
}

/* Section 5.8.1. */
CL_API_ENTRY cl_program CL_API_CALL
multi_clCreateProgramWithBinary(cl_context context, cl_uint num_devices,
                                const cl_device_id *device_list, const size_t *lengths,
                                const unsigned char **binaries, cl_int *binary_status,
                                cl_int *errcode_ret)
{
    struct multi_context *c = multi_context_of(context);
    struct multi_program *p;
    cl_int rc;

    if (!c)
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    rc = check_devices(c, num_devices, device_list);
    if (rc == CL_SUCCESS && (!lengths || !binaries))
        rc = CL_INVALID_VALUE;
    for (cl_uint i = 0; rc == CL_SUCCESS && i < num_devices; i++) {
        bool given = lengths[i] && binaries[i];

        if (binary_status)
            binary_status[i] = given ? CL_SUCCESS : CL_INVALID_VALUE;
        if (!given)
            rc = CL_INVALID_VALUE;
    }
    if (rc != CL_SUCCESS)
        RETURN_WITH(errcode_ret, rc, NULL);
    p = multi_program_new(c, num_devices, device_list);
    if (!p)
        RETURN_WITH(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    /* All are tried, so that each status is told; the first error is the call's. */
    for (unsigned v = 0; v < c->n_vgpus; v++) {
        cl_int one = binaries_on_vgpu(p, (int)v, num_devices, device_list, lengths,
                                      binaries, binary_status);

        if (rc == CL_SUCCESS)
            rc = one;
    }
    if (rc != CL_SUCCESS) {
        object_unhold(&p->o);
        p = NULL;
    }
    RETURN_WITH(errcode_ret, rc, (cl_program)p);
}

/* Section 5.8.1. */
CL_API_ENTRY cl_program CL_API_CALL
multi_clCreateProgramWithBuiltInKernels(cl_context context, cl_uint num_devices,
                                        const cl_device_id *device_list,
                                        const char *kernel_names, cl_int *errcode_ret)
{
    struct multi_context *c = multi_context_of(context);
    struct multi_program *p;
    cl_int rc;

    if (!c)
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    rc = check_devices(c, num_devices, device_list);
    if (rc != CL_SUCCESS)
        RETURN_WITH(errcode_ret, rc, NULL);
    p = multi_program_new(c, num_devices, device_list);
    if (!p)
        RETURN_WITH(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    for (cl_uint i = 0; rc == CL_SUCCESS && i < num_devices; i++) {
        unsigned v = (unsigned)multi_vgpu_of(c, device_list[i]);

        if (!p->inner[v])
            p->inner[v] = ordinary->clCreateProgramWithBuiltInKernels(
                c->vgpus[v].context, 1, &device_list[i], kernel_names, &rc);
    }
    if (rc != CL_SUCCESS) {
        object_unhold(&p->o);
        p = NULL;
    }
    RETURN_WITH(errcode_ret, rc, (cl_program)p);
}

/* Section 5.8.2. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clRetainProgram(cl_program program)
{
    return object_retain_call(program, KIND_multi_program, CL_INVALID_PROGRAM);
}

/* Section 5.8.2. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clReleaseProgram(cl_program program)
{
    return object_release_call(program, KIND_multi_program, CL_INVALID_PROGRAM);
}

typedef void(CL_CALLBACK *program_release_fn)(cl_program, void *);

static void
call_program_release(struct destructor *d, void *handle)
{
    ((program_release_fn)d->function)(handle, d->user_data);
}

/* Section 5.8.2. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clSetProgramReleaseCallback(cl_program program, program_release_fn pfn_notify,
                                  void *user_data)
{
    struct multi_program *p = multi_program_of(program);

    if (!p)
        return CL_INVALID_PROGRAM;
    if (!pfn_notify)
        return CL_INVALID_VALUE;
    return destructor_push(&p->destructors, call_program_release, (void *)pfn_notify,
                           user_data);
}

/* Section 5.8.3. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clSetProgramSpecializationConstant(cl_program program, cl_uint spec_id,
                                         size_t spec_size, const void *spec_value)
{
    struct multi_program *p = multi_program_of(program);
    cl_int rc = CL_SUCCESS;

    if (!p)
        return CL_INVALID_PROGRAM;
    for (unsigned v = 0; rc == CL_SUCCESS && v < p->context->n_vgpus; v++) {
        if (p->inner[v])
            rc = ordinary->clSetProgramSpecializationConstant(p->inner[v], spec_id,
                                                              spec_size, spec_value);
    }
    return rc;
}

/* ---- queries ----------------------------------------------------------------------- */

/*
 * Sizes and bytes of each device's binary are asked of its vGPU's program, which answers for its
 * own devices: `at` says where each of them is in that list.
 */
struct inner_place {
    cl_program inner;
    cl_uint n, at;
};

static cl_int
inner_place(const struct multi_program *p, cl_device_id device, struct inner_place *ret)
{
    cl_device_id *list;
    cl_int rc;

    ret->inner = p->inner[multi_vgpu_of(p->context, device)];
    rc = ordinary->clGetProgramInfo(ret->inner, CL_PROGRAM_NUM_DEVICES, sizeof ret->n,
                                    &ret->n, NULL);
    if (rc != CL_SUCCESS)
        return rc;
    list = calloc(ret->n + 1u, sizeof(cl_device_id));
    if (!list)
        return CL_OUT_OF_HOST_MEMORY;
    rc = ordinary->clGetProgramInfo(ret->inner, CL_PROGRAM_DEVICES,
                                    ret->n * sizeof(cl_device_id), list, NULL);
    ret->at = 0;
    while (ret->at < ret->n && list[ret->at] != device)
        ret->at++;
    free(list);
    return rc == CL_SUCCESS && ret->at == ret->n ? CL_INVALID_DEVICE : rc;
}

/* 0 where there is no binary. */
static cl_int
binary_size(const struct multi_program *p, cl_device_id device, size_t *ret)
{
    struct inner_place place;
    cl_int rc = inner_place(p, device, &place);
    size_t *sizes = rc == CL_SUCCESS ? calloc(place.n, sizeof *sizes) : NULL;

    *ret = 0;
    if (sizes &&
        ordinary->clGetProgramInfo(place.inner, CL_PROGRAM_BINARY_SIZES,
                                   place.n * sizeof *sizes, sizes, NULL) == CL_SUCCESS)
        *ret = sizes[place.at];
    free(sizes);
    return rc;
}

static cl_int
binary_bytes(const struct multi_program *p, cl_device_id device, unsigned char *to)
{
    struct inner_place place;
    unsigned char **targets;
    cl_int rc = inner_place(p, device, &place);

    if (rc != CL_SUCCESS)
        return rc;
    targets = calloc(place.n, sizeof *targets);
    if (!targets)
        return CL_OUT_OF_HOST_MEMORY;
    targets[place.at] = to;
    rc = ordinary->clGetProgramInfo(place.inner, CL_PROGRAM_BINARIES,
                                    place.n * sizeof *targets, targets, NULL);
    free(targets);
    return rc;
}

static cl_int
program_binary_sizes(const struct multi_program *p, size_t cap, void *value,
                     size_t *ret_len)
{
    size_t *sizes = calloc(p->n_devices, sizeof *sizes);
    cl_int rc = sizes ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;

    for (cl_uint i = 0; rc == CL_SUCCESS && i < p->n_devices; i++)
        rc = binary_size(p, p->devices[i], &sizes[i]);
    if (rc == CL_SUCCESS)
        rc = info_put(sizes, p->n_devices * sizeof *sizes, cap, value, ret_len);
    free(sizes);
    return rc;
}

static cl_int
program_binaries(const struct multi_program *p, size_t cap, void *value, size_t *ret_len)
{
    unsigned char **targets = value;
    cl_int rc = CL_SUCCESS;

    if (value && cap < p->n_devices * sizeof *targets)
        return CL_INVALID_VALUE;
    if (ret_len)
        *ret_len = p->n_devices * sizeof *targets;
    for (cl_uint i = 0; value && rc == CL_SUCCESS && i < p->n_devices; i++) {
        size_t size;

        rc = binary_size(p, p->devices[i], &size);
        if (rc == CL_SUCCESS && targets[i] && size > 0)
            rc = binary_bytes(p, p->devices[i], targets[i]);
    }
    return rc;
}

/* What is the same on all vGPUs, or of one where it is built: the first that can tell. */
static cl_int
program_info_of_any(struct multi_program *p, cl_program_info name, size_t cap,
                    void *value, size_t *ret_len)
{
    cl_int rc = CL_INVALID_PROGRAM_EXECUTABLE;

    for (unsigned v = 0; v < p->context->n_vgpus; v++) {
        if (!p->inner[v])
            continue;
        rc = ordinary->clGetProgramInfo(p->inner[v], name, cap, value, ret_len);
        if (rc != CL_INVALID_PROGRAM_EXECUTABLE)
            return rc;
    }
    return rc;
}

/* Section 5.8.9. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clGetProgramInfo(cl_program program, cl_program_info param_name,
                       size_t param_value_size, void *param_value,
                       size_t *param_value_size_ret)
{
    struct multi_program *p = multi_program_of(program);

    if (!p)
        return CL_INVALID_PROGRAM;
    switch (param_name) {
    case CL_PROGRAM_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, atomic_load(&p->o.refs));
    case CL_PROGRAM_CONTEXT:
        return INFO_VALUE(cl_context, (cl_context)p->context);
    case CL_PROGRAM_NUM_DEVICES:
        return INFO_VALUE(cl_uint, p->n_devices);
    case CL_PROGRAM_DEVICES:
        return info_put(p->devices, p->n_devices * sizeof(cl_device_id), param_value_size,
                        param_value, param_value_size_ret);
    case CL_PROGRAM_BINARY_SIZES:
        return program_binary_sizes(p, param_value_size, param_value,
                                    param_value_size_ret);
    case CL_PROGRAM_BINARIES:
        return program_binaries(p, param_value_size, param_value, param_value_size_ret);
    default:
        return program_info_of_any(p, param_name, param_value_size, param_value,
                                   param_value_size_ret);
    }
}

/* Section 5.8.9. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clGetProgramBuildInfo(cl_program program, cl_device_id device,
                            cl_program_build_info param_name, size_t param_value_size,
                            void *param_value, size_t *param_value_size_ret)
{
    struct multi_program *p = multi_program_of(program);
    int v = p ? multi_program_vgpu_of(p, device) : -1;

    if (!p)
        return CL_INVALID_PROGRAM;
    if (v < 0)
        return CL_INVALID_DEVICE;
    return ordinary->clGetProgramBuildInfo(p->inner[v], device, param_name,
                                           param_value_size, param_value,
                                           param_value_size_ret);
}
