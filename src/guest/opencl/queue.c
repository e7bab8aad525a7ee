/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, sections 5.1 and 5.15: command queues, flush and finish. */
#include "guest/opencl/queue.h"

#include "api/opencl_send.h"
#include "guest/opencl/store.h"

#include <string.h>

static void
queue_destroy(struct object *o)
{
    struct _cl_command_queue *q = (struct _cl_command_queue *)o;

    object_release(&q->context->o);
    pthread_mutex_destroy(&q->lock);
    pace_unhold(q->pace);
    free(q->properties);
    free(q);
}

static bool
reads_finished(void *arg)
{
    struct _cl_command_queue *q = arg;

    return atomic_load_explicit(&q->reads, memory_order_acquire) == 0;
}

cl_int
queue_drain(struct _cl_command_queue *q)
{
    struct pending p = {0};
    uint64_t upto;
    bool idle;
    cl_int rc;

    pthread_mutex_lock(&q->lock);
    upto = q->submitted;
    idle = q->drained == upto && reads_finished(q) && !session_is_dead(q->o.session);
    rc = idle ? CL_SUCCESS : send_clFinish(q->o.session, &p, q->o.id);
    pthread_mutex_unlock(&q->lock);
    /* Whoever drained it has told of its errors, too. */
    if (idle || rc != CL_SUCCESS)
        return rc;
    rc = session_wait(q->o.session, &p);
    if (rc != CL_SUCCESS)
        return rc;
    rc = session_wait_until(q->o.session, reads_finished, q);
    pthread_mutex_lock(&q->lock);
    /* Without memory, or at the limit, the worker answers before anything is complete. */
    if (q->drained < upto && p.status != CL_OUT_OF_HOST_MEMORY)
        q->drained = upto;
    pthread_mutex_unlock(&q->lock);
    return rc == CL_SUCCESS ? (cl_int)p.status : rc;
}

static cl_int
queue_new(cl_context context, cl_device_id device, cl_command_queue_properties flags,
          const cl_queue_properties *properties, size_t n_properties,
          cl_command_queue *ret)
{
    struct _cl_command_queue *q = calloc(1, sizeof *q);
    struct session *s = context->o.session;
    cl_int rc = CL_SUCCESS;

    if (!q)
        return CL_OUT_OF_HOST_MEMORY;
    object_init(&q->o, KIND_queue, s, queue_destroy);
    object_retain(&context->o);
    pthread_mutex_init(&q->lock, NULL);
    q->context = context;
    q->device = device;
    q->flags = flags;
    q->n_properties = n_properties;
    if (n_properties) {
        q->properties = malloc(n_properties * sizeof *properties);
        if (q->properties)
            memcpy(q->properties, properties, n_properties * sizeof *properties);
        else
            rc = CL_OUT_OF_HOST_MEMORY;
    }
    q->o.id = session_new_id(s);
    if (q->o.id.v == 0)
        rc = CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        rc = send_clCreateCommandQueueWithProperties(s, NULL, q->o.id, context->o.id,
                                                     device->o.id, flags);
    if (rc != CL_SUCCESS) {
        session_drop_id(s, q->o.id);
        object_unhold(&q->o);
        return rc;
    }
    *ret = q;
    return CL_SUCCESS;
}

static cl_int
check_flags(const struct device *d, cl_command_queue_properties flags)
{
    const cl_command_queue_properties known =
        CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE | CL_QUEUE_PROFILING_ENABLE |
        CL_QUEUE_ON_DEVICE | CL_QUEUE_ON_DEVICE_DEFAULT;

    if (flags & ~known)
        return CL_INVALID_VALUE;
    if (flags &
        ~device_number(d, CL_DEVICE_QUEUE_ON_HOST_PROPERTIES, CL_QUEUE_PROFILING_ENABLE))
        return CL_INVALID_QUEUE_PROPERTIES;
    return CL_SUCCESS;
}

static cl_int
check_queue_arguments(cl_context context, cl_device_id device)
{
    if (!object_is(context, KIND_context))
        return CL_INVALID_CONTEXT;
    if (!context_has_device(context, device))
        return CL_INVALID_DEVICE;
    return CL_SUCCESS;
}

/* Section 5.1. */
CL_API_ENTRY cl_command_queue CL_API_CALL
tsr_clCreateCommandQueue(cl_context context, cl_device_id device,
                         cl_command_queue_properties properties, cl_int *errcode_ret)
{
    cl_command_queue q = NULL;
    cl_int rc = check_queue_arguments(context, device);

    if (rc == CL_SUCCESS)
        rc = check_flags(device->d, properties);
    if (rc == CL_SUCCESS)
        rc = queue_new(context, device, properties, NULL, 0, &q);
    RETURN_WITH(errcode_ret, rc, q);
}

