/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.10: executing kernels; and the deprecated calls of section 5.12. */
#include "guest/opencl/launch.h"

#include "api/opencl_send.h"
#include "guest/opencl/device.h"
#include "guest/opencl/queue.h"

#include <stdlib.h>
#include <string.h>

static cl_int
check_local_size(const struct device *d, const struct kernel_limits *limits, cl_uint dims,
                 const size_t *global, const size_t *local)
{
    size_t max_items[3] = {SIZE_MAX, SIZE_MAX, SIZE_MAX}, len, total = 1;
    const void *items = device_bytes(d, CL_DEVICE_MAX_WORK_ITEM_SIZES, &len);
    bool any_size = device_number(d, CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT, CL_FALSE);

    if (items && len == sizeof max_items)
        memcpy(max_items, items, len);
    for (cl_uint i = 0; i < dims; i++) {
        if (local[i] == 0)
            return CL_INVALID_WORK_GROUP_SIZE;
        if (local[i] > max_items[i])
            return CL_INVALID_WORK_ITEM_SIZE;
        if (__builtin_mul_overflow(total, local[i], &total))
            return CL_INVALID_WORK_GROUP_SIZE;
        if (!any_size && global[i] % local[i] != 0)
            return CL_INVALID_WORK_GROUP_SIZE;
    }
    for (cl_uint i = 0; limits->required[0] && i < 3; i++) {
        if ((i < dims ? local[i] : 1) != limits->required[i])
            return CL_INVALID_WORK_GROUP_SIZE;
    }
    return total > limits->work_group_size ? CL_INVALID_WORK_GROUP_SIZE : CL_SUCCESS;
}

/*
 * No local size is given: the required one then, which since 2.1 need not be said twice. Before,
 * leaving it out was an error.
 */
static cl_int
take_required_size(const struct device *d, const struct kernel_limits *limits,
                   const size_t **local)
{
    if (*local || !limits->required[0])
        return CL_SUCCESS;
    if (device_number(d, CL_DEVICE_NUMERIC_VERSION, 0) < CL_MAKE_VERSION(2, 1, 0))
        return CL_INVALID_WORK_GROUP_SIZE;
    *local = limits->required;
    return CL_SUCCESS;
}

static cl_int
check_range(const struct device *d, cl_uint dims, const size_t *offset,
            const size_t *global, bool *ret_empty)
{
    const uint64_t bits = device_number(d, CL_DEVICE_ADDRESS_BITS, 64);
    const size_t max = bits >= 64 ? SIZE_MAX : ((size_t)1 << bits) - 1;

    *ret_empty = !global;
    for (cl_uint i = 0; global && i < dims; i++) {
        if (global[i] == 0)
            *ret_empty = true;
        if (global[i] > max)
            return CL_INVALID_GLOBAL_WORK_SIZE;
        if (offset && offset[i] > max - global[i])
            return CL_INVALID_GLOBAL_OFFSET;
    }
    return CL_SUCCESS;
}

/* Section 5.10: the kernel, its program on the queue's device, its arguments. */
static cl_int
check_kernel(const struct enqueue *q, cl_kernel kernel)
{
    cl_int rc;

    if (object_is(kernel, KIND_multi_kernel))
        return CL_INVALID_CONTEXT;
    if (!object_is(kernel, KIND_kernel))
        return CL_INVALID_KERNEL;
    if (kernel->program->context != q->queue->context)
        return CL_INVALID_CONTEXT;
    if (!program_runs_on(kernel->program, q->queue->device))
        return CL_INVALID_PROGRAM_EXECUTABLE;
    rc = kernel_check_args(kernel);
    if (rc != CL_SUCCESS)
        return rc;
    if (kernel_local_bytes(kernel) >
        device_number(q->queue->device->d, CL_DEVICE_LOCAL_MEM_SIZE, UINT64_MAX))
        return CL_OUT_OF_RESOURCES;
    return CL_SUCCESS;
}

cl_int
check_launch(const struct enqueue *q, cl_kernel kernel, cl_uint dims,
             const size_t *offset, const size_t *global, const size_t **local,
             struct kernel_limits *limits, bool *ret_empty)
{
    const struct device *d = q->queue->device->d;
    cl_int rc = check_kernel(q, kernel);

    if (rc != CL_SUCCESS)
        return rc;
    if (dims < 1 || dims > device_number(d, CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS, 3) ||
        dims > 3)
        return CL_INVALID_WORK_DIMENSION;
    rc = check_range(d, dims, offset, global, ret_empty);
    if (rc != CL_SUCCESS || *ret_empty)
        return rc;
    rc = kernel_ask_limits(kernel, q->queue->device, limits);
    if (rc == CL_SUCCESS)
        rc = take_required_size(d, limits, local);
    if (rc != CL_SUCCESS || !*local)
        return rc;
    return check_local_size(d, limits, dims, global, *local);
}

struct launch_size
launch_size_of(cl_uint dims, const size_t *offset, const size_t *global,
               const size_t *local)
{
    struct launch_size size = {.given = (offset ? GIVEN_OFFSET : 0) |
                                        (local ? GIVEN_LOCAL : 0)};

    for (cl_uint i = 0; i < dims; i++) {
        size.offset[i] = offset ? offset[i] : 0;
        size.global[i] = global[i];
        size.local[i] = local ? local[i] : 0;
    }
    return size;
}

