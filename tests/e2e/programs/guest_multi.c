/* SPDX-License-Identifier: MIT */
/*
 * guest_multi [pocl]: one context over all devices of the platform, and memory that moves between
 * them. A platform with one device is asked for sub-devices of it. With "pocl" it does not
 * ask for what PoCL itself leaves out.
 */
#include "cltest.h"

#include <CL/cl_ext.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS ((size_t)4096)
#define BYTES (WORDS * sizeof(uint32_t))
#define PART ((size_t)4096) /* a sub-buffer's bytes: aligned for every device */
#define WAIT_MS 5000u
#define MAX 8u

static cl_context context;
static cl_device_id devices[MAX];
static cl_uint n;
static cl_command_queue queues[MAX];
static cl_program program;
static cl_kernel scramble, add;
static bool pocl;

static const char add_source[] =
    "kernel void add(global uint *to, global const uint *a, constant uint *b)\n"
    "{ size_t i = get_global_id(0); to[i] = a[i] + b[i]; }\n";

static void
done(const char *name)
{
    puts(name);
    fflush(stdout);
}

static void
find_devices(void)
{
    const cl_device_partition_property each[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    cl_platform_id platform;

    OK(clGetPlatformIDs(1, &platform, NULL));
    OK(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MAX, devices, &n));
    if (n == 1) {
        OK(clCreateSubDevices(devices[0], each, MAX, devices, &n));
        n = n < 2 ? n : 2;
    }
    EXPECT(n >= 2 && n <= MAX);
}

static cl_mem
buffer(cl_mem_flags flags, size_t bytes, void *host)
{
    cl_int rc;
    cl_mem b = clCreateBuffer(context, flags, bytes, host, &rc);

    OK(rc);
    return b;
}

static cl_mem
filled(uint32_t *host, uint32_t seed)
{
    pattern_fill(host, WORDS, seed);
    return buffer(CL_MEM_COPY_HOST_PTR, BYTES, host);
}

static cl_mem
part_of(cl_mem b, size_t origin)
{
    const cl_buffer_region r = {origin, PART};
    cl_int rc;
    cl_mem part = clCreateSubBuffer(b, 0, CL_BUFFER_CREATE_TYPE_REGION, &r, &rc);

    OK(rc);
    return part;
}

static cl_event
launch(cl_command_queue q, cl_mem b, size_t words, uint32_t seed, cl_uint waits,
       const cl_event *list)
{
    cl_event e;

    cl_args(scramble, b, seed);
    OK(clEnqueueNDRangeKernel(q, scramble, 1, NULL, &words, NULL, waits,
                              waits ? list : NULL, &e));
    OK(clFlush(q));
    return e;
}

static void
compare(cl_command_queue q, cl_mem b, const uint32_t *want, const char *what)
{
    static uint32_t got[WORDS];

    OK(clEnqueueReadBuffer(q, b, CL_TRUE, 0, BYTES, got, 0, NULL, NULL));
    same_words(got, want, WORDS, what);
}

static cl_event
user_event(void)
{
    cl_int rc;
    cl_event e = clCreateUserEvent(context, &rc);

    OK(rc);
    return e;
}

/* The context itself. */

/* Each device once, in the order given. */
static void
context_queries(void)
{
    cl_device_id twice[2 * MAX], got[2 * MAX];
    cl_uint count, refs;
    cl_context c;
    size_t len;
    cl_int rc;

    for (cl_uint i = 0; i < n; i++)
        twice[i] = twice[n + i] = devices[n - 1 - i];
    c = clCreateContext(NULL, 2 * n, twice, NULL, NULL, &rc);
    OK(rc);
    OK(clGetContextInfo(c, CL_CONTEXT_NUM_DEVICES, sizeof count, &count, NULL));
    OK(clGetContextInfo(c, CL_CONTEXT_DEVICES, sizeof got, got, &len));
    OK(clGetContextInfo(c, CL_CONTEXT_REFERENCE_COUNT, sizeof refs, &refs, NULL));
    EXPECT(count == n && len == n * sizeof *got && refs == 1);
    for (cl_uint i = 0; i < n; i++)
        EXPECT(got[i] == twice[i]);
    EXPECT(clGetContextInfo(c, CL_CONTEXT_DEVICES, sizeof *got, got, NULL) ==
           CL_INVALID_VALUE);
    OK(clReleaseContext(c));
    done("context");
}

static void
queue_queries(void)
{
    for (cl_uint i = 0; i < n; i++) {
        cl_device_id device;
        cl_context c;

        OK(clGetCommandQueueInfo(queues[i], CL_QUEUE_DEVICE, sizeof device, &device,
                                 NULL));
        OK(clGetCommandQueueInfo(queues[i], CL_QUEUE_CONTEXT, sizeof c, &c, NULL));
        EXPECT(device == devices[i] && c == context);
    }
    done("queues");
}

/* Memory that moves. */

/* Each launch works on what the one before left, on another device. */
static void
ping_pong(void)
{
    static uint32_t host[WORDS];
    cl_mem b = filled(host, 1);
    cl_event last = NULL;

    for (uint32_t i = 0; i < 24; i++) {
        cl_event e = launch(queues[i % n], b, WORDS, i, last != NULL, &last);

        scramble_host(host, WORDS, i);
        if (last)
            OK(clReleaseEvent(last));
        last = e;
    }
    OK(clWaitForEvents(1, &last));
    OK(clReleaseEvent(last));
    for (cl_uint i = 0; i < n; i++)
        compare(queues[i], b, host, "ping-pong");
    OK(clReleaseMemObject(b));
    done("ping-pong");
}

/* Ordered by clFinish alone. */
static void
ping_pong_without_events(void)
{
    static uint32_t host[WORDS];
    cl_mem b = filled(host, 2);

    for (uint32_t i = 0; i < 8; i++) {
        OK(clReleaseEvent(launch(queues[i % n], b, WORDS, i, 0, NULL)));
        scramble_host(host, WORDS, i);
        OK(clFinish(queues[i % n]));
    }
    compare(queues[0], b, host, "finish");
    OK(clReleaseMemObject(b));
    done("ping-pong without events");
}

/* All parts at once, each on its device; then the whole on each. */
static void
sub_buffers_at_once(void)
{
    static uint32_t host[WORDS];
    cl_mem b = filled(host, 3), part[MAX];
    cl_event e[MAX];

    for (cl_uint i = 0; i < n; i++)
        part[i] = part_of(b, i * PART);
    for (uint32_t round = 0; round < 4; round++) {
        for (cl_uint i = 0; i < n; i++) {
            const cl_uint on = (i + round) % n;

            e[i] = launch(queues[on], part[i], PART / 4, i + round, 0, NULL);
            scramble_host(host + i * PART / 4, PART / 4, i + round);
        }
        OK(clWaitForEvents(n, e));
        for (cl_uint i = 0; i < n; i++)
            OK(clReleaseEvent(e[i]));
    }
    for (cl_uint i = 0; i < n; i++)
        compare(queues[i], b, host, "parts");
    OK(clReleaseMemObject(b));
    for (cl_uint i = 0; i < n; i++)
        OK(clReleaseMemObject(part[i]));
    done("sub-buffers on several devices at once");
}

