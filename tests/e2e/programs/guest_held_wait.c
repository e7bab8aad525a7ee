/* SPDX-License-Identifier: MIT */
/*
 * guest_held_wait event|turn [pocl]: whoever waits for commands that cannot run yet, or asks for
 * their state, and what becomes of them when what they wait for fails.
 */
#include "command_buffer.h"
#include "heldtest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- somebody else opens it -------------------------------------------------------- */

struct opener {
    struct hold *h;
    pthread_t thread;
};

static void *
open_later(void *arg)
{
    sleep_ms(50);
    hold_open(arg);
    return NULL;
}

static void
opener_start(struct opener *o, struct hold *h)
{
    o->h = h;
    EXPECT(pthread_create(&o->thread, NULL, open_later, h) == 0);
}

static void
opener_end(struct opener *o)
{
    pthread_join(o->thread, NULL);
}

enum way { FINISH, WAIT, READ, WRITE, MAP, OUT_OF_ORDER_FINISH, WAYS };

static void
wait_in_a_way(enum way way, cl_command_queue queue, cl_mem b, cl_event e)
{
    uint32_t word = 42;
    void *p;
    cl_int rc;

    if (way == FINISH || way == OUT_OF_ORDER_FINISH) {
        OK(clFinish(queue));
    } else if (way == WAIT) {
        OK(clWaitForEvents(1, &e));
    } else if (way == READ) {
        OK(clEnqueueReadBuffer(queue, b, CL_TRUE, 0, 4, &word, 0, NULL, NULL));
    } else if (way == WRITE) {
        OK(clEnqueueWriteBuffer(queue, b, CL_TRUE, 0, 4, &word, 0, NULL, NULL));
        word = 0;
    } else {
        p = clEnqueueMapBuffer(queue, b, CL_TRUE, CL_MAP_READ, 0, BYTES, 0, NULL, NULL,
                               &rc);
        OK(rc);
        OK(clEnqueueUnmapMemObject(queue, b, p, 0, NULL, NULL));
    }
}

/*
 * Each returns once all before it is complete, and not before; but a write, which returns when its
 * bytes may be used again.
 */
static void
blocking_calls(void)
{
    for (enum way way = 0; way < WAYS; way++) {
        cl_command_queue queue =
            way == OUT_OF_ORDER_FINISH ? out_of_order() : cl_queue(&c, 0);
        uint32_t host[WORDS];
        cl_mem b = new_buffer(host, 1);
        cl_event e[2];
        struct hold h;
        struct opener o;

        hold_begin(&h);
        e[0] = launch(queue, b, way, h.n, h.list);
        e[1] = launch(queue, b, way + 10, 1, e);
        scramble_host(host, WORDS, way);
        scramble_host(host, WORDS, way + 10);
        OK(clFlush(queue));
        opener_start(&o, &h);
        wait_in_a_way(way, queue, b, e[1]);
        if (way != WRITE)
            EXPECT(status_of(e[0]) == CL_COMPLETE && status_of(e[1]) == CL_COMPLETE);
        opener_end(&o);
        if (way == WRITE) {
            host[0] = 42;
            OK(clFinish(queue));
        }
        compare(b, host, "a blocking call");
        release_events(2, e);
        OK(clReleaseCommandQueue(queue));
        OK(clReleaseMemObject(b));
    }
    done("blocking calls behind");
}

/* Nothing of what asks or flushes waits. */
static void
questions_do_not_wait(void)
{
    cl_command_queue queue = cl_queue(&c, CL_QUEUE_PROFILING_ENABLE);
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 2);
    struct hold h;
    cl_event e;
    cl_ulong t;

    hold_begin(&h);
    e = launch(queue, b, 3, h.n, h.list);
    OK(clFlush(queue));
    OK(clFlush(c.queue));
    OK(clFinish(c.queue));
    hold_stays(&h, 1, &e);
    if (by_event)
        EXPECT(clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_END, sizeof t, &t, NULL) ==
               CL_PROFILING_INFO_NOT_AVAILABLE);
    hold_open(&h);
    OK(clFinish(queue));
    EXPECT(status_of(e) == CL_COMPLETE);
    scramble_host(host, WORDS, 3);
    compare(b, host, "questions");
    OK(clReleaseEvent(e));
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseMemObject(b));
    done("flushes and questions do not wait");
}

/* ---- maps -------------------------------------------------------------------------- */

