/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, sections 5.11 and 5.14: event objects, waiting, callbacks, profiling. */
#include "guest/opencl/event.h"

#include "api/opencl_send.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

static void
event_destroy(struct object *o)
{
    struct _cl_event *e = (struct _cl_event *)o;

    if (e->user && !atomic_load(&e->user_set))
        atomic_fetch_sub(&o->session->user_events_open, 1);
    if (e->queue) {
        object_unhold(&e->queue->o);
        object_unhold(&e->context->o);
    } else {
        object_release(&e->context->o);
    }
    pool_put(&o->session->events, o);
}

static void
event_init(struct _cl_event *e, struct _cl_context *c, struct _cl_command_queue *q,
           cl_command_type type)
{
    object_init(&e->o, KIND_event, c->o.session, event_destroy);
    if (q) { /* held: the thread that reads replies may let go, and it must not send */
        object_hold(&c->o);
        object_hold(&q->o);
    } else {
        object_retain(&c->o);
    }
    e->context = c;
    e->queue = q;
    e->type = type;
    atomic_init(&e->status, CL_QUEUED);
}

/* tx_lock is held. */
static struct _cl_event *
event_new_locked(struct _cl_context *c, struct _cl_command_queue *q, cl_command_type type)
{
    struct session *s = c->o.session;
    struct _cl_event *e = pool_take(&s->events);
    struct guest_id id = e ? id_take(s) : (struct guest_id){0};

    if (id.v == 0) {
        if (e)
            pool_put(&s->events, &e->o);
        return NULL;
    }
    event_init(e, c, q, type);
    e->o.id = id;
    return e;
}

struct _cl_event *
event_new(struct _cl_context *c, struct _cl_command_queue *q, cl_command_type type)
{
    struct session *s = c->o.session;
    struct _cl_event *e;

    /* There the lock may be held for ever. Nobody asks who has looked whether it is dead. */
    if (session_is_inherited(s))
        return NULL;
    pthread_mutex_lock(&s->tx_lock);
    e = event_new_locked(c, q, type);
    pthread_mutex_unlock(&s->tx_lock);
    return e;
}

void
event_discard(struct _cl_event *e)
{
    session_drop_id(e->o.session, e->o.id);
    e->o.id.v = 0;
    object_unhold(&e->o);
}

static bool
event_final(const struct _cl_event *e)
{
    return atomic_load_explicit(&e->status, memory_order_acquire) <= CL_COMPLETE;
}

static bool
fetch_arrived(void *arg)
{
    struct _cl_event *e = arg;

    return !atomic_load_explicit(&e->fetch_pending, memory_order_acquire);
}

/* ---- waiting ----------------------------------------------------------------------- */

/* Waits in the worker for those of the list that are not known to be final. */
static cl_int
events_wait_remote(struct session *s, cl_uint n, const cl_event *events)
{
    _cleanup_free_ cl_event *open = malloc(n * sizeof *open);
    struct pending p = {0};
    cl_uint n_open = 0;
    cl_int rc;

    if (!open)
        return CL_OUT_OF_HOST_MEMORY;
    for (cl_uint i = 0; i < n; i++) {
        if (!event_final(events[i]))
            open[n_open++] = events[i];
    }
    if (n_open == 0)
        return CL_SUCCESS;
    rc = send_clWaitForEvents(s, &p, n_open, open);
    if (rc == CL_SUCCESS)
        rc = session_wait(s, &p);
    if (rc != CL_SUCCESS || p.status != CL_SUCCESS)
        return rc != CL_SUCCESS ? rc : (cl_int)p.status;
    for (cl_uint i = 0; i < n_open; i++) {
        session_wait_until(s, fetch_arrived, open[i]);
        atomic_store_explicit(&open[i]->status, CL_COMPLETE, memory_order_release);
    }
    return session_is_dead(s) ? CL_OUT_OF_RESOURCES : CL_SUCCESS;
}

cl_int
events_wait(cl_uint n, const cl_event *events)
{
    struct session *s = events[0]->o.session;
    cl_int rc;

    if (session_is_dead(s))
        return CL_OUT_OF_RESOURCES;
    rc = events_wait_remote(s, n, events);
    for (cl_uint i = 0; rc == CL_SUCCESS && i < n; i++) {
        if (atomic_load(&events[i]->status) < 0)
            rc = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
    }
    return rc;
}

