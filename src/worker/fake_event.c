/* SPDX-License-Identifier: MIT */
/*
 * Events of the fake driver. A status only goes down: QUEUED 3, SUBMITTED 2, RUNNING 1,
 * COMPLETE 0, or an error below. A callback is due once the status is at most its own.
 */
#include "worker/fake_internal.h"

#include <stdlib.h>
#include <time.h>

uint64_t
fake_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
event_destroy(void *self)
{
    cl_event e = self;

    fake_callbacks_free(&e->callbacks);
    fake_unref(e->queue);
    fake_unref(e->context);
    e->base.kind = FAKE_DEAD;
    free(e);
}

cl_event
fake_event_new(cl_context context, cl_command_queue queue, cl_command_type type)
{
    cl_event e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    fake_object_init(e, FAKE_EVENT, event_destroy);
    e->context = fake_ref(context);
    e->queue = queue ? fake_ref(queue) : NULL;
    e->type = type;
    e->status = queue ? CL_QUEUED : CL_SUBMITTED;
    e->times_ns[0] = fake_now_ns();
    list_init(&e->callbacks);
    list_init(&e->waiters);
    return e;
}

static void
waiters_wake(cl_event e)
{
    struct list *pos, *tmp;

    list_for_each_safe(pos, tmp, &e->waiters)
    {
        struct fake_command *c = container_of(pos, struct fake_wait, node)->command;

        list_del(pos);
        if (e->status < 0)
            c->failed = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
        if (--c->deps == 0)
            pthread_cond_signal(&c->event->queue->work);
    }
    pthread_cond_broadcast(&fake_changed);
}

/* Steps that were skipped happened now, as far as the clock is concerned. */
static void
times_fill(cl_event e, cl_int status)
{
    const int last = status < 0 ? 3 : 3 - status;
    const uint64_t now_ns = fake_now_ns();

    for (int i = 1; i <= last; i++) {
        if (!e->times_ns[i])
            e->times_ns[i] = now_ns;
    }
}

void
fake_event_advance(cl_event e, cl_int status, struct list *fired)
{
    struct list *pos, *tmp;

    e->status = status;
    times_fill(e, status);
    list_for_each_safe(pos, tmp, &e->callbacks)
    {
        if (container_of(pos, struct fake_callback, node)->status < status)
            continue;
        list_del(pos);
        list_add_tail(fired, pos);
    }
    if (status <= CL_COMPLETE)
        waiters_wake(e);
}

void
fake_event_fire(cl_event e, struct list *fired)
{
    struct list *pos, *tmp;

    list_for_each_safe(pos, tmp, fired)
    {
        struct fake_callback *cb = container_of(pos, struct fake_callback, node);
        cl_int status;

        pthread_mutex_lock(&fake_lock);
        status = e->status < 0 ? e->status : cb->status;
        pthread_mutex_unlock(&fake_lock);
        cb->call.event(e, status, cb->data);
        list_del(pos);
        free(cb);
    }
}

cl_int
fake_event_wait(cl_event e)
{
    cl_int status;

    pthread_mutex_lock(&fake_lock);
    while (e->status > CL_COMPLETE)
        pthread_cond_wait(&fake_changed, &fake_lock);
    status = e->status;
    pthread_mutex_unlock(&fake_lock);
    return status;
}

cl_event
fake_clCreateUserEvent(cl_context context, cl_int *errcode_ret)
{
    cl_event e;

    if (!fake_is(context, FAKE_CONTEXT))
        return fake_ret(errcode_ret, CL_INVALID_CONTEXT, NULL);
    e = fake_event_new(context, NULL, CL_COMMAND_USER);
    return fake_ret(errcode_ret, e ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY, e);
}

cl_int
fake_clSetUserEventStatus(cl_event event, cl_int execution_status)
{
    struct list fired;
    bool done;

    if (!fake_is(event, FAKE_EVENT) || event->queue)
        return CL_INVALID_EVENT;
    if (execution_status > CL_COMPLETE)
        return CL_INVALID_VALUE;

    list_init(&fired);
    fake_ref(event); /* a callback may release it */
    pthread_mutex_lock(&fake_lock);
    done = event->status <= CL_COMPLETE;
    if (!done)
        fake_event_advance(event, execution_status, &fired);
    pthread_mutex_unlock(&fake_lock);
    fake_event_fire(event, &fired);
    fake_unref(event);
    return done ? CL_INVALID_OPERATION : CL_SUCCESS;
}

