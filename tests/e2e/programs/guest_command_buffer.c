/* SPDX-License-Identifier: MIT */
/*
 * guest_command_buffer [pocl]: cl_khr_command_buffer 0.9.0. Kernels are not commutative, so that a
 * wrong order gives a wrong result. With "pocl" it does not ask for what PoCL itself leaves out.
 */
#include "cltest.h"
#include "command_buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS ((size_t)1000)
#define BYTES (WORDS * 4)
#define ROW ((size_t)100)
#define GRAPH 150u /* commands of the random graph */
#define CHAINS 5u  /* buffers that they work on */
#define REPLAYS 50u

static struct cl c;
static cl_program program;
static cl_kernel scramble;
static bool pocl;

#define MEMBER(name) __typeof__(name) *(name);
static struct {
    COMMAND_BUFFER_FUNCTIONS(MEMBER)
} f;

static void
done(const char *name)
{
    puts(name);
    fflush(stdout);
}

static void *
find(const char *name)
{
    void *address = clGetExtensionFunctionAddressForPlatform(c.platform, name);

    if (!address)
        fail("%s is not there", name);
    return address;
}

static void
find_functions(void)
{
#define FIND(name) f.name = (__typeof__(name) *)find(#name);
    COMMAND_BUFFER_FUNCTIONS(FIND)
}

static cl_command_buffer_khr
new_buffer(cl_command_queue queue, bool simultaneous)
{
    const cl_command_buffer_properties_khr properties[] = {
        CL_COMMAND_BUFFER_FLAGS_KHR, CL_COMMAND_BUFFER_SIMULTANEOUS_USE_KHR, 0};
    cl_int rc;
    cl_command_buffer_khr b =
        f.clCreateCommandBufferKHR(1, &queue, simultaneous ? properties : NULL, &rc);

    OK(rc);
    EXPECT(b != NULL);
    return b;
}

static cl_mem
new_words(uint32_t *host, uint32_t seed)
{
    pattern_fill(host, WORDS, seed);
    return cl_buffer(&c, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, BYTES, host);
}

static void
compare(cl_mem m, const uint32_t *want, const char *what)
{
    uint32_t got[WORDS];

    OK(clEnqueueReadBuffer(c.queue, m, CL_TRUE, 0, BYTES, got, 0, NULL, NULL));
    same_words(got, want, WORDS, what);
}

static cl_sync_point_khr
record_scramble(cl_command_buffer_khr b, cl_kernel kernel, cl_uint n,
                const cl_sync_point_khr *waits)
{
    const size_t words = WORDS;
    cl_sync_point_khr point;

    OK(f.clCommandNDRangeKernelKHR(b, NULL, NULL, kernel, 1, NULL, &words, NULL, n,
                                   n ? waits : NULL, &point, NULL));
    return point;
}

/* A kernel object of its own, as drivers exist that look at the arguments when they replay. */
static cl_sync_point_khr
record_own(cl_command_buffer_khr b, cl_mem m, uint32_t seed, cl_uint n,
           const cl_sync_point_khr *waits)
{
    cl_kernel kernel = cl_kernel_of(program, "scramble");
    cl_sync_point_khr point;

    cl_args(kernel, m, seed);
    point = record_scramble(b, kernel, n, waits);
    OK(clReleaseKernel(kernel));
    return point;
}

static cl_uint
info(cl_command_buffer_khr b, cl_command_buffer_info_khr param)
{
    cl_uint v;
    size_t len;

    OK(f.clGetCommandBufferInfoKHR(b, param, sizeof v, &v, &len));
    EXPECT(len == sizeof v);
    return v;
}

static cl_uint
state(cl_command_buffer_khr b)
{
    return info(b, CL_COMMAND_BUFFER_STATE_KHR);
}

static cl_event
user_event(void)
{
    cl_int rc;
    cl_event e = clCreateUserEvent(c.context, &rc);

    OK(rc);
    return e;
}

