/* SPDX-License-Identifier: MIT */
/*
 * guest_callbacks dies FILE: destructors where the device goes away meanwhile; says "ready", and
 * goes on when FILE exists.
 * guest_callbacks [pocl]: who is called back when, and how often; what queues and contexts refuse;
 * whose clock the stamps are of. With "pocl" it does not ask for what PoCL itself leaves out.
 */
#include "cltest.h"

#include <CL/cl_ext.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define WORDS ((size_t)4096)
#define WAIT_MS 5000u
/* What a clock may be wrong by; CLOCK_SLOP_MS of the environment in its place, where it is far. */
#define CLOCK_SLOP_NS 1000000u

static struct cl c;
static bool pocl;
static char log_of_calls[64]; /* one letter a call */
static atomic_uint calls;
static _Atomic bool called_by_main;
static pthread_t main_thread;

static void
done(const char *name)
{
    puts(name);
    fflush(stdout);
}

static void
note(const char *letter)
{
    if (pthread_equal(pthread_self(), main_thread))
        called_by_main = true;
    log_of_calls[atomic_load(&calls) % sizeof log_of_calls] = *letter;
    atomic_fetch_add(&calls, 1);
}

static void
forget_calls(void)
{
    memset(log_of_calls, 0, sizeof log_of_calls);
    atomic_store(&calls, 0);
    called_by_main = false;
}

/* So many calls, in this order, none of them from inside one of our own calls; and no more. */
static void
expect_calls(const char *letters)
{
    for (unsigned ms = 0; atomic_load(&calls) < strlen(letters); ms++) {
        if (ms == WAIT_MS)
            fail("called '%s', not '%s'", log_of_calls, letters);
        sleep_ms(1);
    }
    sleep_ms(20);
    if (strcmp(log_of_calls, letters) != 0)
        fail("called '%s', not '%s'", log_of_calls, letters);
    EXPECT(pocl || !called_by_main);
    forget_calls();
}

static void CL_CALLBACK
mem_gone(cl_mem m, void *letter)
{
    (void)m;
    note(letter);
}

static void CL_CALLBACK
context_gone(cl_context context, void *letter)
{
    (void)context;
    note(letter);
}

static cl_event
user_event(void)
{
    cl_int rc;
    cl_event e = clCreateUserEvent(c.context, &rc);

    OK(rc);
    return e;
}

static cl_event
copy_behind(cl_command_queue queue, cl_mem from, cl_mem to, cl_event behind)
{
    cl_event e;

    OK(clEnqueueCopyBuffer(queue, from, to, 0, 0, 1024, behind ? 1 : 0,
                           behind ? &behind : NULL, &e));
    OK(clFlush(queue));
    return e;
}

/* A command keeps a buffer, a sub-buffer keeps its parent. */
static void
memory_destructors(void)
{
    const cl_buffer_region region = {0, 2048};
    cl_mem other = cl_buffer(&c, CL_MEM_READ_WRITE, WORDS * 4, NULL);
    cl_mem m = cl_buffer(&c, CL_MEM_READ_WRITE, WORDS * 4, NULL), sub;
    cl_event gate = user_event(), e;
    cl_int rc;

    sub = clCreateSubBuffer(m, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &rc);
    OK(rc);
    OK(clSetMemObjectDestructorCallback(m, mem_gone, "c"));
    OK(clSetMemObjectDestructorCallback(m, mem_gone, "b"));
    OK(clSetMemObjectDestructorCallback(sub, mem_gone, "a"));
    OK(clSetMemObjectDestructorCallback(other, mem_gone, "o"));
    e = copy_behind(c.queue, m, other, gate);
    OK(clReleaseMemObject(m));
    OK(clReleaseMemObject(other));
    sleep_ms(50);
    EXPECT(atomic_load(&calls) == 0);
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clWaitForEvents(1, &e));
    OK(clReleaseEvent(e));
    expect_calls("o");
    OK(clReleaseMemObject(sub));
    expect_calls("abc");
    OK(clReleaseEvent(gate));
    EXPECT(clSetMemObjectDestructorCallback(NULL, mem_gone, "") == CL_INVALID_MEM_OBJECT);
    done("destructors of memory");
}