static void
copies_between_queues(void)
{
    static uint32_t a_host[WORDS], b_host[WORDS], want[WORDS];
    const size_t origin[3] = {0, 0, 0}, to[3] = {256, 1, 0}, region[3] = {256, 4, 1};
    const uint32_t pattern = 0xfeedu;
    cl_mem a = filled(a_host, 4), b = filled(b_host, 5);
    cl_event e[3];

    e[0] = launch(queues[0], a, WORDS, 6, 0, NULL);
    scramble_host(a_host, WORDS, 6);
    OK(clEnqueueCopyBuffer(queues[1], a, b, 0, BYTES / 2, BYTES / 2, 1, e, &e[1]));
    memcpy(want, b_host, BYTES / 2);
    memcpy((uint8_t *)want + BYTES / 2, a_host, BYTES / 2);
    OK(clEnqueueFillBuffer(queues[0], b, &pattern, 4, 512, 256, 1, &e[1], &e[2]));
    for (size_t i = 128; i < 192; i++)
        want[i] = pattern;
    OK(clFlush(queues[1]));
    OK(clFlush(queues[0]));
    OK(clEnqueueCopyBufferRect(queues[1], a, b, origin, to, region, 512, 0, 1024, 0, 1,
                               &e[2], NULL));
    for (size_t y = 0; y < 4; y++)
        memcpy((uint8_t *)want + (1 + y) * 1024 + 256, (uint8_t *)a_host + y * 512, 256);
    compare(queues[1], b, want, "copies, there");
    compare(queues[0], b, want, "copies, here");
    for (unsigned i = 0; i < 3; i++)
        OK(clReleaseEvent(e[i]));
    OK(clReleaseMemObject(a));
    OK(clReleaseMemObject(b));
    done("copies, fills and rectangles");
}

static void
reads_and_writes_of_parts(void)
{
    static uint32_t host[WORDS];
    cl_mem b = filled(host, 7);
    cl_event e;

    for (uint32_t i = 0; i < 32; i++) {
        const size_t at = i * 61 % (WORDS - 40), words = 1 + i;
        uint32_t some[40], got[40];

        pattern_fill(some, words, i);
        memcpy(host + at, some, words * 4);
        OK(clEnqueueWriteBuffer(queues[i % n], b, i & 1, at * 4, words * 4, some, 0, NULL,
                                &e));
        OK(clFlush(queues[i % n]));
        OK(clEnqueueReadBuffer(queues[(i + 1) % n], b, CL_TRUE, at * 4, words * 4, got, 1,
                               &e, NULL));
        same_words(got, some, words, "part");
        OK(clReleaseEvent(e));
    }
    compare(queues[0], b, host, "all parts");
    OK(clReleaseMemObject(b));
    done("reads and writes of parts");
}

static void
migration(void)
{
    static uint32_t host[WORDS];
    cl_mem b = filled(host, 8);
    cl_event e[2];

    e[0] = launch(queues[0], b, WORDS, 9, 0, NULL);
    scramble_host(host, WORDS, 9);
    OK(clEnqueueMigrateMemObjects(queues[1], 1, &b, 0, 1, e, &e[1]));
    OK(clWaitForEvents(1, &e[1]));
    compare(queues[1], b, host, "migrated");
    OK(clEnqueueMigrateMemObjects(queues[0], 1, &b, CL_MIGRATE_MEM_OBJECT_HOST, 0, NULL,
                                  NULL));
    OK(clFinish(queues[0]));
    compare(queues[0], b, host, "at the host");
    OK(clReleaseEvent(e[0]));
    OK(clReleaseEvent(e[1]));
    OK(clReleaseMemObject(b));
    done("migration");
}

/* 48 MiB: more than one message or staging extent takes at once. */
static void
big_buffer(void)
{
    const size_t words = (size_t)12 << 20;
    uint32_t *host = alloc(words * 4), *got = alloc(words * 4);
    cl_mem b = buffer(0, words * 4, NULL);
    cl_event e[2];

    pattern_fill(host, words, 17);
    OK(clEnqueueWriteBuffer(queues[0], b, CL_FALSE, 0, words * 4, host, 0, NULL, &e[0]));
    OK(clFlush(queues[0]));
    for (uint32_t i = 0; i < 3; i++) {
        e[1] = launch(queues[(i + 1) % n], b, words, i, 1, &e[0]);
        OK(clReleaseEvent(e[0]));
        e[0] = e[1];
    }
    OK(clEnqueueReadBuffer(queues[0], b, CL_TRUE, 0, words * 4, got, 1, e, NULL));
    for (uint32_t i = 0; i < 3; i++)
        scramble_host(host, words, i);
    same_words(got, host, words, "big");
    OK(clReleaseEvent(e[0]));
    OK(clReleaseMemObject(b));
    free(host);
    free(got);
    done("a big buffer");
}

/* Images, on devices that have them. */

enum { WIDTH = 64, HEIGHT = 32, CHANNELS = WIDTH * HEIGHT * 4 };

static const char image_source[] =
    "kernel void turn(read_only image2d_t a, write_only image2d_t b, sampler_t s, uint "
    "x)\n"
    "{ int2 p = (int2)(get_global_id(0), get_global_id(1));\n"
    "  write_imageui(b, p, read_imageui(a, s, p) * 3u + x); }\n";

static void
image_ping_pong(cl_mem image[2], uint32_t *host)
{
    const size_t size[2] = {WIDTH, HEIGHT};
    cl_program p;
    cl_sampler s;
    cl_kernel k;
    cl_int rc;

    s = clCreateSampler(context, CL_FALSE, CL_ADDRESS_CLAMP, CL_FILTER_NEAREST, &rc);
    OK(rc);
    p = clCreateProgramWithSource(context, 1, (const char *[]){image_source}, NULL, &rc);
    OK(rc);
    OK(clBuildProgram(p, 0, NULL, "", NULL, NULL));
    k = cl_kernel_of(p, "turn");
    OK(clSetKernelArg(k, 2, sizeof s, &s));
    for (uint32_t i = 0; i < 8; i++) {
        OK(clSetKernelArg(k, 0, sizeof(cl_mem), &image[i & 1]));
        OK(clSetKernelArg(k, 1, sizeof(cl_mem), &image[!(i & 1)]));
        OK(clSetKernelArg(k, 3, sizeof i, &i));
        OK(clEnqueueNDRangeKernel(queues[i % n], k, 2, NULL, size, NULL, 0, NULL, NULL));
        OK(clFinish(queues[i % n]));
        for (size_t j = 0; j < CHANNELS; j++)
            host[j] = host[j] * 3u + i;
    }
    OK(clReleaseKernel(k));
    OK(clReleaseProgram(p));
    OK(clReleaseSampler(s));
}