/* Copies, fills, rectangles and kernels, ordered by sync points and a barrier. */
static void
every_command(cl_command_queue_properties properties, const char *name)
{
    const size_t src[3] = {40, 2, 0}, dst[3] = {80, 1, 0}, region[3] = {120, 4, 1};
    cl_command_queue queue = cl_queue(&c, properties);
    cl_command_buffer_khr b = new_buffer(queue, false);
    static uint32_t a_host[WORDS], b_host[WORDS];
    cl_mem m = new_words(a_host, 1), n = new_words(b_host, 2);
    const uint32_t pattern[2] = {0xabcdef01, 0x12345678};
    cl_sync_point_khr p[4];

    p[0] = record_own(b, m, 7, 0, NULL);
    OK(f.clCommandFillBufferKHR(b, NULL, n, pattern, sizeof pattern, 800, 1600, 0, NULL,
                                &p[1], NULL));
    OK(f.clCommandCopyBufferKHR(b, NULL, m, n, 0, 2400, 1600, 2, p, &p[2], NULL));
    OK(f.clCommandBarrierWithWaitListKHR(b, NULL, 1, &p[2], &p[3], NULL));
    OK(f.clCommandCopyBufferRectKHR(b, NULL, m, n, src, dst, region, ROW * 4, 0, ROW * 4,
                                    0, 1, &p[3], &p[0], NULL));
    record_own(b, n, 9, 1, p);
    OK(f.clFinalizeCommandBufferKHR(b));
    EXPECT(state(b) == CL_COMMAND_BUFFER_STATE_EXECUTABLE_KHR);
    for (unsigned i = 0; i < 3; i++) {
        OK(f.clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL));
        OK(clFinish(queue));
        EXPECT(state(b) == CL_COMMAND_BUFFER_STATE_EXECUTABLE_KHR);
        scramble_host(a_host, WORDS, 7);
        for (size_t w = 200; w < 600; w++)
            b_host[w] = pattern[w % 2];
        memcpy(b_host + 600, a_host, 1600);
        for (size_t y = 0; y < 4; y++)
            memcpy((char *)b_host + (1 + y) * ROW * 4 + 80,
                   (char *)a_host + (2 + y) * ROW * 4 + 40, 120);
        scramble_host(b_host, WORDS, 9);
        compare(m, a_host, name);
        compare(n, b_host, name);
    }
    OK(f.clReleaseCommandBufferKHR(b));
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseMemObject(m));
    OK(clReleaseMemObject(n));
    done(name);
}

/* Each command waits for the last of its buffer and for one of another. */
static void
random_graph(void)
{
    cl_command_queue queue = cl_queue(&c, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    cl_command_buffer_khr b = new_buffer(queue, false);
    static uint32_t host[CHAINS][WORDS];
    cl_sync_point_khr last[CHAINS];
    cl_mem m[CHAINS];
    uint32_t random = 3, seeds[GRAPH], chains[GRAPH];

    for (unsigned i = 0; i < CHAINS; i++) {
        m[i] = new_words(host[i], 20 + i);
        last[i] = record_own(b, m[i], i, 0, NULL);
    }
    for (unsigned n = 0; n < GRAPH; n++) {
        const unsigned i = (random = random * 1664525u + 1013904223u) / 65536 % CHAINS;
        const cl_sync_point_khr waits[] = {
            last[i], last[(i + 1 + random / 99 % (CHAINS - 1)) % CHAINS]};

        seeds[n] = random;
        chains[n] = i;
        last[i] = record_own(b, m[i], random, 2, waits);
    }
    OK(f.clFinalizeCommandBufferKHR(b));
    for (unsigned replay = 0; replay < 2; replay++) {
        OK(f.clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL));
        OK(clFinish(queue));
        for (unsigned i = 0; i < CHAINS; i++)
            scramble_host(host[i], WORDS, i);
        for (unsigned n = 0; n < GRAPH; n++)
            scramble_host(host[chains[n]], WORDS, seeds[n]);
    }
    for (unsigned i = 0; i < CHAINS; i++) {
        compare(m[i], host[i], "graph");
        OK(clReleaseMemObject(m[i]));
    }
    OK(f.clReleaseCommandBufferKHR(b));
    OK(clReleaseCommandQueue(queue));
    done("random graph of sync points");
}

