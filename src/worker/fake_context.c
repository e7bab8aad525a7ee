/* SPDX-License-Identifier: MIT */
/* Contexts of the fake driver: always its one device. */
#include "worker/fake_internal.h"

#include <stdlib.h>
#include <string.h>

/* Destructors run in the reverse order of their registration. */
static void
context_destroy(void *self)
{
    cl_context ctx = self;

    while (!list_empty(&ctx->destructors)) {
        struct fake_callback *cb =
            container_of(ctx->destructors.prev, struct fake_callback, node);

        cb->call.context(ctx, cb->data);
        list_del(&cb->node);
        free(cb);
    }
    ctx->base.kind = FAKE_DEAD;
    free(ctx->properties);
    free(ctx);
}

static cl_int
properties_check(const cl_context_properties *p, size_t *ret_bytes)
{
    size_t n = 0;

    for (; p && p[n]; n += 2) {
        if (p[n] == CL_CONTEXT_PLATFORM) {
            if (p[n + 1] != (cl_context_properties)&fake_platform)
                return CL_INVALID_PLATFORM;
        } else if (p[n] != CL_CONTEXT_INTEROP_USER_SYNC) {
            return CL_INVALID_PROPERTY;
        }
    }
    *ret_bytes = p ? (n + 1) * sizeof(*p) : 0;
    return CL_SUCCESS;
}

static cl_context
context_new(const cl_context_properties *properties, cl_int *ret_err)
{
    cl_context ctx;
    size_t bytes;
    cl_int err = properties_check(properties, &bytes);

    if (err)
        return fake_ret(ret_err, err, NULL);

    ctx = calloc(1, sizeof(*ctx));
    if (ctx && bytes)
        ctx->properties = malloc(bytes);
    if (!ctx || (bytes && !ctx->properties)) {
        free(ctx);
        return fake_ret(ret_err, CL_OUT_OF_HOST_MEMORY, NULL);
    }
    if (bytes)
        memcpy(ctx->properties, properties, bytes);
    ctx->properties_bytes = bytes;
    list_init(&ctx->destructors);
    fake_object_init(ctx, FAKE_CONTEXT, context_destroy);
    return fake_ret(ret_err, CL_SUCCESS, ctx);
}

cl_context
fake_clCreateContext(const cl_context_properties *properties, cl_uint num_devices,
                     const cl_device_id *devices,
                     void(CL_CALLBACK *pfn_notify)(const char *, const void *, size_t,
                                                   void *),
                     void *user_data, cl_int *errcode_ret)
{
    if (num_devices == 0 || !devices || (!pfn_notify && user_data))
        return fake_ret(errcode_ret, CL_INVALID_VALUE, NULL);
    for (cl_uint i = 0; i < num_devices; i++) {
        if (devices[i] != &fake_device)
            return fake_ret(errcode_ret, CL_INVALID_DEVICE, NULL);
    }
    return context_new(properties, errcode_ret);
}

cl_context
fake_clCreateContextFromType(const cl_context_properties *properties,
                             cl_device_type device_type,
                             void(CL_CALLBACK *pfn_notify)(const char *, const void *,
                                                           size_t, void *),
                             void *user_data, cl_int *errcode_ret)
{
    if (!pfn_notify && user_data)
        return fake_ret(errcode_ret, CL_INVALID_VALUE, NULL);
    if (!(device_type & (CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_DEFAULT)))
        return fake_ret(errcode_ret, CL_DEVICE_NOT_FOUND, NULL);
    return context_new(properties, errcode_ret);
}

cl_int
fake_clGetContextInfo(cl_context context, cl_context_info param_name,
                      size_t param_value_size, void *param_value,
                      size_t *param_value_size_ret)
{
    struct fake_out out = {param_value_size, param_value, param_value_size_ret};
    const cl_device_id device = &fake_device;
    const cl_uint num_devices = 1;
    cl_uint users;

    if (!fake_is(context, FAKE_CONTEXT))
        return CL_INVALID_CONTEXT;
    users = context->base.users;

    const struct fake_info table[] = {
        FAKE_INFO(CL_CONTEXT_REFERENCE_COUNT, users),
        FAKE_INFO(CL_CONTEXT_NUM_DEVICES, num_devices),
        FAKE_INFO(CL_CONTEXT_DEVICES, device),
        {CL_CONTEXT_PROPERTIES, context->properties, context->properties_bytes},
    };
    return fake_answer_from(table, ARRAY_LEN(table), param_name, out);
}

cl_int
fake_clSetContextDestructorCallback(cl_context context,
                                    void(CL_CALLBACK *pfn_notify)(cl_context, void *),
                                    void *user_data)
{
    struct fake_callback *cb;

    if (!fake_is(context, FAKE_CONTEXT))
        return CL_INVALID_CONTEXT;
    if (!pfn_notify)
        return CL_INVALID_VALUE;

    pthread_mutex_lock(&fake_lock);
    cb = fake_callback_new(&context->destructors, user_data);
    if (cb)
        cb->call.context = pfn_notify;
    pthread_mutex_unlock(&fake_lock);
    return cb ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}
