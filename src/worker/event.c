/* SPDX-License-Identifier: MIT */
#include "worker/event.h"

#include "api/opencl_request.h"

#include <errno.h>
#include <stdlib.h>

static struct event *
event_of(const struct object *o)
{
    return container_of(o, struct event, o);
}

int
event_new(struct session *s, const struct submission *sub, cl_int rc)
{
    struct event *e = object_new(s, sub->event_id, KIND_event);

    if (!e)
        return -ENOMEM;
    e->queue = sub->queue;
    object_ref(&e->queue->o);
    if (rc == CL_SUCCESS) {
        e->o.h.event = sub->event;
        s->cl->clRetainEvent(sub->event);
    }
    return object_made(s, &e->o, rc, 0);
}

cl_int
event_object_status(struct session *s, const struct object *o)
{
    if (o->error != CL_SUCCESS)
        return o->error;
    if (event_of(o)->held)
        return CL_QUEUED;
    return o->h.event ? event_status(s, o->h.event) : CL_COMPLETE;
}

/* A user event is set, or can never be set any more. */
static void
event_close(struct session *s, struct event *e)
{
    if (!e->open)
        return;
    atomic_fetch_sub(&s->open_user_events, 1);
    e->open = false;
    held_user_event_set(s, e);
}

void
event_fini(struct session *s, struct object *o)
{
    struct event *e = event_of(o);

    event_close(s, e);
    if (o->h.event)
        s->cl->clReleaseEvent(o->h.event);
    if (e->queue)
        object_unref(s, &e->queue->o);
}

int
op_clCreateUserEvent(struct session *s, const struct req_clCreateUserEvent *r)
{
    struct event *e = object_new(s, r->event, KIND_event);
    cl_int rc = s->request.error;

    if (!e)
        return -ENOMEM;
    if (rc == CL_SUCCESS)
        e->o.h.event = s->cl->clCreateUserEvent(r->context->h.context, &rc);
    e->open = rc == CL_SUCCESS;
    if (e->open)
        atomic_fetch_add(&s->open_user_events, 1);
    return object_made(s, &e->o, rc, r->tag);
}

int
op_clSetUserEventStatus(struct session *s, const struct req_clSetUserEventStatus *r)
{
    cl_int rc = r->event->error, status = (cl_int)r->execution_status;

    if (rc == CL_SUCCESS && !r->event->h.event)
        rc = CL_INVALID_EVENT;
    if (rc == CL_SUCCESS)
        rc = s->cl->clSetUserEventStatus(r->event->h.event, status);
    if (rc == CL_SUCCESS)
        event_close(s, event_of(r->event));
    if (rc == CL_SUCCESS && status < 0)
        watches_poll(s);
    if (r->tag != 0)
        reply_status(s, r->tag, rc);
    return 0;
}

int
op_tessera_completed_event(struct session *s, const struct req_tessera_completed_event *r)
{
    struct event *e = object_new(s, r->event, KIND_event);

    if (!e)
        return -ENOMEM;
    e->queue = container_of(r->command_queue, struct queue, o);
    object_ref(&e->queue->o);
    return object_made(s, &e->o, s->request.error, r->tag);
}

int
op_tessera_event_status(struct session *s, const struct req_tessera_event_status *r)
{
    uint64_t status = (uint64_t)(int64_t)event_object_status(s, r->event);

    reply_bytes(s, r->tag, CL_SUCCESS, &status, sizeof status,
                (struct extent){EXTENT_NONE, 0});
    return 0;
}

/* ---- profiling --------------------------------------------------------------------- */

static cl_int
event_times(struct session *s, cl_event event, uint64_t times[5])
{
    static const cl_profiling_info params[] = {
        CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_SUBMIT,
        CL_PROFILING_COMMAND_START, CL_PROFILING_COMMAND_END};
    cl_int rc = CL_SUCCESS;

    for (unsigned i = 0; i < 4 && rc == CL_SUCCESS; i++)
        rc = s->cl->clGetEventProfilingInfo(event, params[i], sizeof times[i], &times[i],
                                            NULL);
    if (rc == CL_SUCCESS &&
        s->cl->clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_COMPLETE,
                                       sizeof times[4], &times[4], NULL) != CL_SUCCESS)
        times[4] = times[3]; /* drivers before OpenCL 2.0 know no such time */
    return rc;
}

