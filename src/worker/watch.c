/* SPDX-License-Identifier: MIT */
#include "worker/watch.h"

#include "worker/queue.h"
#include "worker/session.h"

#include <sched.h>
#include <stdlib.h>

/*
 * Of a watch that somebody else ran the memory stays until the driver's callback comes after all:
 * some bytes per command that failed on a driver that forgets its callbacks.
 */
struct watch {
    struct list node;    /* armed; then, in a lane, ready */
    struct list in_lane; /* of a command: its lane's commands, while it is armed */
    struct session *s;
    struct queue *queue; /* counted; NULL: nothing comes before it */
    cl_event event;      /* a reference of our own; NULL: none */
    cl_int type, status;
    uint64_t command;   /* its number in the lane, from 1; 0: it is none */
    bool fired;         /* under the lock, as what follows: no longer armed */
    bool ran, returned; /* nobody looks at it any more; nor calls back with it */
    watch_fn *done;
    void *arg;
    struct job job;
};

void
lane_init(struct lane *l)
{
    list_init(&l->commands);
    list_init(&l->ready);
    l->runs = false;
    l->made = 0;
    atomic_init(&l->told, 0);
}

static bool
lane_has_told(const struct lane *l, uint64_t commands)
{
    /* Pairs with the release in watch_ran(): what was told is in the ring. */
    return atomic_load_explicit(&l->told, memory_order_acquire) >= commands;
}

bool
lane_is_clear(const struct lane *l)
{
    return lane_has_told(l, l->made);
}

void
watches_init(struct watches *w)
{
    pthread_mutex_init(&w->lock, NULL);
    list_init(&w->armed);
    w->count = w->running = 0;
}

bool
watches_any(const struct watches *w)
{
    return __atomic_load_n(&w->count, __ATOMIC_RELAXED) != 0;
}

cl_int
event_status(struct session *s, cl_event event)
{
    cl_int status = CL_QUEUED;
    cl_int rc = s->cl->clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS,
                                      sizeof status, &status, NULL);

    return rc == CL_SUCCESS ? status : rc;
}

bool
watches_run(struct watches *w)
{
    bool run;

    pthread_mutex_lock(&w->lock);
    run = w->running > 0;
    pthread_mutex_unlock(&w->lock);
    return run;
}

/* Lock held: it is to be run. */
static void
watch_fire(struct watch *w, cl_int status)
{
    struct watches *all = &w->s->watches;

    w->fired = true;
    w->status = status;
    list_del(&w->node);
    if (w->command)
        list_del(&w->in_lane);
    if (w->queue)
        list_add_tail(&w->queue->lane.ready, &w->node);
    all->running++;
    __atomic_store_n(&all->count, all->count - 1, __ATOMIC_RELAXED);
}

/* Lock held: the commands that are complete, up to w (NULL: all). */
static void
lane_fire(struct session *s, struct lane *l, const struct watch *w)
{
    while (!list_empty(&l->commands)) {
        struct watch *first = container_of(l->commands.next, struct watch, in_lane);
        const cl_int status = first == w ? CL_QUEUED : event_status(s, first->event);

        if (status > first->type)
            break;
        watch_fire(first, status);
    }
}

/* Lock held. */
static void
watch_ran(struct watch *w)
{
    w->s->watches.running--;
    /* They come in their order, unless a driver lets one fail before those before it are over. */
    if (w->command && !lane_has_told(&w->queue->lane, w->command))
        atomic_store_explicit(&w->queue->lane.told, w->command, memory_order_release);
    w->ran = true;
    if (w->returned)
        free(w);
}

/* Lock held, let go of meanwhile; w may be gone afterwards. */
static void
watch_run(struct watch *w)
{
    struct session *s = w->s;
    struct queue *q = w->queue;

    pthread_mutex_unlock(&s->watches.lock);
    w->done(s, w->arg, w->status < 0 ? w->status : CL_SUCCESS);
    if (w->event)
        s->cl->clReleaseEvent(w->event);
    pthread_mutex_lock(&s->watches.lock);
    watch_ran(w);
    if (!q)
        return;
    /* It may be the last who knows of the queue. */
    pthread_mutex_unlock(&s->watches.lock);
    object_unref(s, &q->o);
    pthread_mutex_lock(&s->watches.lock);
}

/* Lock held: all that is ready there, unless some thread is at it, which then does these, too. */
static void
lane_run(struct session *s, struct queue *q)
{
    struct lane *l = &q->lane;

    if (l->runs)
        return;
    l->runs = true;
    object_ref(&q->o);
    while (!list_empty(&l->ready)) {
        struct list *first = l->ready.next;

        list_del(first);
        watch_run(container_of(first, struct watch, node));
    }
    l->runs = false;
    pthread_mutex_unlock(&s->watches.lock);
    object_unref(s, &q->o);
    pthread_mutex_lock(&s->watches.lock);
}

/* Lock held: what w waits for is there. */
static void
watch_is_due(struct watch *w, cl_int status)
{
    struct session *s = w->s;
    struct queue *q = w->queue;

    if (q)
        lane_fire(s, &q->lane, w);
    watch_fire(w, status);
    if (q)
        lane_run(s, q);
    else
        watch_run(w);
}

/* Lock held: is some thread at it, or about to be? */
static bool
lane_is_busy(struct lane *l)
{
    return l->runs || !list_empty(&l->ready);
}

