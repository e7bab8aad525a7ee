/* SPDX-License-Identifier: MIT */
#include "worker/queue.h"

#include "api/opencl_request.h"
#include "worker/event.h"
#include "worker/scope.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Commands harvested per lock; and from how many on a submission looks at them: the list
 * stays short, and most of them are complete by then.
 */
#define HARVEST_BATCH 32
#define HARVEST_AT_SUBMIT 128

/* What a queue takes of LIMIT_COMMANDS at a time. */
#define ALLOWED_STEP 64

cl_command_queue
queue_create(struct session *s, cl_context context, cl_device_id device,
             cl_command_queue_properties properties, cl_int *ret_rc)
{
    const cl_queue_properties list[] = {CL_QUEUE_PROPERTIES, properties, 0};

    if (s->device.version >= CL_MAKE_VERSION(2, 0, 0))
        return s->cl->clCreateCommandQueueWithProperties(context, device, list, ret_rc);
    return s->cl->clCreateCommandQueue(context, device, properties, ret_rc);
}

struct queue *
queue_new(struct session *s, struct guest_id id)
{
    struct queue *q = object_new(s, id, KIND_queue);

    if (!q)
        return NULL;
    pthread_mutex_init(&q->lock, NULL);
    list_init(&q->held);
    lane_init(&q->lane);
    pthread_mutex_lock(&s->queues_lock);
    list_add_tail(&s->queues, &q->node);
    pthread_mutex_unlock(&s->queues_lock);
    return q;
}

int
op_clCreateCommandQueueWithProperties(
    struct session *s, const struct req_clCreateCommandQueueWithProperties *r)
{
    struct queue *q = queue_new(s, r->command_queue);
    cl_int rc = s->request.error;

    if (!q)
        return -ENOMEM;
    q->out_of_order = r->properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE;
    q->profiling = r->properties & CL_QUEUE_PROFILING_ENABLE;
    if (rc == CL_SUCCESS)
        q->o.h.queue =
            queue_create(s, r->context->h.context, r->device->h.device,
                         (r->properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) |
                             CL_QUEUE_PROFILING_ENABLE,
                         &rc);
    return object_made(s, &q->o, rc, r->tag);
}

void
queue_released(struct session *s, struct object *o)
{
    struct queue *q = container_of(o, struct queue, o);

    if (!o->h.queue)
        return;
    /* OpenCL 3.0, section 5.1: the release flushes. */
    s->cl->clFlush(o->h.queue);
    object_ref(o);
    q->released = true;
}

void
queue_fini(struct session *s, struct object *o)
{
    struct queue *q = container_of(o, struct queue, o);

    pthread_mutex_lock(&s->queues_lock);
    list_del(&q->node);
    pthread_mutex_unlock(&s->queues_lock);
    for (uint32_t i = 0; i < q->count; i++)
        s->cl->clReleaseEvent(q->running[(q->first + i) & (q->cap - 1)].event);
    free(q->running);
    allowance_give(s, LIMIT_COMMANDS, q->allowed);
    pthread_mutex_destroy(&q->lock);
    if (o->h.queue)
        s->cl->clReleaseCommandQueue(o->h.queue);
}

/* ---- commands under way ------------------------------------------------------------ */

/* Lock held. Room for one more command. */
static cl_int
queue_make_room(struct queue *q)
{
    uint32_t cap = q->cap ? q->cap * 2 : 64;
    struct tracked *bigger;

    if (q->count + atomic_load_explicit(&q->n_held, memory_order_relaxed) >= q->allowed)
        return CL_OUT_OF_RESOURCES;
    if (q->count < q->cap)
        return CL_SUCCESS;
    bigger = malloc(cap * sizeof *bigger);
    if (!bigger)
        return CL_OUT_OF_HOST_MEMORY;
    for (uint32_t i = 0; i < q->count; i++)
        bigger[i] = q->running[(q->first + i) & (q->cap - 1)];
    free(q->running);
    q->running = bigger;
    q->first = 0;
    q->cap = cap;
    return CL_SUCCESS;
}

