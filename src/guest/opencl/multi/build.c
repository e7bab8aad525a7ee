/* SPDX-License-Identifier: MIT */
/*
 * OpenCL 3.0, sections 5.8.4 and 5.8.5: building, compiling and linking for devices of several
 * vGPUs: one after the other, or all at once where the program gives a callback, which is called
 * once, when all are done.
 */
#include "base/cleanup.h"
#include "guest/opencl/multi/countdown.h"
#include "guest/opencl/multi/program.h"

#include <stdlib.h>

typedef void(CL_CALLBACK *program_notify_fn)(cl_program, void *);

/* Called back once all vGPUs are done, if the call began them all. */
struct notify {
    struct countdown countdown;
    struct multi_program *program; /* retained: it can be asked of in the callback */
    program_notify_fn function;
    void *user_data;
};

static void
notify_end(struct countdown *c)
{
    struct notify *n = container_of(c, struct notify, countdown);

    if (n->function)
        n->function((cl_program)n->program, n->user_data);
    object_release(&n->program->o);
    free(n);
}

static void CL_CALLBACK
inner_done(cl_program inner, void *notify)
{
    struct notify *n = notify;

    (void)inner;
    countdown_step(&n->countdown);
}

/* NULL without a function, or without memory. */
static struct notify *
notify_new(struct multi_program *p, program_notify_fn fn, void *user_data)
{
    struct notify *n = fn ? malloc(sizeof *n) : NULL;

    if (!n)
        return NULL;
    *n = (struct notify){.program = p, .function = fn, .user_data = user_data};
    countdown_init(&n->countdown, notify_end);
    object_retain(&p->o);
    return n;
}

/* A call that fails calls nobody back, though some vGPUs may be at work. */
static void
notify_begun(struct notify *n, cl_int rc)
{
    if (rc != CL_SUCCESS)
        n->function = NULL;
    countdown_begun(&n->countdown, n->program->context);
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
    struct notify *notify; /* NULL: each vGPU is waited for */
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
    program_notify_fn fn = b->notify ? inner_done : NULL;
    _cleanup_free_ cl_program *headers = NULL;

    if (!b->compile)
        return ordinary->clBuildProgram(p->inner[v], pick->n, pick->devices, b->options,
                                        fn, b->notify);
    headers = inner_programs(b->n_headers, b->headers, v);
    if (!headers)
        return CL_OUT_OF_HOST_MEMORY;
    return ordinary->clCompileProgram(p->inner[v], pick->n, pick->devices, b->options,
                                      b->n_headers, b->n_headers ? headers : NULL,
                                      b->names, fn, b->notify);
}

static cl_int
build_or_begin(struct multi_program *p, unsigned v, const struct device_pick *pick,
               const struct build *b)
{
    cl_int rc;

    if (b->notify)
        countdown_more(&b->notify->countdown);
    rc = build_on_vgpu(p, v, pick, b);
    if (b->notify && rc != CL_SUCCESS)
        countdown_step(&b->notify->countdown);
    return rc;
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
            one = build_or_begin(p, v, &pick, b);
        free(pick.devices);
        if (rc == CL_SUCCESS)
            rc = one;
    }
    return rc;
}

static cl_int
build_call(struct multi_program *p, cl_uint n, const cl_device_id *devices,
           struct build *b, program_notify_fn fn, void *user_data)
{
    cl_int rc;

    b->notify = notify_new(p, fn, user_data);
    if (fn && !b->notify)
        return CL_OUT_OF_HOST_MEMORY;
    rc = build_all(p, n, devices, b);
    if (b->notify)
        notify_begun(b->notify, rc);
    return rc;
}

/* Section 5.8.4. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clBuildProgram(cl_program program, cl_uint num_devices,
                     const cl_device_id *device_list, const char *options,
                     program_notify_fn pfn_notify, void *user_data)
{
    struct multi_program *p = multi_program_of(program);
    struct build b = {.options = options};
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
    struct build b = {.options = options,
                      .compile = true,
                      .n_headers = num_input_headers,
                      .headers = input_headers,
                      .names = header_include_names};
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

struct link {
    const char *options;
    cl_uint n;
    const cl_program *inputs;
    struct notify *notify; /* NULL: each vGPU is waited for */
    cl_uint n_devices;     /* that have something to link */
    cl_device_id *devices;
};

static cl_int
check_input(const struct multi_program *p, cl_device_id device, bool *ret_linkable)
{
    cl_program_binary_type type;
    cl_build_status status;
    int v = multi_program_vgpu_of(p, device);
    cl_int rc;

    *ret_linkable = false;
    if (v < 0)
        return CL_SUCCESS;
    rc = ordinary->clGetProgramBuildInfo(p->inner[v], device, CL_PROGRAM_BUILD_STATUS,
                                         sizeof status, &status, NULL);
    if (rc == CL_SUCCESS && status == CL_BUILD_IN_PROGRESS)
        rc = CL_INVALID_OPERATION;
    if (rc == CL_SUCCESS)
        rc = ordinary->clGetProgramBuildInfo(p->inner[v], device, CL_PROGRAM_BINARY_TYPE,
                                             sizeof type, &type, NULL);
    *ret_linkable = rc == CL_SUCCESS && (type == CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT ||
                                         type == CL_PROGRAM_BINARY_TYPE_LIBRARY);
    return rc;
}

