/* SPDX-License-Identifier: MIT */
/* The work itself: launches, copies, builds, and when each was done. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COPY_BYTES ((size_t)8 << 20)
#define CALIBRATE_ITERATIONS 200000u
#define CALIBRATE_ROUNDS 200

static const char source[] =
    "__kernel void busy(__global uint *out, uint n)\n"
    "{\n"
    "    uint x = get_global_id(0) + 1;\n"
    "    for (uint i = 0; i < n; i++)\n"
    "        x = x * 1664525u + 1013904223u;\n"
    "    out[get_global_id(0)] = x;\n"
    "}\n"
    "__kernel void endless(__global volatile uint *out, uint n)\n"
    "{\n"
    "    while (out[get_global_id(0)] != n)\n"
    "        ;\n"
    "}\n";

void
load_sleep_until(uint64_t ns)
{
    const struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u),
                               .tv_nsec = (long)(ns % 1000000000u)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
        ;
}

/* Opening. */

static cl_mem
buffer_new(struct load *l, cl_command_queue queue, size_t bytes)
{
    const cl_uint zero = 0;
    cl_int code;
    cl_mem m = clCreateBuffer(l->c.context, CL_MEM_READ_WRITE, bytes, NULL, &code);

    calls_check(code, "clCreateBuffer");
    calls_check(
        clEnqueueFillBuffer(queue, m, &zero, sizeof zero, 0, bytes, 0, NULL, NULL),
        "clEnqueueFillBuffer");
    return m;
}

static void
lane_open(struct load *l, struct lane *lane)
{
    /* What `endless` waits for is never written. */
    const cl_uint n = l->o.kind == LOAD_ENDLESS ? 1 : l->o.iterations;
    cl_int code;

    lane->queue = clCreateCommandQueue(l->c.context, l->c.device, 0, &code);
    calls_check(code, "clCreateCommandQueue");
    lane->kernel =
        clCreateKernel(l->program, l->o.kind == LOAD_ENDLESS ? "endless" : "busy", &code);
    calls_check(code, "clCreateKernel");
    lane->out = buffer_new(l, lane->queue, LOAD_GROUPS * sizeof(cl_uint));
    if (l->o.kind == LOAD_COPIES) {
        lane->from = buffer_new(l, lane->queue, COPY_BYTES);
        lane->to = buffer_new(l, lane->queue, COPY_BYTES);
    }
    calls_check(clSetKernelArg(lane->kernel, 0, sizeof(cl_mem), &lane->out),
                "clSetKernelArg");
    calls_check(clSetKernelArg(lane->kernel, 1, sizeof n, &n), "clSetKernelArg");
    calls_check(clFinish(lane->queue), "clFinish");
}

static void
launch(struct lane *lane, cl_event after, cl_event *ret)
{
    const size_t global = LOAD_GROUPS, local = 1;

    calls_check(clEnqueueNDRangeKernel(lane->queue, lane->kernel, 1, NULL, &global,
                                       &local, after ? 1 : 0, after ? &after : NULL, ret),
                "clEnqueueNDRangeKernel");
}

/* One launch, so that its machine code is there. An endless one cannot be tried. */
static void
warm_up(struct load *l)
{
    for (unsigned i = 0; i < l->o.queues && l->o.kind != LOAD_ENDLESS; i++) {
        launch(&l->lanes[i], NULL, NULL);
        calls_check(clFinish(l->lanes[i].queue), "clFinish");
    }
}

void
load_open(struct load *l)
{
    const char *text = source;
    cl_int code;

    calls_open(&l->c, l->o.device);
    l->program = clCreateProgramWithSource(l->c.context, 1, &text, NULL, &code);
    calls_check(code, "clCreateProgramWithSource");
    calls_check(clBuildProgram(l->program, 1, &l->c.device, "", NULL, NULL),
                "clBuildProgram");
    l->latency_ns = calloc(LATENCIES_MAX, sizeof *l->latency_ns);
    if (!l->latency_ns)
        calls_fail(CL_OUT_OF_HOST_MEMORY, "calloc");
    for (unsigned i = 0; i < l->o.queues; i++)
        lane_open(l, &l->lanes[i]);
    warm_up(l);
}

double
load_calibrate(struct load *l)
{
    struct lane *lane = &l->lanes[0];
    const cl_uint n = CALIBRATE_ITERATIONS;
    double best_ns = 0;

    calls_check(clSetKernelArg(lane->kernel, 1, sizeof n, &n), "clSetKernelArg");
    for (int i = 0; i < CALIBRATE_ROUNDS; i++) {
        const uint64_t t = clock_ns();
        double ns;

        launch(lane, NULL, NULL);
        calls_check(clFinish(lane->queue), "clFinish");
        ns = (double)(clock_ns() - t);
        if (best_ns == 0 || ns < best_ns)
            best_ns = ns;
    }
    return CALIBRATE_ITERATIONS / (best_ns / 1e3);
}

/* Kernels and copies. */

static void
one_command(struct load *l, struct lane *lane, cl_event after, cl_event *ret)
{
    l->launched++;
    if (l->o.kind != LOAD_COPIES) {
        launch(lane, after, ret);
        return;
    }
    calls_check(clEnqueueCopyBuffer(lane->queue, lane->from, lane->to, 0, 0, COPY_BYTES,
                                    after ? 1 : 0, after ? &after : NULL, ret),
                "clEnqueueCopyBuffer");
}

