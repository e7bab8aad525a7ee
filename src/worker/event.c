/* SPDX-License-Identifier: MIT */
#include "worker/event.h"

#include "api/opencl_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
    e->behind = e->queue->lane.made;
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
    free(e->times);
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
    const struct event *e = event_of(r->event);
    uint64_t status = (uint64_t)(int64_t)event_object_status(s, r->event);

    /* What reads before it brought must be there when the guest sees it complete. */
    if ((int64_t)status <= CL_COMPLETE && e->queue)
        lane_tell(s, e->queue, e->behind);
    reply_bytes(s, r->tag, CL_SUCCESS, &status, sizeof status,
                (struct extent){EXTENT_NONE, 0});
    return 0;
}

/* ---- profiling --------------------------------------------------------------------- */

static cl_int
driver_times(struct session *s, cl_event event, uint64_t times[EVENT_TIMES])
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

cl_int
event_times(struct session *s, const struct event *e, uint64_t times[EVENT_TIMES])
{
    cl_int rc = CL_SUCCESS;

    memset(times, 0, EVENT_TIMES * sizeof *times);
    if (!e->queue || !e->queue->profiling || e->o.error != CL_SUCCESS || e->held)
        return CL_PROFILING_INFO_NOT_AVAILABLE;
    if (e->times) {
        memcpy(times, e->times, EVENT_TIMES * sizeof *times);
        return CL_SUCCESS;
    }
    if (e->o.h.event)
        rc = driver_times(s, e->o.h.event, times);
    /* The driver's clock counts ns, as ours does: the guest had enqueued it so much earlier. */
    times[0] -= e->held_ns < times[0] ? e->held_ns : 0;
    return rc;
}

int
op_clGetEventProfilingInfo(struct session *s, const struct req_clGetEventProfilingInfo *r)
{
    uint64_t times[EVENT_TIMES];
    cl_int rc = event_times(s, event_of(r->event), times);

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
        watch_event(s, event_of(o)->queue, o->h.event, type, done, arg);
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

/* ---- what is still to be answered ---------------------------------------------------- */

struct open_question {
    struct wait *wait;
    bool callback;
    struct object *event;
};

struct open_questions {
    struct open_question *all; /* owned */
    size_t n, cap;
    struct object **user_events; /* that are not set, by the driver's handle; owned */
    size_t n_user_events;
    int rc;
};

static void
open_add(struct open_questions *o, watch_fn *done, void *arg, struct object *event)
{
    if ((done != wait_done && done != callback_done) || !event) {
        if (o->rc == 0)
            o->rc = -EAGAIN;
        return;
    }
    if (o->n == o->cap) {
        const size_t cap = o->cap ? 2 * o->cap : 16;
        struct open_question *bigger = realloc(o->all, cap * sizeof *bigger);

        if (!bigger) {
            o->rc = -ENOMEM;
            return;
        }
        o->all = bigger;
        o->cap = cap;
    }
    o->all[o->n++] = (struct open_question){arg, done == callback_done, event};
}

static int
by_handle(const void *a, const void *b)
{
    const uintptr_t x = (uintptr_t)(*(struct object *const *)a)->h.event,
                    y = (uintptr_t)(*(struct object *const *)b)->h.event;

    return x < y ? -1 : x > y;
}

static int
find_user_events(struct open_questions *o, const struct session *s)
{
    const size_t most = atomic_load(&s->open_user_events);

    o->user_events = calloc(most + 1, sizeof(struct object *));
    if (!o->user_events)
        return -ENOMEM;
    for (struct list *l = s->objects.next; l != &s->objects; l = l->next) {
        struct object *event = container_of(l, struct object, node);

        if (event->kind == KIND_event && event_of(event)->open && o->n_user_events < most)
            o->user_events[o->n_user_events++] = event;
    }
    if (o->n_user_events > 0)
        qsort(o->user_events, o->n_user_events, sizeof(struct object *), by_handle);
    return 0;
}

static struct object *
user_event_of(const struct open_questions *o, cl_event event)
{
    size_t low = 0, high = o->n_user_events;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;

        if ((uintptr_t)o->user_events[mid]->h.event < (uintptr_t)event)
            low = mid + 1;
        else
            high = mid;
    }
    return low < o->n_user_events && o->user_events[low]->h.event == event
               ? o->user_events[low]
               : NULL;
}

static void
open_add_watch(void *ctx, cl_event event, watch_fn *done, void *arg)
{
    struct open_questions *o = ctx;

    open_add(o, done, arg, user_event_of(o, event));
}

static void
open_add_held(struct open_questions *o, struct object *event)
{
    for (const struct held_waiter *w = event_of(event)->held->waiters; w; w = w->next)
        open_add(o, w->done, w->arg, event);
}

static int
by_wait(const void *a, const void *b)
{
    const struct open_question *x = a, *y = b;

    return x->wait < y->wait ? -1 : x->wait > y->wait;
}

static int
open_tell(const struct open_questions *o, event_question_fn *each, void *ctx)
{
    _cleanup_free_ struct object **events = calloc(o->n + 1, sizeof(struct object *));
    size_t next;

    if (!events)
        return -ENOMEM;
    for (size_t i = 0; i < o->n; i = next) {
        const struct wait *w = o->all[i].wait;
        struct event_question q = {.tag = w->tag,
                                   .type = w->type,
                                   .callback = o->all[i].callback,
                                   .failed = atomic_load(&w->failed),
                                   .events = events};

        for (next = i; next < o->n && o->all[next].wait == w; next++)
            events[q.n++] = o->all[next].event;
        each(ctx, &q);
    }
    return 0;
}

int
event_questions(struct session *s, event_question_fn *each, void *ctx)
{
    struct open_questions o = {0};
    int rc;

    o.rc = find_user_events(&o, s);
    watches_each(s, open_add_watch, &o);
    for (struct list *l = s->objects.next; l != &s->objects; l = l->next) {
        struct object *event = container_of(l, struct object, node);

        if (event->kind == KIND_event && event_of(event)->held)
            open_add_held(&o, event);
    }
    if (o.n > 0)
        qsort(o.all, o.n, sizeof *o.all, by_wait);
    rc = o.rc < 0 || !each ? o.rc : open_tell(&o, each, ctx);
    free(o.user_events);
    free(o.all);
    return rc;
}

void
event_ask(struct session *s, const struct event_question *q)
{
    struct wait *w = wait_new(s, q->n, q->tag);

    if (!w) {
        reply_status(s, q->tag, CL_OUT_OF_HOST_MEMORY);
        return;
    }
    w->type = q->type;
    atomic_store(&w->failed, q->failed);
    if (q->callback && q->n == 1) {
        event_watch(s, q->events[0], (cl_int)q->type, callback_done, w);
        return;
    }
    for (unsigned i = 0; i < q->n; i++)
        wait_for(s, w, q->events[i]);
}
