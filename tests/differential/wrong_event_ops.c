/* SPDX-License-Identifier: MIT */
/* Wrong calls on events: OpenCL 3.0, sections 5.11 and 5.14. */
#include "say.h"

static void
wrong_event(struct world *w)
{
    const struct event *e = any_command_event(w);
    cl_event none = NULL;
    cl_int rc = 1;

    switch (below(w, 7)) {
    case 0:
        wrong(w, NULL, "clWaitForEvents, none", clWaitForEvents(0, NULL));
        return;
    case 1:
        wrong(w, NULL, "clWaitForEvents, nothing", clWaitForEvents(1, &none));
        return;
    case 2:
        if (e)
            wrong(w, NULL, "clSetUserEventStatus, a command's",
                  clSetUserEventStatus(e->event, CL_COMPLETE));
        return;
    case 3:
        if (e)
            wrong(w, NULL, "clSetEventCallback, no function",
                  clSetEventCallback(e->event, CL_COMPLETE, NULL, NULL));
        return;
    case 4:
        clCreateUserEvent(NULL, &rc);
        wrong(w, NULL, "clCreateUserEvent, no context", rc);
        return;
    case 5:
        wrong(w, NULL, "clReleaseEvent, nothing", clReleaseEvent(NULL));
        return;
    default:
        wrong(w, NULL, "clRetainEvent, nothing", clRetainEvent(NULL));
    }
}

static void
wrong_user_event(struct world *w)
{
    const struct event *e = any_user_event(w);
    cl_ulong time;

    if (!e)
        return;
    if (e->command < 0)
        wrong(w, NULL, "clSetUserEventStatus, again",
              clSetUserEventStatus(e->event, CL_COMPLETE));
    else if (chance(w, 50))
        wrong(w, NULL, "clSetUserEventStatus, to running",
              clSetUserEventStatus(e->event, CL_RUNNING));
    else
        wrong(w, NULL, "clGetEventProfilingInfo, a user event",
              clGetEventProfilingInfo(e->event, CL_PROFILING_COMMAND_END, sizeof time,
                                      &time, NULL));
}

static void
wrong_marker(struct world *w)
{
    cl_command_queue q = any_queue(w)->queue;
    cl_event none = NULL;

    switch (below(w, 3)) {
    case 0:
        wrong(w, NULL, "clEnqueueMarkerWithWaitList, 1 event and no list",
              clEnqueueMarkerWithWaitList(q, 1, NULL, NULL));
        return;
    case 1:
        wrong(w, NULL, "clEnqueueBarrierWithWaitList, a list of nothing",
              clEnqueueBarrierWithWaitList(q, 1, &none, NULL));
        return;
    default:
        wrong(w, NULL, "clEnqueueMarkerWithWaitList, no queue",
              clEnqueueMarkerWithWaitList(NULL, 0, NULL, NULL));
    }
}

const struct op wrong_event_ops[] = {
    {"wrong event", WRONG | EVENT, 3, wrong_event},
    {"wrong user event", WRONG | EVENT, 2, wrong_user_event},
    {"wrong marker", WRONG | EVENT, 1, wrong_marker},
    {0},
};