/* The pointer is there at once, the bytes with the event. */
static void
maps_behind(void)
{
    uint32_t host[WORDS], *p;
    cl_mem b = new_buffer(host, 4);
    cl_event e[4];
    struct hold h;
    cl_int rc;

    hold_begin(&h);
    e[0] = launch(c.queue, b, 5, h.n, h.list);
    scramble_host(host, WORDS, 5);
    p = clEnqueueMapBuffer(c.queue, b, CL_FALSE, CL_MAP_READ | CL_MAP_WRITE, 400, 2000, 0,
                           NULL, &e[1], &rc);
    OK(rc);
    EXPECT(p != NULL);
    OK(clFlush(c.queue));
    hold_stays(&h, 2, e);
    hold_open(&h);
    OK(clWaitForEvents(1, &e[1]));
    same_words(p, host + 100, 500, "a map");
    pattern_fill(p, 500, 6);
    pattern_fill(host + 100, 500, 6);

    hold_begin(&h);
    OK(clEnqueueUnmapMemObject(c.queue, b, p, h.n, h.list, &e[2]));
    e[3] = launch(c.queue, b, 7, 0, NULL);
    scramble_host(host, WORDS, 7);
    OK(clFlush(c.queue));
    hold_stays(&h, 2, e + 2);
    hold_open(&h);
    compare(b, host, "an unmap");
    release_events(4, e);
    OK(clReleaseMemObject(b));
    done("maps and unmaps behind");
}

/* Both while nothing can run; and a map that is given up before it came. */
static void
maps_that_nobody_reads(void)
{
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 8);
    struct hold h;
    cl_int rc;

    hold_begin(&h);
    for (uint32_t i = 0; i < 20; i++) {
        void *p;

        launch_held(&h, c.queue, b, i);
        scramble_host(host, WORDS, i);
        p = clEnqueueMapBuffer(c.queue, b, CL_FALSE, CL_MAP_READ, i * 4, 400, 0, NULL,
                               NULL, &rc);
        OK(rc);
        OK(clEnqueueUnmapMemObject(c.queue, b, p, 0, NULL, NULL));
    }
    hold_open(&h);
    compare(b, host, "maps that nobody reads");
    OK(clReleaseMemObject(b));
    done("maps and unmaps in one go");
}

/* ---- callbacks --------------------------------------------------------------------- */

struct called {
    atomic_int times;
    cl_int status;
};

static void CL_CALLBACK
on_event(cl_event e, cl_int status, void *arg)
{
    struct called *d = arg;

    (void)e;
    d->status = status;
    atomic_fetch_add(&d->times, 1);
}

static void
wait_for_calls(struct called *calls, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        for (unsigned ms = 0; atomic_load(&calls[i].times) == 0; ms++) {
            EXPECT(ms < WAIT_MS);
            sleep_ms(1);
        }
    }
}

static void
callbacks(void)
{
    static const cl_int types[] = {CL_SUBMITTED, CL_RUNNING, CL_COMPLETE};
    static struct called calls[10][3];
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 9);
    cl_event e[10];
    struct hold h;

    hold_begin(&h);
    for (unsigned i = 0; i < 10; i++) {
        e[i] = launch(c.queue, b, i, i ? 1 : h.n, i ? &e[i - 1] : h.list);
        scramble_host(host, WORDS, i);
        for (unsigned k = 0; k < 3; k++)
            OK(clSetEventCallback(e[i], types[k], on_event, &calls[i][k]));
    }
    OK(clFlush(c.queue));
    hold_stays(&h, 10, e);
    for (unsigned i = 0; i < 10 && by_event; i++)
        EXPECT(atomic_load(&calls[i][1].times) == 0 &&
               atomic_load(&calls[i][2].times) == 0);
    hold_open(&h);
    for (unsigned i = 0; i < 10; i++) {
        wait_for_calls(calls[i], 3);
        for (unsigned k = 0; k < 3; k++)
            EXPECT(atomic_load(&calls[i][k].times) == 1 && calls[i][k].status >= 0 &&
                   calls[i][k].status <= types[k]);
    }
    compare(b, host, "callbacks");
    release_events(10, e);
    OK(clReleaseMemObject(b));
    done("callbacks of what waits");
}

/* ---- times ------------------------------------------------------------------------- */