/* Many replays under way at once, among other commands, without waiting. */
static void
simultaneous_use(void)
{
    cl_command_buffer_khr b = new_buffer(c.queue, true);
    uint32_t host[WORDS];
    cl_mem m = new_words(host, 30);
    cl_event gate = user_event(), e = NULL;
    cl_command_type type;

    record_own(b, m, 31, 0, NULL);
    record_own(b, m, 32, 0, NULL);
    OK(f.clFinalizeCommandBufferKHR(b));
    for (unsigned i = 0; i < REPLAYS; i++) {
        const size_t words = WORDS;

        OK(f.clEnqueueCommandBufferKHR(0, NULL, b, i == 0 ? 1 : 0, i == 0 ? &gate : NULL,
                                       i == REPLAYS - 1 ? &e : NULL));
        cl_args(scramble, m, i);
        OK(clEnqueueNDRangeKernel(c.queue, scramble, 1, NULL, &words, NULL, 0, NULL,
                                  NULL));
        scramble_host(host, WORDS, 31);
        scramble_host(host, WORDS, 32);
        scramble_host(host, WORDS, i);
    }
    EXPECT(state(b) == CL_COMMAND_BUFFER_STATE_PENDING_KHR);
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clWaitForEvents(1, &e));
    OK(clGetEventInfo(e, CL_EVENT_COMMAND_TYPE, sizeof type, &type, NULL));
    EXPECT(type == CL_COMMAND_COMMAND_BUFFER_KHR);
    OK(clFinish(c.queue));
    compare(m, host, "simultaneous use");
    OK(clReleaseEvent(gate));
    OK(clReleaseEvent(e));
    OK(f.clReleaseCommandBufferKHR(b));
    OK(clReleaseMemObject(m));
    done("simultaneous use");
}

/* Without that flag a second replay is refused until the first is over. */
static void
pending(void)
{
    cl_command_buffer_khr b = new_buffer(c.queue, false);
    uint32_t host[WORDS];
    cl_mem m = new_words(host, 40);
    cl_event gate = user_event(), e;

    EXPECT(state(b) == CL_COMMAND_BUFFER_STATE_RECORDING_KHR);
    record_own(b, m, 41, 0, NULL);
    EXPECT(f.clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, &e) == CL_INVALID_OPERATION);
    OK(f.clFinalizeCommandBufferKHR(b));
    OK(f.clEnqueueCommandBufferKHR(0, NULL, b, 1, &gate, &e));
    EXPECT(state(b) == CL_COMMAND_BUFFER_STATE_PENDING_KHR);
    EXPECT(f.clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL) ==
           CL_INVALID_OPERATION);
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clWaitForEvents(1, &e));
    OK(clFinish(c.queue));
    EXPECT(state(b) == CL_COMMAND_BUFFER_STATE_EXECUTABLE_KHR);
    scramble_host(host, WORDS, 41);
    compare(m, host, "once");
    OK(f.clReleaseCommandBufferKHR(b));
    OK(clReleaseEvent(gate));
    OK(clReleaseEvent(e));
    OK(clReleaseMemObject(m));
    done("one replay at a time");
}

