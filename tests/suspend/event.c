/* SPDX-License-Identifier: MIT */
/* Events that are complete, failed or waiting, user events, and callbacks that have to come. */
#include "suite.h"

#include <stdatomic.h>

/* ---- complete, with their times ---------------------------------------------------- */

#define N_DONE 6
static cl_event done[N_DONE], without_queue;
static cl_mem buffer;
static uint32_t host[WORDS];

static void
complete_make(void)
{
    const cl_uint zero = 0;
    cl_command_queue q = queue_new(CL_QUEUE_PROFILING_ENABLE);

    buffer = words_new(host, 1);
    done[0] = launch(w.queue, buffer, WORDS, 3, NULL);
    OK(clEnqueueReadBuffer(w.queue, buffer, CL_FALSE, 0, BYTES, host, 0, NULL, &done[1]));
    OK(clEnqueueFillBuffer(w.queue, buffer, &zero, 4, 0, 64, 0, NULL, &done[2]));
    OK(clEnqueueWriteBuffer(w.queue, buffer, CL_FALSE, 0, 64, host, 0, NULL, &done[3]));
    OK(clEnqueueMarkerWithWaitList(w.queue, 2, done, &done[4]));
    OK(clEnqueueBarrierWithWaitList(w.queue, 0, NULL, &done[5]));
    without_queue = launch(q, buffer, WORDS, 4, done[5]);
    OK(clFinish(w.queue));
    OK(clFinish(q));
    OK(clReleaseCommandQueue(q));
    OK(clRetainEvent(done[0]));
    for (size_t i = 0; i < N_DONE; i++)
        watch(EVENT, done[i], "complete event %zu", i);
    watch(EVENT, without_queue, "an event whose queue was released");
}

static void
complete_check(void)
{
    for (size_t i = 0; i < N_DONE; i++)
        EXPECT(status_of(done[i]) == CL_COMPLETE);
    OK(clWaitForEvents(N_DONE, done));
    OK(clWaitForEvents(1, &without_queue));
}

/* They can be waited for, and called back for, as ever. */
static void CL_CALLBACK
count(cl_event e, cl_int status, void *data)
{
    (void)e;
    if (status == CL_COMPLETE)
        atomic_fetch_add((atomic_int *)data, 1);
    else if (status < 0)
        atomic_fetch_add((atomic_int *)data, 1000);
}

static void
counts(atomic_int *n, int want)
{
    for (unsigned i = 0; i < 10000 && atomic_load(n) != want; i++)
        sleep_ms(1);
    if (atomic_load(n) != want)
        part_fail("callbacks: %d, not %d", atomic_load(n), want);
}

static void
complete_use(void)
{
    static atomic_int called;
    cl_event after;

    OK(clSetEventCallback(done[1], CL_COMPLETE, count, &called));
    OK(clEnqueueMarkerWithWaitList(w.queue, N_DONE, done, &after));
    OK(clWaitForEvents(1, &after));
    counts(&called, 1);
    OK(clReleaseEvent(after));
    OK(clReleaseEvent(done[0]));
    for (size_t i = 0; i < N_DONE; i++)
        OK(clReleaseEvent(done[i]));
    OK(clReleaseEvent(without_queue));
    OK(clReleaseMemObject(buffer));
}

/* ---- user events ------------------------------------------------------------------- */

static cl_event unset, set, broken, behind_set, behind_broken;

static void
user_make(void)
{
    cl_int status = 0;

    unset = gate_new();
    set = gate_new();
    broken = gate_new();
    OK(clSetUserEventStatus(set, CL_COMPLETE));
    OK(clSetUserEventStatus(broken, -77));
    OK(clEnqueueMarkerWithWaitList(w.queue, 1, &set, &behind_set));
    EXPECT(ends_soon(behind_set, &status) && status == CL_COMPLETE);
    watch(EVENT, unset, "a user event that is not set");
    watch(EVENT, set, "a user event that is set");
    watch(EVENT, broken, "a user event that failed");
    watch(EVENT, behind_set, "a marker behind a user event");
}