static void
times_of(cl_event e, cl_ulong t[4])
{
    static const cl_profiling_info names[] = {
        CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_SUBMIT,
        CL_PROFILING_COMMAND_START, CL_PROFILING_COMMAND_END};

    for (unsigned i = 0; i < 4; i++)
        OK(clGetEventProfilingInfo(e, names[i], sizeof t[i], &t[i], NULL));
    EXPECT(t[0] > 0 && t[0] <= t[1] && t[1] <= t[2] && t[2] <= t[3]);
}

/* A command is queued when the program enqueues it, and runs after what it waits for. */
static void
times(void)
{
    cl_command_queue other = cl_queue(&c, CL_QUEUE_PROFILING_ENABLE);
    uint32_t host[WORDS], other_host[WORDS];
    cl_mem b = new_buffer(host, 10), o = new_buffer(other_host, 11);
    cl_event e[2], between;
    cl_ulong t[2][4], t_between[4];
    struct hold h;

    hold_begin(&h);
    e[0] = launch(c.queue, b, 12, h.n, h.list);
    e[1] = launch(c.queue, b, 13, 0, NULL);
    sleep_ms(20);
    between = launch(other, o, 14, 0, NULL);
    OK(clFinish(other));
    sleep_ms(20);
    hold_open(&h);
    OK(clFinish(c.queue));
    times_of(e[0], t[0]);
    times_of(e[1], t[1]);
    times_of(between, t_between);
    EXPECT(t[0][3] <= t[1][2]);
    EXPECT(t[0][0] <= t_between[0] && t[1][0] <= t_between[0]);
    if (by_event)
        EXPECT(t[0][2] >= t_between[3]);
    release_events(2, e);
    OK(clReleaseEvent(between));
    OK(clReleaseCommandQueue(other));
    OK(clReleaseMemObject(b));
    OK(clReleaseMemObject(o));
    done("times of what waited");
}

/* ---- failures ---------------------------------------------------------------------- */

/* What depends on it fails, and what depends on that; the rest goes on, and no memory is kept. */
static void
failures(void)
{
    cl_command_queue queue = out_of_order(), other = cl_queue(&c, 0);
    static struct called calls[4];
    uint32_t host[WORDS], other_host[WORDS], word;
    cl_mem b = new_buffer(host, 15), o = new_buffer(other_host, 16);
    cl_event user = user_event(), good = user_event(), e[4], fine[2];

    e[0] = launch(queue, b, 17, 1, &user);
    e[1] = launch(queue, b, 18, 1, &e[0]);
    e[2] = launch(other, b, 19, 1, &e[1]);
    OK(clEnqueueReadBuffer(queue, b, CL_FALSE, 0, 4, &word, 1, &e[2], &e[3]));
    fine[0] = launch(queue, o, 20, 1, &good);
    fine[1] = launch(queue, o, 21, 1, &fine[0]);
    for (unsigned i = 0; i < 4; i++)
        OK(clSetEventCallback(e[i], CL_COMPLETE, on_event, &calls[i]));
    OK(clFlush(queue));
    OK(clFlush(other));
    OK(clSetUserEventStatus(user, -9999));
    for (unsigned i = 0; i < 4; i++)
        EXPECT(clWaitForEvents(1, &e[i]) == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    for (unsigned i = 0; i < 4; i++)
        EXPECT(status_of(e[i]) < 0);
    if (!pocl)
        wait_for_calls(calls, 4);
    for (unsigned i = 0; i < 4 && !pocl; i++)
        EXPECT(atomic_load(&calls[i].times) == 1 && calls[i].status < 0);
    EXPECT(status_of(fine[0]) > CL_RUNNING && status_of(fine[1]) > CL_RUNNING);
    OK(clSetUserEventStatus(good, CL_COMPLETE));
    OK(clWaitForEvents(2, fine));
    scramble_host(other_host, WORDS, 20);
    scramble_host(other_host, WORDS, 21);
    compare(o, other_host, "what goes on");
    compare(b, host, "what failed");
    release_events(4, e);
    release_events(2, fine);
    OK(clReleaseEvent(user));
    OK(clReleaseEvent(good));
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseCommandQueue(other));
    OK(clReleaseMemObject(b));
    OK(clReleaseMemObject(o));
    done("failures");
}