/* The buffer goes while it runs; what it uses was let go before. */
static void
released_while_used(void)
{
    cl_command_buffer_khr b = new_buffer(c.queue, false);
    uint32_t host[WORDS];
    cl_mem m = new_words(host, 50), copy = cl_buffer(&c, CL_MEM_READ_WRITE, BYTES, NULL);
    cl_event gate = user_event(), e;
    cl_sync_point_khr point = record_own(b, m, 51, 0, NULL);

    OK(f.clCommandCopyBufferKHR(b, NULL, m, copy, 0, 0, BYTES, 1, &point, NULL, NULL));
    OK(f.clFinalizeCommandBufferKHR(b));
    OK(clReleaseMemObject(m));
    OK(f.clEnqueueCommandBufferKHR(0, NULL, b, 1, &gate, &e));
    OK(f.clReleaseCommandBufferKHR(b));
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clWaitForEvents(1, &e));
    scramble_host(host, WORDS, 51);
    compare(copy, host, "after the release");
    OK(clReleaseMemObject(copy));
    OK(clReleaseEvent(gate));
    OK(clReleaseEvent(e));
    done("released while in use");
}

/* Later changes of a kernel's arguments do not reach what was recorded. */
static void
arguments_are_kept(void)
{
    cl_command_buffer_khr b = new_buffer(c.queue, false);
    uint32_t host[WORDS];
    cl_mem m = new_words(host, 60);

    for (uint32_t seed = 61; seed < 65; seed++) {
        cl_args(scramble, m, seed);
        record_scramble(b, scramble, 0, NULL);
        scramble_host(host, WORDS, seed);
    }
    cl_args(scramble, m, 99);
    OK(f.clFinalizeCommandBufferKHR(b));
    OK(f.clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL));
    OK(clFinish(c.queue));
    compare(m, host, "arguments");
    OK(f.clReleaseCommandBufferKHR(b));
    OK(clReleaseMemObject(m));
    done("arguments as they were recorded");
}

static void
other_queues(void)
{
    cl_command_queue same = cl_queue(&c, CL_QUEUE_PROFILING_ENABLE);
    cl_command_queue other = cl_queue(&c, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    cl_command_queue two[] = {same, same};
    cl_command_buffer_khr b = new_buffer(c.queue, false);
    uint32_t host[WORDS];
    cl_mem m = new_words(host, 70);

    record_own(b, m, 71, 0, NULL);
    OK(f.clFinalizeCommandBufferKHR(b));
    EXPECT(f.clEnqueueCommandBufferKHR(1, &other, b, 0, NULL, NULL) ==
           CL_INCOMPATIBLE_COMMAND_QUEUE_KHR);
    EXPECT(f.clEnqueueCommandBufferKHR(2, two, b, 0, NULL, NULL) == CL_INVALID_VALUE);
    EXPECT(f.clEnqueueCommandBufferKHR(1, NULL, b, 0, NULL, NULL) == CL_INVALID_VALUE);
    EXPECT(f.clEnqueueCommandBufferKHR(0, two, b, 0, NULL, NULL) == CL_INVALID_VALUE);
    OK(f.clEnqueueCommandBufferKHR(1, &same, b, 0, NULL, NULL));
    OK(clFinish(same));
    scramble_host(host, WORDS, 71);
    compare(m, host, "another queue");
    OK(f.clReleaseCommandBufferKHR(b));
    OK(clReleaseCommandQueue(same));
    OK(clReleaseCommandQueue(other));
    OK(clReleaseMemObject(m));
    done("queues of a replay");
}

static cl_uint
references(cl_mem m)
{
    cl_uint v;

    OK(clGetMemObjectInfo(m, CL_MEM_REFERENCE_COUNT, sizeof v, &v, NULL));
    return v;
}

/* Each use in a recorded command counts, until the command buffer goes. */
static void
reference_counts(void)
{
    cl_command_queue queue = cl_queue(&c, 0);
    cl_command_buffer_khr b = new_buffer(queue, false);
    cl_kernel kernel = cl_kernel_of(program, "scramble");
    uint32_t host[WORDS];
    cl_mem m = new_words(host, 95), n = new_words(host, 95);
    cl_uint v;

    cl_args(kernel, m, 96);
    record_scramble(b, kernel, 0, NULL);
    EXPECT(references(m) == 2 && references(n) == 1);
    OK(f.clCommandCopyBufferKHR(b, NULL, m, n, 0, 0, BYTES, 0, NULL, NULL, NULL));
    EXPECT(f.clCommandCopyBufferKHR(b, NULL, m, n, 0, 0, BYTES + 1, 0, NULL, NULL,
                                    NULL) == CL_INVALID_VALUE);
    EXPECT(references(m) == 3 && references(n) == 2);
    OK(clGetKernelInfo(kernel, CL_KERNEL_REFERENCE_COUNT, sizeof v, &v, NULL));
    EXPECT(v == 2);
    OK(clGetCommandQueueInfo(queue, CL_QUEUE_REFERENCE_COUNT, sizeof v, &v, NULL));
    EXPECT(v == 2);
    OK(clReleaseKernel(kernel));
    OK(f.clFinalizeCommandBufferKHR(b));
    OK(clReleaseCommandQueue(queue));
    OK(f.clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL));
    OK(clFinish(queue));
    scramble_host(host, WORDS, 96);
    compare(n, host, "in a queue that only the command buffer has");
    OK(f.clReleaseCommandBufferKHR(b));
    EXPECT(references(m) == 1 && references(n) == 1);
    OK(clReleaseMemObject(m));
    OK(clReleaseMemObject(n));
    done("reference counts");
}

