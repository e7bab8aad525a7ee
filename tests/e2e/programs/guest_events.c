/* SPDX-License-Identifier: MIT */
/*
 * guest_events [pocl]: events, callbacks and queues out of order. Kernels are not
 * commutative, so that a wrong order gives a wrong result. With "pocl" it does not ask for
 * what PoCL itself leaves out.
 */
#include "cltest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS ((size_t)1000)
#define GRAPH 120u    /* commands of the random graph */
#define CHAINS 6u     /* buffers that they work on */
#define WAIT_MS 5000u /* for what must come soon */

static struct cl c;
static cl_program program;
static cl_kernel scramble;
static bool pocl;

static void
done(const char *name)
{
    puts(name);
    fflush(stdout);
}

static cl_event
launch(cl_command_queue queue, cl_mem b, uint32_t seed, cl_uint n, const cl_event *waits)
{
    const size_t words = WORDS;
    cl_event e;

    cl_args(scramble, b, seed);
    OK(clEnqueueNDRangeKernel(queue, scramble, 1, NULL, &words, NULL, n, n ? waits : NULL,
                              &e));
    return e;
}

static cl_event
user_event(void)
{
    cl_int rc;
    cl_event e = clCreateUserEvent(c.context, &rc);

    OK(rc);
    return e;
}

static cl_int
status_of(cl_event e)
{
    cl_int status;

    OK(clGetEventInfo(e, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status,
                      NULL));
    return status;
}

static cl_mem
new_buffer(uint32_t *host, uint32_t seed)
{
    pattern_fill(host, WORDS, seed);
    return cl_buffer(&c, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, WORDS * 4, host);
}

static void
compare(cl_mem b, const uint32_t *want, const char *what)
{
    uint32_t got[WORDS];

    OK(clEnqueueReadBuffer(c.queue, b, CL_TRUE, 0, sizeof got, got, 0, NULL, NULL));
    same_words(got, want, WORDS, what);
}

/* User events. */

static void *
set_later(void *event)
{
    sleep_ms(60);
    OK(clSetUserEventStatus(event, CL_COMPLETE));
    return NULL;
}

/* One thread waits, another one sets what it waits for. */
static void
set_by_another_thread(void)
{
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 1);
    cl_event user = user_event(), e = launch(c.queue, b, 2, 1, &user);
    pthread_t thread;

    OK(clFlush(c.queue));
    EXPECT(status_of(user) == CL_SUBMITTED);
    EXPECT(status_of(e) > CL_COMPLETE);
    EXPECT(pthread_create(&thread, NULL, set_later, user) == 0);
    OK(clWaitForEvents(1, &e));
    EXPECT(status_of(e) == CL_COMPLETE && status_of(user) == CL_COMPLETE);
    pthread_join(thread, NULL);
    scramble_host(host, WORDS, 2);
    compare(b, host, "after a user event");
    OK(clReleaseEvent(user));
    OK(clReleaseEvent(e));
    OK(clReleaseMemObject(b));
    done("user event set by another thread");
}

/* The same where the waiting thread is inside clFinish, and in a blocking read. */
static void
finish_waits_for_user_event(void)
{
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 3);

    for (unsigned i = 0; i < 2; i++) {
        cl_event user = user_event(), e = launch(c.queue, b, 4, 1, &user);
        pthread_t thread;

        EXPECT(pthread_create(&thread, NULL, set_later, user) == 0);
        scramble_host(host, WORDS, 4);
        if (i == 0)
            OK(clFinish(c.queue));
        compare(b, host, "read behind a user event");
        EXPECT(status_of(e) == CL_COMPLETE);
        pthread_join(thread, NULL);
        OK(clReleaseEvent(user));
        OK(clReleaseEvent(e));
    }
    OK(clReleaseMemObject(b));
    done("finish and read behind a user event");
}

static void
failed_user_event(void)
{
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 5);
    cl_command_queue queue = cl_queue(&c, 0);
    cl_event user = user_event(), e = launch(queue, b, 6, 1, &user);

    OK(clSetUserEventStatus(user, -7));
    EXPECT(clWaitForEvents(1, &e) == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    EXPECT(status_of(e) < 0 && status_of(user) == -7);
    compare(b, host, "after a failed user event");
    OK(clReleaseEvent(user));
    OK(clReleaseEvent(e));
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseMemObject(b));
    done("failed user event");
}

