/* SPDX-License-Identifier: MIT */
/* Commands of the fake driver: made, given their wait list, handed to their queue. */
#include "worker/fake_internal.h"

#include <stdatomic.h>
#include <stdlib.h>

static cl_int
sync_check(cl_command_queue q, const struct fake_sync *s)
{
    if (!s->num_waits != !s->waits)
        return CL_INVALID_EVENT_WAIT_LIST;
    for (cl_uint i = 0; i < s->num_waits; i++) {
        if (!fake_is(s->waits[i], FAKE_EVENT))
            return CL_INVALID_EVENT_WAIT_LIST;
        if (s->waits[i]->context != q->context)
            return CL_INVALID_CONTEXT;
    }
    return CL_SUCCESS;
}

static struct fake_command *
command_alloc(cl_command_queue q, cl_command_type type, const struct fake_sync *s)
{
    struct fake_command *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    if (s->num_waits)
        c->waits = calloc(s->num_waits, sizeof(*c->waits));
    if (!s->num_waits || c->waits)
        c->event = fake_event_new(q->context, q, type);
    if (!c->event) {
        free(c->waits);
        free(c);
        return NULL;
    }
    /* Nobody has the event yet: fake_command_submit() publishes it if it is wanted. */
    atomic_store_explicit(&c->event->base.users, 0, memory_order_relaxed);
    for (; c->num_waits < s->num_waits; c->num_waits++) {
        struct fake_wait *w = &c->waits[c->num_waits];

        w->event = fake_ref(s->waits[c->num_waits]);
        w->command = c;
        list_init(&w->node);
    }
    return c;
}

cl_int
fake_command_new(cl_command_queue q, cl_command_type type, const struct fake_sync *sync,
                 struct fake_command **ret_command)
{
    struct fake_command *c;
    cl_int err;

    if (!fake_is(q, FAKE_QUEUE))
        return CL_INVALID_COMMAND_QUEUE;
    err = sync_check(q, sync);
    if (err)
        return err;
    if (fake_fault_enqueue())
        return CL_OUT_OF_RESOURCES;

    pthread_mutex_lock(&fake_lock);
    err = fake_queue_start(q);
    pthread_mutex_unlock(&fake_lock);
    if (err)
        return err;

    c = command_alloc(q, type, sync);
    if (!c)
        return CL_OUT_OF_HOST_MEMORY;
    *ret_command = c;
    return CL_SUCCESS;
}

void
fake_command_uses(struct fake_command *c, cl_mem mem)
{
    c->mems[c->num_mems++] = fake_ref(mem);
}

void
fake_command_drop_mems(struct fake_command *c)
{
    while (c->num_mems)
        fake_unref(c->mems[--c->num_mems]);
}

void
fake_command_free(struct fake_command *c)
{
    fake_command_drop_mems(c);
    while (c->num_waits)
        fake_unref(c->waits[--c->num_waits].event);
    free(c->waits);
    fake_unref(c->event);
    free(c);
}

static void
waits_link(struct fake_command *c)
{
    for (cl_uint i = 0; i < c->num_waits; i++) {
        struct fake_wait *w = &c->waits[i];

        if (w->event->status < 0)
            c->failed = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
        if (w->event->status <= CL_COMPLETE)
            continue;
        list_add_tail(&w->event->waiters, &w->node);
        c->deps++;
    }
}

cl_int
fake_command_submit(struct fake_command *c, const struct fake_sync *sync)
{
    cl_event e = fake_ref(c->event);
    cl_int status = CL_COMPLETE;

    if (sync->ret_event) {
        fake_publish(e);
        *sync->ret_event = e;
    }
    pthread_mutex_lock(&fake_lock);
    waits_link(c);
    fake_queue_add(e->queue, c); /* the executor's from here on */
    pthread_mutex_unlock(&fake_lock);

    if (sync->blocking)
        status = fake_event_wait(e);
    fake_unref(e);
    return status < 0 ? CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST : CL_SUCCESS;
}

static cl_int
command_sync(cl_command_queue q, cl_command_type type, const struct fake_sync *s)
{
    struct fake_command *c;
    cl_int err = fake_command_new(q, type, s, &c);

    if (err)
        return err;
    c->after_all = s->num_waits == 0;
    c->barrier = type == CL_COMMAND_BARRIER;
    return fake_command_submit(c, s);
}

cl_int
fake_clEnqueueMarkerWithWaitList(cl_command_queue command_queue,
                                 cl_uint num_events_in_wait_list,
                                 const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                CL_FALSE};

    return command_sync(command_queue, CL_COMMAND_MARKER, &s);
}

cl_int
fake_clEnqueueBarrierWithWaitList(cl_command_queue command_queue,
                                  cl_uint num_events_in_wait_list,
                                  const cl_event *event_wait_list, cl_event *event)
{
    const struct fake_sync s = {num_events_in_wait_list, event_wait_list, event,
                                CL_FALSE};

    return command_sync(command_queue, CL_COMMAND_BARRIER, &s);
}

cl_int
fake_clEnqueueMarker(cl_command_queue command_queue, cl_event *event)
{
    if (!event)
        return CL_INVALID_VALUE;
    return fake_clEnqueueMarkerWithWaitList(command_queue, 0, NULL, event);
}

cl_int
fake_clEnqueueBarrier(cl_command_queue command_queue)
{
    return fake_clEnqueueBarrierWithWaitList(command_queue, 0, NULL, NULL);
}

cl_int
fake_clEnqueueWaitForEvents(cl_command_queue command_queue, cl_uint num_events,
                            const cl_event *event_list)
{
    if (num_events == 0 || !event_list)
        return CL_INVALID_VALUE;
    return fake_clEnqueueBarrierWithWaitList(command_queue, num_events, event_list, NULL);
}