/* A step more, where the limit is large; else, or with less left, one command. */
static bool
queue_allow_more(struct session *s, struct queue *q)
{
    const bool large =
        limit_of(&s->options->limits, LIMIT_COMMANDS) / ALLOWED_STEP >= ALLOWED_STEP;
    uint32_t step = large ? ALLOWED_STEP : 1;

    if (q->allowed >= QUEUE_COMMANDS)
        return false;
    if (!allowance_take(s, LIMIT_COMMANDS, step)) {
        if (step == 1 || !allowance_take(s, LIMIT_COMMANDS, 1))
            return false;
        step = 1;
    }
    q->allowed += step;
    return true;
}

static cl_int
queue_try_room(struct queue *q)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&q->lock);

    return queue_make_room(q);
}

cl_int
queue_admit(struct session *s, struct queue *q)
{
    cl_int rc = queue_try_room(q);

    while (rc == CL_OUT_OF_RESOURCES && queue_allow_more(s, q))
        rc = queue_try_room(q);
    if (rc != CL_OUT_OF_RESOURCES)
        return rc;
    /* Commands that are complete count until somebody looks. */
    queue_harvest(s, q);
    return queue_try_room(q);
}

void
queue_count_held(struct queue *q, int more)
{
    atomic_store_explicit(&q->n_held, q->n_held + (uint32_t)more, memory_order_relaxed);
}

/* Returns how many are under way. */
static uint32_t
queue_track(struct queue *q, const struct tracked *t)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&q->lock);

    q->running[(q->first + q->count++) & (q->cap - 1)] = *t;
    return q->count;
}

static uint64_t
event_time(struct session *s, cl_event event, cl_profiling_info which)
{
    cl_ulong t = 0;

    if (s->cl->clGetEventProfilingInfo(event, which, sizeof t, &t, NULL) != CL_SUCCESS)
        return 0;
    return t;
}

/* A command has ended: the gate and the table of costs learn what it took. */
static void
tracked_over(struct session *s, const struct tracked *t)
{
    struct gate_times at = {.start_ns =
                                event_time(s, t->event, CL_PROFILING_COMMAND_START),
                            .end_ns = event_time(s, t->event, CL_PROFILING_COMMAND_END)};

    if (t->ticket.first)
        at.submit_ns = event_time(s, t->event, CL_PROFILING_COMMAND_SUBMIT);
    gate_complete(&s->gate, &t->ticket, &at);
    if (t->ticket.counted && at.start_ns && at.end_ns >= at.start_ns)
        cost_learn(&s->costs, t->keys.cost, at.end_ns - at.start_ns);
    if (t->keys.like && at.start_ns && at.end_ns >= at.start_ns)
        cost_learn(&s->costs, t->keys.like, at.end_ns - at.start_ns);
}

/* Takes up to n complete commands off the front. Their references are the caller's. */
static unsigned
queue_take_complete(struct session *s, struct queue *q, cl_event *events, unsigned n)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&q->lock);
    unsigned taken = 0;

    while (taken < n && q->count > 0) {
        const struct tracked *t = &q->running[q->first & (q->cap - 1)];
        cl_int status = event_status(s, t->event);

        if (status > CL_COMPLETE)
            break;
        if (status < 0 && q->error == CL_SUCCESS)
            q->error = status;
        tracked_over(s, t);
        events[taken++] = t->event;
        q->first++;
        q->count--;
    }
    return taken;
}

void
queue_harvest(struct session *s, struct queue *q)
{
    cl_event events[HARVEST_BATCH];
    unsigned n;

    do {
        n = queue_take_complete(s, q, events, HARVEST_BATCH);
        for (unsigned i = 0; i < n; i++)
            s->cl->clReleaseEvent(events[i]);
    } while (n == HARVEST_BATCH);
}

cl_int
queue_take_error(struct queue *q)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&q->lock);
    cl_int error = q->error;

    q->error = CL_SUCCESS;
    return error;
}

void
queue_remember_error(struct queue *q, cl_int error)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&q->lock);

    if (q->error == CL_SUCCESS)
        q->error = error;
}

/* No error is remembered, and no more than n commands are under way. */
static bool
queue_is_clean(struct queue *q, uint32_t n)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&q->lock);

    return q->error == CL_SUCCESS && q->count <= n;
}