/* A blocking command that fails gives no event; what comes next has one of its own. */
static void
failed_blocking_commands(void)
{
    uint32_t host[WORDS], word;
    cl_mem b = new_buffer(host, 7);
    cl_event e, more[8];
    cl_int rc;

    for (unsigned i = 0; i < 4 && !pocl; i++) {
        cl_command_queue queue = cl_queue(&c, 0);
        cl_event user = user_event();

        OK(clSetUserEventStatus(user, -7));
        EXPECT(clEnqueueReadBuffer(queue, b, CL_TRUE, 0, 4, &word, 1, &user, &e) < 0);
        clEnqueueMapBuffer(queue, b, CL_TRUE, CL_MAP_READ, 0, 4, 1, &user, &e, &rc);
        EXPECT(rc < 0);
        for (unsigned k = 0; k < 8; k++)
            more[k] = user_event();
        for (unsigned k = 0; k < 8; k++)
            OK(clReleaseEvent(more[k]));
        OK(clReleaseEvent(user));
        OK(clReleaseCommandQueue(queue));
        e = launch(c.queue, b, i, 0, NULL);
        scramble_host(host, WORDS, i);
        OK(clWaitForEvents(1, &e));
        EXPECT(status_of(e) == CL_COMPLETE);
        OK(clReleaseEvent(e));
        compare(b, host, "after a failed blocking command");
    }
    OK(clReleaseMemObject(b));
    done("failed blocking commands");
}

/* Callbacks. */

struct called {
    atomic_int times;
    cl_int status;
    pthread_t thread;
    cl_event set; /* completed from inside the callback, may be NULL */
};

static void CL_CALLBACK
on_event(cl_event e, cl_int status, void *arg)
{
    struct called *d = arg;

    (void)e;
    d->status = status;
    d->thread = pthread_self();
    if (d->set)
        OK(clSetUserEventStatus(d->set, CL_COMPLETE));
    atomic_fetch_add(&d->times, 1);
}

static void
wait_for_call(struct called *d)
{
    for (unsigned ms = 0; atomic_load(&d->times) == 0; ms++) {
        EXPECT(ms < WAIT_MS);
        sleep_ms(1);
    }
}

/* Each is called once, from a thread that is not ours; one sets what we wait for. */
static void
event_callbacks(void)
{
    static const cl_int types[] = {CL_SUBMITTED, CL_RUNNING, CL_COMPLETE};
    struct called calls[3] = {{0}};
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 8);
    cl_event gate = user_event(), next = user_event();
    cl_event e = launch(c.queue, b, 9, 1, &gate);

    calls[2].set = next;
    for (unsigned i = 0; i < 3; i++)
        OK(clSetEventCallback(e, types[i], on_event, &calls[i]));
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clFlush(c.queue));
    OK(clWaitForEvents(1, &next));
    for (unsigned i = 0; i < 3; i++) {
        wait_for_call(&calls[i]);
        EXPECT(atomic_load(&calls[i].times) == 1 && calls[i].status <= types[i]);
    }
    EXPECT(calls[2].status == CL_COMPLETE);
    EXPECT(!pthread_equal(calls[2].thread, pthread_self()));
    OK(clReleaseEvent(gate));
    OK(clReleaseEvent(next));
    OK(clReleaseEvent(e));
    OK(clReleaseMemObject(b));
    done("event callbacks");
}

static void
callback_of_a_user_event(void)
{
    struct called good = {0}, bad = {0}, late = {0};
    cl_event e = user_event(), f = user_event();

    OK(clSetEventCallback(e, CL_COMPLETE, on_event, &good));
    OK(clSetEventCallback(f, CL_COMPLETE, on_event, &bad));
    OK(clSetUserEventStatus(e, CL_COMPLETE));
    OK(clSetUserEventStatus(f, -3));
    OK(clSetEventCallback(e, CL_COMPLETE, on_event, &late));
    wait_for_call(&good);
    wait_for_call(&late);
    EXPECT(good.status == CL_COMPLETE && late.status == CL_COMPLETE);
    /* PoCL 3.1 calls none of a user event that failed (OpenCL 3.0, section 5.11). */
    if (!pocl)
        wait_for_call(&bad);
    EXPECT(bad.status == -3 || (pocl && bad.status == 0));
    OK(clReleaseEvent(e));
    OK(clReleaseEvent(f));
    done("callbacks of user events");
}