static void
queries(void)
{
    const cl_command_buffer_properties_khr properties[] = {CL_COMMAND_BUFFER_FLAGS_KHR, 0,
                                                           0};
    cl_command_buffer_properties_khr got[3];
    cl_command_queue queue = NULL;
    cl_command_buffer_khr b;
    size_t len = 77;
    cl_int rc;

    b = f.clCreateCommandBufferKHR(1, &c.queue, properties, &rc);
    OK(rc);
    EXPECT(info(b, CL_COMMAND_BUFFER_NUM_QUEUES_KHR) == 1);
    EXPECT(info(b, CL_COMMAND_BUFFER_REFERENCE_COUNT_KHR) == 1);
    OK(f.clRetainCommandBufferKHR(b));
    EXPECT(info(b, CL_COMMAND_BUFFER_REFERENCE_COUNT_KHR) == 2);
    OK(f.clReleaseCommandBufferKHR(b));
    OK(f.clGetCommandBufferInfoKHR(b, CL_COMMAND_BUFFER_QUEUES_KHR,
                                   sizeof(cl_command_queue), &queue, &len));
    EXPECT(len == sizeof(cl_command_queue) &&
           (pocl || queue == c.queue)); /* PoCL 3.1: another one */
    OK(f.clGetCommandBufferInfoKHR(b, CL_COMMAND_BUFFER_PROPERTIES_ARRAY_KHR, sizeof got,
                                   got, &len));
    EXPECT(pocl || (len == sizeof got && memcmp(got, properties, len) == 0));
    if (!pocl) /* PoCL 3.1 looks at no size */
        EXPECT(f.clGetCommandBufferInfoKHR(b, CL_COMMAND_BUFFER_STATE_KHR, 1, &len,
                                           NULL) == CL_INVALID_VALUE);
    EXPECT(f.clGetCommandBufferInfoKHR(b, 0x1234, sizeof got, got, NULL) ==
           CL_INVALID_VALUE);
    OK(f.clReleaseCommandBufferKHR(b));
    done("queries");
}

/* Errors. */

static cl_int
create_status(cl_uint n, const cl_command_queue *queues,
              const cl_command_buffer_properties_khr *properties)
{
    cl_int rc = 77;

    EXPECT(!f.clCreateCommandBufferKHR(n, queues, properties, &rc));
    return rc;
}

