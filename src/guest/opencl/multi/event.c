/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, sections 5.11 and 5.14: events of a context over several vGPUs. */
#include "guest/opencl/multi/event.h"

#include "base/cleanup.h"
#include "guest/opencl/event.h"

#include <stdlib.h>

static void
event_destroy(struct object *o)
{
    struct multi_event *e = (struct multi_event *)o;

    for (unsigned v = 0; e->stand_in && v < e->context->n_vgpus; v++) {
        if (e->stand_in[v])
            ordinary->clReleaseEvent(e->stand_in[v]);
    }
    if (e->inner)
        ordinary->clReleaseEvent(e->inner);
    if (e->queue)
        object_release(&e->queue->o);
    else
        object_release(&e->context->o);
    pthread_mutex_destroy(&e->lock);
    free(e->stand_in);
    free(e);
}

struct multi_event *
multi_event_new(struct multi_context *c, struct multi_queue *q, cl_command_type type)
{
    struct multi_event *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    multi_init(&e->o, KIND_multi_event, event_destroy);
    object_retain(q ? &q->o : &c->o); /* a queue keeps its context */
    pthread_mutex_init(&e->lock, NULL);
    e->context = c;
    e->queue = q;
    e->type = type;
    e->home = q ? q->vgpu : 0;
    e->user_status = CL_SUBMITTED;
    e->stand_in = calloc(c->n_vgpus, sizeof(cl_event));
    if (!e->stand_in) {
        object_unhold(&e->o);
        return NULL;
    }
    return e;
}

/* ---- from one vGPU to another ------------------------------------------------------ */

static void CL_CALLBACK
carry_on(cl_event from, cl_int status, void *arg)
{
    cl_event to = arg;

    (void)from;
    ordinary->clSetUserEventStatus(to, status < 0 ? status : CL_COMPLETE);
    ordinary->clReleaseEvent(to);
}

void
event_flush(cl_event e)
{
    cl_command_queue q = e->queue;
    uint32_t refs = q ? atomic_load(&q->o.refs) : 0;

    while (refs > 0 && !atomic_compare_exchange_weak(&q->o.refs, &refs, refs + 1))
        ;
    if (refs == 0)
        return;
    ordinary->clFlush(q);
    ordinary->clReleaseCommandQueue(q);
}

cl_int
event_carry(struct multi_context *c, cl_event e, unsigned vgpu, cl_event *ret)
{
    cl_event to;
    cl_int rc;

    to = ordinary->clCreateUserEvent(c->vgpus[vgpu].context, &rc);
    if (rc != CL_SUCCESS)
        return rc;
    ordinary->clRetainEvent(to); /* one for the callback */
    rc = ordinary->clSetEventCallback(e, CL_COMPLETE, carry_on, to);
    if (rc != CL_SUCCESS) {
        ordinary->clReleaseEvent(to);
        ordinary->clReleaseEvent(to);
        return rc;
    }
    /* Who waits on another vGPU need not know that this queue has to be flushed. */
    event_flush(e);
    *ret = to;
    return CL_SUCCESS;
}

static cl_int
user_event_on(struct multi_event *e, unsigned vgpu, cl_event *ret)
{
    cl_int rc;

    *ret = ordinary->clCreateUserEvent(e->context->vgpus[vgpu].context, &rc);
    if (rc == CL_SUCCESS && e->user_status <= CL_COMPLETE)
        ordinary->clSetUserEventStatus(*ret, e->user_status);
    return rc;
}

cl_int
multi_event_on(struct multi_event *e, unsigned vgpu, cl_event *ret)
{
    cl_int rc = CL_SUCCESS;

    if (vgpu == e->home) {
        *ret = e->inner;
        return CL_SUCCESS;
    }
    if (multi_is_inherited(e->context))
        return CL_OUT_OF_RESOURCES;
    pthread_mutex_lock(&e->lock);
    if (!e->stand_in[vgpu])
        rc = e->queue ? event_carry(e->context, e->inner, vgpu, &e->stand_in[vgpu])
                      : user_event_on(e, vgpu, &e->stand_in[vgpu]);
    if (rc == CL_SUCCESS)
        *ret = e->stand_in[vgpu];
    else
        e->stand_in[vgpu] = NULL;
    pthread_mutex_unlock(&e->lock);
    return rc;
}

/* ---- waiting and queries ----------------------------------------------------------- */

/* All of the list, checked by the caller, that are at home on this vGPU. */
static cl_int
wait_on_vgpu(unsigned vgpu, cl_uint n, const cl_event *events, cl_event *inner)
{
    cl_uint n_inner = 0;

    for (cl_uint i = 0; i < n; i++) {
        const struct multi_event *e = (const struct multi_event *)events[i];

        if (e->home == vgpu)
            inner[n_inner++] = e->inner;
    }
    return n_inner ? ordinary->clWaitForEvents(n_inner, inner) : CL_SUCCESS;
}

/* Section 5.11. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clWaitForEvents(cl_uint num_events, const cl_event *event_list)
{
    _cleanup_free_ cl_event *inner = NULL;
    struct multi_context *c = NULL;
    cl_int rc = CL_SUCCESS;

    if (num_events == 0 || !event_list)
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < num_events; i++) {
        const struct multi_event *e = multi_event_of(event_list[i]);

        if (object_is(event_list[i], KIND_event) || (e && c && e->context != c))
            return CL_INVALID_CONTEXT;
        if (!e)
            return CL_INVALID_EVENT;
        c = e->context;
    }
    inner = malloc(num_events * sizeof *inner);
    if (!inner)
        return CL_OUT_OF_HOST_MEMORY;
    /* All are waited for, also behind one that failed. */
    for (unsigned v = 0; c && v < c->n_vgpus; v++) {
        cl_int one = wait_on_vgpu(v, num_events, event_list, inner);

        if (rc == CL_SUCCESS)
            rc = one;
    }
    return rc;
}

