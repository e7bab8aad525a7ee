/* SPDX-License-Identifier: MIT */
/* cl_khr_command_buffer: the life of a command buffer, replays and queries (section 5.X). */
#include "guest/opencl/command_buffer.h"

#include "api/opencl_send.h"

#include <stdlib.h>
#include <string.h>

static void
buffer_destroy(struct object *o)
{
    struct _cl_command_buffer_khr *b = (struct _cl_command_buffer_khr *)o;

    if (b->last_queue)
        object_unhold(&b->last_queue->o);
    while (b->n_used > 0)
        object_release(b->used[--b->n_used]);
    object_release(&b->queue->o);
    pthread_mutex_destroy(&b->lock);
    free(b->used);
    free(b->properties);
    free(b);
}

/* ---- creation ---------------------------------------------------------------------- */

static uint64_t
buffer_capabilities(const struct _cl_command_queue *q)
{
    return device_number(q->context->device, CL_DEVICE_COMMAND_BUFFER_CAPABILITIES_KHR,
                         0);
}

static cl_int
check_queue(const struct _cl_command_queue *q)
{
    cl_command_queue_properties required;

    /* What is recorded stays on one vGPU, and a composite's bytes do not. */
    if (object_is(q, KIND_multi_queue))
        return CL_INCOMPATIBLE_COMMAND_QUEUE_KHR;
    if (!object_is(q, KIND_queue))
        return CL_INVALID_COMMAND_QUEUE;
    if (!device_has_extension(q->context->device, "cl_khr_command_buffer"))
        return CL_INVALID_OPERATION;
    if (!queue_in_order(q) &&
        !(buffer_capabilities(q) & CL_COMMAND_BUFFER_CAPABILITY_OUT_OF_ORDER_KHR))
        return CL_INCOMPATIBLE_COMMAND_QUEUE_KHR;
    required = device_number(q->context->device,
                             CL_DEVICE_COMMAND_BUFFER_REQUIRED_QUEUE_PROPERTIES_KHR, 0);
    return (q->flags & required) == required ? CL_SUCCESS
                                             : CL_INCOMPATIBLE_COMMAND_QUEUE_KHR;
}

/* One property is defined, so a second one is either unknown or a repetition. */
static cl_int
check_properties(const struct _cl_command_queue *q,
                 const cl_command_buffer_properties_khr *properties,
                 cl_command_buffer_flags_khr *ret_flags, size_t *ret_n)
{
    *ret_flags = 0;
    *ret_n = 0;
    if (!properties)
        return CL_SUCCESS;
    *ret_n = 1;
    if (properties[0] == 0)
        return CL_SUCCESS;
    if (properties[0] != CL_COMMAND_BUFFER_FLAGS_KHR || properties[2] != 0 ||
        (properties[1] & ~(cl_properties)CL_COMMAND_BUFFER_SIMULTANEOUS_USE_KHR))
        return CL_INVALID_VALUE;
    if (properties[1] &&
        !(buffer_capabilities(q) & CL_COMMAND_BUFFER_CAPABILITY_SIMULTANEOUS_USE_KHR))
        return CL_INVALID_PROPERTY;
    *ret_flags = properties[1];
    *ret_n = 3;
    return CL_SUCCESS;
}

static cl_int
buffer_keep_properties(struct _cl_command_buffer_khr *b,
                       const cl_command_buffer_properties_khr *properties, size_t n)
{
    if (n == 0)
        return CL_SUCCESS;
    b->properties = malloc(n * sizeof *properties);
    if (!b->properties)
        return CL_OUT_OF_HOST_MEMORY;
    memcpy(b->properties, properties, n * sizeof *properties);
    b->n_properties = n;
    return CL_SUCCESS;
}

static cl_int
buffer_new(struct _cl_command_queue *q,
           const cl_command_buffer_properties_khr *properties, cl_command_buffer_khr *ret)
{
    struct session *s = q->o.session;
    struct _cl_command_buffer_khr *b;
    cl_command_buffer_flags_khr flags;
    size_t n;
    cl_int rc = check_properties(q, properties, &flags, &n);

    if (rc != CL_SUCCESS)
        return rc;
    b = calloc(1, sizeof *b);
    if (!b)
        return CL_OUT_OF_HOST_MEMORY;
    object_init(&b->o, KIND_command_buffer, s, buffer_destroy);
    pthread_mutex_init(&b->lock, NULL);
    object_retain(&q->o);
    b->queue = q;
    b->flags = flags;
    rc = buffer_keep_properties(b, properties, n);
    b->o.id = session_new_id(s);
    if (b->o.id.v == 0)
        rc = CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        rc = send_clCreateCommandBufferKHR(s, NULL, b->o.id, q->o.id, flags);
    if (rc != CL_SUCCESS) {
        session_drop_id(s, b->o.id);
        object_unhold(&b->o);
        return rc;
    }
    *ret = b;
    return CL_SUCCESS;
}

