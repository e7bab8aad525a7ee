/* SPDX-License-Identifier: MIT */
/*
 * Who wants the GPU, and how:
 *
 *   guest_bully long MS END        kernels of about MS ms, three ahead, until the file END is there
 *   guest_bully burst MS N GO      N of them behind a user event, which is set when GO is there
 *   guest_bully trick MS N GO      the same after many short ones, which the long ones look like
 *   guest_bully short N            launches a short one and waits for it, N times; says how long
 *                                  these took
 */
#include "cltest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AHEAD 3u
#define SHORT_TURNS 20000u

static const char spin_source[] =
    "kernel void spin(global uint *p, uint turns)\n"
    "{\n"
    "    uint x = p[0] + 1;\n"
    "    for (uint i = 0; i < turns; i++) x = x * 1664525u + 1013904223u + (x >> 7);\n"
    "    p[0] = x;\n"
    "}\n";

static struct cl c;
static cl_kernel spin;
static cl_mem b;

static cl_event
launch(uint32_t turns, cl_uint n, const cl_event *waits)
{
    const size_t one = 1;
    cl_event e;

    cl_args(spin, b, turns);
    OK(clEnqueueNDRangeKernel(c.queue, spin, 1, NULL, &one, &one, n, waits, &e));
    return e;
}

/* By the device's clock, in ms. */
static double
length_of(uint32_t turns)
{
    cl_event e = launch(turns, 0, NULL);
    cl_ulong begin, end;

    OK(clWaitForEvents(1, &e));
    OK(clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_START, sizeof begin, &begin,
                               NULL));
    OK(clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL));
    OK(clReleaseEvent(e));
    return (double)(end - begin) * 1e-6;
}

static uint32_t
turns_for(double ms)
{
    const uint32_t probe = 1000000;
    double best = 1e9;

    length_of(probe);
    for (unsigned i = 0; i < 3; i++) {
        const double took = length_of(probe);

        best = took < best ? took : best;
    }
    return (uint32_t)(probe * ms / best);
}

static void
say(const char *word)
{
    puts(word);
    fflush(stdout);
}

static void
run_long(uint32_t turns, const char *end)
{
    cl_event e[AHEAD] = {NULL};

    say("running");
    for (unsigned i = 0; access(end, F_OK) != 0; i = (i + 1) % AHEAD) {
        if (e[i]) {
            OK(clWaitForEvents(1, &e[i]));
            OK(clReleaseEvent(e[i]));
        }
        e[i] = launch(turns, 0, NULL);
        OK(clFlush(c.queue));
    }
    OK(clFinish(c.queue));
    for (unsigned i = 0; i < AHEAD; i++) {
        if (e[i])
            OK(clReleaseEvent(e[i]));
    }
}

/* What it takes to be known by. */
static void
run_before(uint32_t turns, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        length_of(turns);
}

static void
run_burst(uint32_t turns, unsigned n, const char *go)
{
    cl_int rc;
    cl_event user = clCreateUserEvent(c.context, &rc);

    OK(rc);
    for (unsigned i = 0; i < n; i++)
        OK(clReleaseEvent(launch(turns, 1, &user)));
    OK(clFlush(c.queue));
    say("queued");
    wait_for_file(go);
    OK(clSetUserEventStatus(user, CL_COMPLETE));
    say("set");
    OK(clFinish(c.queue));
    say("over");
    OK(clReleaseEvent(user));
}

static int
by_length(const void *a, const void *d)
{
    const double x = *(const double *)a, y = *(const double *)d;

    return (x > y) - (x < y);
}

static void
run_short(unsigned n)
{
    double *took = alloc(n * sizeof *took);

    for (unsigned i = 0; i < n; i++) {
        const double began = now_s();
        cl_event e = launch(SHORT_TURNS, 0, NULL);

        OK(clWaitForEvents(1, &e));
        took[i] = (now_s() - began) * 1e3;
        OK(clReleaseEvent(e));
    }
    qsort(took, n, sizeof *took, by_length);
    printf("median_ms %.0f\nworst_ms %.0f\n", took[n / 2], took[n - 1]);
    free(took);
}

int
main(int argc, char **argv)
{
    cl_program program;
    double ms = 0;

    if (argc < 3)
        fail("usage: %s long MS END | burst|trick MS N GO | short N", argv[0]);
    cl_open(&c);
    program = cl_build(&c, spin_source);
    spin = cl_kernel_of(program, "spin");
    b = cl_buffer(&c, CL_MEM_READ_WRITE, 4096, NULL);
    ms = strtod(argv[2], NULL);
    if (strcmp(argv[1], "long") == 0 && argc > 3) {
        run_long(turns_for(ms), argv[3]);
    } else if (argc > 4) {
        const bool trick = strcmp(argv[1], "trick") == 0;
        const uint32_t turns = turns_for(ms);

        run_before(trick ? 1 : turns, trick ? 200 : 50);
        run_burst(turns, (unsigned)strtoul(argv[3], NULL, 10), argv[4]);
    } else {
        run_short((unsigned)ms);
    }
    OK(clReleaseMemObject(b));
    OK(clReleaseKernel(spin));
    OK(clReleaseProgram(program));
    cl_close(&c);
    return 0;
}
