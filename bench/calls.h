/* SPDX-License-Identifier: MIT */
/*
 * bench-calls: an ordinary OpenCL program that times calls. It knows nothing of Tessera.
 *
 * A benchmark fills one or two series of samples; each sample is nanoseconds per
 * operation. A failing call ends the program: the caller sees which, and starts another.
 */
#ifndef BENCH_CALLS_H
#define BENCH_CALLS_H

#include <CL/cl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIES_MAX 2
#define SAMPLES_MAX 2000

struct series {
    const char *name; /* NULL: not used */
    unsigned n;
    double ns[SAMPLES_MAX];
};

/* What all benchmarks work with: one device, one context, one in-order queue. */
struct calls {
    cl_device_id device;
    cl_context context;
    cl_command_queue queue;
    cl_program program;
    char device_name[128], platform_name[128];
    uint64_t max_alloc_bytes;
};

struct run;

struct benchmark {
    const char *name;
    const char *series[SERIES_MAX];
    void (*run)(struct run *r);
    size_t bytes;      /* of a transfer */
    unsigned count;    /* of threads; of objects or launches per sample */
    unsigned most;     /* samples at most; 0 = SAMPLES_MAX */
    const char *about; /* for --list */
};

struct run {
    struct calls *c;
    const struct benchmark *b;
    uint64_t budget_ns, begin_ns;
    struct series series[SERIES_MAX];
};

/* All benchmarks, ended by a row without a name. */
extern const struct benchmark benchmarks[];

/* Shall there be one more sample? The time begins with the first question. */
bool run_more(struct run *r);
void run_sample(struct run *r, unsigned series, double ns);

uint64_t clock_ns(void);

/* Prints the call's name and code as the benchmark's answer, and exits; calls_check() only
 * when the code is not CL_SUCCESS. */
_Noreturn void calls_fail(cl_int code, const char *call);
void calls_check(cl_int code, const char *call);

/* The device: "PLATFORM:N" (part of a platform's name), or NULL for the first one. */
void calls_open(struct calls *c, const char *device);
void calls_close(struct calls *c);

/* The kernel that does nothing, and the buffer that is its first argument. */
struct null_kernel {
    cl_kernel kernel;
    cl_mem out;
};

void null_kernel_init(struct null_kernel *k, struct calls *c);
void null_kernel_fini(struct null_kernel *k);
void calls_launch(cl_command_queue queue, cl_kernel kernel);

/* One function per benchmark; some rows of the table share one. */
void bench_null_kernel(struct run *r);
void bench_once(struct run *r);
void bench_enqueue(struct run *r);
void bench_write(struct run *r);
void bench_read(struct run *r);
void bench_map_fill(struct run *r);
void bench_build_warm(struct run *r);
void bench_build_cold(struct run *r);
void bench_buffers(struct run *r);
void bench_kernels(struct run *r);
void bench_events(struct run *r);
void bench_threads(struct run *r);

#endif