static bool
queue_has_none(struct queue *q)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&q->lock);

    return q->count == 0;
}

static bool
queue_is_busy(struct queue *q)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&q->lock);

    return q->count > 0 || atomic_load_explicit(&q->n_held, memory_order_relaxed) > 0;
}

static cl_event
queue_newest_counted(struct session *s, struct queue *q)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&q->lock);

    for (uint32_t i = q->count; i > 0; i--) {
        const struct tracked *t = &q->running[(q->first + i - 1) & (q->cap - 1)];

        if (t->ticket.counted) {
            /* It must end without the guest's doing. */
            s->cl->clFlush(q->o.h.queue);
            s->cl->clRetainEvent(t->event);
            return t->event;
        }
    }
    return NULL;
}

cl_event
queues_newest_counted(struct session *s)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&s->queues_lock);
    cl_event found = NULL;

    for (struct list *l = s->queues.next; l != &s->queues && !found; l = l->next)
        found = queue_newest_counted(s, container_of(l, struct queue, node));
    return found;
}

void
queue_flush_unref(struct session *s, struct queue *q)
{
    s->cl->clFlush(q->o.h.queue);
    object_unref(s, &q->o);
}

bool
queues_busy(struct session *s)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&s->queues_lock);
    struct list *node, *tmp;
    bool busy = false;

    list_for_each_safe(node, tmp, &s->queues)
    {
        struct queue *q = container_of(node, struct queue, node);

        queue_harvest(s, q);
        busy |= queue_is_busy(q);
    }
    return busy;
}

bool
queues_run(struct session *s)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&s->queues_lock);
    struct list *node, *tmp;
    bool run = false;

    list_for_each_safe(node, tmp, &s->queues)
    {
        struct queue *q = container_of(node, struct queue, node);

        queue_harvest(s, q);
        run |= !queue_has_none(q);
    }
    return run;
}

/* The first released queue that has nothing under way. */
static struct queue *
queues_find_retired(struct session *s)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&s->queues_lock);
    struct list *node, *tmp;

    list_for_each_safe(node, tmp, &s->queues)
    {
        struct queue *q = container_of(node, struct queue, node);

        if (q->released && !queue_is_busy(q)) {
            q->released = false;
            return q;
        }
    }
    return NULL;
}

void
queues_retire(struct session *s)
{
    struct queue *q;

    while ((q = queues_find_retired(s)) != NULL)
        object_unref(s, &q->o);
}

void
queues_give_back(struct session *s)
{
    struct list *node, *tmp;

    /* As below, the list can be read without its lock. */
    list_for_each_safe(node, tmp, &s->queues)
    {
        struct queue *q = container_of(node, struct queue, node);

        if (q->allowed == 0 || queue_is_busy(q))
            continue;
        allowance_give(s, LIMIT_COMMANDS, q->allowed);
        q->allowed = 0;
    }
}

void
queues_flush(struct session *s)
{
    struct list *node, *tmp;

    /* The list changes on this thread alone, so it can be read without its lock. */
    list_for_each_safe(node, tmp, &s->queues)
    {
        struct queue *q = container_of(node, struct queue, node);

        if (q->o.h.queue)
            s->cl->clFlush(q->o.h.queue);
    }
}

/* ---- submissions ------------------------------------------------------------------- */

/* Only what is not complete yet needs waiting for; a failed event fails the command. */
static cl_int
submission_take_waits(struct session *s, struct submission *sub, uint64_t n,
                      struct object *const *waits)
{
    cl_event *handles = request_scratch(s, n);

    for (uint64_t i = 0; i < n; i++) {
        cl_int status = event_object_status(s, waits[i]);

        if (status < 0)
            return CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
        if (status > CL_COMPLETE)
            handles[sub->n_waits++] = waits[i]->h.event;
    }
    sub->waits = sub->n_waits > 0 ? handles : NULL;
    return CL_SUCCESS;
}

