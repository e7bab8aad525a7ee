/* SPDX-License-Identifier: MIT */
/*
 * bench-load: an ordinary OpenCL program that keeps a device busy in a given way, for a given
 * time, and tells how much of its work was done. It knows nothing of Tessera.
 *
 *   stdin   go START FROM END       CLOCK_MONOTONIC ns: works from START on, counts FROM to END
 *   stdout  {"ready": true}         once, all is compiled
 *           {"work": ...}           after each go, when END has passed
 *           {"idle": true}          and then, when nothing is queued any more
 *
 * Work is counted in launches (copies, builds), with parts: load_track.h.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "calls.h"
#include "load_track.h"

#define LOAD_QUEUES_MAX 64
#define LOAD_DEPTH_MAX 512
#define LOAD_GROUPS 16 /* work groups of a launch, so that all cores have some */

enum load_kind { LOAD_KERNELS, LOAD_COPIES, LOAD_BUILDS, LOAD_ENDLESS };

struct load_options {
    const char *device;
    enum load_kind kind;
    unsigned iterations; /* of a kernel's loop, in each work group */
    unsigned queues;
    unsigned depth;         /* batches in flight in each queue; 0: launch and wait */
    unsigned batch;         /* launches to a batch, which is awaited as one */
    bool behind;            /* the first batches wait for a user event, set at START */
    unsigned on_ms, off_ms; /* works so long, then rests; 0: always */
};

/* One queue with its batches in flight, oldest first. */
struct lane {
    cl_command_queue queue;
    cl_kernel kernel;
    cl_mem out, from, to;
    cl_event flying[LOAD_DEPTH_MAX];
    uint64_t begun_ns[LOAD_DEPTH_MAX];
    unsigned first, n;
    struct track track;
};

struct load {
    struct load_options o;
    struct calls c;
    cl_program program;
    struct lane lanes[LOAD_QUEUES_MAX];
    uint64_t start_ns, from_ns, end_ns;
    double *latency_ns; /* of batches that ended between from and end */
    unsigned nlatencies;
    uint64_t launched, completed; /* launches, in all */
};

#define LATENCIES_MAX 400000

/* Makes the queues and compiles; ends the program when OpenCL fails. */
void load_open(struct load *l);

/* Works as the options say until END has passed; load_drain() then waits for what is queued. */
void load_work(struct load *l);
void load_drain(struct load *l);

/* Iterations per microsecond of a launch, measured on an idle device. */
double load_calibrate(struct load *l);

void load_sleep_until(uint64_t ns);

#endif