/* Written on one device by way of a map, unmapped by the other's queue. */
static void
image_map(cl_mem image, uint32_t *host)
{
    const size_t origin[3] = {0, 0, 0}, region[3] = {WIDTH, HEIGHT, 1};
    size_t pitch;
    cl_int rc;
    uint8_t *p = clEnqueueMapImage(queues[1], image, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE,
                                   origin, region, &pitch, NULL, 0, NULL, NULL, &rc);

    OK(rc);
    for (size_t y = 0; y < HEIGHT; y++) {
        uint32_t *row = (uint32_t *)(p + y * pitch), *want = host + y * WIDTH * 4;

        same_words(row, want, (size_t)WIDTH * 4, "mapped image");
        scramble_host(row, (size_t)WIDTH * 4, (uint32_t)y);
        scramble_host(want, (size_t)WIDTH * 4, (uint32_t)y);
    }
    OK(clEnqueueUnmapMemObject(queues[0], image, p, 0, NULL, NULL));
    OK(clFinish(queues[0]));
}

static void
images(void)
{
    static uint32_t host[CHANNELS], got[CHANNELS];
    const size_t origin[3] = {0, 0, 0}, region[3] = {WIDTH, HEIGHT, 1};
    const cl_image_format format = {CL_RGBA, CL_UNSIGNED_INT32};
    const cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE2D,
                                .image_width = WIDTH,
                                .image_height = HEIGHT};
    cl_bool there = CL_TRUE;
    cl_mem image[2];
    cl_int rc;

    for (cl_uint i = 0; i < n && there; i++)
        OK(clGetDeviceInfo(devices[i], CL_DEVICE_IMAGE_SUPPORT, sizeof there, &there,
                           NULL));
    if (there) {
        pattern_fill(host, CHANNELS, 18);
        image[0] =
            clCreateImage(context, CL_MEM_COPY_HOST_PTR, &format, &desc, host, &rc);
        OK(rc);
        image[1] = clCreateImage(context, 0, &format, &desc, NULL, &rc);
        OK(rc);
        image_ping_pong(image, host);
        image_map(image[0], host);
        for (cl_uint i = 0; i < n; i++) {
            OK(clEnqueueReadImage(queues[i], image[0], CL_TRUE, origin, region, 0, 0, got,
                                  0, NULL, NULL));
            same_words(got, host, CHANNELS, "image");
        }
        OK(clReleaseMemObject(image[0]));
        OK(clReleaseMemObject(image[1]));
    }
    done("images, where there are some");
}

/* Mapping. */

static uint32_t *
map(cl_command_queue q, cl_mem b, cl_map_flags flags, size_t offset, size_t bytes)
{
    cl_int rc;
    void *p = clEnqueueMapBuffer(q, b, CL_TRUE, flags, offset, bytes, 0, NULL, NULL, &rc);

    OK(rc);
    return p;
}

static void
map_here_use_there(void)
{
    static uint32_t host[WORDS];
    cl_mem b = filled(host, 10);

    for (uint32_t i = 0; i < 8; i++) {
        cl_command_queue q = queues[i % n], other = queues[(i + 1) % n];
        uint32_t *p = map(q, b, CL_MAP_READ | CL_MAP_WRITE, 0, BYTES);

        same_words(p, host, WORDS, "mapped");
        scramble_host(p, WORDS, i);
        scramble_host(host, WORDS, i);
        /* Half of them by the other device's queue. */
        OK(clEnqueueUnmapMemObject(i & 2 ? other : q, b, p, 0, NULL, NULL));
        OK(clFinish(i & 2 ? other : q));
        OK(clReleaseEvent(launch(other, b, WORDS, i + 50, 0, NULL)));
        scramble_host(host, WORDS, i + 50);
        OK(clFinish(other));
    }
    compare(queues[0], b, host, "maps");
    OK(clReleaseMemObject(b));
    done("mapped on one device, used on another");
}

static void
nested_maps(void)
{
    static uint32_t host[WORDS];
    cl_mem b = filled(host, 11);
    uint32_t *p[2];
    cl_uint count;

    p[0] = map(queues[0], b, CL_MAP_READ, 0, BYTES);
    p[1] = map(queues[1], b, CL_MAP_READ, 256, 512);
    OK(clGetMemObjectInfo(b, CL_MEM_MAP_COUNT, sizeof count, &count, NULL));
    EXPECT(count == 2);
    same_words(p[0], host, WORDS, "outer map");
    same_words(p[1], host + 64, 128, "inner map");
    OK(clEnqueueUnmapMemObject(queues[0], b, p[1], 0, NULL, NULL));
    OK(clEnqueueUnmapMemObject(queues[1], b, p[0], 0, NULL, NULL));
    EXPECT(pocl || clEnqueueUnmapMemObject(queues[1], b, p[0], 0, NULL, NULL) ==
                       CL_INVALID_VALUE);
    for (cl_uint i = 0; i < n; i++)
        OK(clFinish(queues[i]));
    OK(clGetMemObjectInfo(b, CL_MEM_MAP_COUNT, sizeof count, &count, NULL));
    EXPECT(count == 0);
    OK(clReleaseMemObject(b));
    done("nested maps");
}

/* The unmap keeps its place in the other queue, and in its own. */
static void
unmap_in_order(void)
{
    static uint32_t host[WORDS];
    cl_mem b = filled(host, 12);
    cl_event user = user_event(), e;
    uint32_t *p = map(queues[0], b, CL_MAP_WRITE_INVALIDATE_REGION, 0, BYTES);

    pattern_fill(p, WORDS, 13);
    pattern_fill(host, WORDS, 13);
    OK(clEnqueueUnmapMemObject(queues[1], b, p, 1, &user, NULL));
    e = launch(queues[1], b, WORDS, 14, 0, NULL);
    scramble_host(host, WORDS, 14);
    OK(clSetUserEventStatus(user, CL_COMPLETE));
    OK(clWaitForEvents(1, &e));
    compare(queues[0], b, host, "after the unmap");
    OK(clReleaseEvent(user));
    OK(clReleaseEvent(e));
    OK(clReleaseMemObject(b));
    done("unmap in order");
}

static void
own_memory(void)
{
    uint32_t *own = aligned_alloc(4096, BYTES);
    static uint32_t host[WORDS];
    uint32_t *p;
    cl_mem b;

    EXPECT(own != NULL);
    pattern_fill(own, WORDS, 15);
    memcpy(host, own, BYTES);
    b = buffer(CL_MEM_USE_HOST_PTR, BYTES, own);
    for (uint32_t i = 0; i < 4; i++) {
        OK(clReleaseEvent(launch(queues[i % n], b, WORDS, i, 0, NULL)));
        scramble_host(host, WORDS, i);
        OK(clFinish(queues[i % n]));
    }
    p = map(queues[0], b, CL_MAP_READ | CL_MAP_WRITE, 0, BYTES);
    EXPECT(p == own);
    same_words(own, host, WORDS, "own memory");
    scramble_host(own, WORDS, 16);
    scramble_host(host, WORDS, 16);
    OK(clEnqueueUnmapMemObject(queues[0], b, p, 0, NULL, NULL));
    OK(clFinish(queues[0]));
    compare(queues[1], b, host, "own memory on the second device");
    OK(clReleaseMemObject(b));
    free(own);
    done("own memory");
}

/* Events. */

static int
status_of(cl_event e)
{
    cl_int status;

    OK(clGetEventInfo(e, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status,
                      NULL));
    return status;
}