static void
wrong_creation(void)
{
    const cl_command_queue none = NULL;
    const cl_command_buffer_properties_khr flags[] = {CL_COMMAND_BUFFER_FLAGS_KHR,
                                                      1u << 20, 0};
    const cl_command_buffer_properties_khr unknown[] = {0x9999, 1, 0};
    const cl_command_buffer_properties_khr twice[] = {CL_COMMAND_BUFFER_FLAGS_KHR, 0,
                                                      CL_COMMAND_BUFFER_FLAGS_KHR, 0, 0};

    EXPECT(create_status(0, &c.queue, NULL) == CL_INVALID_VALUE);
    EXPECT(create_status(2, &c.queue, NULL) == CL_INVALID_VALUE);
    EXPECT(create_status(1, NULL, NULL) == CL_INVALID_VALUE);
    if (!pocl) { /* PoCL 3.1 follows the queue that is none, and takes a property twice */
        EXPECT(create_status(1, &none, NULL) == CL_INVALID_COMMAND_QUEUE);
        EXPECT(create_status(1, &c.queue, twice) == CL_INVALID_VALUE);
    }
    EXPECT(create_status(1, &c.queue, flags) == CL_INVALID_VALUE);
    EXPECT(create_status(1, &c.queue, unknown) == CL_INVALID_VALUE);
    EXPECT(f.clRetainCommandBufferKHR(NULL) == CL_INVALID_COMMAND_BUFFER_KHR);
    EXPECT(f.clReleaseCommandBufferKHR(NULL) == CL_INVALID_COMMAND_BUFFER_KHR);
    EXPECT(f.clFinalizeCommandBufferKHR(NULL) == CL_INVALID_COMMAND_BUFFER_KHR);
    EXPECT(f.clEnqueueCommandBufferKHR(0, NULL, NULL, 0, NULL, NULL) ==
           CL_INVALID_COMMAND_BUFFER_KHR);
    EXPECT(f.clGetCommandBufferInfoKHR(NULL, CL_COMMAND_BUFFER_STATE_KHR, 0, NULL,
                                       NULL) == CL_INVALID_COMMAND_BUFFER_KHR);
    done("wrong creation");
}

static cl_int
barrier(cl_command_buffer_khr b, cl_command_queue queue, cl_uint n,
        const cl_sync_point_khr *waits, cl_mutable_command_khr *handle)
{
    cl_sync_point_khr point;

    return f.clCommandBarrierWithWaitListKHR(b, queue, n, waits, &point, handle);
}

static void
wrong_recording(void)
{
    cl_command_buffer_khr b = new_buffer(c.queue, false);
    uint32_t host[WORDS];
    cl_mem m = new_words(host, 80);
    const cl_sync_point_khr far = 1000;
    cl_mutable_command_khr handle;

    EXPECT(barrier(NULL, NULL, 0, NULL, NULL) == CL_INVALID_COMMAND_BUFFER_KHR);
    EXPECT(barrier(b, c.queue, 0, NULL, NULL) == CL_INVALID_COMMAND_QUEUE);
    EXPECT(barrier(b, NULL, 0, NULL, &handle) == CL_INVALID_VALUE);
    EXPECT(barrier(b, NULL, 1, &far, NULL) == CL_INVALID_SYNC_POINT_WAIT_LIST_KHR);
    EXPECT(barrier(b, NULL, 1, NULL, NULL) == CL_INVALID_SYNC_POINT_WAIT_LIST_KHR);
    EXPECT(barrier(b, NULL, 0, &far, NULL) == CL_INVALID_SYNC_POINT_WAIT_LIST_KHR);
    EXPECT(f.clCommandFillBufferKHR(b, NULL, m, host, 3, 0, 48, 0, NULL, NULL, NULL) ==
           CL_INVALID_VALUE);
    EXPECT(f.clCommandFillBufferKHR(b, NULL, m, NULL, 4, 0, 48, 0, NULL, NULL, NULL) ==
           CL_INVALID_VALUE);
    EXPECT(f.clCommandFillBufferKHR(b, NULL, m, host, 4, 0, BYTES + 4, 0, NULL, NULL,
                                    NULL) == CL_INVALID_VALUE);
    EXPECT(f.clCommandCopyBufferKHR(b, NULL, m, m, 0, 64, 128, 0, NULL, NULL, NULL) ==
           CL_MEM_COPY_OVERLAP);
    EXPECT(f.clCommandCopyBufferKHR(b, NULL, m, NULL, 0, 64, 128, 0, NULL, NULL, NULL) ==
           CL_INVALID_MEM_OBJECT);
    OK(f.clFinalizeCommandBufferKHR(b));
    EXPECT(barrier(b, NULL, 0, NULL, NULL) == CL_INVALID_OPERATION);
    OK(f.clReleaseCommandBufferKHR(b));
    OK(clReleaseMemObject(m));
    done("wrong recording");
}

