/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 4.4: contexts. */
#include "guest/opencl/context.h"

#include "api/opencl_send.h"
#include "base/cleanup.h"
#include "guest/opencl/multi/multi.h"

#include <stdlib.h>
#include <string.h>

/* ---- errors of a context, section 4.4 ---------------------------------------------- */

typedef void(CL_CALLBACK *context_notify_fn)(const char *, const void *, size_t, void *);

/* The one error that no call of the program has to do with: the device is gone. */
struct context_notify {
    struct callback callback;
    struct object *context; /* held, until it is called or cannot be any more */
    context_notify_fn function;
    void *user_data;
};

static void
notify_drop(struct context_notify *n)
{
    object_unhold(n->context);
    free(n);
}

static void
notify_run(struct callback *c)
{
    struct context_notify *n = container_of(c, struct context_notify, callback);

    n->function("the vGPU is gone: its worker ended", NULL, 0, n->user_data);
    notify_drop(n);
}

static cl_int
context_set_notify(struct _cl_context *c, context_notify_fn function, void *user_data)
{
    struct context_notify *n = calloc(1, sizeof *n);

    if (!n)
        return CL_OUT_OF_HOST_MEMORY;
    *n = (struct context_notify){.callback.run = notify_run,
                                 .context = &c->o,
                                 .function = function,
                                 .user_data = user_data};
    object_hold(&c->o);
    if (session_tell_death(c->o.session, &n->callback))
        c->notify = n;
    else
        notify_drop(n);
    return CL_SUCCESS;
}

/* A program that let go of its context wants to hear no more of it. */
static void
context_released(struct object *o)
{
    struct _cl_context *c = (struct _cl_context *)o;

    if (c->notify && session_untell_death(o->session, &c->notify->callback))
        notify_drop(c->notify);
}

/* ---- objects ----------------------------------------------------------------------- */

static void
context_destroy(struct object *o)
{
    struct _cl_context *c = (struct _cl_context *)o;

    destructors_run(&c->destructors, c);
    for (cl_uint i = 0; i < c->n_devices; i++)
        object_release(&c->devices[i]->o);
    free(c->devices);
    free(c->properties);
    free(c);
}

/* CL_CONTEXT_PLATFORM and CL_CONTEXT_INTEROP_USER_SYNC are known; each at most once. */
static cl_int
check_properties(const cl_context_properties *properties, size_t *ret_n)
{
    bool platform = false, sync = false;
    size_t n = 0;

    for (; properties && properties[n]; n += 2) {
        bool *seen = properties[n] == CL_CONTEXT_PLATFORM ? &platform : &sync;

        if (properties[n] != CL_CONTEXT_PLATFORM &&
            properties[n] != CL_CONTEXT_INTEROP_USER_SYNC)
            return CL_INVALID_PROPERTY;
        if (*seen)
            return CL_INVALID_PROPERTY;
        *seen = true;
        if (properties[n] == CL_CONTEXT_PLATFORM &&
            !object_is((void *)properties[n + 1], KIND_platform))
            return CL_INVALID_PLATFORM;
        if (properties[n] == CL_CONTEXT_INTEROP_USER_SYNC &&
            properties[n + 1] != CL_TRUE && properties[n + 1] != CL_FALSE)
            return CL_INVALID_PROPERTY;
    }
    *ret_n = properties ? n + 1 : 0;
    return CL_SUCCESS;
}

bool
context_has_device(const struct _cl_context *c, cl_device_id device)
{
    for (cl_uint i = 0; i < c->n_devices; i++) {
        if (c->devices[i] == device)
            return true;
    }
    return false;
}

cl_int
context_check_devices(const struct _cl_context *c, cl_uint n, const cl_device_id *devices)
{
    if ((n == 0) != (devices == NULL))
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < n; i++) {
        if (!context_has_device(c, devices[i]))
            return CL_INVALID_DEVICE;
    }
    return CL_SUCCESS;
}

/*
 * Section 4.4: duplicates in the list are ignored. A part of a vGPU is gone with the session that
 * made it.
 */
static cl_int
context_take_devices(struct _cl_context *c, cl_uint n, const cl_device_id *devices)
{
    c->device = devices[0]->d;
    c->max_alloc = device_number(c->device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, UINT64_MAX);
    c->devices = calloc(n, sizeof(cl_device_id));
    if (!c->devices)
        return CL_OUT_OF_HOST_MEMORY;
    for (cl_uint i = 0; i < n; i++) {
        if (devices[i]->parent && devices[i]->o.session != c->o.session)
            return CL_DEVICE_NOT_AVAILABLE;
        if (context_has_device(c, devices[i]))
            continue;
        object_retain(&devices[i]->o);
        c->devices[c->n_devices++] = devices[i];
    }
    return CL_SUCCESS;
}

