/* SPDX-License-Identifier: MIT */
/* Events, markers, barriers, waits: OpenCL 3.0, sections 5.11 to 5.15. */
#include "order.h"
#include "say.h"

#include <string.h>

static void
marker(struct world *w)
{
    struct enqueue e;
    int command;
    const bool barrier = chance(w, 50);

    enqueue_begin(w, &e, barrier ? CL_COMMAND_BARRIER : CL_COMMAND_MARKER);
    if (e.n == 0)
        e.command.before |= queue_reach(e.queue);
    if (!enqueue_order(w, &e, false))
        return;
    step(w, barrier ? "clEnqueueBarrierWithWaitList" : "clEnqueueMarkerWithWaitList",
         "%s", e.text);
    command = enqueue_end(
        w, &e,
        answer(w, barrier
                      ? clEnqueueBarrierWithWaitList(e.queue->queue, e.n,
                                                     enqueue_waits(&e), enqueue_event(&e))
                      : clEnqueueMarkerWithWaitList(
                            e.queue->queue, e.n, enqueue_waits(&e), enqueue_event(&e))),
        false);
    if (barrier)
        queue_fence(w, e.queue, command);
}

static void
user_event(struct world *w)
{
    struct event *slot = free_event(w);
    cl_event event;
    cl_int rc;

    if (!slot)
        return;
    if (w->commands == COMMANDS)
        finish_all(w);
    step(w, "clCreateUserEvent", "-> e%u", w->ids + 1);
    event = clCreateUserEvent(w->context, &rc);
    if (answer(w, rc) != CL_SUCCESS)
        return;
    *slot = (struct event){
        .event = event, .id = ++w->ids, .user = true, .type = CL_COMMAND_USER};
    slot->command = user_event_add(w, slot);
}

static void
set_user_event(struct world *w)
{
    const struct event *e = any_user_event(w);

    if (e && e->command >= 0)
        user_event_set(w, (unsigned)e->command);
}

static void
wait_one(struct world *w)
{
    const struct event *e = any_event(w);

    if (e && e->command >= 0 && !e->user)
        host_wait(w, e->command);
}

static void
wait_complete(struct world *w)
{
    const struct event *e = any_event(w);
    cl_int rc = 1;

    if (!e || e->command >= 0)
        return;
    step(w, "clWaitForEvents", "e%u, complete", e->id);
    answer(w, clWaitForEvents(1, &e->event));
    step(w, "clGetEventInfo", "e%u CL_EVENT_COMMAND_EXECUTION_STATUS", e->id);
    answer(w, clGetEventInfo(e->event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof rc, &rc,
                             NULL));
    note(w, "execution status %d", rc);
}

static void
flush(struct world *w)
{
    const struct queue *q = any_queue(w);

    step(w, "clFlush", "q%u", (unsigned)(q - w->queue));
    answer(w, clFlush(q->queue));
}

static void
finish(struct world *w)
{
    const struct queue *q = any_queue(w);

    unblock(w, queue_reach(q));
    step(w, "clFinish", "q%u", (unsigned)(q - w->queue));
    answer(w, clFinish(q->queue));
    complete(w, queue_reach(q));
}

/* An event that is not complete may go: only one that the program must still set stays. */
static void
release_event(struct world *w)
{
    struct event *e = any_event(w);

    if (!e || (e->user && e->command >= 0))
        return;
    if (chance(w, 30)) {
        step(w, "clRetainEvent", "e%u", e->id);
        answer(w, clRetainEvent(e->event));
        step(w, "clReleaseEvent", "e%u", e->id);
        answer(w, clReleaseEvent(e->event));
    }
    if (e->command >= 0) /* PoCL 3.1 may wait for the command in this call */
        unblock(w, w->command[e->command].before);
    step(w, "clReleaseEvent", "e%u, for good", e->id);
    answer(w, clReleaseEvent(e->event));
    if (e->command >= 0)
        w->command[e->command].event = NULL;
    e->event = NULL;
}

static void CL_CALLBACK
called(cl_event event, cl_int status, void *data)
{
    struct callback *c = data;

    (void)event;
    atomic_store(&c->status, status);
    atomic_fetch_add(&c->calls, 1);
}

static void
callback(struct world *w)
{
    static const cl_int types[] = {CL_COMPLETE, CL_COMPLETE, CL_RUNNING, CL_SUBMITTED};
    const struct event *e = any_event(w);
    /* Of a user event PoCL tells the end alone. */
    const cl_int type = e && e->user ? CL_COMPLETE : types[below(w, 4)];
    struct callback *c = e ? callback_new(w, type) : NULL;

    if (!c)
        return;
    step(w, "clSetEventCallback", "e%u type %d -> c%u", e->id, type, c->id);
    answer(w, clSetEventCallback(e->event, type, called, c));
}

/* Times are the device's own: only their order is certain. */
static void
profile(struct world *w)
{
    static const cl_profiling_info names[] = {
        CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_SUBMIT,
        CL_PROFILING_COMMAND_START, CL_PROFILING_COMMAND_END};
    const struct event *e = any_command_event(w);
    cl_ulong t[4] = {0};
    cl_int rc = CL_SUCCESS;

    if (!e || e->command >= 0)
        return;
    step(w, "clGetEventProfilingInfo", "e%u", e->id);
    for (int i = 0; i < 4 && rc == CL_SUCCESS; i++)
        rc = clGetEventProfilingInfo(e->event, names[i], sizeof t[i], &t[i], NULL);
    if (answer(w, rc) == CL_SUCCESS)
        note(w, "queued %s submit %s start %s end", t[0] <= t[1] ? "<=" : ">",
             t[1] <= t[2] ? "<=" : ">", t[2] <= t[3] ? "<=" : ">");
}

static void
settle(struct world *w)
{
    finish_all(w);
    callbacks_settle(w);
}

const struct op event_ops[] = {
    {"marker or barrier", EVENT, 8, marker},
    {"user event", EVENT, 5, user_event},
    {"set user event", EVENT, 4, set_user_event},
    {"wait", 0, 5, wait_one},
    {"wait again", EVENT, 3, wait_complete},
    {"flush", 0, 2, flush},
    {"finish", 0, 3, finish},
    {"release event", 0, 6, release_event},
    {"callback", EVENT, 4, callback},
    {"profile", EVENT, 4, profile},
    {"settle", EVENT, 1, settle},
    {0},
};
