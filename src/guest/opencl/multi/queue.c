/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, sections 5.1 and 5.15: a queue of one device of a context over several vGPUs. */
#include "guest/opencl/multi/multi.h"

#include <stdlib.h>

static void
queue_destroy(struct object *o)
{
    struct multi_queue *q = (struct multi_queue *)o;

    if (q->inner)
        ordinary->clReleaseCommandQueue(q->inner);
    object_release(&q->context->o);
    free(q);
}

/* With `old` flags are given by clCreateCommandQueue, else a list by its successor. */
static cl_int
queue_new(cl_context context, cl_device_id device, bool old,
          cl_command_queue_properties flags, const cl_queue_properties *properties,
          cl_command_queue *ret)
{
    struct multi_context *c = multi_context_of(context);
    int vgpu = c ? multi_vgpu_of(c, device) : -1;
    struct multi_queue *q;
    cl_int rc;

    if (!c)
        return CL_INVALID_CONTEXT;
    if (vgpu < 0)
        return CL_INVALID_DEVICE;
    q = calloc(1, sizeof *q);
    if (!q)
        return CL_OUT_OF_HOST_MEMORY;
    multi_init(&q->o, KIND_multi_queue, queue_destroy);
    object_retain(&c->o);
    q->context = c;
    q->device = device;
    q->vgpu = (unsigned)vgpu;
    context = c->vgpus[vgpu].context;
    q->inner = old ? ordinary->clCreateCommandQueue(context, device, flags, &rc)
                   : ordinary->clCreateCommandQueueWithProperties(context, device,
                                                                  properties, &rc);
    if (rc == CL_SUCCESS)
        rc = ordinary->clGetCommandQueueInfo(q->inner, CL_QUEUE_PROPERTIES, sizeof flags,
                                             &flags, NULL);
    q->in_order = !(flags & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    if (rc != CL_SUCCESS) {
        object_unhold(&q->o);
        return rc;
    }
    *ret = (cl_command_queue)q;
    return CL_SUCCESS;
}

/* Section 5.1. */
CL_API_ENTRY cl_command_queue CL_API_CALL
multi_clCreateCommandQueue(cl_context context, cl_device_id device,
                           cl_command_queue_properties properties, cl_int *errcode_ret)
{
    cl_command_queue q = NULL;
    cl_int rc = queue_new(context, device, true, properties, NULL, &q);

    RETURN_WITH(errcode_ret, rc, q);
}

/* Section 5.1. */
CL_API_ENTRY cl_command_queue CL_API_CALL
multi_clCreateCommandQueueWithProperties(cl_context context, cl_device_id device,
                                         const cl_queue_properties *properties,
                                         cl_int *errcode_ret)
{
    cl_command_queue q = NULL;
    cl_int rc = queue_new(context, device, false, 0, properties, &q);

    RETURN_WITH(errcode_ret, rc, q);
}

/* Section 5.1. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clRetainCommandQueue(cl_command_queue command_queue)
{
    return object_retain_call(command_queue, KIND_multi_queue, CL_INVALID_COMMAND_QUEUE);
}

/* Section 5.1. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clReleaseCommandQueue(cl_command_queue command_queue)
{
    struct multi_queue *q = multi_queue_of(command_queue);

    if (!q)
        return CL_INVALID_COMMAND_QUEUE;
    ordinary->clFlush(q->inner); /* events may keep it, and the program flushes no more */
    object_release(&q->o);
    return CL_SUCCESS;
}

/* Section 5.1. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clGetCommandQueueInfo(cl_command_queue command_queue,
                            cl_command_queue_info param_name, size_t param_value_size,
                            void *param_value, size_t *param_value_size_ret)
{
    struct multi_queue *q = multi_queue_of(command_queue);

    if (!q)
        return CL_INVALID_COMMAND_QUEUE;
    switch (param_name) {
    case CL_QUEUE_CONTEXT:
        return INFO_VALUE(cl_context, (cl_context)q->context);
    case CL_QUEUE_DEVICE:
        return INFO_VALUE(cl_device_id, q->device);
    case CL_QUEUE_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, atomic_load(&q->o.refs));
    default:
        return ordinary->clGetCommandQueueInfo(q->inner, param_name, param_value_size,
                                               param_value, param_value_size_ret);
    }
}

/* Section 5.1. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clSetCommandQueueProperty(cl_command_queue command_queue,
                                cl_command_queue_properties properties, cl_bool enable,
                                cl_command_queue_properties *old_properties)
{
    struct multi_queue *q = multi_queue_of(command_queue);

    if (!q)
        return CL_INVALID_COMMAND_QUEUE;
    return ordinary->clSetCommandQueueProperty(q->inner, properties, enable,
                                               old_properties);
}

/* Section 5.15. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clFlush(cl_command_queue command_queue)
{
    struct multi_queue *q = multi_queue_of(command_queue);

    return q ? ordinary->clFlush(q->inner) : CL_INVALID_COMMAND_QUEUE;
}

/* Section 5.15. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clFinish(cl_command_queue command_queue)
{
    struct multi_queue *q = multi_queue_of(command_queue);

    return q ? ordinary->clFinish(q->inner) : CL_INVALID_COMMAND_QUEUE;
}

/* Section 5.1: the inner context knows whether the device has queues of its own. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clSetDefaultDeviceCommandQueue(cl_context context, cl_device_id device,
                                     cl_command_queue command_queue)
{
    struct multi_context *c = multi_context_of(context);
    struct multi_queue *q = multi_queue_of(command_queue);
    int v = c ? multi_vgpu_of(c, device) : -1;

    if (!c)
        return CL_INVALID_CONTEXT;
    if (v < 0)
        return CL_INVALID_DEVICE;
    if (!q || q->context != c || q->vgpu != (unsigned)v)
        return CL_INVALID_COMMAND_QUEUE;
    return ordinary->clSetDefaultDeviceCommandQueue(c->vgpus[v].context, device,
                                                    q->inner);
}
