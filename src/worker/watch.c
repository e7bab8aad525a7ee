/* SPDX-License-Identifier: MIT */
#include "worker/watch.h"

#include "worker/session.h"

#include <stdlib.h>

/*
 * Of a watch that the dispatcher ran, the memory stays until the driver's callback comes after
 * all: some bytes per command that failed on a driver that forgets its callbacks.
 */
struct watch {
    struct list node;
    struct session *s;
    cl_event event; /* a reference of our own */
    cl_int type;
    bool fired; /* under the lock: the continuation has run or is running */
    watch_fn *done;
    void *arg;
    struct job job;
};

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

/* Lock held. */
static void
watch_disarm(struct watches *w, struct watch *watch)
{
    watch->fired = true;
    w->running++;
    list_del(&watch->node);
    __atomic_store_n(&w->count, w->count - 1, __ATOMIC_RELAXED);
}

static void
watch_run(struct watch *w, cl_int status)
{
    struct watches *all = &w->s->watches;

    w->done(w->s, w->arg, status < 0 ? status : CL_SUCCESS);
    w->s->cl->clReleaseEvent(w->event);
    pthread_mutex_lock(&all->lock);
    all->running--;
    pthread_mutex_unlock(&all->lock);
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

/* The driver's thread, or ours from inside clSetEventCallback. */
static void CL_CALLBACK
watch_callback(cl_event event, cl_int status, void *arg)
{
    struct watch *w = arg;
    struct watches *all = &w->s->watches;
    bool first;

    (void)event;
    pthread_mutex_lock(&all->lock);
    first = !w->fired;
    if (first)
        watch_disarm(all, w);
    pthread_mutex_unlock(&all->lock);
    if (first) {
        /* Some drivers report the status that was asked for even when the command failed. */
        cl_int real = event_status(w->s, w->event);

        watch_run(w, real < 0 ? real : status);
    }
    free(w);
}

static void
watch_wait_job(struct job *j)
{
    struct watch *w = container_of(j, struct watch, job);

    w->s->cl->clWaitForEvents(1, &w->event);
    watch_callback(w->event, event_status(w->s, w->event), w);
}

static void
watch_arm(struct session *s, struct watch *w)
{
    pthread_mutex_lock(&s->watches.lock);
    list_add_tail(&s->watches.armed, &w->node);
    __atomic_store_n(&s->watches.count, s->watches.count + 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&s->watches.lock);
    if (s->cl->clSetEventCallback(w->event, w->type, watch_callback, w) == CL_SUCCESS)
        return;
    /* No callbacks on this driver: a thread waits. Without one the dispatcher's look is all. */
    w->job.run = watch_wait_job;
    jobs_start(&s->waits, &w->job);
}

void
watch_event(struct session *s, cl_event event, cl_int type, watch_fn *done, void *arg)
{
    cl_int status = event_status(s, event);
    struct watch *w;

    if (status <= type) {
        done(s, arg, status < 0 ? status : CL_SUCCESS);
        return;
    }
    w = calloc(1, sizeof *w);
    if (!w)
        session_end(s, "the worker has no memory left");
    *w = (struct watch){.s = s, .event = event, .type = type, .done = done, .arg = arg};
    s->cl->clRetainEvent(event);
    watch_arm(s, w);
}

/*
 * Lock held: disarms the first watched event that is there and copies it, since the driver may call
 * back, and so free it, as soon as the lock is gone.
 */
static bool
watches_take_ready(struct session *s, struct watch *ret, cl_int *ret_status)
{
    struct list *node, *tmp;

    list_for_each_safe(node, tmp, &s->watches.armed)
    {
        struct watch *w = container_of(node, struct watch, node);
        cl_int status = event_status(s, w->event);

        if (status <= w->type) {
            watch_disarm(&s->watches, w);
            *ret = *w;
            *ret_status = status;
            return true;
        }
    }
    return false;
}

void
watches_poll(struct session *s)
{
    struct watch w;
    cl_int status;
    bool found;

    do {
        pthread_mutex_lock(&s->watches.lock);
        found = watches_take_ready(s, &w, &status);
        pthread_mutex_unlock(&s->watches.lock);
        if (found)
            watch_run(&w, status);
    } while (found);
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
