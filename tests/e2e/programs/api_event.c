/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, sections 5.11 and 5.14: events, waiting, callbacks, profiling. */
#include "api_use.h"

/* ---- 5.11 user events -------------------------------------------------------------- */

static cl_int
set_twice(struct use *u, cl_int one, cl_int two)
{
    cl_event e = clCreateUserEvent(u->context, &u->rc);
    cl_int rc;

    MUST(u->rc);
    rc = clSetUserEventStatus(e, one);
    if (rc == CL_SUCCESS)
        rc = clSetUserEventStatus(e, two);
    else
        MUST(clSetUserEventStatus(e, CL_COMPLETE));
    MUST(clReleaseEvent(e));
    return rc;
}

static bool
user_event_tells(struct use *u)
{
    const cl_uint status = CL_EVENT_COMMAND_EXECUTION_STATUS;
    cl_event e = clCreateUserEvent(u->context, &u->rc);
    bool good = e && u->rc == CL_SUCCESS &&
                NUMBER(clGetEventInfo, e, CL_EVENT_REFERENCE_COUNT) == 1 &&
                NUMBER(clGetEventInfo, e, CL_EVENT_CONTEXT) == (uintptr_t)u->context &&
                NUMBER(clGetEventInfo, e, CL_EVENT_COMMAND_QUEUE) == 0 &&
                NUMBER(clGetEventInfo, e, CL_EVENT_COMMAND_TYPE) == CL_COMMAND_USER &&
                NUMBER(clGetEventInfo, e, status) == CL_SUBMITTED;

    good = good && clSetUserEventStatus(e, CL_COMPLETE) == CL_SUCCESS &&
           NUMBER(clGetEventInfo, e, status) == CL_COMPLETE;
    return e && clReleaseEvent(e) == CL_SUCCESS && good;
}

static bool
negative_status_is_kept(struct use *u)
{
    cl_event e = failed_event(u);
    cl_int status = 0;
    bool good = clGetEventInfo(e, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status,
                               &status, NULL) == CL_SUCCESS &&
                status == -77;

    return clReleaseEvent(e) == CL_SUCCESS && good;
}

static void
user_events(struct use *u)
{
    cl_event marker = NULL;

    RIGHT("clCreateUserEvent", "submitted until it is set", user_event_tells(u));
    WRONG("clCreateUserEvent", "no context", CL_INVALID_CONTEXT,
          NEW(u, clCreateUserEvent(NULL, &u->rc)));
    WRONG_KIND("clCreateUserEvent", "a context that is a buffer", CL_INVALID_CONTEXT,
               NEW(u, clCreateUserEvent((cl_context)u->buffer, &u->rc)));
    RIGHT("clSetUserEventStatus", "a negative status is an error, and kept",
          negative_status_is_kept(u));
    WRONG("clSetUserEventStatus", "no event", CL_INVALID_EVENT,
          clSetUserEventStatus(NULL, CL_COMPLETE));
    WRONG_KIND("clSetUserEventStatus", "an event that is a buffer", CL_INVALID_EVENT,
               clSetUserEventStatus((cl_event)u->buffer, CL_COMPLETE));
    MUST(clEnqueueMarkerWithWaitList(u->queue, 0, NULL, &marker));
    WRONG("clSetUserEventStatus", "a command's event", CL_INVALID_EVENT,
          clSetUserEventStatus(marker, CL_COMPLETE));
    MUST(clWaitForEvents(1, &marker));
    MUST(clReleaseEvent(marker));
    WRONG("clSetUserEventStatus", "running", CL_INVALID_VALUE,
          set_twice(u, CL_RUNNING, CL_COMPLETE));
    WRONG("clSetUserEventStatus", "queued", CL_INVALID_VALUE,
          set_twice(u, CL_QUEUED, CL_COMPLETE));
    WRONG("clSetUserEventStatus", "set a second time", CL_INVALID_OPERATION,
          set_twice(u, CL_COMPLETE, CL_COMPLETE));
    WRONG("clSetUserEventStatus", "set after a failure", CL_INVALID_OPERATION,
          set_twice(u, -1, CL_COMPLETE));
}