static void
user_event_for_all(void)
{
    static uint32_t host[MAX][WORDS];
    cl_event user = user_event(), e[MAX];
    cl_mem b[MAX];
    cl_context c;
    cl_command_queue q;

    for (cl_uint i = 0; i < n; i++) {
        b[i] = filled(host[i], 20 + i);
        e[i] = launch(queues[i], b[i], WORDS, i, 1, &user);
        scramble_host(host[i], WORDS, i);
    }
    sleep_ms(20);
    for (cl_uint i = 0; i < n; i++)
        EXPECT(status_of(e[i]) > CL_COMPLETE);
    OK(clSetUserEventStatus(user, CL_COMPLETE));
    EXPECT(clSetUserEventStatus(user, CL_COMPLETE) == CL_INVALID_OPERATION);
    OK(clWaitForEvents(n, e));
    for (cl_uint i = 0; i < n; i++) {
        EXPECT(status_of(e[i]) == CL_COMPLETE);
        OK(clGetEventInfo(e[i], CL_EVENT_CONTEXT, sizeof c, &c, NULL));
        OK(clGetEventInfo(e[i], CL_EVENT_COMMAND_QUEUE, sizeof q, &q, NULL));
        EXPECT(c == context && q == queues[i]);
        compare(queues[(i + 1) % n], b[i], host[i], "behind a user event");
        OK(clReleaseEvent(e[i]));
        OK(clReleaseMemObject(b[i]));
    }
    OK(clReleaseEvent(user));
    done("one user event for all");
}

/* A command that fails on one device fails what waits for it on another, and harms nothing else. */
static void
failure_carries_over(void)
{
    static uint32_t host[WORDS];
    cl_mem b = filled(host, 30);
    cl_event user = user_event(), e[2];
    cl_command_queue own[2];
    cl_int rc;

    for (unsigned i = 0; i < 2; i++) {
        own[i] = clCreateCommandQueue(context, devices[i], 0, &rc);
        OK(rc);
    }
    e[0] = launch(own[0], b, WORDS, 31, 1, &user);
    e[1] = launch(own[1], b, WORDS, 32, 1, &e[0]);
    OK(clSetUserEventStatus(user, -9));
    EXPECT(clWaitForEvents(2, e) == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    EXPECT(status_of(user) == -9 && status_of(e[0]) < 0 && status_of(e[1]) < 0);
    compare(queues[0], b, host, "after a failure, here");
    compare(queues[1], b, host, "after a failure, there");
    for (unsigned i = 0; i < 2; i++) {
        OK(clReleaseEvent(e[i]));
        OK(clReleaseCommandQueue(own[i]));
    }
    OK(clReleaseEvent(user));
    OK(clReleaseMemObject(b));
    done("a failure carries over");
}

static atomic_uint called;
static _Atomic(cl_event) called_with;

static void CL_CALLBACK
on_event(cl_event e, cl_int status, void *arg)
{
    EXPECT(status == CL_COMPLETE);
    if (arg)
        OK(clSetUserEventStatus(arg, CL_COMPLETE));
    atomic_store(&called_with, e);
    atomic_fetch_add(&called, 1);
}

static void CL_CALLBACK
on_destroyed(cl_mem m, void *arg)
{
    (void)m;
    atomic_fetch_add((atomic_uint *)arg, 1);
}

static void
wait_for(atomic_uint *what, unsigned want)
{
    for (unsigned ms = 0; atomic_load(what) < want; ms++) {
        EXPECT(ms < WAIT_MS);
        sleep_ms(1);
    }
    EXPECT(atomic_load(what) == want);
}

/* A callback of one device's event opens the way for another device's. */
static void
callbacks(void)
{
    static uint32_t host[WORDS];
    static atomic_uint destroyed;
    cl_mem b = filled(host, 40);
    cl_event gate = user_event(), next = user_event(), e[2];

    OK(clSetMemObjectDestructorCallback(b, on_destroyed, &destroyed));
    e[0] = launch(queues[0], b, WORDS, 41, 1, &gate);
    OK(clSetEventCallback(e[0], CL_COMPLETE, on_event, next));
    e[1] = launch(queues[1], b, WORDS, 42, 1, &next);
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clWaitForEvents(1, &e[1]));
    wait_for(&called, 1);
    EXPECT(atomic_load(&called_with) == e[0]);
    scramble_host(host, WORDS, 41);
    scramble_host(host, WORDS, 42);
    compare(queues[0], b, host, "callbacks");
    OK(clReleaseEvent(gate));
    OK(clReleaseEvent(next));
    OK(clReleaseEvent(e[0]));
    OK(clReleaseEvent(e[1]));
    EXPECT(atomic_load(&destroyed) == 0);
    OK(clReleaseMemObject(b));
    wait_for(&destroyed, 1);
    done("callbacks");
}

/* Each command depends on the last of its buffer, and on one of another buffer. */
static void
random_graph(void)
{
    enum { CHAINS = 5, GRAPH = 120 };
    static uint32_t host[CHAINS][WORDS];
    cl_command_queue q[2 * MAX];
    cl_mem b[CHAINS];
    cl_event last[CHAINS];
    uint32_t random = 7;
    cl_int rc;

    for (cl_uint i = 0; i < 2 * n; i++) {
        q[i] =
            clCreateCommandQueue(context, devices[i / 2],
                                 i % 2 ? CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE : 0, &rc);
        OK(rc);
    }
    for (unsigned i = 0; i < CHAINS; i++) {
        b[i] = filled(host[i], 100 + i);
        last[i] = launch(q[0], b[i], WORDS, i, 0, NULL);
        scramble_host(host[i], WORDS, i);
    }
    for (uint32_t k = 0; k < GRAPH; k++) {
        const unsigned i = (random = random * 1664525u + 1013904223u) / 65536 % CHAINS;
        const cl_event waits[] = {last[i],
                                  last[(i + 1 + random / 99 % (CHAINS - 1)) % CHAINS]};
        cl_event e = launch(q[random / 7 % (2 * n)], b[i], WORDS, k, 2, waits);

        scramble_host(host[i], WORDS, k);
        OK(clReleaseEvent(last[i]));
        last[i] = e;
    }
    OK(clWaitForEvents(CHAINS, last));
    for (unsigned i = 0; i < CHAINS; i++) {
        compare(queues[i % n], b[i], host[i], "graph");
        OK(clReleaseEvent(last[i]));
        OK(clReleaseMemObject(b[i]));
    }
    for (cl_uint i = 0; i < 2 * n; i++)
        OK(clReleaseCommandQueue(q[i]));
    done("graph of commands over all devices");
}

static void
profiling(void)
{
    static const cl_profiling_info names[] = {
        CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_SUBMIT,
        CL_PROFILING_COMMAND_START, CL_PROFILING_COMMAND_END};
    static uint32_t host[WORDS];
    cl_mem b = filled(host, 70);
    cl_ulong t[4];

    for (cl_uint k = 0; k < n; k++) {
        cl_event e = launch(queues[k], b, WORDS, 71, 0, NULL);

        OK(clFinish(queues[k]));
        for (unsigned i = 0; i < 4; i++)
            OK(clGetEventProfilingInfo(e, names[i], sizeof t[i], &t[i], NULL));
        EXPECT(t[0] > 0 && t[0] <= t[1] && t[1] <= t[2] && t[2] <= t[3]);
        OK(clReleaseEvent(e));
    }
    OK(clReleaseMemObject(b));
    done("profiling");
}