void
lane_tell(struct session *s, struct queue *q, uint64_t commands)
{
    struct lane *l = &q->lane;
    bool busy = true;

    while (busy && !lane_has_told(l, commands)) {
        pthread_mutex_lock(&s->watches.lock);
        lane_fire(s, l, NULL);
        lane_run(s, q);
        busy = lane_is_busy(l);
        pthread_mutex_unlock(&s->watches.lock);
        if (busy)
            sched_yield();
    }
}

/* Nobody but the caller knows of it any more; status: for what is not fired yet. */
static void
watch_returned(struct watch *w, cl_int status)
{
    struct watches *all = &w->s->watches;

    pthread_mutex_lock(&all->lock);
    w->returned = true;
    if (!w->fired)
        watch_is_due(w, status);
    else if (w->ran)
        free(w);
    pthread_mutex_unlock(&all->lock);
}

/* The driver's thread, or ours from inside clSetEventCallback. */
static void CL_CALLBACK
watch_callback(cl_event event, cl_int status, void *arg)
{
    struct watch *w = arg;
    /* Some drivers report the status that was asked for even when the command failed. */
    const cl_int real = event_status(w->s, event);

    watch_returned(w, real < 0 ? real : status);
}

static void
watch_wait_job(struct job *j)
{
    struct watch *w = container_of(j, struct watch, job);
    const struct _cl_icd_dispatch *cl = w->s->cl;
    cl_event event = w->event;

    cl->clWaitForEvents(1, &event);
    watch_callback(event, CL_COMPLETE, w);
    cl->clReleaseEvent(event);
}

/* With a reference to the event, since others may run it, and let go of theirs. */
static void
watch_arm(struct session *s, struct watch *w)
{
    cl_event event = w->event;

    s->cl->clRetainEvent(event);
    pthread_mutex_lock(&s->watches.lock);
    list_add_tail(&s->watches.armed, &w->node);
    if (w->command)
        list_add_tail(&w->queue->lane.commands, &w->in_lane);
    __atomic_store_n(&s->watches.count, s->watches.count + 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&s->watches.lock);
    if (s->cl->clSetEventCallback(event, w->type, watch_callback, w) != CL_SUCCESS) {
        /* No callbacks on this driver: a thread waits. Without one the dispatcher's look is all. */
        w->job.run = watch_wait_job;
        s->cl->clRetainEvent(event);
        if (jobs_start(&s->waits, &w->job) < 0)
            s->cl->clReleaseEvent(event);
    }
    s->cl->clReleaseEvent(event);
}

static struct watch *
watch_new(struct session *s, struct queue *q, cl_event event, cl_int type, watch_fn *done,
          void *arg)
{
    struct watch *w = calloc(1, sizeof *w);

    if (!w)
        session_end(s, "the worker has no memory left");
    *w = (struct watch){
        .s = s, .queue = q, .event = event, .type = type, .done = done, .arg = arg};
    list_init(&w->node);
    if (q)
        object_ref(&q->o);
    if (event)
        s->cl->clRetainEvent(event);
    return w;
}

/* It is there, but something may have to be told before. */
static void
watch_at_once(struct session *s, struct queue *q, watch_fn *done, void *arg,
              cl_int status)
{
    struct watch *w;

    if (!q || lane_is_clear(&q->lane)) {
        done(s, arg, status < 0 ? status : CL_SUCCESS);
        return;
    }
    w = watch_new(s, q, NULL, CL_COMPLETE, done, arg);
    pthread_mutex_lock(&s->watches.lock);
    __atomic_store_n(&s->watches.count, s->watches.count + 1, __ATOMIC_RELAXED);
    w->returned = true;
    watch_is_due(w, status);
    pthread_mutex_unlock(&s->watches.lock);
}

void
watch_event(struct session *s, struct queue *q, cl_event event, cl_int type,
            watch_fn *done, void *arg)
{
    const cl_int status = event ? event_status(s, event) : CL_COMPLETE;

    if (q && q->out_of_order)
        q = NULL;
    if (status <= type)
        watch_at_once(s, q, done, arg, status);
    else
        watch_arm(s, watch_new(s, q, event, type, done, arg));
}

void
watch_command(struct session *s, struct queue *q, cl_event event, watch_fn *done,
              void *arg)
{
    const cl_int status = event_status(s, event);
    struct watch *w;

    if (q->out_of_order || status <= CL_COMPLETE) {
        watch_event(s, q, event, CL_COMPLETE, done, arg);
        return;
    }
    w = watch_new(s, q, event, CL_COMPLETE, done, arg);
    w->command = ++q->lane.made;
    watch_arm(s, w);
}

/* Lock held. The first that is there, or NULL. */
static struct watch *
watches_find_due(struct session *s, cl_int *ret_status)
{
    struct list *node, *tmp;

    list_for_each_safe(node, tmp, &s->watches.armed)
    {
        struct watch *w = container_of(node, struct watch, node);

        *ret_status = event_status(s, w->event);
        if (*ret_status <= w->type)
            return w;
    }
    return NULL;
}

void
watches_poll(struct session *s)
{
    struct watch *w;
    cl_int status;

    pthread_mutex_lock(&s->watches.lock);
    while ((w = watches_find_due(s, &status)) != NULL)
        watch_is_due(w, status);
    pthread_mutex_unlock(&s->watches.lock);
}

void
watches_each(struct session *s, watch_each_fn *each, void *ctx)
{
    struct list *node, *tmp;

    pthread_mutex_lock(&s->watches.lock);
    list_for_each_safe(node, tmp, &s->watches.armed)
    {
        const struct watch *w = container_of(node, struct watch, node);

        each(ctx, w->event, w->done, w->arg);
    }
    pthread_mutex_unlock(&s->watches.lock);
}