static cl_int
context_new(cl_uint n_devices, const cl_device_id *devices,
            const cl_context_properties *properties, size_t n_properties, cl_context *ret)
{
    struct _cl_context *c = calloc(1, sizeof *c);
    struct session *s;
    cl_int rc;

    if (!c)
        return CL_OUT_OF_HOST_MEMORY;
    rc = device_session(devices[0]->d, &s);
    if (rc != CL_SUCCESS) {
        free(c);
        return rc;
    }
    object_init(&c->o, KIND_context, s, context_destroy);
    c->o.released = context_released;
    session_unhold(s); /* the object holds it now */
    rc = context_take_devices(c, n_devices, devices);
    c->n_properties = n_properties;
    c->o.id = session_new_id(s);
    if (n_properties) {
        c->properties = malloc(n_properties * sizeof *properties);
        if (c->properties)
            memcpy(c->properties, properties, n_properties * sizeof *properties);
    }
    if (!c->o.id.v || (n_properties && !c->properties))
        rc = CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        rc = send_clCreateContext(s, NULL, c->o.id, c->n_devices, c->devices);
    if (rc != CL_SUCCESS) {
        session_drop_id(s, c->o.id);
        object_unhold(&c->o);
        return rc;
    }
    *ret = c;
    return CL_SUCCESS;
}

CL_API_ENTRY cl_context CL_API_CALL
tsr_clCreateContext(const cl_context_properties *properties, cl_uint num_devices,
                    const cl_device_id *devices, context_notify_fn pfn_notify,
                    void *user_data, cl_int *errcode_ret)
{
    cl_context c = NULL;
    bool several = false;
    size_t n_properties = 0;
    cl_int rc;

    if (!devices || num_devices == 0 || (!pfn_notify && user_data))
        RETURN_WITH(errcode_ret, CL_INVALID_VALUE, NULL);
    for (cl_uint i = 0; i < num_devices; i++) {
        if (!object_is(devices[i], KIND_device))
            RETURN_WITH(errcode_ret, CL_INVALID_DEVICE, NULL);
    }
    rc = check_properties(properties, &n_properties);
    for (cl_uint i = 1; i < num_devices; i++)
        several |= devices[i]->d != devices[0]->d;
    if (rc == CL_SUCCESS && several)
        rc = multi_context_new(properties, n_properties, num_devices, devices,
                               &(struct multi_notify){pfn_notify, user_data}, &c);
    else if (rc == CL_SUCCESS)
        rc = context_new(num_devices, devices, properties, n_properties, &c);
    if (rc == CL_SUCCESS && pfn_notify && !several) {
        rc = context_set_notify(c, pfn_notify, user_data);
        if (rc != CL_SUCCESS)
            object_release(&take_ptr(c)->o);
    }
    RETURN_WITH(errcode_ret, rc, c);
}

CL_API_ENTRY cl_context CL_API_CALL
tsr_clCreateContextFromType(const cl_context_properties *properties,
                            cl_device_type device_type, context_notify_fn pfn_notify,
                            void *user_data, cl_int *errcode_ret)
{
    _cleanup_free_ cl_device_id *devices = NULL;
    cl_uint n = 1;
    cl_int rc = tsr_clGetDeviceIDs(platform_get(), device_type, 0, NULL, &n);

    if (rc == CL_SUCCESS) {
        devices = calloc(n, sizeof *devices);
        rc = devices ? tsr_clGetDeviceIDs(platform_get(), device_type, n, devices, NULL)
                     : CL_OUT_OF_HOST_MEMORY;
    }
    if (rc != CL_SUCCESS)
        RETURN_WITH(errcode_ret, rc, NULL);
    return tsr_clCreateContext(properties, n, devices, pfn_notify, user_data,
                               errcode_ret);
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clRetainContext(cl_context context)
{
    return object_retain_call(context, KIND_context, CL_INVALID_CONTEXT);
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clReleaseContext(cl_context context)
{
    return object_release_call(context, KIND_context, CL_INVALID_CONTEXT);
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetContextInfo(cl_context context, cl_context_info param_name,
                     size_t param_value_size, void *param_value,
                     size_t *param_value_size_ret)
{
    if (!object_is(context, KIND_context))
        return CL_INVALID_CONTEXT;
    switch (param_name) {
    case CL_CONTEXT_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, atomic_load(&context->o.refs));
    case CL_CONTEXT_NUM_DEVICES:
        return INFO_VALUE(cl_uint, context->n_devices);
    case CL_CONTEXT_DEVICES:
        return info_put(context->devices, context->n_devices * sizeof(cl_device_id),
                        param_value_size, param_value, param_value_size_ret);
    case CL_CONTEXT_PROPERTIES:
        return info_put(context->properties,
                        context->n_properties * sizeof *context->properties,
                        param_value_size, param_value, param_value_size_ret);
    default:
        return CL_INVALID_VALUE;
    }
}

typedef void(CL_CALLBACK *context_destructor_fn)(cl_context, void *);

static void
call_context_destructor(struct destructor *d, void *handle)
{
    ((context_destructor_fn)d->function)(handle, d->user_data);
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clSetContextDestructorCallback(cl_context context, context_destructor_fn pfn_notify,
                                   void *user_data)
{
    cl_int rc;

    if (!object_is(context, KIND_context))
        return CL_INVALID_CONTEXT;
    if (!pfn_notify)
        return CL_INVALID_VALUE;
    rc = destructor_push(&context->destructors, call_context_destructor,
                         (void *)pfn_notify, user_data);
    if (rc == CL_SUCCESS)
        destructors_watch(&context->o, &context->destructors, &context->watched,
                          send_clSetContextDestructorCallback);
    return rc;
}
