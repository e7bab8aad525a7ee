/* SPDX-License-Identifier: MIT */
/*
 * OpenCL 3.0, sections 5.8.4 and 5.8.5: building, compiling and linking for devices of several
 * vGPUs: one after the other, and the program's callback once, when all are done.
 */
#include "base/cleanup.h"
#include "guest/opencl/multi/program.h"
#include "guest/opencl/session.h"

#include <stdlib.h>

typedef void(CL_CALLBACK *program_notify_fn)(cl_program, void *);

struct notify {
    struct callback callback;
    struct multi_program *program; /* held */
    program_notify_fn function;
    void *user_data;
};

static void
notify_run(struct callback *c)
{
    struct notify *n = container_of(c, struct notify, callback);

    n->function((cl_program)n->program, n->user_data);
    object_unhold(&n->program->o);
    free(n);
}

/* Calls back from a service thread, never from inside the call (the program may hold a lock). */
static void
notify_post(struct multi_program *p, program_notify_fn fn, void *user_data)
{
    struct session *s = p->context->vgpus[0].context->o.session;
    struct notify *n = malloc(sizeof *n);

    if (!n || session_is_dead(s) || session_need_service(s) != CL_SUCCESS) {
        free(n);
        fn((cl_program)p, user_data);
        return;
    }
    *n = (struct notify){
        .callback.run = notify_run, .program = p, .function = fn, .user_data = user_data};
    object_hold(&p->o);
    session_post_callback(s, &n->callback);
}

/* The devices of one vGPU among those asked for: all of the program's when there is no list. */
struct device_pick {
    cl_uint n;
    cl_device_id *devices;
};

static cl_int
pick_devices(const struct multi_program *p, unsigned v, cl_uint n,
             const cl_device_id *devices, struct device_pick *ret)
{
    if (n == 0) {
        n = p->n_devices;
        devices = p->devices;
    }
    ret->n = 0;
    ret->devices = calloc(n, sizeof(cl_device_id));
    if (!ret->devices)
        return CL_OUT_OF_HOST_MEMORY;
    for (cl_uint i = 0; i < n; i++) {
        if (multi_vgpu_of(p->context, devices[i]) == (int)v)
            ret->devices[ret->n++] = devices[i];
    }
    return CL_SUCCESS;
}

static cl_int
check_build(const struct multi_program *p, cl_uint n, const cl_device_id *devices,
            program_notify_fn fn, const void *user_data)
{
    if (!p)
        return CL_INVALID_PROGRAM;
    if ((n == 0) != (devices == NULL) || (!fn && user_data))
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < n; i++) {
        if (multi_program_vgpu_of(p, devices[i]) < 0)
            return CL_INVALID_DEVICE;
    }
    return CL_SUCCESS;
}

/* What is asked of one vGPU. */
struct build {
    const char *options;
    bool compile;
    cl_uint n_headers;
    const cl_program *headers;
    const char **names;
};

/* The vGPU's own programs of a list of composites. */
static cl_program *
inner_programs(cl_uint n, const cl_program *programs, unsigned v)
{
    cl_program *inner = calloc(n + 1u, sizeof(cl_program));

    for (cl_uint i = 0; inner && i < n; i++) /* checked by the caller */
        inner[i] = ((const struct multi_program *)programs[i])->inner[v];
    return inner;
}

static cl_int
build_on_vgpu(struct multi_program *p, unsigned v, const struct device_pick *pick,
              const struct build *b)
{
    _cleanup_free_ cl_program *headers = NULL;

    if (!b->compile)
        return ordinary->clBuildProgram(p->inner[v], pick->n, pick->devices, b->options,
                                        NULL, NULL);
    headers = inner_programs(b->n_headers, b->headers, v);
    if (!headers)
        return CL_OUT_OF_HOST_MEMORY;
    return ordinary->clCompileProgram(p->inner[v], pick->n, pick->devices, b->options,
                                      b->n_headers, b->n_headers ? headers : NULL,
                                      b->names, NULL, NULL);
}

/* All vGPUs are tried: each device has a status and a log of its own. */
static cl_int
build_all(struct multi_program *p, cl_uint n, const cl_device_id *devices,
          const struct build *b)
{
    cl_int rc = CL_SUCCESS;

    for (unsigned v = 0; v < p->context->n_vgpus; v++) {
        struct device_pick pick;
        cl_int one = pick_devices(p, v, n, devices, &pick);

        if (one == CL_SUCCESS && pick.n > 0)
            one = build_on_vgpu(p, v, &pick, b);
        free(pick.devices);
        if (rc == CL_SUCCESS)
            rc = one;
    }
    return rc;
}