static atomic_int destroyed_order, destroyed_at[2];

static void CL_CALLBACK
on_destroyed(cl_mem m, void *arg)
{
    (void)m;
    atomic_store((atomic_int *)arg, atomic_fetch_add(&destroyed_order, 1) + 1);
}

/* In the reverse order of registration; a command that still waits keeps its buffer. */
static void
destructor_callbacks(void)
{
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 10);
    cl_event gate = user_event(), e;

    OK(clSetMemObjectDestructorCallback(b, on_destroyed, &destroyed_at[0]));
    OK(clSetMemObjectDestructorCallback(b, on_destroyed, &destroyed_at[1]));
    e = launch(c.queue, b, 11, 1, &gate);
    OK(clReleaseMemObject(b));
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clWaitForEvents(1, &e));
    OK(clReleaseEvent(e));
    OK(clReleaseEvent(gate));
    OK(clFinish(c.queue));
    for (unsigned ms = 0; atomic_load(&destroyed_order) < 2; ms++) {
        EXPECT(ms < WAIT_MS);
        sleep_ms(1);
    }
    EXPECT(atomic_load(&destroyed_at[1]) == 1 && atomic_load(&destroyed_at[0]) == 2);
    done("destructor callbacks");
}

/* Order. */

/* Each command depends on the last of its buffer, and on one of another buffer. */
static void
random_graph(void)
{
    const cl_command_queue queues[] = {
        cl_queue(&c, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE),
        cl_queue(&c, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE), cl_queue(&c, 0)};
    static uint32_t host[CHAINS][WORDS];
    cl_mem b[CHAINS];
    cl_event last[CHAINS];
    uint32_t random = 5;

    for (unsigned i = 0; i < CHAINS; i++) {
        b[i] = new_buffer(host[i], 100 + i);
        last[i] = launch(queues[0], b[i], i, 0, NULL);
        scramble_host(host[i], WORDS, i);
    }
    for (unsigned n = 0; n < GRAPH; n++) {
        const unsigned i = (random = random * 1664525u + 1013904223u) / 65536 % CHAINS;
        const cl_event waits[] = {last[i],
                                  last[(i + 1 + random / 99 % (CHAINS - 1)) % CHAINS]};
        cl_event e = launch(queues[n % 3], b[i], n, 2, waits);

        scramble_host(host[i], WORDS, n);
        OK(clReleaseEvent(last[i]));
        last[i] = e;
    }
    for (unsigned i = 0; i < 3; i++)
        OK(clFlush(queues[i]));
    OK(clWaitForEvents(CHAINS, last));
    for (unsigned i = 0; i < CHAINS; i++) {
        compare(b[i], host[i], "graph");
        OK(clReleaseEvent(last[i]));
        OK(clReleaseMemObject(b[i]));
    }
    for (unsigned i = 0; i < 3; i++)
        OK(clReleaseCommandQueue(queues[i]));
    done("graph of commands out of order");
}

static void
barriers_and_markers(void)
{
    cl_command_queue queue = cl_queue(&c, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 60);
    cl_event marker;

    for (uint32_t i = 0; i < 20; i++) {
        OK(clReleaseEvent(launch(queue, b, i, 0, NULL)));
        scramble_host(host, WORDS, i);
        OK(clEnqueueBarrierWithWaitList(queue, 0, NULL, NULL));
    }
    OK(clEnqueueMarkerWithWaitList(queue, 0, NULL, &marker));
    OK(clFlush(queue));
    OK(clWaitForEvents(1, &marker));
    compare(b, host, "barriers");
    OK(clReleaseEvent(marker));
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseMemObject(b));
    done("barriers and markers");
}

static bool
comes_soon(cl_event e)
{
    for (unsigned ms = 0; status_of(e) != CL_COMPLETE; ms++) {
        if (ms == WAIT_MS)
            return false;
        sleep_ms(1);
    }
    return true;
}