static void
batch_begin(struct load *l, struct lane *lane, cl_event after)
{
    const unsigned at = (lane->first + lane->n++) % LOAD_DEPTH_MAX;

    lane->begun_ns[at] = clock_ns();
    for (unsigned i = 1; i < l->o.batch; i++)
        one_command(l, lane, after, NULL);
    one_command(l, lane, after, &lane->flying[at]);
    calls_check(clFlush(lane->queue), "clFlush");
}

static void
note_done(struct load *l, struct lane *lane, uint64_t begun_ns)
{
    const uint64_t now = clock_ns();

    l->completed += l->o.batch;
    if (track_done(&lane->track, now) < 0)
        calls_fail(CL_OUT_OF_HOST_MEMORY, "track_done");
    if (now >= l->from_ns && now < l->end_ns && l->nlatencies < LATENCIES_MAX)
        l->latency_ns[l->nlatencies++] = (double)(now - begun_ns);
}

static void
batch_end(struct load *l, struct lane *lane)
{
    const cl_event event = lane->flying[lane->first];
    const cl_int code = clWaitForEvents(1, &event);

    calls_check(code, "clWaitForEvents");
    clReleaseEvent(event);
    note_done(l, lane, lane->begun_ns[lane->first]);
    lane->first = (lane->first + 1) % LOAD_DEPTH_MAX;
    lane->n--;
}

/* All that is to wait for the user event is queued before it is set. */
static void
fill_behind(struct load *l)
{
    cl_int code;
    cl_event gate = clCreateUserEvent(l->c.context, &code);

    calls_check(code, "clCreateUserEvent");
    for (unsigned i = 0; i < l->o.queues; i++) {
        while (l->lanes[i].n < l->o.depth)
            batch_begin(l, &l->lanes[i], gate);
    }
    load_sleep_until(l->start_ns);
    calls_check(clSetUserEventStatus(gate, CL_COMPLETE), "clSetUserEventStatus");
    clReleaseEvent(gate);
}

/* Does it work or rest at that time? */
static bool
is_on(const struct load *l, uint64_t now)
{
    const uint64_t on = l->o.on_ms * 1000000ull, off = l->o.off_ms * 1000000ull;

    return !off || now < l->start_ns || (now - l->start_ns) % (on + off) < on;
}

static void
rest(const struct load *l, uint64_t now)
{
    const uint64_t period = (l->o.on_ms + l->o.off_ms) * 1000000ull;
    const uint64_t next = now + period - (now - l->start_ns) % period;

    load_sleep_until(next < l->end_ns ? next : l->end_ns);
}

static void
deep_turn(struct load *l, struct lane *lane)
{
    const unsigned depth = l->o.depth ? l->o.depth : 1;

    while (lane->n < depth)
        batch_begin(l, lane, NULL);
    batch_end(l, lane);
}

static void
work_commands(struct load *l)
{
    for (;;) {
        for (unsigned i = 0; i < l->o.queues; i++) {
            const uint64_t now = clock_ns();

            if (now >= l->end_ns)
                return;
            if (is_on(l, now)) {
                deep_turn(l, &l->lanes[i]);
                continue;
            }
            load_drain(l);
            rest(l, now);
        }
    }
}

void
load_drain(struct load *l)
{
    for (unsigned i = 0; i < l->o.queues; i++) {
        while (l->lanes[i].n > 0)
            batch_end(l, &l->lanes[i]);
    }
}

/* Builds: a new source each time, so that no cache has it. */

static void
build_one(struct load *l, unsigned number)
{
    const uint64_t begin = clock_ns();
    char text[256];
    const char *words = text;
    cl_int code;
    cl_program p;

    snprintf(text, sizeof text,
             "__kernel void k(__global float *a) { size_t i = get_global_id(0);\n"
             "for (int j = 0; j < 100; j++) a[i] = sin(a[i] * %u.5f + j); }\n",
             number);
    p = clCreateProgramWithSource(l->c.context, 1, &words, NULL, &code);
    calls_check(code, "clCreateProgramWithSource");
    calls_check(clBuildProgram(p, 1, &l->c.device, "", NULL, NULL), "clBuildProgram");
    clReleaseProgram(p);
    l->launched++;
    note_done(l, &l->lanes[0], begin);
}

static void
work_builds(struct load *l)
{
    static unsigned number;

    while (clock_ns() < l->end_ns)
        build_one(l, (unsigned)(l->start_ns % 1000003u) * 1000 + number++);
}

void
load_work(struct load *l)
{
    l->nlatencies = 0;
    for (unsigned i = 0; i < l->o.queues; i++)
        track_begin(&l->lanes[i].track, l->start_ns);
    if (l->o.behind)
        fill_behind(l);
    load_sleep_until(l->start_ns);
    if (l->o.kind == LOAD_BUILDS)
        work_builds(l);
    else
        work_commands(l);
    /* The first completion after END tells how far the one under way had come. */
    for (unsigned i = 0; i < l->o.queues; i++) {
        if (l->lanes[i].n > 0)
            batch_end(l, &l->lanes[i]);
    }
}