static cl_int
build_call(struct multi_program *p, cl_uint n, const cl_device_id *devices,
           const struct build *b, program_notify_fn fn, void *user_data)
{
    const cl_int failure =
        b->compile ? CL_COMPILE_PROGRAM_FAILURE : CL_BUILD_PROGRAM_FAILURE;
    cl_int rc = build_all(p, n, devices, b);

    if (!fn || (rc != CL_SUCCESS && rc != failure))
        return rc;
    notify_post(p, fn, user_data);
    return CL_SUCCESS;
}

/* Section 5.8.4. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clBuildProgram(cl_program program, cl_uint num_devices,
                     const cl_device_id *device_list, const char *options,
                     program_notify_fn pfn_notify, void *user_data)
{
    struct multi_program *p = multi_program_of(program);
    const struct build b = {.options = options};
    cl_int rc = check_build(p, num_devices, device_list, pfn_notify, user_data);

    if (rc != CL_SUCCESS)
        return rc;
    return build_call(p, num_devices, device_list, &b, pfn_notify, user_data);
}

/* Section 5.8.5. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clCompileProgram(cl_program program, cl_uint num_devices,
                       const cl_device_id *device_list, const char *options,
                       cl_uint num_input_headers, const cl_program *input_headers,
                       const char **header_include_names, program_notify_fn pfn_notify,
                       void *user_data)
{
    struct multi_program *p = multi_program_of(program);
    const struct build b = {options, true, num_input_headers, input_headers,
                            header_include_names};
    cl_int rc = check_build(p, num_devices, device_list, pfn_notify, user_data);

    if (rc != CL_SUCCESS)
        return rc;
    if ((num_input_headers == 0) != (input_headers == NULL) ||
        (num_input_headers == 0) != (header_include_names == NULL))
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < num_input_headers; i++) {
        const struct multi_program *one = multi_program_of(input_headers[i]);

        if (!one)
            return CL_INVALID_PROGRAM;
        if (one->context != p->context)
            return CL_INVALID_CONTEXT;
    }
    return build_call(p, num_devices, device_list, &b, pfn_notify, user_data);
}

/* ---- linking ----------------------------------------------------------------------- */

static cl_int
check_link(const struct multi_context *c, cl_uint n_devices, const cl_device_id *devices,
           cl_uint n_inputs, const cl_program *inputs)
{
    if ((n_devices == 0) != (devices == NULL) || n_inputs == 0 || !inputs)
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < n_devices; i++) {
        if (multi_vgpu_of(c, devices[i]) < 0)
            return CL_INVALID_DEVICE;
    }
    for (cl_uint i = 0; i < n_inputs; i++) {
        const struct multi_program *one = multi_program_of(inputs[i]);

        if (!one)
            return CL_INVALID_PROGRAM;
        if (one->context != c)
            return CL_INVALID_CONTEXT;
    }
    return CL_SUCCESS;
}

static cl_int
link_on_vgpu(struct multi_program *p, unsigned v, const char *options, cl_uint n,
             const cl_program *inputs)
{
    _cleanup_free_ cl_program *inner = inner_programs(n, inputs, v);
    struct device_pick pick;
    cl_int rc = pick_devices(p, v, 0, NULL, &pick);

    if (rc == CL_SUCCESS && !inner)
        rc = CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS && pick.n > 0)
        p->inner[v] =
            ordinary->clLinkProgram(p->context->vgpus[v].context, pick.n, pick.devices,
                                    options, n, inner, NULL, NULL, &rc);
    free(pick.devices);
    return rc;
}

/* A link that fails still gives a program, whose log says why (section 5.8.5). */
CL_API_ENTRY cl_program CL_API_CALL
multi_clLinkProgram(cl_context context, cl_uint num_devices,
                    const cl_device_id *device_list, const char *options,
                    cl_uint num_input_programs, const cl_program *input_programs,
                    program_notify_fn pfn_notify, void *user_data, cl_int *errcode_ret)
{
    struct multi_context *c = multi_context_of(context);
    struct multi_program *p = NULL;
    bool whole = true;
    cl_int rc;

    if (!c)
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    rc = check_link(c, num_devices, device_list, num_input_programs, input_programs);
    if (rc == CL_SUCCESS && !pfn_notify && user_data)
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS && !(p = multi_program_new(c, num_devices, device_list)))
        rc = CL_OUT_OF_HOST_MEMORY;
    for (unsigned v = 0; p && v < c->n_vgpus; v++) {
        cl_int one = link_on_vgpu(p, v, options, num_input_programs, input_programs);

        if (rc == CL_SUCCESS)
            rc = one;
        if (one != CL_SUCCESS && !p->inner[v])
            whole = false;
    }
    if (p && !whole) {
        object_unhold(&p->o);
        p = NULL;
    }
    if (p && pfn_notify) {
        notify_post(p, pfn_notify, user_data);
        rc = CL_SUCCESS;
    }
    RETURN_WITH(errcode_ret, rc, (cl_program)p);
}