cl_int
submission_begin(struct session *s, struct submission *sub, struct object *queue,
                 uint64_t n_waits, struct object **waits, struct guest_id event_id)
{
    struct queue *q = container_of(queue, struct queue, o);
    cl_int rc = s->request.error;

    *sub = (struct submission){.queue = q, .event_id = event_id};
    if (rc == CL_SUCCESS)
        rc = submission_take_waits(s, sub, n_waits, waits);
    if (rc == CL_SUCCESS)
        rc = queue_admit(s, q);
    return rc;
}

/* An event that is complete, of the queue's context. */
static cl_event
complete_event(struct session *s, cl_command_queue queue, cl_int *ret_rc)
{
    cl_context context;
    cl_event event;

    *ret_rc = s->cl->clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context,
                                           &context, NULL);
    if (*ret_rc != CL_SUCCESS)
        return NULL;
    event = s->cl->clCreateUserEvent(context, ret_rc);
    if (event)
        *ret_rc = s->cl->clSetUserEventStatus(event, CL_COMPLETE);
    return event;
}

/* A wait list of one event that is complete: of those given, if the driver knows one. */
static cl_int
submission_wait_for_nothing(struct session *s, struct submission *sub, uint64_t n,
                            struct object *const *waits)
{
    cl_event *handle = request_scratch(s, 1);
    cl_int rc = CL_SUCCESS;

    *handle = NULL;
    for (uint64_t i = 0; i < n && !*handle; i++)
        *handle = waits[i]->h.event;
    if (!*handle)
        *handle = sub->stand_in = complete_event(s, sub->queue->o.h.queue, &rc);
    sub->n_waits = 1;
    sub->waits = handle;
    return rc;
}

/*
 * OpenCL 3.0, section 5.12: without a wait list they wait for all commands before them. Where the
 * queue is out of order, one whose events are all complete must not become one without any.
 */
cl_int
submission_begin_sync(struct session *s, struct submission *sub, struct object *queue,
                      uint64_t n_waits, struct object **waits, struct guest_id event_id)
{
    cl_int rc = submission_begin(s, sub, queue, n_waits, waits, event_id);

    if (rc != CL_SUCCESS || n_waits == 0 || sub->n_waits > 0 || !sub->queue->out_of_order)
        return rc;
    return submission_wait_for_nothing(s, sub, n_waits, waits);
}

/* It is with the driver: the gate's ticket goes with it. */
static void
submission_track(struct session *s, struct submission *sub)
{
    const struct admitted *a = &s->admitted;

    if (a->ticket.first) {
        cost_note_compiled(&s->costs, a->keys.code);
        runner_first(s, sub->event);
    }
    s->runner.due |= a->ticket.look;
    if (queue_track(sub->queue, &(struct tracked){sub->event, a->ticket, a->keys}) %
            HARVEST_AT_SUBMIT ==
        0)
        queue_harvest(s, sub->queue);
}

int
submission_end(struct session *s, struct submission *sub, cl_int rc, uint64_t tag)
{
    if (sub->stand_in)
        s->cl->clReleaseEvent(sub->stand_in);
    if (rc != CL_SUCCESS && s->admitted.valid) {
        gate_cancel(&s->gate, &s->admitted.ticket);
        s->runner.due |= s->admitted.ticket.look;
    }
    if (s->held.running)
        held_event_is(s, s->held.running, sub->event, rc);
    else if (sub->event_id.v != 0 && event_new(s, sub, rc) < 0)
        return -ENOMEM;
    if (rc == CL_SUCCESS) {
        submission_track(s, sub);
    } else if (tag == 0) {
        queue_remember_error(sub->queue, rc);
    }
    if (tag != 0)
        reply_status(s, tag, rc);
    return 0;
}

/* ---- flush, finish ----------------------------------------------------------------- */

int
op_clFlush(struct session *s, const struct req_clFlush *r)
{
    cl_int rc = s->request.error;

    if (rc == CL_SUCCESS)
        rc = s->cl->clFlush(r->command_queue->h.queue);
    if (r->tag != 0)
        reply_status(s, r->tag, rc);
    return 0;
}

struct finish {
    struct queue *queue; /* counted */
    uint64_t tag;
};