/* Maps that bring nothing, and what ends maps that were only read. */
static void
place_keepers(cl_command_queue queue, cl_mem b, cl_event ret[2])
{
    cl_int rc;
    void *read =
        clEnqueueMapBuffer(c.queue, b, CL_TRUE, CL_MAP_READ, 0, 64, 0, NULL, NULL, &rc);

    OK(rc);
    OK(clEnqueueUnmapMemObject(queue, b, read, 0, NULL, &ret[0]));
    clEnqueueMapBuffer(queue, b, CL_FALSE, CL_MAP_WRITE_INVALIDATE_REGION, 128, 64, 0,
                       NULL, &ret[1], &rc);
    OK(rc);
}

/*
 * Out of order, a command waits for its wait list alone, whether that is complete already, and for
 * no more than barriers where it has none. A marker without one waits for all; PoCL's do with one,
 * too, so there is none here.
 */
static void
nothing_else_is_waited_for(void)
{
    cl_command_queue queue = cl_queue(&c, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 61), other = new_buffer(host, 62);
    cl_event open = user_event(), set = user_event(), written, e[6];
    cl_event held = launch(queue, b, 1, 1, &open);

    OK(clSetUserEventStatus(set, CL_COMPLETE));
    OK(clEnqueueWriteBuffer(c.queue, other, CL_TRUE, 0, 64, host, 0, NULL, &written));
    place_keepers(queue, other, e);
    OK(clEnqueueBarrierWithWaitList(queue, 1, &set, &e[2]));
    OK(clEnqueueBarrierWithWaitList(queue, 1, &written, &e[3]));
    OK(clEnqueueBarrierWithWaitList(queue, 2, (cl_event[]){set, written}, &e[4]));
    OK(clEnqueueMarkerWithWaitList(queue, 0, NULL, &e[5]));
    OK(clFlush(queue));
    for (unsigned i = 0; i < 5; i++)
        EXPECT(comes_soon(e[i]));
    sleep_ms(20);
    EXPECT(status_of(held) > CL_COMPLETE && status_of(e[5]) > CL_COMPLETE);
    OK(clSetUserEventStatus(open, CL_COMPLETE));
    OK(clFinish(queue));
    EXPECT(status_of(held) == CL_COMPLETE && status_of(e[5]) == CL_COMPLETE);
    for (unsigned i = 0; i < 6; i++)
        OK(clReleaseEvent(e[i]));
    OK(clReleaseEvent(open));
    OK(clReleaseEvent(set));
    OK(clReleaseEvent(written));
    OK(clReleaseEvent(held));
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseMemObject(b));
    OK(clReleaseMemObject(other));
    done("nothing else is waited for");
}

static void
profiling(void)
{
    static const cl_profiling_info names[] = {
        CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_SUBMIT,
        CL_PROFILING_COMMAND_START, CL_PROFILING_COMMAND_END};
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 70);
    cl_event e = launch(c.queue, b, 71, 0, NULL);
    cl_ulong t[4];

    OK(clFinish(c.queue));
    for (unsigned i = 0; i < 4; i++)
        OK(clGetEventProfilingInfo(e, names[i], sizeof t[i], &t[i], NULL));
    EXPECT(t[0] > 0 && t[0] <= t[1] && t[1] <= t[2] && t[2] <= t[3]);
    OK(clReleaseEvent(e));
    OK(clReleaseMemObject(b));
    done("profiling");
}

int
main(int argc, char **argv)
{
    pocl = argc > 1 && strcmp(argv[1], "pocl") == 0;
    cl_open(&c);
    program = cl_build(&c, scramble_source);
    scramble = cl_kernel_of(program, "scramble");
    set_by_another_thread();
    finish_waits_for_user_event();
    failed_user_event();
    failed_blocking_commands();
    event_callbacks();
    callback_of_a_user_event();
    destructor_callbacks();
    random_graph();
    barriers_and_markers();
    nothing_else_is_waited_for();
    profiling();
    OK(clReleaseKernel(scramble));
    OK(clReleaseProgram(program));
    cl_close(&c);
    return 0;
}