static void CL_CALLBACK
context_error_told(const char *words, const void *bytes, size_t len, void *times)
{
    EXPECT(words && words[0] && !bytes && len == 0);
    atomic_fetch_add((atomic_int *)times, 1);
}

/*
 * The device is gone, the objects are not: each destructor is called once, when the program lets
 * go of its object.
 */
static void
destructors_of_the_dead(const char *file)
{
    cl_mem kept = cl_buffer(&c, CL_MEM_READ_WRITE, WORDS * 4, NULL);
    cl_mem released = cl_buffer(&c, CL_MEM_READ_WRITE, WORDS * 4, NULL);
    cl_event gate = user_event(), e = copy_behind(c.queue, kept, released, gate);
    static atomic_int told, told_too_late;
    cl_context told_of, let_go;
    cl_int rc;

    told_of = clCreateContext(NULL, 1, &c.device, context_error_told, &told, &rc);
    OK(rc);
    let_go = clCreateContext(NULL, 1, &c.device, context_error_told, &told_too_late, &rc);
    OK(rc);
    OK(clReleaseContext(let_go));
    OK(clSetMemObjectDestructorCallback(kept, mem_gone, "k"));
    OK(clSetMemObjectDestructorCallback(released, mem_gone, "r"));
    OK(clReleaseMemObject(released));
    puts("ready");
    fflush(stdout);
    wait_for_file(file);
    EXPECT(clFinish(c.queue) != CL_SUCCESS);
    expect_calls("r");
    clReleaseMemObject(kept);
    pocl = true; /* nobody else is left to call it */
    expect_calls("k");
    EXPECT(atomic_load(&told) == 1 && atomic_load(&told_too_late) == 0);
    clReleaseContext(told_of);
    clReleaseEvent(e);
    clReleaseEvent(gate);
    done("destructors after the device");
}

/* What is made in a context keeps it. */
static void
context_destructors(void)
{
    cl_context context;
    cl_command_queue queue;
    cl_mem m;
    cl_int rc;

    context = clCreateContext(NULL, 1, &c.device, NULL, NULL, &rc);
    OK(rc);
    OK(clSetContextDestructorCallback(context, context_gone, "2"));
    OK(clSetContextDestructorCallback(context, context_gone, "1"));
    queue = clCreateCommandQueue(context, c.device, 0, &rc);
    OK(rc);
    m = clCreateBuffer(context, CL_MEM_READ_WRITE, 4096, NULL, &rc);
    OK(rc);
    OK(clReleaseContext(context));
    OK(clReleaseMemObject(m));
    sleep_ms(30);
    EXPECT(atomic_load(&calls) == 0);
    OK(clReleaseCommandQueue(queue));
    expect_calls("12");
    done("destructors of a context");
}

static cl_int
status_of(cl_event e)
{
    cl_int status;

    OK(clGetEventInfo(e, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status,
                      NULL));
    return status;
}

struct event_call {
    atomic_int times;
    _Atomic cl_int status;
    bool release;
};

static void CL_CALLBACK
event_called(cl_event e, cl_int status, void *arg)
{
    struct event_call *call = arg;

    atomic_store(&call->status, status);
    if (call->release)
        OK(clReleaseEvent(e));
    atomic_fetch_add(&call->times, 1);
}

static void
expect_event_call(struct event_call *call, cl_int status)
{
    for (unsigned ms = 0; atomic_load(&call->times) == 0; ms++) {
        EXPECT(ms < WAIT_MS);
        sleep_ms(1);
    }
    EXPECT(atomic_load(&call->status) == status);
}