/* ---- 5.11 waiting ------------------------------------------------------------------ */

static bool
wait_completes(struct use *u)
{
    cl_event two[2];
    bool good;

    MUST(clEnqueueFillBuffer(u->queue, u->buffer, "y", 1, 0, 64, 0, NULL, &two[0]));
    MUST(clEnqueueMarkerWithWaitList(u->queue, 0, NULL, &two[1]));
    good =
        clWaitForEvents(2, two) == CL_SUCCESS &&
        NUMBER(clGetEventInfo, two[0], CL_EVENT_COMMAND_EXECUTION_STATUS) ==
            CL_COMPLETE &&
        NUMBER(clGetEventInfo, two[1], CL_EVENT_COMMAND_EXECUTION_STATUS) == CL_COMPLETE;
    MUST(clReleaseEvent(two[0]));
    MUST(clReleaseEvent(two[1]));
    return good;
}

static cl_int
wait_for_failure(struct use *u)
{
    cl_event e = failed_event(u);
    cl_int rc = clWaitForEvents(1, &e);

    MUST(clReleaseEvent(e));
    return rc;
}

static void
waiting(struct use *u)
{
    const cl_event mixed[2] = {u->user_event, u->other_event};
    const cl_event holed[2] = {u->user_event, NULL};
    const cl_event foreign[2] = {u->user_event, (cl_event)u->buffer};
    const char *const call = "clWaitForEvents";

    RIGHT(call, "all are complete after it", wait_completes(u));
    WRONG(call, "no events", CL_INVALID_VALUE, clWaitForEvents(0, &u->user_event));
    WRONG(call, "no list", CL_INVALID_VALUE, clWaitForEvents(1, NULL));
    WRONG(call, "a list holding no event", CL_INVALID_EVENT, clWaitForEvents(2, holed));
    WRONG_KIND(call, "a list holding a buffer", CL_INVALID_EVENT,
               clWaitForEvents(2, foreign));
    WRONG(call, "events of two contexts", CL_INVALID_CONTEXT, clWaitForEvents(2, mixed));
    WRONG(call, "an event that failed", CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST,
          wait_for_failure(u));
}

/* ---- 5.11 callbacks ---------------------------------------------------------------- */

struct told {
    volatile int called;
    cl_event event;
    cl_int status;
};

static void CL_CALLBACK
tell(cl_event e, cl_int status, void *user_data)
{
    struct told *t = user_data;

    t->event = e;
    t->status = status;
    __atomic_store_n(&t->called, 1, __ATOMIC_RELEASE);
}

static bool
callback_tells(struct use *u, cl_int type, cl_int set)
{
    struct told t = {0};
    cl_event e = clCreateUserEvent(u->context, &u->rc);
    bool good;

    MUST(u->rc);
    good = clSetEventCallback(e, type, tell, &t) == CL_SUCCESS && !t.called;
    MUST(clSetUserEventStatus(e, set));
    good = good && comes_true(&t.called) && t.event == e && t.status == set;
    return clReleaseEvent(e) == CL_SUCCESS && good;
}

/* Registered too late is called all the same. */
static bool
late_callback_is_called(struct use *u)
{
    struct told t = {0};

    return clSetEventCallback(u->user_event, CL_COMPLETE, tell, &t) == CL_SUCCESS &&
           comes_true(&t.called) && t.status == CL_COMPLETE;
}

static void
callbacks(struct use *u)
{
    const char *const call = "clSetEventCallback";
    cl_event wrong = (cl_event)u->buffer;

    RIGHT(call, "called when complete", callback_tells(u, CL_COMPLETE, CL_COMPLETE));
    RIGHT_CRASHES("callback-status", call, "called with the error that ended it",
                  callback_tells(u, CL_COMPLETE, -77));
    RIGHT(call, "called though already complete", late_callback_is_called(u));
    WRONG(call, "no event", CL_INVALID_EVENT,
          clSetEventCallback(NULL, CL_COMPLETE, tell, NULL));
    WRONG_KIND(call, "an event that is a buffer", CL_INVALID_EVENT,
               clSetEventCallback(wrong, CL_COMPLETE, tell, NULL));
    WRONG(call, "no callback", CL_INVALID_VALUE,
          clSetEventCallback(u->user_event, CL_COMPLETE, NULL, NULL));
    WRONG(call, "the status queued", CL_INVALID_VALUE,
          clSetEventCallback(u->user_event, CL_QUEUED, tell, NULL));
    WRONG(call, "a status that there is not", CL_INVALID_VALUE,
          clSetEventCallback(u->user_event, 77, tell, NULL));
}