static cl_int
launch_send(struct enqueue *q, cl_kernel kernel, cl_uint dims, const size_t *offset,
            const size_t *global, const size_t *local)
{
    struct launch_size size = launch_size_of(dims, offset, global, local);

    return send_clEnqueueNDRangeKernel(q->session, NULL, q->queue->o.id, kernel->o.id,
                                       dims, size.given, size.offset, size.global,
                                       size.local, q->n_waits, q->waits, q->event_id);
}

static cl_int
launch(cl_command_queue queue, cl_kernel kernel, cl_command_type type, cl_uint dims,
       const size_t *offset, const size_t *global, const size_t *local, cl_uint n,
       const cl_event *waits, cl_event *event)
{
    struct kernel_limits limits;
    struct enqueue q;
    bool empty;
    cl_int rc = enqueue_begin(&q, queue, type, n, waits, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = check_launch(&q, kernel, dims, offset, global, &local, &limits, &empty);
    /* Nothing to run (since 2.1 no error): it only keeps its place in the order. */
    if (rc == CL_SUCCESS && empty)
        rc = enqueue_place(&q, NULL);
    else if (rc == CL_SUCCESS)
        rc = launch_send(&q, kernel, dims, offset, global, local);
    return enqueue_end(&q, rc, event);
}

/* Section 5.10. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clEnqueueNDRangeKernel(cl_command_queue command_queue, cl_kernel kernel,
                           cl_uint work_dim, const size_t *global_work_offset,
                           const size_t *global_work_size, const size_t *local_work_size,
                           cl_uint num_events_in_wait_list,
                           const cl_event *event_wait_list, cl_event *event)
{
    return launch(command_queue, kernel, CL_COMMAND_NDRANGE_KERNEL, work_dim,
                  global_work_offset, global_work_size, local_work_size,
                  num_events_in_wait_list, event_wait_list, event);
}

/* Section 5.10. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clEnqueueTask(cl_command_queue command_queue, cl_kernel kernel,
                  cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                  cl_event *event)
{
    const size_t one = 1;

    return launch(command_queue, kernel, CL_COMMAND_TASK, 1, NULL, &one, &one,
                  num_events_in_wait_list, event_wait_list, event);
}

/* cl_khr_suggested_local_work_size: what clEnqueueNDRangeKernel would choose for NULL. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetKernelSuggestedLocalWorkSizeKHR(cl_command_queue command_queue, cl_kernel kernel,
                                         cl_uint work_dim,
                                         const size_t *global_work_offset,
                                         const size_t *global_work_size,
                                         size_t *suggested_local_work_size)
{
    struct enqueue q = {.queue = command_queue};
    const size_t *local = NULL;
    struct kernel_limits limits;
    struct launch_size size;
    struct pending p = {0};
    bool empty;
    cl_int rc;

    if (!object_is(command_queue, KIND_queue))
        return CL_INVALID_COMMAND_QUEUE;
    rc = check_launch(&q, kernel, work_dim, global_work_offset, global_work_size, &local,
                      &limits, &empty);
    if (rc == CL_SUCCESS && empty)
        rc = CL_INVALID_GLOBAL_WORK_SIZE;
    if (rc == CL_SUCCESS && !suggested_local_work_size)
        rc = CL_INVALID_VALUE;
    if (rc != CL_SUCCESS)
        return rc;
    if (local) { /* the kernel requires a size: there is no other */
        memcpy(suggested_local_work_size, local, work_dim * sizeof *local);
        return CL_SUCCESS;
    }
    size = launch_size_of(work_dim, global_work_offset, global_work_size, NULL);
    rc = send_clGetKernelSuggestedLocalWorkSizeKHR(
        command_queue->o.session, &p, command_queue->o.id, kernel->o.id, work_dim,
        size.given, size.offset, size.global);
    if (rc == CL_SUCCESS)
        rc = session_wait(command_queue->o.session, &p);
    if (rc == CL_SUCCESS)
        rc = (cl_int)p.status;
    if (rc == CL_SUCCESS && (!p.answer || p.answer_len != sizeof size.local))
        rc = CL_OUT_OF_RESOURCES;
    for (cl_uint i = 0; rc == CL_SUCCESS && i < work_dim; i++)
        memcpy(&suggested_local_work_size[i], p.answer + i * sizeof(uint64_t),
               sizeof(size_t));
    free(p.answer);
    return rc;
}

/* ---- calls deprecated with 1.2, on top of their successors ------------------------- */

/* Section 5.12. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clEnqueueMarker(cl_command_queue command_queue, cl_event *event)
{
    if (object_is(command_queue, KIND_queue) && !event)
        return CL_INVALID_VALUE;
    return opencl_dispatch.clEnqueueMarkerWithWaitList(command_queue, 0, NULL, event);
}

/* Section 5.12. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clEnqueueBarrier(cl_command_queue command_queue)
{
    return opencl_dispatch.clEnqueueBarrierWithWaitList(command_queue, 0, NULL, NULL);
}

/* Section 5.12. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clEnqueueWaitForEvents(cl_command_queue command_queue, cl_uint num_events,
                           const cl_event *event_list)
{
    cl_int rc;

    if (object_is(command_queue, KIND_queue) && (num_events == 0 || !event_list))
        return CL_INVALID_VALUE;
    rc = opencl_dispatch.clEnqueueBarrierWithWaitList(command_queue, num_events,
                                                      event_list, NULL);
    return rc == CL_INVALID_EVENT_WAIT_LIST ? CL_INVALID_EVENT : rc;
}
