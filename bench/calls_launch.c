/* SPDX-License-Identifier: MIT */
/* Launches: one at a time, many in a row, and from many threads. */
#include "calls.h"

#include <pthread.h>
#include <stdlib.h>

#define WARM_UP 50
#define THREADS_MAX 16
#define THREAD_SLICES 3 /* samples of bench_threads */

static void
launch_and_finish(cl_command_queue q, cl_kernel k)
{
    calls_launch(q, k);
    calls_check(clFinish(q), "clFinish");
}

void
bench_null_kernel(struct run *r)
{
    struct null_kernel k;

    null_kernel_init(&k, r->c);
    for (int i = 0; i < WARM_UP; i++)
        launch_and_finish(r->c->queue, k.kernel);
    while (run_more(r)) {
        const uint64_t t = clock_ns();

        launch_and_finish(r->c->queue, k.kernel);
        run_sample(r, 0, (double)(clock_ns() - t));
    }
    null_kernel_fini(&k);
}

/* Starting up is what is timed, from outside. */
void
bench_once(struct run *r)
{
    struct null_kernel k;
    uint64_t t;

    null_kernel_init(&k, r->c);
    t = clock_ns();
    launch_and_finish(r->c->queue, k.kernel);
    run_sample(r, 0, (double)(clock_ns() - t));
    null_kernel_fini(&k);
}

/* One batch: *ret_call is the time in the caller, *ret_drain until all have run. */
static void
batch(struct run *r, cl_kernel k, double *ret_call, double *ret_drain)
{
    const uint64_t begin = clock_ns();
    const unsigned count = r->b->count;

    for (cl_uint i = 0; i < count; i++) {
        calls_check(clSetKernelArg(k, 1, sizeof i, &i), "clSetKernelArg");
        calls_launch(r->c->queue, k);
    }
    *ret_call = (double)(clock_ns() - begin) / count;
    calls_check(clFinish(r->c->queue), "clFinish");
    *ret_drain = (double)(clock_ns() - begin) / count;
}

void
bench_enqueue(struct run *r)
{
    struct null_kernel k;
    double call, drain;

    null_kernel_init(&k, r->c);
    for (int i = 0; i < 2; i++)
        batch(r, k.kernel, &call, &drain);
    while (run_more(r)) {
        batch(r, k.kernel, &call, &drain);
        run_sample(r, 0, call);
        run_sample(r, 1, drain);
    }
    null_kernel_fini(&k);
}

/* Threads, each with a queue and a kernel of its own. */

struct launcher {
    pthread_t thread;
    pthread_barrier_t *start;
    cl_command_queue queue;
    struct null_kernel null;
    uint64_t time_ns;
    unsigned done;
};

static void *
launcher_main(void *arg)
{
    struct launcher *l = arg;
    uint64_t begin;

    for (int i = 0; i < WARM_UP; i++)
        launch_and_finish(l->queue, l->null.kernel);
    pthread_barrier_wait(l->start);
    for (begin = clock_ns(); clock_ns() - begin < l->time_ns; l->done++)
        launch_and_finish(l->queue, l->null.kernel);
    return NULL;
}

static void
launcher_init(struct launcher *l, struct run *r, pthread_barrier_t *start)
{
    cl_int code;

    *l = (struct launcher){.start = start, .time_ns = r->budget_ns / THREAD_SLICES};
    null_kernel_init(&l->null, r->c);
    l->queue = clCreateCommandQueue(r->c->context, r->c->device, 0, &code);
    calls_check(code, "clCreateCommandQueue");
}

static void
launcher_fini(struct launcher *l)
{
    null_kernel_fini(&l->null);
    clReleaseCommandQueue(l->queue);
}

/* Time over all launches of all threads: what one launch costs while they run together. */
static double
together(struct run *r)
{
    struct launcher launchers[THREADS_MAX];
    const unsigned n = r->b->count;
    pthread_barrier_t start;
    unsigned done = 0;

    pthread_barrier_init(&start, NULL, n);
    for (unsigned i = 0; i < n; i++)
        launcher_init(&launchers[i], r, &start);
    for (unsigned i = 0; i < n; i++) {
        if (pthread_create(&launchers[i].thread, NULL, launcher_main, &launchers[i]))
            calls_fail(CL_OUT_OF_HOST_MEMORY, "pthread_create");
    }
    for (unsigned i = 0; i < n; i++) {
        pthread_join(launchers[i].thread, NULL);
        done += launchers[i].done;
        launcher_fini(&launchers[i]);
    }
    pthread_barrier_destroy(&start);
    return (double)r->budget_ns / THREAD_SLICES / done;
}

void
bench_threads(struct run *r)
{
    for (int i = 0; i < THREAD_SLICES; i++)
        run_sample(r, 0, together(r));
}
