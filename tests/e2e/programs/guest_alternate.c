/* SPDX-License-Identifier: MIT */
/*
 * guest_alternate WHO START CYCLES DEPTH TURNS: of two such programs (WHO 0 and 1) each is
 * alone for a while, then both are busy, CYCLES times; each keeps DEPTH kernels queued. Says
 * "ready", then waits for the file START, which holds when it begins (CLOCK_MONOTONIC, in
 * seconds). Fails when it got nothing while both were busy.
 */
#include "cltest.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEPTH_MAX 64u
#define ALONE_S 0.15
#define BOTH_S 0.4
#define CYCLE_S (2 * ALONE_S + BOTH_S + 0.05)

static const char spin_source[] =
    "kernel void spin(global uint *p, uint turns)\n"
    "{\n"
    "    uint x = p[0] + 1;\n"
    "    for (uint i = 0; i < turns; i++) x = x * 1664525u + 1013904223u + (x >> 7);\n"
    "    p[0] = x;\n"
    "}\n";

/* Keeps kernels queued from begin to end; how many ended meanwhile. */
static unsigned
busy(cl_command_queue queue, cl_kernel kernel, unsigned depth, double begin, double end)
{
    const size_t one = 1;
    unsigned head = 0, tail = 0, n = 0;
    cl_event e[DEPTH_MAX];

    while (now_s() < begin)
        usleep(300);
    while (now_s() < end || tail < head) {
        for (; head < tail + depth && now_s() < end; head++)
            OK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &one, &one, 0, NULL,
                                      &e[head % DEPTH_MAX]));
        if (tail == head)
            break;
        OK(clWaitForEvents(1, &e[tail % DEPTH_MAX]));
        OK(clReleaseEvent(e[tail++ % DEPTH_MAX]));
        n += now_s() < end;
    }
    return n;
}

static double
begin_in(const char *path)
{
    double at;
    FILE *f;

    puts("ready");
    fflush(stdout);
    wait_for_file(path);
    f = fopen(path, "r");
    EXPECT(f && fscanf(f, "%lf", &at) == 1);
    fclose(f);
    return at;
}

int
main(int argc, char **argv)
{
    struct cl c;
    unsigned cycles, depth;
    double who, start;
    cl_kernel spin;
    cl_mem b;

    EXPECT(argc == 6);
    who = atof(argv[1]);
    cycles = (unsigned)atoi(argv[3]);
    depth = (unsigned)atoi(argv[4]);
    EXPECT(depth > 0 && depth <= DEPTH_MAX);
    cl_open(&c);
    spin = cl_kernel_of(cl_build(&c, spin_source), "spin");
    b = cl_buffer(&c, CL_MEM_READ_WRITE, 4, NULL);
    cl_args(spin, b, (cl_uint)atoi(argv[5]));
    busy(c.queue, spin, 1, 0, now_s() + 0.01);
    start = begin_in(argv[2]);
    for (unsigned i = 0; i < cycles; i++) {
        const double at = start + i * CYCLE_S, both = at + 2 * ALONE_S + 0.02;
        unsigned n;

        busy(c.queue, spin, depth, at + who * ALONE_S, at + (who + 1) * ALONE_S - 0.02);
        n = busy(c.queue, spin, depth, both, both + BOTH_S);
        printf("%u kernels\n", n);
        EXPECT(n > 0);
    }
    cl_close(&c);
    return 0;
}