/* Threads on all devices, each with buffers of its own. */

static void *
worker(void *arg)
{
    const uint32_t seed = (uint32_t)(uintptr_t)arg;
    cl_kernel k = cl_kernel_of(program, "scramble");
    uint32_t *host = alloc(BYTES), *got = alloc(BYTES);
    const size_t words = WORDS;
    cl_mem b = filled(host, seed);

    for (uint32_t i = 0; i < 16; i++) {
        cl_command_queue q = queues[(seed + i) % n];
        cl_event e;

        cl_args(k, b, i);
        OK(clEnqueueNDRangeKernel(q, k, 1, NULL, &words, NULL, 0, NULL, &e));
        scramble_host(host, WORDS, i);
        OK(clWaitForEvents(1, &e));
        OK(clReleaseEvent(e));
    }
    OK(clEnqueueReadBuffer(queues[seed % n], b, CL_TRUE, 0, BYTES, got, 0, NULL, NULL));
    same_words(got, host, WORDS, "thread");
    OK(clReleaseKernel(k));
    OK(clReleaseMemObject(b));
    free(host);
    free(got);
    return NULL;
}

static void
threads(void)
{
    pthread_t t[6];

    for (uintptr_t i = 0; i < 6; i++)
        EXPECT(pthread_create(&t[i], NULL, worker, (void *)(i + 200)) == 0);
    for (unsigned i = 0; i < 6; i++)
        pthread_join(t[i], NULL);
    done("threads");
}

/* Programs and kernels. */

static cl_program
source_program(const char *source)
{
    cl_int rc;
    cl_program p = clCreateProgramWithSource(context, 1, &source, NULL, &rc);

    OK(rc);
    return p;
}

static cl_build_status
build_status(cl_program p, cl_device_id device)
{
    cl_build_status s;

    OK(clGetProgramBuildInfo(p, device, CL_PROGRAM_BUILD_STATUS, sizeof s, &s, NULL));
    return s;
}

static void
program_of_one_device(void)
{
    static uint32_t host[WORDS];
    cl_program p = source_program(scramble_source);
    cl_device_id got[MAX];
    const size_t words = WORDS;
    cl_mem b = filled(host, 80);
    cl_uint count;
    cl_kernel k;

    OK(clGetProgramInfo(p, CL_PROGRAM_NUM_DEVICES, sizeof count, &count, NULL));
    OK(clGetProgramInfo(p, CL_PROGRAM_DEVICES, sizeof got, got, NULL));
    EXPECT(count == n && memcmp(got, devices, n * sizeof *got) == 0);
    OK(clBuildProgram(p, 1, &devices[1], "", NULL, NULL));
    EXPECT(build_status(p, devices[1]) == CL_BUILD_SUCCESS);
    EXPECT(build_status(p, devices[0]) == CL_BUILD_NONE);
    k = cl_kernel_of(p, "scramble");
    cl_args(k, b, 81);
    OK(clEnqueueNDRangeKernel(queues[1], k, 1, NULL, &words, NULL, 0, NULL, NULL));
    EXPECT(clEnqueueNDRangeKernel(queues[0], k, 1, NULL, &words, NULL, 0, NULL, NULL) ==
           CL_INVALID_PROGRAM_EXECUTABLE);
    OK(clFinish(queues[1]));
    scramble_host(host, WORDS, 81);
    compare(queues[0], b, host, "built for one");
    OK(clReleaseKernel(k));
    OK(clReleaseProgram(p));
    OK(clReleaseMemObject(b));
    done("a program built for one device");
}

static void
binaries(void)
{
    static uint32_t host[WORDS];
    const unsigned char *binary[MAX];
    size_t size[MAX], len;
    cl_int status[MAX], rc;
    const size_t words = WORDS;
    cl_program p;
    cl_mem b = filled(host, 85);
    cl_kernel k;

    OK(clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, size, &len));
    EXPECT(len == n * sizeof *size);
    for (cl_uint i = 0; i < n; i++) {
        EXPECT(size[i] > 0);
        binary[i] = alloc(size[i]);
    }
    OK(clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, binary, &len));
    EXPECT(len == n * sizeof *binary);
    p = clCreateProgramWithBinary(context, n, devices, size, binary, status, &rc);
    OK(rc);
    for (cl_uint i = 0; i < n; i++)
        EXPECT(status[i] == CL_SUCCESS);
    OK(clBuildProgram(p, 0, NULL, NULL, NULL, NULL));
    k = cl_kernel_of(p, "scramble");
    for (uint32_t i = 0; i < 2 * n; i++) {
        cl_args(k, b, i);
        OK(clEnqueueNDRangeKernel(queues[i % n], k, 1, NULL, &words, NULL, 0, NULL,
                                  NULL));
        scramble_host(host, WORDS, i);
        OK(clFinish(queues[i % n]));
    }
    compare(queues[0], b, host, "from binaries");
    for (cl_uint i = 0; i < n; i++)
        free((void *)binary[i]);
    OK(clReleaseKernel(k));
    OK(clReleaseProgram(p));
    OK(clReleaseMemObject(b));
    done("binaries");
}

static atomic_uint built;

static void CL_CALLBACK
on_built(cl_program p, void *arg)
{
    EXPECT(p == *(cl_program *)arg);
    atomic_fetch_add(&built, 1);
}

static void
build_errors(void)
{
    cl_program bad = source_program("kernel void k(global int *p) { p[0] = nothing; }");
    cl_program good = source_program(scramble_source);
    size_t len;

    EXPECT(clBuildProgram(bad, 0, NULL, "", NULL, NULL) == CL_BUILD_PROGRAM_FAILURE);
    for (cl_uint i = 0; i < n; i++) {
        EXPECT(build_status(bad, devices[i]) == CL_BUILD_ERROR);
        OK(clGetProgramBuildInfo(bad, devices[i], CL_PROGRAM_BUILD_LOG, 0, NULL, &len));
        EXPECT(len > 1);
    }
    atomic_store(&built, 0);
    OK(clBuildProgram(good, n, devices, "", on_built, &good));
    wait_for(&built, 1);
    EXPECT(clBuildProgram(good, 1, NULL, "", NULL, NULL) == CL_INVALID_VALUE);
    OK(clReleaseProgram(bad));
    OK(clReleaseProgram(good));
    done("builds that fail, and a callback");
}