/* Before and after the end of a good one and of a failed one; each once. */
static void
event_callbacks(void)
{
    static struct event_call before[8], after, failed, failed_after;
    cl_mem m[2] = {cl_buffer(&c, CL_MEM_READ_WRITE, WORDS * 4, NULL),
                   cl_buffer(&c, CL_MEM_READ_WRITE, WORDS * 4, NULL)};
    cl_command_queue queue = cl_queue(&c, 0);
    cl_event gate = user_event(), bad = user_event(), e, f;

    e = copy_behind(queue, m[0], m[1], gate);
    for (unsigned i = 0; i < 8; i++)
        OK(clSetEventCallback(e, CL_COMPLETE, event_called, &before[i]));
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    for (unsigned i = 0; i < 8; i++)
        expect_event_call(&before[i], CL_COMPLETE);
    after.release = true; /* the last reference goes inside the callback */
    OK(clSetEventCallback(e, CL_COMPLETE, event_called, &after));
    expect_event_call(&after, CL_COMPLETE);
    f = copy_behind(queue, m[0], m[1], bad);
    /* PoCL 3.1 calls nobody when a command fails (OpenCL 3.0, section 5.11). */
    if (!pocl)
        OK(clSetEventCallback(f, CL_COMPLETE, event_called, &failed));
    OK(clSetUserEventStatus(bad, -42));
    EXPECT(clWaitForEvents(1, &f) == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    if (!pocl) {
        EXPECT(status_of(f) < 0);
        expect_event_call(&failed, status_of(f));
        OK(clSetEventCallback(f, CL_COMPLETE, event_called, &failed_after));
        expect_event_call(&failed_after, status_of(f));
    }
    sleep_ms(20);
    for (unsigned i = 0; i < 8; i++)
        EXPECT(atomic_load(&before[i].times) == 1);
    EXPECT(atomic_load(&after.times) == 1 && atomic_load(&failed.times) <= 1);
    OK(clReleaseEvent(f));
    OK(clReleaseEvent(gate));
    OK(clReleaseEvent(bad));
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseMemObject(m[0]));
    OK(clReleaseMemObject(m[1]));
    done("callbacks of events");
}

static void *
wait_for(void *e)
{
    cl_event event = e;

    OK(clWaitForEvents(1, &event));
    return NULL;
}

/* Several threads wait; the queue is released while its command waits, too. */
static void
waits_of_threads(void)
{
    cl_mem m[2] = {cl_buffer(&c, CL_MEM_READ_WRITE, WORDS * 4, NULL),
                   cl_buffer(&c, CL_MEM_READ_WRITE, WORDS * 4, NULL)};
    cl_command_queue queue = cl_queue(&c, 0);
    cl_event gate = user_event(), e = copy_behind(queue, m[0], m[1], gate);
    pthread_t threads[4];

    EXPECT(status_of(e) == CL_QUEUED || status_of(e) == CL_SUBMITTED);
    for (unsigned i = 0; i < 4; i++)
        EXPECT(pthread_create(&threads[i], NULL, wait_for, e) == 0);
    OK(clReleaseCommandQueue(queue));
    sleep_ms(20);
    EXPECT(status_of(e) > CL_COMPLETE);
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    EXPECT(status_of(e) == CL_COMPLETE);
    OK(clReleaseEvent(e));
    OK(clReleaseEvent(gate));
    OK(clReleaseMemObject(m[0]));
    OK(clReleaseMemObject(m[1]));
    done("several threads wait, the queue is gone");
}

static void
stamps_of(cl_event e, cl_ulong t[5])
{
    static const cl_profiling_info names[] = {
        CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_SUBMIT,
        CL_PROFILING_COMMAND_START, CL_PROFILING_COMMAND_END,
        CL_PROFILING_COMMAND_COMPLETE};

    OK(clWaitForEvents(1, &e));
    for (unsigned i = 0; i < 5; i++)
        OK(clGetEventProfilingInfo(e, names[i], sizeof t[i], &t[i], NULL));
    OK(clReleaseEvent(e));
    for (unsigned i = 1; i < 5; i++)
        EXPECT(t[i - 1] <= t[i]);
}