static cl_int
record_range(cl_command_buffer_khr b, cl_kernel kernel, cl_uint dims,
             const cl_ndrange_kernel_command_properties_khr *properties,
             const size_t *local)
{
    const size_t global[3] = {64, 1, 1};

    return f.clCommandNDRangeKernelKHR(b, NULL, properties, kernel, dims, NULL, global,
                                       local, 0, NULL, NULL, NULL);
}

/* PoCL 3.1 ends the program at some of these. */
static void
wrong_launches(void)
{
    const cl_ndrange_kernel_command_properties_khr unknown[] = {1, 2, 0}, empty[] = {0};
    cl_command_buffer_khr b = new_buffer(c.queue, false);
    cl_kernel bare = cl_kernel_of(program, "scramble");
    uint32_t host[WORDS];
    cl_mem m = new_words(host, 90);
    const size_t three = 3, none = 0;

    cl_args(scramble, m, 91);
    EXPECT(record_range(b, NULL, 1, NULL, NULL) == CL_INVALID_KERNEL);
    EXPECT(record_range(b, scramble, 0, NULL, NULL) == CL_INVALID_WORK_DIMENSION);
    EXPECT(record_range(b, scramble, 4, NULL, NULL) == CL_INVALID_WORK_DIMENSION);
    EXPECT(record_range(b, bare, 1, NULL, NULL) == CL_INVALID_KERNEL_ARGS);
    EXPECT(record_range(b, scramble, 1, NULL, &three) == CL_INVALID_WORK_GROUP_SIZE);
    EXPECT(record_range(b, scramble, 1, NULL, &none) == CL_INVALID_WORK_GROUP_SIZE);
    EXPECT(record_range(b, scramble, 1, unknown, NULL) == CL_INVALID_VALUE);
    OK(record_range(b, scramble, 1, empty, NULL));
    OK(f.clCommandNDRangeKernelKHR(b, NULL, NULL, scramble, 1, NULL, &none, NULL, 0, NULL,
                                   NULL, NULL));
    OK(f.clFinalizeCommandBufferKHR(b));
    OK(f.clEnqueueCommandBufferKHR(0, NULL, b, 0, NULL, NULL));
    OK(clFinish(c.queue));
    scramble_host(host, 64, 91);
    compare(m, host, "after wrong launches");
    OK(f.clReleaseCommandBufferKHR(b));
    OK(clReleaseKernel(bare));
    OK(clReleaseMemObject(m));
    done("wrong launches");
}

int
main(int argc, char **argv)
{
    pocl = argc > 1 && strcmp(argv[1], "pocl") == 0;
    cl_open(&c);
    find_functions();
    program = cl_build(&c, scramble_source);
    scramble = cl_kernel_of(program, "scramble");
    every_command(0, "every command, in order");
    every_command(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, "every command, out of order");
    random_graph();
    simultaneous_use();
    pending();
    released_while_used();
    other_queues();
    reference_counts();
    queries();
    wrong_creation();
    wrong_recording();
    if (!pocl) {
        arguments_are_kept();
        wrong_launches();
    }
    OK(clReleaseKernel(scramble));
    OK(clReleaseProgram(program));
    cl_close(&c);
    return 0;
}