/* Section 5.11. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clWaitForEvents(cl_uint num_events, const cl_event *event_list)
{
    if (num_events == 0 || !event_list)
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < num_events; i++) {
        if (object_is(event_list[i], KIND_multi_event))
            return CL_INVALID_CONTEXT;
        if (!object_is(event_list[i], KIND_event))
            return CL_INVALID_EVENT;
        if (event_list[i]->context != event_list[0]->context)
            return CL_INVALID_CONTEXT;
    }
    return events_wait(num_events, event_list);
}

/* ---- queries ----------------------------------------------------------------------- */

static cl_int
event_ask_status(struct _cl_event *e, cl_int *ret)
{
    struct session *s = e->o.session;
    struct pending p = {0};
    uint64_t status = 0;
    cl_int rc;

    *ret = atomic_load(&e->status);
    if (*ret <= CL_COMPLETE)
        return CL_SUCCESS;
    if (e->user && !atomic_load(&e->user_set)) {
        *ret = CL_SUBMITTED; /* section 5.11: the initial status of a user event */
        return CL_SUCCESS;
    }
    rc = send_tessera_event_status(s, &p, e->o.id);
    if (rc == CL_SUCCESS)
        rc = session_wait(s, &p);
    if (rc == CL_SUCCESS && p.answer && p.answer_len == sizeof status)
        memcpy(&status, p.answer, sizeof status);
    else if (rc == CL_SUCCESS)
        rc = p.status ? (cl_int)p.status : CL_OUT_OF_RESOURCES;
    free(p.answer);
    if (rc != CL_SUCCESS)
        return rc;
    *ret = (cl_int)(int64_t)status;
    if (*ret == CL_COMPLETE && !fetch_arrived(e))
        *ret = CL_RUNNING;
    if (*ret <= CL_COMPLETE)
        atomic_store(&e->status, *ret);
    return CL_SUCCESS;
}

/* Section 5.11. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetEventInfo(cl_event event, cl_event_info param_name, size_t param_value_size,
                   void *param_value, size_t *param_value_size_ret)
{
    cl_int status, rc;

    if (!object_is(event, KIND_event))
        return CL_INVALID_EVENT;
    switch (param_name) {
    case CL_EVENT_COMMAND_QUEUE:
        return INFO_VALUE(cl_command_queue, event->queue);
    case CL_EVENT_CONTEXT:
        return INFO_VALUE(cl_context, event->context);
    case CL_EVENT_COMMAND_TYPE:
        return INFO_VALUE(cl_command_type, event->type);
    case CL_EVENT_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, atomic_load(&event->o.refs));
    case CL_EVENT_COMMAND_EXECUTION_STATUS:
        rc = event_ask_status(event, &status);
        return rc == CL_SUCCESS ? INFO_VALUE(cl_int, status) : rc;
    default:
        return CL_INVALID_VALUE;
    }
}

static cl_int
event_ask_stamps(struct _cl_event *e)
{
    struct session *s = e->o.session;
    struct pending p = {0};
    cl_int rc;

    if (e->local || atomic_load_explicit(&e->stamped, memory_order_acquire))
        return CL_SUCCESS;
    rc = send_clGetEventProfilingInfo(s, &p, e->o.id);
    if (rc == CL_SUCCESS)
        rc = session_wait(s, &p);
    if (rc == CL_SUCCESS)
        rc = (cl_int)p.status;
    if (rc == CL_SUCCESS && (!p.answer || p.answer_len != sizeof e->stamp))
        rc = CL_PROFILING_INFO_NOT_AVAILABLE;
    if (rc == CL_SUCCESS) {
        memcpy(e->stamp, p.answer, sizeof e->stamp);
        if (e->stamp[STAMP_COMPLETE] == 0)
            e->stamp[STAMP_COMPLETE] = e->stamp[STAMP_END];
        atomic_store_explicit(&e->stamped, true, memory_order_release);
    }
    free(p.answer);
    return rc;
}

/* Section 5.14. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetEventProfilingInfo(cl_event event, cl_profiling_info param_name,
                            size_t param_value_size, void *param_value,
                            size_t *param_value_size_ret)
{
    cl_int rc, status;

    if (!object_is(event, KIND_event))
        return CL_INVALID_EVENT;
    if (param_name < CL_PROFILING_COMMAND_QUEUED ||
        param_name > CL_PROFILING_COMMAND_COMPLETE)
        return CL_INVALID_VALUE;
    if (event->user || !(event->queue->flags & CL_QUEUE_PROFILING_ENABLE))
        return CL_PROFILING_INFO_NOT_AVAILABLE;
    rc = event_ask_status(event, &status);
    if (rc != CL_SUCCESS)
        return rc;
    if (status != CL_COMPLETE)
        return CL_PROFILING_INFO_NOT_AVAILABLE;
    rc = event_ask_stamps(event);
    if (rc != CL_SUCCESS)
        return rc;
    return INFO_VALUE(cl_ulong, event->stamp[param_name - CL_PROFILING_COMMAND_QUEUED]);
}

/* Section 5.11. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clRetainEvent(cl_event event)
{
    return object_retain_call(event, KIND_event, CL_INVALID_EVENT);
}

/* Section 5.11. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clReleaseEvent(cl_event event)
{
    return object_release_call(event, KIND_event, CL_INVALID_EVENT);
}

/* ---- user events ------------------------------------------------------------------- */