static void
finish_done(struct session *s, void *arg, cl_int status)
{
    struct finish *f = arg;

    /* The only command, and it went well: the guest need not wait for our book-keeping. */
    if (status == CL_SUCCESS && queue_is_clean(f->queue, 1)) {
        reply_status(s, f->tag, CL_SUCCESS);
        queue_harvest(s, f->queue);
    } else {
        queue_harvest(s, f->queue);
        reply_status(s, f->tag, queue_take_error(f->queue));
    }
    object_unref(s, &f->queue->o);
    inflight_give(s, WAIT_INFLIGHT_BYTES);
    free(f);
}

/* The newest command under way, counted; NULL when there is none. */
static cl_event
queue_newest(struct session *s, struct queue *q)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&q->lock);
    cl_event event;

    if (q->count == 0)
        return NULL;
    event = q->running[(q->first + q->count - 1) & (q->cap - 1)].event;
    s->cl->clRetainEvent(event);
    return event;
}

/* An event that is complete when all commands of the queue are; NULL when all are already. */
static cl_event
queue_last_event(struct session *s, struct queue *q)
{
    cl_event newest = queue_newest(s, q), marker = NULL;

    if (!newest || !q->out_of_order ||
        s->cl->clEnqueueMarkerWithWaitList(q->o.h.queue, 0, NULL, &marker) != CL_SUCCESS)
        return newest;
    s->cl->clReleaseEvent(newest);
    return marker;
}

/* One holder for each queue that is not complete, and one while they are asked. */
struct all_complete {
    _Atomic uint32_t holders;
    watch_fn *done;
    void *arg;
};

static void
queue_is_complete(struct session *s, void *arg, cl_int status)
{
    struct all_complete *all = arg;

    (void)status;
    /* Whoever is last sees what the others did. */
    if (atomic_fetch_sub_explicit(&all->holders, 1, memory_order_acq_rel) != 1)
        return;
    all->done(s, all->arg, CL_SUCCESS);
    free(all);
}

void
queues_when_complete(struct session *s, watch_fn *done, void *arg)
{
    struct all_complete *all = malloc(sizeof *all);

    if (!all)
        session_end(s, "the worker has no memory left");
    *all = (struct all_complete){.holders = 1, .done = done, .arg = arg};
    /* The list changes on this thread alone, so it can be read without its lock. */
    for (struct list *l = s->queues.next; l != &s->queues; l = l->next) {
        cl_event last = queue_last_event(s, container_of(l, struct queue, node));

        if (!last)
            continue;
        atomic_fetch_add_explicit(&all->holders, 1, memory_order_relaxed);
        watch_event(s, NULL, last, CL_COMPLETE, queue_is_complete, all);
        s->cl->clReleaseEvent(last);
    }
    queue_is_complete(s, all, CL_SUCCESS);
}

/* Answers the tag when all that the driver has of the queue is complete. */
static void
queue_finish(struct session *s, struct queue *q, uint64_t tag)
{
    cl_event last = queue_last_event(s, q);
    struct finish *f;

    if (!last && lane_is_clear(&q->lane)) {
        reply_status(s, tag, queue_take_error(q));
        return;
    }
    f = inflight_take(s, WAIT_INFLIGHT_BYTES) ? malloc(sizeof *f) : NULL;
    if (f) {
        *f = (struct finish){q, tag};
        object_ref(&q->o);
        s->cl->clFlush(q->o.h.queue);
        watch_event(s, q, last, CL_COMPLETE, finish_done, f);
    } else {
        reply_status(s, tag, CL_OUT_OF_HOST_MEMORY);
    }
    if (last)
        s->cl->clReleaseEvent(last);
}

static int
finish_held(struct session *s, struct held *h)
{
    queue_finish(s, h->queue, h->tag);
    return 0;
}

int
op_clFinish(struct session *s, const struct req_clFinish *r)
{
    struct queue *q = container_of(r->command_queue, struct queue, o);

    if (s->request.error != CL_SUCCESS) {
        reply_status(s, r->tag, s->request.error);
    } else if (list_empty(&q->held)) {
        queue_finish(s, q, r->tag);
    } else if (held_ask(s, q, finish_held, r->tag) < 0) {
        reply_status(s, r->tag, CL_OUT_OF_HOST_MEMORY);
    }
    return 0;
}