CL_API_ENTRY cl_command_buffer_khr CL_API_CALL
tsr_clCreateCommandBufferKHR(cl_uint num_queues, const cl_command_queue *queues,
                             const cl_command_buffer_properties_khr *properties,
                             cl_int *errcode_ret)
{
    cl_command_buffer_khr b = NULL;
    cl_int rc = num_queues == 1 && queues ? check_queue(queues[0]) : CL_INVALID_VALUE;

    if (rc == CL_SUCCESS)
        rc = buffer_new(queues[0], properties, &b);
    RETURN_WITH(errcode_ret, rc, b);
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clRetainCommandBufferKHR(cl_command_buffer_khr command_buffer)
{
    return object_retain_call(command_buffer, KIND_command_buffer,
                              CL_INVALID_COMMAND_BUFFER_KHR);
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clReleaseCommandBufferKHR(cl_command_buffer_khr command_buffer)
{
    return object_release_call(command_buffer, KIND_command_buffer,
                               CL_INVALID_COMMAND_BUFFER_KHR);
}

/* A second time it changes nothing: version 0.9.0 names no error for it. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clFinalizeCommandBufferKHR(cl_command_buffer_khr command_buffer)
{
    struct _cl_command_buffer_khr *b = command_buffer;
    struct pending p = {0};
    cl_int rc = CL_SUCCESS;

    if (!object_is(b, KIND_command_buffer))
        return CL_INVALID_COMMAND_BUFFER_KHR;
    pthread_mutex_lock(&b->lock);
    if (!b->finalized) {
        rc = send_clFinalizeCommandBufferKHR(b->o.session, &p, b->o.id);
        if (rc == CL_SUCCESS)
            rc = session_wait(b->o.session, &p);
        if (rc == CL_SUCCESS)
            rc = (cl_int)p.status;
        b->finalized = rc == CL_SUCCESS;
    }
    pthread_mutex_unlock(&b->lock);
    return rc;
}

/* ---- replays ----------------------------------------------------------------------- */

/* Is a replay under way? Asks the worker where this side cannot know. Lock held. */
static cl_int
buffer_is_pending(struct _cl_command_buffer_khr *b, bool *ret)
{
    struct session *s = b->o.session;
    struct pending p = {0};
    uint64_t drained;
    cl_int rc;

    *ret = false;
    if (!b->last_queue)
        return CL_SUCCESS;
    pthread_mutex_lock(&b->last_queue->lock);
    drained = b->last_queue->drained;
    pthread_mutex_unlock(&b->last_queue->lock);
    /* With simultaneous use an earlier replay in another queue may outlast the last one. */
    if (drained >= b->last_submitted &&
        !(b->flags & CL_COMMAND_BUFFER_SIMULTANEOUS_USE_KHR))
        return CL_SUCCESS;
    rc = send_tessera_command_buffer_state(s, &p, b->o.id);
    if (rc == CL_SUCCESS)
        rc = session_wait(s, &p);
    if (rc == CL_SUCCESS && p.status < 0)
        rc = (cl_int)p.status;
    *ret = rc == CL_SUCCESS && p.status == CL_COMMAND_BUFFER_STATE_PENDING_KHR;
    return rc;
}

/* "Compatible": identical properties, the same device, the same context. */
static cl_int
check_replacement(const struct _cl_command_buffer_khr *b,
                  const struct _cl_command_queue *q)
{
    if (!object_is(q, KIND_queue))
        return CL_INVALID_COMMAND_QUEUE;
    if (q->context != b->queue->context)
        return CL_INVALID_CONTEXT;
    return q->flags == b->queue->flags ? CL_SUCCESS : CL_INCOMPATIBLE_COMMAND_QUEUE_KHR;
}

/* Lock held. */
static cl_int
check_executable(struct _cl_command_buffer_khr *b)
{
    bool pending;
    cl_int rc;

    if (!b->finalized)
        return CL_INVALID_OPERATION;
    if (b->flags & CL_COMMAND_BUFFER_SIMULTANEOUS_USE_KHR)
        return CL_SUCCESS;
    rc = buffer_is_pending(b, &pending);
    if (rc == CL_SUCCESS && pending)
        rc = CL_INVALID_OPERATION;
    return rc;
}

/* Lock held. */
static cl_int
buffer_replay(struct _cl_command_buffer_khr *b, struct _cl_command_queue *queue,
              bool given, cl_uint n, const cl_event *waits, cl_event *event)
{
    struct enqueue q;
    cl_int rc = enqueue_begin(&q, queue, CL_COMMAND_COMMAND_BUFFER_KHR, n, waits, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = send_clEnqueueCommandBufferKHR(q.session, NULL, queue->o.id, given, b->o.id,
                                        q.n_waits, q.waits, q.event_id);
    if (rc == CL_SUCCESS) {
        object_hold(&queue->o);
        if (b->last_queue)
            object_unhold(&b->last_queue->o);
        b->last_queue = queue;
        b->last_submitted = queue->submitted + 1; /* as enqueue_end will count it */
    }
    return enqueue_end(&q, rc, event);
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clEnqueueCommandBufferKHR(cl_uint num_queues, cl_command_queue *queues,
                              cl_command_buffer_khr command_buffer,
                              cl_uint num_events_in_wait_list,
                              const cl_event *event_wait_list, cl_event *event)
{
    struct _cl_command_buffer_khr *b = command_buffer;
    cl_int rc = CL_SUCCESS;

    if (!object_is(b, KIND_command_buffer))
        return CL_INVALID_COMMAND_BUFFER_KHR;
    if ((num_queues == 0) != (queues == NULL) || num_queues > 1)
        return CL_INVALID_VALUE;
    if (queues)
        rc = check_replacement(b, queues[0]);
    if (rc != CL_SUCCESS)
        return rc;
    pthread_mutex_lock(&b->lock);
    rc = check_executable(b);
    if (rc == CL_SUCCESS)
        rc = buffer_replay(b, queues ? queues[0] : b->queue, queues != NULL,
                           num_events_in_wait_list, event_wait_list, event);
    pthread_mutex_unlock(&b->lock);
    return rc;
}

/* ---- queries ----------------------------------------------------------------------- */

static cl_int
buffer_state(struct _cl_command_buffer_khr *b, cl_command_buffer_state_khr *ret)
{
    bool pending = false;
    cl_int rc = CL_SUCCESS;

    pthread_mutex_lock(&b->lock);
    *ret = CL_COMMAND_BUFFER_STATE_RECORDING_KHR;
    if (b->finalized) {
        rc = buffer_is_pending(b, &pending);
        *ret = pending ? CL_COMMAND_BUFFER_STATE_PENDING_KHR
                       : CL_COMMAND_BUFFER_STATE_EXECUTABLE_KHR;
    }
    pthread_mutex_unlock(&b->lock);
    return rc;
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetCommandBufferInfoKHR(cl_command_buffer_khr command_buffer,
                              cl_command_buffer_info_khr param_name,
                              size_t param_value_size, void *param_value,
                              size_t *param_value_size_ret)
{
    struct _cl_command_buffer_khr *b = command_buffer;
    cl_command_buffer_state_khr state;
    cl_int rc;

    if (!object_is(b, KIND_command_buffer))
        return CL_INVALID_COMMAND_BUFFER_KHR;
    switch (param_name) {
    case CL_COMMAND_BUFFER_NUM_QUEUES_KHR:
        return INFO_VALUE(cl_uint, 1);
    case CL_COMMAND_BUFFER_QUEUES_KHR:
        return INFO_VALUE(cl_command_queue, b->queue);
    case CL_COMMAND_BUFFER_REFERENCE_COUNT_KHR:
        return INFO_VALUE(cl_uint, atomic_load(&b->o.refs));
    case CL_COMMAND_BUFFER_STATE_KHR:
        rc = buffer_state(b, &state);
        return rc == CL_SUCCESS ? INFO_VALUE(cl_command_buffer_state_khr, state) : rc;
    case CL_COMMAND_BUFFER_PROPERTIES_ARRAY_KHR:
        return info_put(b->properties, b->n_properties * sizeof *b->properties,
                        param_value_size, param_value, param_value_size_ret);
    default:
        return CL_INVALID_VALUE;
    }
}
