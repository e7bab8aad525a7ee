/* SPDX-License-Identifier: MIT */
/* Threads that are inside a call while the program pauses: waiting for held-back commands. */
#include "suite.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 5

struct waiter {
    const char *what;
    cl_int (*call)(struct waiter *w);
    cl_command_queue queue;
    cl_mem buffer;
    cl_event event; /* of a launch behind the gate */
    uint32_t words[WORDS], got[WORDS];
    pthread_t thread;
    atomic_bool begun, over;
    cl_int status;
};

static cl_int
in_finish(struct waiter *t)
{
    return clFinish(t->queue);
}

static cl_int
in_wait(struct waiter *t)
{
    return clWaitForEvents(1, &t->event);
}

static cl_int
in_read(struct waiter *t)
{
    return clEnqueueReadBuffer(t->queue, t->buffer, CL_TRUE, 0, BYTES, t->got, 0, NULL,
                               NULL);
}

static cl_int
in_write(struct waiter *t)
{
    return clEnqueueWriteBuffer(t->queue, t->buffer, CL_TRUE, BYTES / 2, 4,
                                &(uint32_t){4711}, 0, NULL, NULL);
}

static cl_int
in_map(struct waiter *t)
{
    cl_int rc;
    uint32_t *const p = clEnqueueMapBuffer(t->queue, t->buffer, CL_TRUE, CL_MAP_READ, 0,
                                           BYTES, 0, NULL, NULL, &rc);

    if (rc != CL_SUCCESS)
        return rc;
    for (size_t i = 0; i < WORDS; i++)
        t->got[i] = p[i];
    return clEnqueueUnmapMemObject(t->queue, t->buffer, p, 0, NULL, NULL);
}

static struct waiter waiters[THREADS] = {
    {.what = "clFinish", .call = in_finish},
    {.what = "clWaitForEvents", .call = in_wait},
    {.what = "a blocking read", .call = in_read},
    {.what = "a blocking write", .call = in_write},
    {.what = "a blocking map", .call = in_map},
};
static cl_event gate;

static void *
run(void *arg)
{
    struct waiter *const t = arg;

    atomic_store(&t->begun, true);
    t->status = t->call(t);
    atomic_store(&t->over, true);
    return NULL;
}

static void
threads_make(void)
{
    gate = gate_new();
    for (uint32_t i = 0; i < THREADS; i++) {
        struct waiter *const t = &waiters[i];

        t->queue = queue_new(0);
        t->buffer = words_new(t->words, i);
        t->event = launch(t->queue, t->buffer, WORDS, i, gate);
        OK(clFlush(t->queue));
        watch(QUEUE, t->queue, "the queue of a thread in %s", t->what);
    }
    for (size_t i = 0; i < THREADS; i++) {
        EXPECT(pthread_create(&waiters[i].thread, NULL, run, &waiters[i]) == 0);
        while (!atomic_load(&waiters[i].begun))
            sleep_ms(1);
    }
    sleep_ms(50); /* they are inside, most likely: to be early is not wrong */
}

static void
threads_check(void)
{
    for (size_t i = 0; i < THREADS; i++) {
        /* A blocking write may return as soon as its bytes are copied. */
        if (waiters[i].call != in_write && atomic_load(&waiters[i].over))
            part_fail("%s has returned, with %d", waiters[i].what, waiters[i].status);
    }
}

static void
threads_use(void)
{
    gate_open(gate);
    for (uint32_t i = 0; i < THREADS; i++) {
        struct waiter *const t = &waiters[i];

        EXPECT(pthread_join(t->thread, NULL) == 0);
        if (t->status != CL_SUCCESS)
            part_fail("%s returned %d", t->what, t->status);
        OK(clFinish(t->queue)); /* what it asked for may still be under way */
        scramble_host(t->words, WORDS, i);
        if (t->call == in_read || t->call == in_map)
            same(t->got, t->words, BYTES, t->what);
        if (t->call == in_write)
            t->words[WORDS / 2] = 4711;
        compare(t->buffer, 0, t->words, BYTES, t->what);
        OK(clReleaseEvent(t->event));
        OK(clReleaseMemObject(t->buffer));
        OK(clReleaseCommandQueue(t->queue));
    }
}

const struct part wait_parts[] = {
    {"threads inside calls", threads_make, threads_check, threads_use},
    {0},
};