cl_int
fake_clWaitForEvents(cl_uint num_events, const cl_event *event_list)
{
    cl_int err = CL_SUCCESS;

    if (num_events == 0 || !event_list)
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < num_events; i++) {
        if (!fake_is(event_list[i], FAKE_EVENT))
            return CL_INVALID_EVENT;
        if (event_list[i]->context != event_list[0]->context)
            return CL_INVALID_CONTEXT;
    }
    for (cl_uint i = 0; i < num_events; i++) {
        if (fake_event_wait(event_list[i]) < 0)
            err = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
    }
    return err;
}

cl_int
fake_clGetEventInfo(cl_event event, cl_event_info param_name, size_t param_value_size,
                    void *param_value, size_t *param_value_size_ret)
{
    struct fake_out out = {param_value_size, param_value, param_value_size_ret};
    cl_int status;
    cl_uint users;

    if (!fake_is(event, FAKE_EVENT))
        return CL_INVALID_EVENT;
    pthread_mutex_lock(&fake_lock);
    status = event->status;
    pthread_mutex_unlock(&fake_lock);
    users = event->base.users;

    const struct fake_info table[] = {
        FAKE_INFO(CL_EVENT_COMMAND_QUEUE, event->queue),
        FAKE_INFO(CL_EVENT_CONTEXT, event->context),
        FAKE_INFO(CL_EVENT_COMMAND_TYPE, event->type),
        FAKE_INFO(CL_EVENT_COMMAND_EXECUTION_STATUS, status),
        FAKE_INFO(CL_EVENT_REFERENCE_COUNT, users),
    };
    return fake_answer_from(table, ARRAY_LEN(table), param_name, out);
}

cl_int
fake_clGetEventProfilingInfo(cl_event event, cl_profiling_info param_name,
                             size_t param_value_size, void *param_value,
                             size_t *param_value_size_ret)
{
    struct fake_out out = {param_value_size, param_value, param_value_size_ret};
    cl_int status;

    if (!fake_is(event, FAKE_EVENT))
        return CL_INVALID_EVENT;
    pthread_mutex_lock(&fake_lock);
    status = event->status;
    pthread_mutex_unlock(&fake_lock);
    if (!event->queue || !(event->queue->flags & CL_QUEUE_PROFILING_ENABLE) ||
        status != CL_COMPLETE)
        return CL_PROFILING_INFO_NOT_AVAILABLE;

    const struct fake_info table[] = {
        FAKE_INFO(CL_PROFILING_COMMAND_QUEUED, event->times_ns[0]),
        FAKE_INFO(CL_PROFILING_COMMAND_SUBMIT, event->times_ns[1]),
        FAKE_INFO(CL_PROFILING_COMMAND_START, event->times_ns[2]),
        FAKE_INFO(CL_PROFILING_COMMAND_END, event->times_ns[3]),
        FAKE_INFO(CL_PROFILING_COMMAND_COMPLETE, event->times_ns[3]),
    };
    return fake_answer_from(table, ARRAY_LEN(table), param_name, out);
}

cl_int
fake_clSetEventCallback(cl_event event, cl_int command_exec_callback_type,
                        void(CL_CALLBACK *pfn_notify)(cl_event, cl_int, void *),
                        void *user_data)
{
    struct fake_callback *cb;
    struct list fired;

    if (!fake_is(event, FAKE_EVENT))
        return CL_INVALID_EVENT;
    if (!pfn_notify || command_exec_callback_type < CL_COMPLETE ||
        command_exec_callback_type > CL_SUBMITTED)
        return CL_INVALID_VALUE;

    list_init(&fired);
    fake_ref(event); /* the callback may release it */
    pthread_mutex_lock(&fake_lock);
    cb = fake_callback_new(
        event->status <= command_exec_callback_type ? &fired : &event->callbacks,
        user_data);
    if (cb) {
        cb->call.event = pfn_notify;
        cb->status = command_exec_callback_type;
    }
    pthread_mutex_unlock(&fake_lock);
    fake_event_fire(event, &fired);
    fake_unref(event);
    return cb ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}