/* Blocking transfers between commands: the stamps of all are of one clock. */
static void
stamps(void)
{
    static uint32_t host[WORDS];
    cl_mem m[2] = {cl_buffer(&c, CL_MEM_READ_WRITE, sizeof host, NULL),
                   cl_buffer(&c, CL_MEM_READ_WRITE, sizeof host, NULL)};
    cl_command_queue plain = cl_queue(&c, 0);
    cl_event e, gate = user_event();
    cl_ulong last[5] = {0}, t[5];
    const char *told = getenv("CLOCK_SLOP_MS");
    const cl_ulong slop_ns = told ? strtoul(told, NULL, 10) * 1000000u : CLOCK_SLOP_NS;

    for (unsigned i = 0; i < 30; i++) {
        if (i % 3 == 0)
            OK(clEnqueueWriteBuffer(c.queue, m[0], CL_TRUE, 0, sizeof host, host, 0, NULL,
                                    &e));
        else if (i % 3 == 1)
            e = copy_behind(c.queue, m[0], m[1], NULL);
        else
            OK(clEnqueueReadBuffer(c.queue, m[1], CL_TRUE, 0, sizeof host, host, 0, NULL,
                                   &e));
        stamps_of(e, t);
        if (i > 0 && (t[0] + slop_ns < last[3] || t[0] > last[3] + 5000000000u))
            fail("command %u began at %llu, the one before it ended at %llu", i,
                 (unsigned long long)t[0], (unsigned long long)last[3]);
        memcpy(last, t, sizeof t);
    }
    e = copy_behind(plain, m[0], m[1], NULL);
    OK(clWaitForEvents(1, &e));
    EXPECT(clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_END, sizeof t[0], t, NULL) ==
           CL_PROFILING_INFO_NOT_AVAILABLE);
    EXPECT(clGetEventProfilingInfo(gate, CL_PROFILING_COMMAND_END, sizeof t[0], t,
                                   NULL) == CL_PROFILING_INFO_NOT_AVAILABLE);
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clReleaseEvent(gate));
    OK(clReleaseEvent(e));
    OK(clReleaseCommandQueue(plain));
    OK(clReleaseMemObject(m[0]));
    OK(clReleaseMemObject(m[1]));
    done("stamps of one clock");
}

static cl_int
queue_error(const cl_queue_properties *properties)
{
    cl_int rc;
    cl_command_queue q =
        clCreateCommandQueueWithProperties(c.context, c.device, properties, &rc);

    if (rc == CL_SUCCESS)
        OK(clReleaseCommandQueue(q));
    return rc;
}

static void
queue_errors(void)
{
    const cl_queue_properties twice[] = {CL_QUEUE_PROPERTIES, 0, CL_QUEUE_PROPERTIES,
                                         CL_QUEUE_PROFILING_ENABLE, 0};
    const cl_queue_properties unknown[] = {0x7777, 1, 0},
                              bits[] = {CL_QUEUE_PROPERTIES, 1 << 20, 0},
                              hint[] = {CL_QUEUE_PRIORITY_KHR, CL_QUEUE_PRIORITY_LOW_KHR,
                                        0},
                              on_device[] = {CL_QUEUE_PROPERTIES,
                                             CL_QUEUE_ON_DEVICE |
                                                 CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE,
                                             0};
    static char extensions[8192];
    cl_command_queue_properties old = 0;
    cl_ulong timer = 0;
    cl_int rc;

    OK(clGetDeviceInfo(c.device, CL_DEVICE_EXTENSIONS, sizeof extensions, extensions,
                       NULL));
    EXPECT(queue_error(unknown) == CL_INVALID_VALUE);
    EXPECT(queue_error(twice) == CL_INVALID_VALUE);
    EXPECT(queue_error(bits) == CL_INVALID_VALUE);
    if (!strstr(extensions, "cl_khr_priority_hints"))
        EXPECT(queue_error(hint) == CL_INVALID_VALUE);
    OK(clGetPlatformInfo(c.platform, CL_PLATFORM_HOST_TIMER_RESOLUTION, sizeof timer,
                         &timer, NULL));
    rc = clGetHostTimer(c.device, &timer);
    EXPECT(rc == (timer ? CL_SUCCESS : CL_INVALID_OPERATION));
    EXPECT(clSetDefaultDeviceCommandQueue(c.context, c.device, c.queue) ==
           CL_INVALID_OPERATION);
    if (!pocl) { /* which ends the process, or has no such function */
        EXPECT(queue_error(on_device) == CL_INVALID_QUEUE_PROPERTIES);
        EXPECT(clSetDefaultDeviceCommandQueue(NULL, c.device, c.queue) ==
               CL_INVALID_CONTEXT);
        EXPECT(clSetDefaultDeviceCommandQueue(c.context, c.device, NULL) ==
               CL_INVALID_COMMAND_QUEUE);
        EXPECT(clSetCommandQueueProperty(c.queue, CL_QUEUE_PROFILING_ENABLE, CL_FALSE,
                                         &old) == CL_INVALID_OPERATION);
        EXPECT(old & CL_QUEUE_PROFILING_ENABLE);
    }
    done("queues: errors");
}