/* Section 5.1. */
CL_API_ENTRY cl_command_queue CL_API_CALL
tsr_clCreateCommandQueueWithProperties(cl_context context, cl_device_id device,
                                       const cl_queue_properties *properties,
                                       cl_int *errcode_ret)
{
    cl_command_queue_properties flags = 0;
    cl_command_queue q = NULL;
    bool given = false;
    size_t n = 0;
    cl_int rc = check_queue_arguments(context, device);

    for (; rc == CL_SUCCESS && properties && properties[n]; n += 2) {
        if (properties[n] == CL_QUEUE_PROPERTIES && !given) {
            flags = properties[n + 1];
            given = true;
        } else if (properties[n] == CL_QUEUE_SIZE)
            rc =
                CL_INVALID_QUEUE_PROPERTIES; /* of queues on the device: there are none */
        else
            rc = CL_INVALID_VALUE;
    }
    if (rc == CL_SUCCESS)
        rc = check_flags(device->d, flags);
    if (rc == CL_SUCCESS)
        rc = queue_new(context, device, flags, properties, properties ? n + 1 : 0, &q);
    RETURN_WITH(errcode_ret, rc, q);
}

/* Section 5.1. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clRetainCommandQueue(cl_command_queue command_queue)
{
    return object_retain_call(command_queue, KIND_queue, CL_INVALID_COMMAND_QUEUE);
}

/* Releasing a queue flushes it (section 5.1). */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clReleaseCommandQueue(cl_command_queue command_queue)
{
    return object_release_call(command_queue, KIND_queue, CL_INVALID_COMMAND_QUEUE);
}

/* Section 5.1. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetCommandQueueInfo(cl_command_queue command_queue,
                          cl_command_queue_info param_name, size_t param_value_size,
                          void *param_value, size_t *param_value_size_ret)
{
    const struct _cl_command_queue *q = command_queue;

    if (!object_is(q, KIND_queue))
        return CL_INVALID_COMMAND_QUEUE;
    switch (param_name) {
    case CL_QUEUE_CONTEXT:
        return INFO_VALUE(cl_context, q->context);
    case CL_QUEUE_DEVICE:
        return INFO_VALUE(cl_device_id, q->device);
    case CL_QUEUE_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, atomic_load(&q->o.refs));
    case CL_QUEUE_PROPERTIES:
        return INFO_VALUE(cl_command_queue_properties, q->flags);
    case CL_QUEUE_PROPERTIES_ARRAY:
        return info_put(q->properties, q->n_properties * sizeof *q->properties,
                        param_value_size, param_value, param_value_size_ret);
    case CL_QUEUE_DEVICE_DEFAULT:
        return INFO_VALUE(cl_command_queue, NULL);
    case CL_QUEUE_SIZE:
        return CL_INVALID_COMMAND_QUEUE; /* asks about a queue on the device */
    default:
        return CL_INVALID_VALUE;
    }
}

/* Section 5.1. Deprecated since 1.1: an implementation may refuse to change a living queue. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clSetCommandQueueProperty(cl_command_queue command_queue,
                              cl_command_queue_properties properties, cl_bool enable,
                              cl_command_queue_properties *old_properties)
{
    (void)properties;
    (void)enable;
    if (!object_is(command_queue, KIND_queue))
        return CL_INVALID_COMMAND_QUEUE;
    if (old_properties)
        *old_properties = command_queue->flags;
    return CL_INVALID_OPERATION;
}

/* Section 5.1: no device of ours has queues of its own, let alone a default that could change. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clSetDefaultDeviceCommandQueue(cl_context context, cl_device_id device,
                                   cl_command_queue command_queue)
{
    cl_int rc = check_queue_arguments(context, device);

    if (rc != CL_SUCCESS)
        return rc;
    return object_is(command_queue, KIND_queue) ? CL_INVALID_OPERATION
                                                : CL_INVALID_COMMAND_QUEUE;
}

/* Section 5.15. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clFlush(cl_command_queue command_queue)
{
    if (!object_is(command_queue, KIND_queue))
        return CL_INVALID_COMMAND_QUEUE;
    return send_clFlush(command_queue->o.session, NULL, command_queue->o.id);
}

/* Section 5.15. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clFinish(cl_command_queue command_queue)
{
    if (!object_is(command_queue, KIND_queue))
        return CL_INVALID_COMMAND_QUEUE;
    return queue_drain(command_queue);
}