/* Section 5.8.5: on a device all inputs can be linked, or none can and it gets no executable. */
static cl_int
check_inputs(const struct multi_program *p, struct link *l)
{
    l->devices = calloc(p->n_devices, sizeof(cl_device_id));
    if (!l->devices)
        return CL_OUT_OF_HOST_MEMORY;
    for (cl_uint d = 0; d < p->n_devices; d++) {
        cl_uint linkable = 0;

        for (cl_uint i = 0; i < l->n; i++) {
            const struct multi_program *input = multi_program_of(l->inputs[i]);
            bool one;
            cl_int rc = check_input(input, p->devices[d], &one);

            if (rc != CL_SUCCESS)
                return rc;
            linkable += one;
        }
        if (linkable != 0 && linkable != l->n)
            return CL_INVALID_OPERATION;
        if (linkable > 0)
            l->devices[l->n_devices++] = p->devices[d];
    }
    return l->n_devices > 0 ? CL_SUCCESS : CL_INVALID_OPERATION;
}

/* Where there is nothing to link: a program that is not built. */
static cl_int
link_nothing(struct multi_program *p, unsigned v)
{
    const char *source = "";
    cl_int rc;

    p->inner[v] = ordinary->clCreateProgramWithSource(p->context->vgpus[v].context, 1,
                                                      &source, NULL, &rc);
    return rc;
}

static cl_int
link_some(struct multi_program *p, unsigned v, const struct device_pick *pick,
          const struct link *l)
{
    _cleanup_free_ cl_program *inner = inner_programs(l->n, l->inputs, v);
    cl_int rc;

    if (!inner)
        return CL_OUT_OF_HOST_MEMORY;
    if (l->notify)
        countdown_more(&l->notify->countdown);
    p->inner[v] = ordinary->clLinkProgram(p->context->vgpus[v].context, pick->n,
                                          pick->devices, l->options, l->n, inner,
                                          l->notify ? inner_done : NULL, l->notify, &rc);
    if (l->notify && rc != CL_SUCCESS)
        countdown_step(&l->notify->countdown);
    return rc;
}

static cl_int
link_on_vgpu(struct multi_program *p, unsigned v, const struct link *l)
{
    struct device_pick all, some;
    cl_int rc = pick_devices(p, v, 0, NULL, &all);

    if (rc == CL_SUCCESS) {
        rc = pick_devices(p, v, l->n_devices, l->devices, &some);
        if (rc == CL_SUCCESS && all.n > 0)
            rc = some.n > 0 ? link_some(p, v, &all, l) : link_nothing(p, v);
        free(some.devices);
    }
    free(all.devices);
    return rc;
}

/* Tries all vGPUs. False: one of them gave no program. */
static bool
link_all(struct multi_program *p, const struct link *l, cl_int *ret_rc)
{
    bool whole = true;

    for (unsigned v = 0; v < p->context->n_vgpus; v++) {
        cl_int rc = link_on_vgpu(p, v, l);

        if (*ret_rc == CL_SUCCESS)
            *ret_rc = rc;
        whole &= rc == CL_SUCCESS || p->inner[v];
    }
    return whole;
}

/* With its devices; CL_INVALID_OPERATION and others leave no program. */
static cl_int
link_begin(struct multi_context *c, cl_uint n, const cl_device_id *devices,
           struct link *l, program_notify_fn fn, void *user_data,
           struct multi_program **ret)
{
    struct multi_program *p = multi_program_new(c, n, devices);
    cl_int rc = p ? check_inputs(p, l) : CL_OUT_OF_HOST_MEMORY;

    if (rc == CL_SUCCESS && fn) {
        l->notify = notify_new(p, fn, user_data);
        rc = l->notify ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    }
    if (rc != CL_SUCCESS && p)
        object_unhold(&p->o);
    else
        *ret = p;
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
    struct link l = {
        .options = options, .n = num_input_programs, .inputs = input_programs};
    struct multi_program *p = NULL;
    bool whole;
    cl_int rc;

    if (!c)
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    rc = check_link(c, num_devices, device_list, num_input_programs, input_programs);
    if (rc == CL_SUCCESS && !pfn_notify && user_data)
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS)
        rc = link_begin(c, num_devices, device_list, &l, pfn_notify, user_data, &p);
    if (rc != CL_SUCCESS) {
        free(l.devices);
        RETURN_WITH(errcode_ret, rc, NULL);
    }
    whole = link_all(p, &l, &rc);
    free(l.devices);
    if (l.notify)
        notify_begun(l.notify, whole ? CL_SUCCESS : rc);
    if (!whole) {
        object_release(&p->o);
        p = NULL;
    } else if (l.notify) {
        rc = CL_SUCCESS; /* a vGPU that refused says so in its log */
    }
    RETURN_WITH(errcode_ret, rc, (cl_program)p);
}