static void
kernel_arguments(void)
{
    static uint32_t a_host[WORDS], b_host[WORDS], want[WORDS];
    cl_program p = source_program(add_source);
    cl_mem a = filled(a_host, 90), b = filled(b_host, 91), to = buffer(0, BYTES, NULL);
    const size_t words = WORDS, group = 1;
    uint32_t number = 1;
    cl_context c;
    cl_uint count;

    OK(clBuildProgram(p, n, devices, "", NULL, NULL));
    add = cl_kernel_of(p, "add");
    OK(clGetKernelInfo(add, CL_KERNEL_NUM_ARGS, sizeof count, &count, NULL));
    OK(clGetKernelInfo(add, CL_KERNEL_CONTEXT, sizeof c, &c, NULL));
    EXPECT(count == 3 && c == context);
    EXPECT(clEnqueueNDRangeKernel(queues[0], add, 1, NULL, &words, NULL, 0, NULL, NULL) ==
           CL_INVALID_KERNEL_ARGS);
    OK(clSetKernelArg(add, 0, sizeof to, &to));
    OK(clSetKernelArg(add, 1, sizeof a, &a));
    OK(clSetKernelArg(add, 2, sizeof b, &b));
    EXPECT(clSetKernelArg(add, 3, sizeof b, &b) == CL_INVALID_ARG_INDEX);
    EXPECT(clSetKernelArg(add, 0, 3, &to) == CL_INVALID_ARG_SIZE);
    EXPECT(pocl || clSetKernelArg(scramble, 1, 3, &number) == CL_INVALID_ARG_SIZE);
    for (size_t i = 0; i < WORDS; i++)
        want[i] = a_host[i] + b_host[i];
    for (cl_uint i = 0; i < n; i++) {
        size_t most;

        OK(clGetKernelWorkGroupInfo(add, devices[i], CL_KERNEL_WORK_GROUP_SIZE,
                                    sizeof most, &most, NULL));
        EXPECT(most >= 1);
        OK(clEnqueueNDRangeKernel(queues[i], add, 1, NULL, &words, &group, 0, NULL,
                                  NULL));
        compare(queues[i], to, want, "sum");
    }
    OK(clReleaseKernel(add));
    OK(clReleaseProgram(p));
    OK(clReleaseMemObject(a));
    OK(clReleaseMemObject(b));
    OK(clReleaseMemObject(to));
    done("kernel arguments");
}

static const char main_source[] =
    "#include \"times.h\"\n"
    "uint twice(uint x);\n"
    "kernel void one(global uint *p) { p[0] = twice(TIMES); }\n"
    "kernel void two(global uint *p, uint x) { p[0] = x; }\n";