int
op_clGetEventProfilingInfo(struct session *s, const struct req_clGetEventProfilingInfo *r)
{
    struct event *e = event_of(r->event);
    uint64_t times[5] = {0};
    cl_int rc = CL_SUCCESS;

    if (!e->queue || !e->queue->profiling || e->o.error != CL_SUCCESS || e->held)
        rc = CL_PROFILING_INFO_NOT_AVAILABLE;
    else if (e->o.h.event)
        rc = event_times(s, e->o.h.event, times);
    /* The driver's clock counts ns, as ours does: the guest had enqueued it so much earlier. */
    times[0] -= e->held_ns < times[0] ? e->held_ns : 0;
    reply_bytes(s, r->tag, rc, times, sizeof times, (struct extent){EXTENT_NONE, 0});
    return 0;
}

/* ---- waits ------------------------------------------------------------------------- */

/* One clWaitForEvents: answered by whoever counts it down to 0. */
struct wait {
    _Atomic uint64_t left;
    _Atomic bool failed;
    uint64_t tag;
    int64_t type;   /* what a callback waits for */
    uint64_t bytes; /* of LIMIT_INFLIGHT_BYTES */
};

/* For n events. NULL: no memory, or the limit. */
static struct wait *
wait_new(struct session *s, uint64_t n, uint64_t tag)
{
    const uint64_t bytes = n * WAIT_INFLIGHT_BYTES;
    struct wait *w = inflight_take(s, bytes) ? malloc(sizeof *w) : NULL;

    if (w)
        *w = (struct wait){.left = n, .tag = tag, .bytes = bytes};
    return w;
}

static void
wait_done(struct session *s, void *arg, cl_int status)
{
    struct wait *w = arg;

    if (status < 0)
        atomic_store_explicit(&w->failed, true, memory_order_relaxed);
    /* Orders the failures noted by all others before the answer. */
    if (atomic_fetch_sub_explicit(&w->left, 1, memory_order_acq_rel) != 1)
        return;
    inflight_give(s, w->bytes);
    reply_status(s, w->tag,
                 w->failed ? CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST : CL_SUCCESS);
    free(w);
}

/* watch_event(), whether the driver has the command or not yet. */
static void
event_watch(struct session *s, const struct object *o, cl_int type, watch_fn *done,
            void *arg)
{
    if (event_of(o)->held)
        held_watch(s, event_of(o)->held, type, done, arg);
    else
        watch_event(s, o->h.event, type, done, arg);
}

static void
wait_for(struct session *s, struct wait *w, const struct object *o)
{
    struct event *e = event_of(o);

    if (!o->h.event && !e->held) {
        wait_done(s, w, o->error);
        return;
    }
    if (e->queue)
        s->cl->clFlush(e->queue->o.h.queue);
    event_watch(s, o, CL_COMPLETE, wait_done, w);
}

int
op_clWaitForEvents(struct session *s, const struct req_clWaitForEvents *r)
{
    struct wait *w;

    if (r->n_event_list == 0) {
        reply_status(s, r->tag, CL_INVALID_VALUE);
        return 0;
    }
    w = wait_new(s, r->n_event_list, r->tag);
    if (!w) {
        reply_status(s, r->tag, CL_OUT_OF_HOST_MEMORY);
        return 0;
    }
    for (uint64_t i = 0; i < r->n_event_list; i++)
        wait_for(s, w, r->event_list[i]);
    return 0;
}

static void
callback_done(struct session *s, void *arg, cl_int status)
{
    struct wait *w = arg;

    inflight_give(s, w->bytes);
    reply_status(s, w->tag, status < 0 ? status : w->type);
    free(w);
}

int
op_clSetEventCallback(struct session *s, const struct req_clSetEventCallback *r)
{
    int64_t type = r->command_exec_callback_type;
    struct wait *w = NULL;

    if (type < CL_COMPLETE || type > CL_SUBMITTED) {
        reply_status(s, r->tag, CL_INVALID_VALUE);
        return 0;
    }
    if (!r->event->h.event && !event_of(r->event)->held) {
        reply_status(s, r->tag, r->event->error != CL_SUCCESS ? r->event->error : type);
        return 0;
    }
    w = wait_new(s, 1, r->tag);
    if (!w) {
        reply_status(s, r->tag, CL_OUT_OF_HOST_MEMORY);
        return 0;
    }
    w->type = type;
    event_watch(s, r->event, (cl_int)type, callback_done, w);
    return 0;
}