/* Section 5.11. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clGetEventInfo(cl_event event, cl_event_info param_name, size_t param_value_size,
                     void *param_value, size_t *param_value_size_ret)
{
    struct multi_event *e = multi_event_of(event);

    if (!e)
        return CL_INVALID_EVENT;
    switch (param_name) {
    case CL_EVENT_COMMAND_QUEUE:
        return INFO_VALUE(cl_command_queue, (cl_command_queue)e->queue);
    case CL_EVENT_CONTEXT:
        return INFO_VALUE(cl_context, (cl_context)e->context);
    case CL_EVENT_COMMAND_TYPE:
        return INFO_VALUE(cl_command_type, e->type);
    case CL_EVENT_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, atomic_load(&e->o.refs));
    default:
        return ordinary->clGetEventInfo(e->inner, param_name, param_value_size,
                                        param_value, param_value_size_ret);
    }
}

/* Section 5.14. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clGetEventProfilingInfo(cl_event event, cl_profiling_info param_name,
                              size_t param_value_size, void *param_value,
                              size_t *param_value_size_ret)
{
    struct multi_event *e = multi_event_of(event);

    if (!e)
        return CL_INVALID_EVENT;
    return ordinary->clGetEventProfilingInfo(e->inner, param_name, param_value_size,
                                             param_value, param_value_size_ret);
}

/* Section 5.11. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clRetainEvent(cl_event event)
{
    return object_retain_call(event, KIND_multi_event, CL_INVALID_EVENT);
}

/* Section 5.11. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clReleaseEvent(cl_event event)
{
    return object_release_call(event, KIND_multi_event, CL_INVALID_EVENT);
}

/* ---- user events ------------------------------------------------------------------- */

/* Section 5.11. */
CL_API_ENTRY cl_event CL_API_CALL
multi_clCreateUserEvent(cl_context context, cl_int *errcode_ret)
{
    struct multi_context *c = multi_context_of(context);
    struct multi_event *e;
    cl_int rc;

    if (!c)
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    e = multi_event_new(c, NULL, CL_COMMAND_USER);
    if (!e)
        RETURN_WITH(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    e->inner = ordinary->clCreateUserEvent(c->vgpus[0].context, &rc);
    if (rc != CL_SUCCESS) {
        object_unhold(&e->o);
        RETURN_WITH(errcode_ret, rc, NULL);
    }
    RETURN_WITH(errcode_ret, CL_SUCCESS, (cl_event)e);
}

/* Section 5.11. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clSetUserEventStatus(cl_event event, cl_int execution_status)
{
    struct multi_event *e = multi_event_of(event);
    cl_int rc;

    if (!e || e->queue)
        return CL_INVALID_EVENT;
    if (execution_status > CL_COMPLETE)
        return CL_INVALID_VALUE;
    if (multi_is_inherited(e->context))
        return CL_OUT_OF_RESOURCES;
    pthread_mutex_lock(&e->lock);
    rc = e->user_status <= CL_COMPLETE
             ? CL_INVALID_OPERATION
             : ordinary->clSetUserEventStatus(e->inner, execution_status);
    if (e->user_status > CL_COMPLETE) {
        e->user_status = execution_status;
        /* Also when the home session is dead: those who wait elsewhere go on. */
        for (unsigned v = 0; v < e->context->n_vgpus; v++) {
            if (e->stand_in[v])
                ordinary->clSetUserEventStatus(e->stand_in[v], execution_status);
        }
    }
    pthread_mutex_unlock(&e->lock);
    return rc;
}

/* ---- callbacks --------------------------------------------------------------------- */

typedef void(CL_CALLBACK *event_notify_fn)(cl_event, cl_int, void *);

struct multi_callback {
    struct multi_event *event; /* retained: it can be asked of in the callback */
    event_notify_fn function;
    void *user_data;
};

static void CL_CALLBACK
callback_run(cl_event inner, cl_int status, void *arg)
{
    struct multi_callback *cb = arg;

    (void)inner;
    cb->function((cl_event)cb->event, status, cb->user_data);
    object_release(&cb->event->o);
    free(cb);
}

/* Section 5.11. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clSetEventCallback(cl_event event, cl_int command_exec_callback_type,
                         event_notify_fn pfn_notify, void *user_data)
{
    struct multi_event *e = multi_event_of(event);
    struct multi_callback *cb;
    cl_int rc;

    if (!e)
        return CL_INVALID_EVENT;
    if (!pfn_notify)
        return CL_INVALID_VALUE;
    cb = malloc(sizeof *cb);
    if (!cb)
        return CL_OUT_OF_HOST_MEMORY;
    *cb = (struct multi_callback){e, pfn_notify, user_data};
    object_retain(&e->o);
    rc = ordinary->clSetEventCallback(e->inner, command_exec_callback_type, callback_run,
                                      cb);
    if (rc != CL_SUCCESS) {
        object_release(&e->o);
        free(cb);
    }
    return rc;
}