static uint32_t
run_one(cl_command_queue q, cl_kernel k)
{
    const size_t once = 1;
    uint32_t got = 0;
    cl_mem b = buffer(0, 4, NULL);

    OK(clSetKernelArg(k, 0, sizeof b, &b));
    OK(clEnqueueNDRangeKernel(q, k, 1, NULL, &once, NULL, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(q, b, CL_TRUE, 0, 4, &got, 0, NULL, NULL));
    OK(clReleaseMemObject(b));
    return got;
}

/* Compiled with a header and linked, for all devices or one, with callbacks and without. */
static void
compile_and_link(void)
{
    const char *name = "times.h";
    cl_program parts[2], header = source_program("#define TIMES 21u\n"), linked, none;
    cl_kernel k[2];
    cl_uint count;
    cl_int rc;

    atomic_store(&built, 0);
    parts[0] = source_program(main_source);
    parts[1] = source_program("uint twice(uint x) { return 2 * x; }\n");
    OK(clCompileProgram(parts[0], 0, NULL, "", 1, &header, &name, on_built, &parts[0]));
    wait_for(&built, 1);
    EXPECT(clLinkProgram(context, 0, NULL, "", 2, parts, NULL, NULL, &rc) == NULL &&
           rc == CL_INVALID_OPERATION); /* one is compiled, one is not */
    OK(clCompileProgram(parts[1], n, devices, "", 0, NULL, NULL, NULL, NULL));
    linked = clLinkProgram(context, 0, NULL, "", 2, parts, NULL, NULL, &rc);
    OK(rc);
    OK(clCreateKernelsInProgram(linked, 2, k, &count));
    EXPECT(count == 2 &&
           clCreateKernelsInProgram(linked, 1, k, NULL) == CL_INVALID_VALUE);
    OK(clReleaseKernel(k[0]));
    OK(clReleaseKernel(k[1]));
    k[0] = cl_kernel_of(linked, "one");
    for (cl_uint i = 0; i < n; i++)
        EXPECT(run_one(queues[i], k[0]) == 42);
    OK(clReleaseKernel(k[0]));
    OK(clReleaseProgram(linked));
    OK(clReleaseProgram(parts[1]));
    /* For one device alone; for the others there is nothing to link. */
    parts[1] = source_program("uint twice(uint x) { return 3 * x; }\n");
    OK(clReleaseProgram(parts[0]));
    parts[0] = source_program(main_source);
    for (unsigned i = 0; i < 2; i++)
        OK(clCompileProgram(parts[i], 1, &devices[1], "", i == 0, i ? NULL : &header,
                            i ? NULL : &name, NULL, NULL));
    none = clLinkProgram(context, 1, devices, "", 2, parts, NULL, NULL, &rc);
    EXPECT(!none && rc == CL_INVALID_OPERATION);
    linked = clLinkProgram(context, 0, NULL, "", 2, parts, NULL, NULL, &rc);
    OK(rc);
    EXPECT(build_status(linked, devices[1]) == CL_BUILD_SUCCESS);
    EXPECT(build_status(linked, devices[0]) == CL_BUILD_NONE);
    k[0] = cl_kernel_of(linked, "one");
    EXPECT(run_one(queues[1], k[0]) == 63);
    OK(clReleaseKernel(k[0]));
    OK(clReleaseProgram(linked));
    OK(clReleaseProgram(parts[0]));
    OK(clReleaseProgram(parts[1]));
    OK(clReleaseProgram(header));
    done("compiled with a header, and linked");
}

/* A clone has the arguments that were set, and is changed alone. */
static void
clones(void)
{
    cl_program p =
        source_program("kernel void two(global uint *p, uint x) { p[0] = x; }");
    cl_device_id nobody = NULL;
    cl_kernel k, clone;
    cl_uint x = 7;
    cl_int rc;

    OK(clBuildProgram(p, 0, NULL, "", NULL, NULL));
    k = cl_kernel_of(p, "two");
    OK(clSetKernelArg(k, 1, sizeof x, &x));
    clone = clCloneKernel(k, &rc);
    OK(rc);
    x = 8;
    OK(clSetKernelArg(k, 1, sizeof x, &x));
    EXPECT(clSetKernelArg(k, 1, 8, (cl_uint[]){9, 9}) == CL_INVALID_ARG_SIZE);
    for (cl_uint i = 0; i < n; i++) {
        size_t most;

        EXPECT(run_one(queues[i], k) == 8 && run_one(queues[i], clone) == 7);
        OK(clGetKernelWorkGroupInfo(k, devices[i], CL_KERNEL_WORK_GROUP_SIZE, sizeof most,
                                    &most, NULL));
        EXPECT(most > 0);
    }
    EXPECT(clGetKernelWorkGroupInfo(k, nobody, CL_KERNEL_WORK_GROUP_SIZE, 0, NULL,
                                    NULL) == CL_INVALID_DEVICE);
    EXPECT(!clCreateProgramWithBuiltInKernels(context, n, devices, "no such", &rc) &&
           rc == CL_INVALID_VALUE);
    OK(clReleaseKernel(clone));
    OK(clReleaseKernel(k));
    OK(clReleaseProgram(p));
    done("clones");
}

/* How long objects live. */

static char gone[16]; /* one letter a call */
static atomic_uint n_gone;

static void
note_gone(void *letter)
{
    gone[atomic_load(&n_gone) % sizeof gone] = *(const char *)letter;
    atomic_fetch_add(&n_gone, 1);
}

static void CL_CALLBACK
mem_gone(cl_mem m, void *letter)
{
    (void)m;
    note_gone(letter);
}

static void CL_CALLBACK
context_gone(cl_context c, void *letter)
{
    (void)c;
    note_gone(letter);
}

static cl_uint
context_refs(cl_context c)
{
    cl_uint refs;

    OK(clGetContextInfo(c, CL_CONTEXT_REFERENCE_COUNT, sizeof refs, &refs, NULL));
    return refs;
}

/* Newest first, once, and not while a command on any device uses the memory. */
static void
destructors(void)
{
    cl_int rc;
    cl_context c = clCreateContext(NULL, n, devices, NULL, NULL, &rc);
    cl_command_queue q[2];
    cl_event gate, e[2];
    uint32_t word = 1;
    cl_uint refs;
    cl_mem m;

    OK(rc);
    OK(clSetContextDestructorCallback(c, context_gone, "d"));
    OK(clSetContextDestructorCallback(c, context_gone, "c"));
    for (unsigned i = 0; i < 2; i++) {
        q[i] = clCreateCommandQueue(c, devices[i], 0, &rc);
        OK(rc);
    }
    m = clCreateBuffer(c, CL_MEM_USE_HOST_PTR, sizeof word, &word, &rc);
    OK(rc);
    gate = clCreateUserEvent(c, &rc);
    OK(rc);
    EXPECT(context_refs(c) == 5);
    OK(clSetMemObjectDestructorCallback(m, mem_gone, "b"));
    OK(clSetMemObjectDestructorCallback(m, mem_gone, "a"));
    OK(clEnqueueFillBuffer(q[0], m, "abcd", 4, 0, 4, 1, &gate, &e[0]));
    OK(clEnqueueFillBuffer(q[1], m, "efgh", 4, 0, 4, 1, &e[0], &e[1]));
    OK(clGetMemObjectInfo(m, CL_MEM_REFERENCE_COUNT, sizeof refs, &refs, NULL));
    EXPECT(refs >= 1);
    OK(clReleaseMemObject(m));
    sleep_ms(30);
    EXPECT(atomic_load(&n_gone) == 0);
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    OK(clWaitForEvents(2, e));
    wait_for(&n_gone, 2);
    EXPECT(strcmp(gone, "ab") == 0);
    OK(clReleaseEvent(e[0]));
    OK(clReleaseEvent(e[1]));
    OK(clReleaseEvent(gate));
    OK(clReleaseCommandQueue(q[0]));
    OK(clReleaseCommandQueue(q[1]));
    EXPECT(context_refs(c) == 1 && atomic_load(&n_gone) == 2);
    OK(clReleaseContext(c));
    wait_for(&n_gone, 4);
    EXPECT(strcmp(gone, "abcd") == 0);
    done("destructors and reference counts");
}

static void
map_that_fails(void)
{
    static uint32_t host[WORDS];
    cl_mem b = filled(host, 88);
    cl_event gate = user_event();
    cl_command_queue q;
    cl_uint count;
    cl_int rc;

    q = clCreateCommandQueue(context, devices[1], 0, &rc);
    OK(rc);
    OK(clSetUserEventStatus(gate, -77));
    EXPECT(
        !clEnqueueMapBuffer(q, b, CL_TRUE, CL_MAP_READ, 0, BYTES, 1, &gate, NULL, &rc));
    EXPECT(rc == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    OK(clGetMemObjectInfo(b, CL_MEM_MAP_COUNT, sizeof count, &count, NULL));
    EXPECT(count == 0);
    compare(queues[0], b, host, "not mapped");
    OK(clReleaseCommandQueue(q));
    OK(clReleaseEvent(gate));
    OK(clReleaseMemObject(b));
    done("a map that fails");
}

/* Parts of several vGPUs in one context. */
static void
parts_of_all(void)
{
    const cl_device_partition_property each[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    static uint32_t host[WORDS];
    cl_device_id parts[2 * MAX];
    const size_t words = WORDS;
    cl_uint n_parts = 0;
    cl_command_queue q;
    cl_context c;
    cl_program p;
    cl_kernel k;
    cl_mem b;
    cl_int rc;

    for (cl_uint i = 0; i < n; i++) {
        cl_uint made = 0;

        if (clCreateSubDevices(devices[i], each, 0, NULL, &made) != CL_SUCCESS ||
            made > 2)
            made = 0; /* a device of one core has no parts: it is there itself */
        if (made)
            OK(clCreateSubDevices(devices[i], each, made, parts + n_parts, &made));
        else
            parts[n_parts] = devices[i];
        n_parts += made ? made : 1;
    }
    c = clCreateContext(NULL, n_parts, parts, NULL, NULL, &rc);
    OK(rc);
    p = clCreateProgramWithSource(c, 1, (const char *[]){scramble_source}, NULL, &rc);
    OK(rc);
    OK(clBuildProgram(p, 0, NULL, "", NULL, NULL));
    k = cl_kernel_of(p, "scramble");
    pattern_fill(host, WORDS, 5);
    b = clCreateBuffer(c, CL_MEM_COPY_HOST_PTR, BYTES, host, &rc);
    OK(rc);
    for (cl_uint i = 0; i < n_parts; i++) {
        q = clCreateCommandQueue(c, parts[i], 0, &rc);
        OK(rc);
        cl_args(k, b, i);
        OK(clEnqueueNDRangeKernel(q, k, 1, NULL, &words, NULL, 0, NULL, NULL));
        scramble_host(host, WORDS, i);
        compare(q, b, host, "on a part");
        OK(clReleaseCommandQueue(q));
    }
    OK(clReleaseKernel(k));
    OK(clReleaseProgram(p));
    OK(clReleaseMemObject(b));
    for (cl_uint i = 0; i < n_parts; i++)
        OK(clReleaseDevice(parts[i]));
    OK(clReleaseContext(c));
    done("parts of all devices");
}

/* What belongs to another context. */

/* Queues of a context over several vGPUs take no command buffers. */
static void
no_command_buffers(void)
{
    cl_platform_id platform;
    __typeof__(clCreateCommandBufferKHR) *create;
    cl_int rc = 77;

    OK(clGetDeviceInfo(devices[0], CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL));
    create = (__typeof__(create))clGetExtensionFunctionAddressForPlatform(
        platform, "clCreateCommandBufferKHR");
    EXPECT(create);
    EXPECT(!create(1, &queues[0], NULL, &rc));
    EXPECT(rc == CL_INCOMPATIBLE_COMMAND_QUEUE_KHR);
    done("no command buffers");
}

static void
foreign_objects(void)
{
    static uint32_t host[WORDS];
    cl_int rc;
    cl_context alone = clCreateContext(NULL, 1, devices, NULL, NULL, &rc);
    cl_command_queue q;
    cl_mem b, ours = filled(host, 95);
    cl_event e, mixed[2];
    const size_t words = 1;
    uint32_t word;

    OK(rc);
    q = clCreateCommandQueue(alone, devices[0], 0, &rc);
    OK(rc);
    b = clCreateBuffer(alone, 0, BYTES, NULL, &rc);
    OK(rc);
    e = clCreateUserEvent(alone, &rc);
    OK(rc);
    EXPECT(clEnqueueReadBuffer(queues[0], b, CL_TRUE, 0, 4, &word, 0, NULL, NULL) ==
           CL_INVALID_CONTEXT);
    EXPECT(clEnqueueReadBuffer(q, ours, CL_TRUE, 0, 4, &word, 0, NULL, NULL) ==
           CL_INVALID_CONTEXT);
    EXPECT(clEnqueueMarkerWithWaitList(queues[0], 1, &e, NULL) == CL_INVALID_CONTEXT);
    mixed[0] = user_event();
    mixed[1] = e;
    EXPECT(clWaitForEvents(2, mixed) == CL_INVALID_CONTEXT);
    EXPECT(clEnqueueMarkerWithWaitList(q, 1, mixed, NULL) == CL_INVALID_CONTEXT);
    EXPECT(pocl || clSetKernelArg(scramble, 0, sizeof b, &b) == CL_INVALID_MEM_OBJECT);
    cl_args(scramble, ours, 1);
    EXPECT(clEnqueueNDRangeKernel(q, scramble, 1, NULL, &words, NULL, 0, NULL, NULL) ==
           CL_INVALID_CONTEXT);
    EXPECT(pocl ||
           (!clCreateCommandQueue(alone, devices[1], 0, &rc) && rc == CL_INVALID_DEVICE));
    OK(clSetUserEventStatus(e, CL_COMPLETE));
    OK(clSetUserEventStatus(mixed[0], CL_COMPLETE));
    OK(clReleaseEvent(e));
    OK(clReleaseEvent(mixed[0]));
    OK(clReleaseMemObject(b));
    OK(clReleaseMemObject(ours));
    OK(clReleaseCommandQueue(q));
    OK(clReleaseContext(alone));
    done("objects of another context");
}

static void
wrong_arguments(void)
{
    static uint32_t host[WORDS];
    cl_mem b = filled(host, 96), part;
    cl_buffer_region r = {0, BYTES + 1};
    uint32_t word = 0;
    cl_int rc;

    EXPECT(!clCreateBuffer(context, 0, 0, NULL, &rc) && rc == CL_INVALID_BUFFER_SIZE);
    EXPECT(!clCreateBuffer(context, 0, 4, &word, &rc) && rc == CL_INVALID_HOST_PTR);
    EXPECT(!clCreateBuffer(context, CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY, 4, NULL, &rc) &&
           rc == CL_INVALID_VALUE);
    EXPECT(clEnqueueReadBuffer(queues[1], b, CL_TRUE, BYTES, 4, &word, 0, NULL, NULL) ==
           CL_INVALID_VALUE);
    EXPECT(clEnqueueWriteBuffer(queues[1], b, CL_TRUE, 0, 4, NULL, 0, NULL, NULL) ==
           CL_INVALID_VALUE);
    EXPECT(clEnqueueMarkerWithWaitList(queues[1], 1, NULL, NULL) ==
           CL_INVALID_EVENT_WAIT_LIST);
    part = clCreateSubBuffer(b, 0, CL_BUFFER_CREATE_TYPE_REGION, &r, &rc);
    EXPECT(!part && rc == CL_INVALID_VALUE);
    r = (cl_buffer_region){1, 4};
    part = clCreateSubBuffer(b, 0, CL_BUFFER_CREATE_TYPE_REGION, &r, &rc);
    EXPECT(!part && rc == CL_MISALIGNED_SUB_BUFFER_OFFSET);
    EXPECT(!clCreateCommandQueue(context, NULL, 0, &rc) && rc == CL_INVALID_DEVICE);
    compare(queues[1], b, host, "after errors");
    OK(clReleaseMemObject(b));
    done("wrong arguments");
}

/* The context goes last, whatever is released first. */
static void
release_order(void)
{
    static uint32_t host[WORDS], got[WORDS];
    cl_int rc;
    cl_context c = clCreateContext(NULL, n, devices, NULL, NULL, &rc);
    const char *source = scramble_source;
    cl_command_queue q[2];
    const size_t words = WORDS;
    cl_program p;
    cl_kernel k;
    cl_event e;
    cl_mem b;

    OK(rc);
    for (unsigned i = 0; i < 2; i++) {
        q[i] = clCreateCommandQueue(c, devices[i], 0, &rc);
        OK(rc);
    }
    p = clCreateProgramWithSource(c, 1, &source, NULL, &rc);
    OK(rc);
    OK(clBuildProgram(p, 0, NULL, NULL, NULL, NULL));
    pattern_fill(host, WORDS, 97);
    b = clCreateBuffer(c, CL_MEM_COPY_HOST_PTR, BYTES, host, &rc);
    OK(rc);
    k = cl_kernel_of(p, "scramble");
    OK(clReleaseContext(c));
    OK(clReleaseProgram(p));
    cl_args(k, b, 98);
    OK(clEnqueueNDRangeKernel(q[0], k, 1, NULL, &words, NULL, 0, NULL, &e));
    OK(clReleaseKernel(k));
    OK(clReleaseCommandQueue(q[0]));
    OK(clEnqueueReadBuffer(q[1], b, CL_FALSE, 0, BYTES, got, 1, &e, NULL));
    OK(clReleaseMemObject(b));
    OK(clReleaseEvent(e));
    OK(clFinish(q[1]));
    OK(clReleaseCommandQueue(q[1]));
    scramble_host(host, WORDS, 98);
    same_words(got, host, WORDS, "released early");
    done("release order");
}

int
main(int argc, char **argv)
{
    cl_int rc;

    /* PoCL 3.1 counts all sub-devices in a context, or of a program, as one. */
    pocl = argc > 1 && strcmp(argv[1], "pocl") == 0;
    find_devices();
    context = clCreateContext(NULL, n, devices, NULL, NULL, &rc);
    OK(rc);
    for (cl_uint i = 0; i < n; i++) {
        queues[i] =
            clCreateCommandQueue(context, devices[i], CL_QUEUE_PROFILING_ENABLE, &rc);
        OK(rc);
    }
    program = source_program(scramble_source);
    OK(clBuildProgram(program, n, devices, "", NULL, NULL));
    scramble = cl_kernel_of(program, "scramble");
    if (!pocl)
        context_queries();
    queue_queries();
    ping_pong();
    ping_pong_without_events();
    sub_buffers_at_once();
    copies_between_queues();
    reads_and_writes_of_parts();
    migration();
    big_buffer();
    if (!pocl) /* which ends the program: an image used by a sub-device */
        images();
    map_here_use_there();
    nested_maps();
    unmap_in_order();
    own_memory();
    user_event_for_all();
    failure_carries_over();
    callbacks();
    random_graph();
    profiling();
    threads();
    if (!pocl) {
        program_of_one_device();
        binaries();
        no_command_buffers();
        compile_and_link();
        clones();
        destructors();
        map_that_fails();
        parts_of_all();
    }
    build_errors();
    kernel_arguments();
    foreign_objects();
    wrong_arguments();
    release_order();
    OK(clReleaseKernel(scramble));
    OK(clReleaseProgram(program));
    for (cl_uint i = 0; i < n; i++)
        OK(clReleaseCommandQueue(queues[i]));
    OK(clReleaseContext(context));
    return 0;
}