/* ---- 5.14 profiling ---------------------------------------------------------------- */

static bool
stamps_are_in_order(struct use *u)
{
    cl_ulong t[5] = {0};
    cl_event e;
    bool good = true;

    MUST(clEnqueueFillBuffer(u->queue, u->buffer, "z", 1, 0, USE_BYTES, 0, NULL, &e));
    MUST(clWaitForEvents(1, &e));
    for (cl_uint i = 0; i < 5; i++)
        good &= clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_QUEUED + i, sizeof t[i],
                                        &t[i], NULL) == CL_SUCCESS;
    for (cl_uint i = 1; i < 5; i++)
        good &= t[i] >= t[i - 1] && t[0] > 0;
    return clReleaseEvent(e) == CL_SUCCESS && good;
}

/* On a queue without profiling, or not complete. */
static cl_int
profile_too_early(struct use *u, bool profiled)
{
    cl_command_queue q = clCreateCommandQueue(
        u->context, u->device, profiled ? CL_QUEUE_PROFILING_ENABLE : 0, &u->rc);
    cl_event gate = clCreateUserEvent(u->context, &u->rc), e;
    cl_ulong t;
    cl_int rc;

    MUST(u->rc);
    MUST(clEnqueueMarkerWithWaitList(q, 1, &gate, &e));
    if (!profiled) {
        MUST(clSetUserEventStatus(gate, CL_COMPLETE));
        MUST(clWaitForEvents(1, &e));
    }
    rc = clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_END, sizeof t, &t, NULL);
    if (profiled)
        MUST(clSetUserEventStatus(gate, CL_COMPLETE));
    MUST(clFinish(q));
    MUST(clReleaseEvent(e));
    MUST(clReleaseEvent(gate));
    MUST(clReleaseCommandQueue(q));
    return rc;
}

static void
profiling(struct use *u)
{
    const char *const call = "clGetEventProfilingInfo";
    cl_ulong t;
    cl_event e;

    MUST(clEnqueueMarkerWithWaitList(u->queue, 0, NULL, &e));
    MUST(clWaitForEvents(1, &e));
    {
        const struct query q = {call,
                                (query_fn)clGetEventProfilingInfo,
                                e,
                                u->buffer,
                                CL_INVALID_EVENT,
                                CL_PROFILING_COMMAND_END,
                                sizeof(cl_ulong)};

        use_query(&q);
    }
    MUST(clReleaseEvent(e));
    RIGHT(call, "queued, submitted, started, ended, in order", stamps_are_in_order(u));
    WRONG(call, "a queue without profiling", CL_PROFILING_INFO_NOT_AVAILABLE,
          profile_too_early(u, false));
    WRONG(call, "a command that has not ended", CL_PROFILING_INFO_NOT_AVAILABLE,
          profile_too_early(u, true));
    WRONG(call, "a user event", CL_PROFILING_INFO_NOT_AVAILABLE,
          clGetEventProfilingInfo(u->user_event, CL_PROFILING_COMMAND_END, sizeof t, &t,
                                  NULL));
}

void
api_event(struct use *u)
{
    const struct query q = {
        "clGetEventInfo", (query_fn)clGetEventInfo, u->user_event,  u->buffer,
        CL_INVALID_EVENT, CL_EVENT_REFERENCE_COUNT, sizeof(cl_uint)};
    const struct counted counts = {"clRetainEvent", "clReleaseEvent",
                                   (count_fn)clRetainEvent, (count_fn)clReleaseEvent, q};

    user_events(u);
    waiting(u);
    use_query(&q);
    use_counts(&counts);
    callbacks(u);
    profiling(u);
}