static cl_int
user_event_send(struct object *o, struct pending *p)
{
    const struct _cl_event *e = (struct _cl_event *)o;

    return send_clCreateUserEvent(o->session, p, o->id, e->context->o.id);
}

/* Section 5.11. */
CL_API_ENTRY cl_event CL_API_CALL
tsr_clCreateUserEvent(cl_context context, cl_int *errcode_ret)
{
    struct _cl_event *e;
    cl_int rc;

    if (!object_is(context, KIND_context))
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    if (session_is_dead(context->o.session))
        RETURN_WITH(errcode_ret, CL_OUT_OF_RESOURCES, NULL);
    e = event_new(context, NULL, CL_COMMAND_USER);
    if (!e)
        RETURN_WITH(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    e->user = true;
    atomic_fetch_add(&context->o.session->user_events_open, 1);
    e->o.make = user_event_send;
    rc = held_add(&e->o);
    if (rc != CL_SUCCESS) {
        event_discard(e);
        RETURN_WITH(errcode_ret, rc, NULL);
    }
    RETURN_WITH(errcode_ret, CL_SUCCESS, e);
}

/* Section 5.11. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clSetUserEventStatus(cl_event event, cl_int execution_status)
{
    if (!object_is(event, KIND_event) || !event->user)
        return CL_INVALID_EVENT;
    if (execution_status > CL_COMPLETE)
        return CL_INVALID_VALUE;
    if (atomic_exchange(&event->user_set, true))
        return CL_INVALID_OPERATION;
    atomic_fetch_sub(&event->o.session->user_events_open, 1);
    atomic_store(&event->status, execution_status);
    return send_clSetUserEventStatus(event->o.session, NULL, event->o.id,
                                     execution_status);
}

/* ---- callbacks --------------------------------------------------------------------- */

typedef void(CL_CALLBACK *event_notify_fn)(cl_event, cl_int, void *);

struct event_callback {
    struct pending pending;
    struct callback callback;
    struct _cl_event *event; /* retained: it can be asked of in the callback */
    event_notify_fn function;
    void *user_data;
    cl_int type;
};

static void
event_callback_run(struct callback *c)
{
    struct event_callback *ec = container_of(c, struct event_callback, callback);
    cl_int status = (cl_int)ec->pending.status;

    if (status <= CL_COMPLETE) {
        session_wait_until(ec->event->o.session, fetch_arrived, ec->event);
        atomic_store(&ec->event->status, status);
    }
    /* Section 5.11: an event that ended abnormally calls with its negative status. */
    ec->function(ec->event, status < 0 ? status : ec->type, ec->user_data);
    object_release(&ec->event->o);
    free(ec);
}

static void
event_callback_due(struct pending *p)
{
    struct event_callback *ec = container_of(p, struct event_callback, pending);

    session_post_callback(ec->event->o.session, &ec->callback);
}

/* Section 5.11. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clSetEventCallback(cl_event event, cl_int command_exec_callback_type,
                       event_notify_fn pfn_notify, void *user_data)
{
    struct event_callback *ec;
    cl_int rc;

    if (!object_is(event, KIND_event))
        return CL_INVALID_EVENT;
    if (!pfn_notify || command_exec_callback_type < CL_COMPLETE ||
        command_exec_callback_type > CL_SUBMITTED)
        return CL_INVALID_VALUE;
    rc = session_need_service(event->o.session);
    if (rc != CL_SUCCESS)
        return rc;
    ec = calloc(1, sizeof *ec);
    if (!ec)
        return CL_OUT_OF_HOST_MEMORY;
    ec->pending.done = event_callback_due;
    ec->callback.run = event_callback_run;
    ec->event = event;
    ec->function = pfn_notify;
    ec->user_data = user_data;
    ec->type = command_exec_callback_type;
    object_retain(&event->o);
    rc = send_clSetEventCallback(event->o.session, &ec->pending, event->o.id,
                                 command_exec_callback_type);
    if (rc != CL_SUCCESS) {
        object_release(&event->o);
        free(ec);
    }
    return rc;
}