static void
user_check(void)
{
    EXPECT(status_of(unset) == CL_SUBMITTED);
    EXPECT(status_of(set) == CL_COMPLETE);
    EXPECT(status_of(broken) == -77);
    EXPECT(clSetUserEventStatus(set, CL_COMPLETE) == CL_INVALID_OPERATION);
    EXPECT(clSetUserEventStatus(broken, CL_COMPLETE) == CL_INVALID_OPERATION);
    EXPECT(clWaitForEvents(1, &broken) == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
}

static void
user_use(void)
{
    OK(clSetUserEventStatus(unset, CL_COMPLETE));
    OK(clWaitForEvents(1, &unset));
    EXPECT(clSetUserEventStatus(unset, CL_COMPLETE) == CL_INVALID_OPERATION);
    OK(clReleaseEvent(unset));
    OK(clReleaseEvent(set));
    OK(clReleaseEvent(broken));
    OK(clReleaseEvent(behind_set));
}

/* ---- commands that failed, and that will ------------------------------------------- */

static cl_event later_broken, will_fail, will_fail_too;
static cl_command_queue failing;
static cl_mem never_written;
static uint32_t never[WORDS];

static void
failing_make(void)
{
    cl_event gate = gate_new();
    cl_int status = 0;

    failing = queue_new(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    never_written = words_new(never, 9);
    OK(clEnqueueMarkerWithWaitList(failing, 1, &gate, &behind_broken));
    OK(clFlush(failing));
    OK(clSetUserEventStatus(gate, -5));
    OK(clReleaseEvent(gate));
    EXPECT(ends_soon(behind_broken, &status) && status < 0);
    later_broken = gate_new();
    will_fail = launch(failing, never_written, WORDS, 1, later_broken);
    OK(clEnqueueMarkerWithWaitList(failing, 1, &will_fail, &will_fail_too));
    OK(clFlush(failing));
    watch(EVENT, behind_broken, "a marker that failed");
    watch(EVENT, later_broken, "a user event that will fail");
}

static void
failing_check(void)
{
    EXPECT(status_of(behind_broken) < 0);
    EXPECT(status_of(will_fail) > CL_COMPLETE);
}

static void
failing_use(void)
{
    cl_int status = 0;

    OK(clSetUserEventStatus(later_broken, -6));
    EXPECT(ends_soon(will_fail, &status) && status < 0);
    EXPECT(ends_soon(will_fail_too, &status) && status < 0);
    compare(never_written, 0, never, BYTES, "what a failed launch was to change");
    OK(clReleaseEvent(behind_broken));
    OK(clReleaseEvent(later_broken));
    OK(clReleaseEvent(will_fail));
    OK(clReleaseEvent(will_fail_too));
    OK(clReleaseMemObject(never_written));
    OK(clReleaseCommandQueue(failing));
}

/* ---- callbacks that have to come --------------------------------------------------- */

static cl_event called_gate, called_command, failing_gate;
static atomic_int of_gate, of_command, of_failing;
static cl_command_queue called_queue;
static cl_mem called_buffer;

static void
callbacks_make(void)
{
    uint32_t words[WORDS];

    called_queue = queue_new(0);
    called_buffer = words_new(words, 2);
    called_gate = gate_new();
    failing_gate = gate_new();
    called_command = launch(called_queue, called_buffer, WORDS, 1, called_gate);
    OK(clFlush(called_queue));
    for (unsigned i = 0; i < 3; i++) {
        OK(clSetEventCallback(called_gate, CL_COMPLETE, count, &of_gate));
        OK(clSetEventCallback(called_command, CL_COMPLETE, count, &of_command));
        OK(clSetEventCallback(failing_gate, CL_COMPLETE, count, &of_failing));
    }
    watch(EVENT, called_gate, "a user event with callbacks");
    watch(EVENT, failing_gate, "a user event with callbacks, to fail");
}

static void
callbacks_check(void)
{
    EXPECT(atomic_load(&of_gate) == 0);
    EXPECT(atomic_load(&of_command) == 0);
    EXPECT(atomic_load(&of_failing) == 0);
}

static void
callbacks_use(void)
{
    OK(clSetEventCallback(called_command, CL_COMPLETE, count, &of_command));
    OK(clSetUserEventStatus(called_gate, CL_COMPLETE));
    OK(clSetUserEventStatus(failing_gate, -3));
    counts(&of_gate, 3);
    counts(&of_command, 4);
    if (!pocl) /* PoCL 3.1 calls nobody back for a user event that failed */
        counts(&of_failing, 3000);
    OK(clFinish(called_queue));
    OK(clReleaseEvent(called_gate));
    OK(clReleaseEvent(failing_gate));
    OK(clReleaseEvent(called_command));
    OK(clReleaseMemObject(called_buffer));
    OK(clReleaseCommandQueue(called_queue));
}

const struct part event_parts[] = {
    {"complete events", complete_make, complete_check, complete_use},
    {"user events", user_make, user_check, user_use},
    {"events that failed, and will", failing_make, failing_check, failing_use},
    {"callbacks that have to come", callbacks_make, callbacks_check, callbacks_use},
    {0},
};