/* 1,000 of them, in a chain and all of one event. */
static void
many_failures(void)
{
    static cl_event e[1000];
    cl_command_queue queue = out_of_order();
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 22);
    cl_event user = user_event();

    for (unsigned i = 0; i < 1000; i++)
        e[i] = launch(queue, b, i, 1, i % 2 ? &e[i - 1] : &user);
    OK(clFlush(queue));
    OK(clSetUserEventStatus(user, -1));
    for (unsigned i = 0; i < 1000; i++)
        EXPECT(clWaitForEvents(1, &e[i]) == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    compare(b, host, "after 1,000 failures");
    release_events(1000, e);
    OK(clReleaseEvent(user));
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseMemObject(b));
    done("1,000 failures");
}

/* ---- command buffers --------------------------------------------------------------- */

static void *
find(const char *name)
{
    void *address = clGetExtensionFunctionAddressForPlatform(c.platform, name);

    if (!address)
        fail("%s is not there", name);
    return address;
}

#define FIND(name) ((__typeof__(name) *)find(#name))

static cl_command_buffer_state_khr
state_of(cl_command_buffer_khr cb)
{
    cl_command_buffer_state_khr state;

    OK(FIND(clGetCommandBufferInfoKHR)(cb, CL_COMMAND_BUFFER_STATE_KHR, sizeof state,
                                       &state, NULL));
    return state;
}

/* 20 launches and a fill. */
static cl_command_buffer_khr
record(cl_mem b)
{
    const cl_command_buffer_properties_khr properties[] = {
        CL_COMMAND_BUFFER_FLAGS_KHR, CL_COMMAND_BUFFER_SIMULTANEOUS_USE_KHR, 0};
    const size_t words = WORDS;
    const uint32_t zero = 0;
    cl_int rc;
    cl_command_buffer_khr cb =
        FIND(clCreateCommandBufferKHR)(1, &c.queue, properties, &rc);

    OK(rc);
    for (uint32_t i = 0; i < 20; i++) {
        cl_kernel kernel = cl_kernel_of(program, "scramble");

        cl_args(kernel, b, i);
        OK(FIND(clCommandNDRangeKernelKHR)(cb, NULL, NULL, kernel, 1, NULL, &words, NULL,
                                           0, NULL, NULL, NULL));
        OK(clReleaseKernel(kernel));
    }
    OK(FIND(clCommandFillBufferKHR)(cb, NULL, b, &zero, 4, 0, 400, 0, NULL, NULL, NULL));
    OK(FIND(clFinalizeCommandBufferKHR)(cb));
    return cb;
}

static void
record_host(uint32_t *host)
{
    for (uint32_t i = 0; i < 20; i++)
        scramble_host(host, WORDS, i);
    memset(host, 0, 400);
}

/* Replays that wait make it pending; they are released meanwhile. */
static void
command_buffers(void)
{
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 23);
    cl_command_buffer_khr cb = record(b);
    cl_event e[3];
    struct hold h;

    for (unsigned round = 0; round < 2; round++) {
        EXPECT(state_of(cb) == CL_COMMAND_BUFFER_STATE_EXECUTABLE_KHR);
        hold_begin(&h);
        for (unsigned i = 0; i < 3; i++) {
            OK(FIND(clEnqueueCommandBufferKHR)(0, NULL, cb, h.n, h.list, &e[i]));
            launch_held(&h, c.queue, b, i);
            record_host(host);
            scramble_host(host, WORDS, i);
        }
        OK(clFlush(c.queue));
        hold_stays(&h, 3, e);
        if (by_event)
            EXPECT(state_of(cb) == CL_COMMAND_BUFFER_STATE_PENDING_KHR);
        if (round == 1 && !pocl)
            OK(FIND(clReleaseCommandBufferKHR)(cb));
        hold_open(&h);
        OK(clFinish(c.queue));
        compare(b, host, "replays");
        if (round == 0 || pocl)
            EXPECT(state_of(cb) == CL_COMMAND_BUFFER_STATE_EXECUTABLE_KHR);
        release_events(3, e);
    }
    if (pocl)
        OK(FIND(clReleaseCommandBufferKHR)(cb));
    OK(clReleaseMemObject(b));
    done("command buffers");
}

int
main(int argc, char **argv)
{
    held_open(argc, argv);
    blocking_calls();
    questions_do_not_wait();
    maps_behind();
    maps_that_nobody_reads();
    callbacks();
    times();
    failures();
    many_failures();
    if (c.n_devices == 1)
        command_buffers();
    held_close();
    return 0;
}