static cl_int
context_error(const cl_context_properties *properties)
{
    cl_int rc;
    cl_context context = clCreateContext(properties, 1, &c.device, NULL, NULL, &rc);

    if (rc == CL_SUCCESS)
        OK(clReleaseContext(context));
    return rc;
}

static void
context_errors(void)
{
    const cl_context_properties p = (cl_context_properties)c.platform;
    const cl_context_properties good[] = {CL_CONTEXT_PLATFORM, p, 0},
                                twice[] = {CL_CONTEXT_PLATFORM, p, CL_CONTEXT_PLATFORM, p,
                                           0},
                                none[] = {CL_CONTEXT_PLATFORM, 0, 0},
                                unknown[] = {0x7777, 1, 0},
                                sync[] = {CL_CONTEXT_INTEROP_USER_SYNC, 7, 0};
    cl_context_properties told[8];
    cl_context context;
    size_t len = 0;
    cl_int rc;

    EXPECT(context_error(twice) == CL_INVALID_PROPERTY);
    EXPECT(context_error(none) == CL_INVALID_PLATFORM);
    EXPECT(context_error(unknown) == CL_INVALID_PROPERTY);
    if (!pocl) /* which takes any value */
        EXPECT(context_error(sync) == CL_INVALID_PROPERTY);
    context = clCreateContext(good, 1, &c.device, NULL, NULL, &rc);
    OK(rc);
    OK(clGetContextInfo(context, CL_CONTEXT_PROPERTIES, sizeof told, told, &len));
    EXPECT(len == sizeof good && memcmp(told, good, len) == 0);
    OK(clReleaseContext(context));
    done("contexts: errors");
}

/* The calls of OpenCL 1.0 and 1.1, out of order. */
static void
old_calls(void)
{
    cl_command_queue queue = cl_queue(&c, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    static uint32_t host[WORDS], back[WORDS];
    cl_mem m[2];
    cl_event e, marker;

    pattern_fill(host, WORDS, 5);
    m[0] = cl_buffer(&c, CL_MEM_COPY_HOST_PTR, sizeof host, host);
    m[1] = cl_buffer(&c, CL_MEM_READ_WRITE, sizeof host, NULL);
    for (unsigned i = 0; i < 20; i++) {
        OK(clEnqueueCopyBuffer(queue, m[i % 2], m[(i + 1) % 2], 0, 0, sizeof host, 0,
                               NULL, &e));
        /* PoCL 3.1 ends the process at a clEnqueueWaitForEvents. */
        if (i % 2 || pocl)
            OK(clEnqueueBarrier(queue));
        else
            OK(clEnqueueWaitForEvents(queue, 1, &e));
        OK(clReleaseEvent(e));
    }
    OK(clEnqueueMarker(queue, &marker));
    OK(clWaitForEvents(1, &marker));
    OK(clReleaseEvent(marker));
    OK(clEnqueueReadBuffer(queue, m[0], CL_TRUE, 0, sizeof back, back, 0, NULL, NULL));
    same_words(back, host, WORDS, "copied to and fro");
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseMemObject(m[0]));
    OK(clReleaseMemObject(m[1]));
    done("barriers, markers and waits of OpenCL 1.0");
}

int
main(int argc, char **argv)
{
    pocl = argc > 1 && strcmp(argv[1], "pocl") == 0;
    main_thread = pthread_self();
    cl_open(&c);
    if (argc > 2 && strcmp(argv[1], "dies") == 0) {
        destructors_of_the_dead(argv[2]);
        return 0;
    }
    memory_destructors();
    context_destructors();
    event_callbacks();
    waits_of_threads();
    stamps();
    queue_errors();
    context_errors();
    old_calls();
    cl_close(&c);
    return 0;
}
