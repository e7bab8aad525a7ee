/* SPDX-License-Identifier: MIT */
/*
 * fb_limit says BYTES 0            the device says that it has BYTES
 * fb_limit exact BYTES CHUNK       the limit is BYTES, to the byte
 * fb_limit kept BYTES 0            a sub-buffer keeps a buffer of BYTES, all there is: what does
 *                                  not fit is refused at once
 * fb_limit race CHUNK FILE         makes chunks from when FILE exists until one is refused,
 *                                  prints their number, holds them while FILE exists
 * fb_limit hold COUNT CHUNK FILE   makes them, prints "held", holds them while FILE exists
 * fb_limit churn SECONDS SEED      makes and releases buffers of odd sizes, checks them all
 */
#include "cltest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_BUFFERS 4096
#define CHURN_BUFFERS 40
#define CHURN_MAX_BYTES (40u << 20)

static cl_mem buffers[MAX_BUFFERS];
static unsigned count;

/* CL_SUCCESS or the one error there may be. */
static cl_int
make(const struct cl *c, size_t bytes, cl_mem *ret)
{
    cl_int rc;
    cl_mem buffer = clCreateBuffer(c->context, CL_MEM_READ_WRITE, bytes, NULL, &rc);

    EXPECT((rc == CL_SUCCESS) == (buffer != NULL));
    if (rc == CL_SUCCESS)
        *ret = buffer;
    else if (rc != CL_MEM_OBJECT_ALLOCATION_FAILURE)
        fail("clCreateBuffer of %zu bytes: OpenCL error %d", bytes, rc);
    return rc;
}

/* Buffers are usable, and none lies in another: each keeps its own number at both ends. */
static void
stamp_all(const struct cl *c, size_t chunk)
{
    for (unsigned i = 0; i < count; i++) {
        OK(clEnqueueWriteBuffer(c->queue, buffers[i], CL_FALSE, 0, sizeof i, &i, 0, NULL,
                                NULL));
        OK(clEnqueueWriteBuffer(c->queue, buffers[i], CL_TRUE, chunk - sizeof i, sizeof i,
                                &i, 0, NULL, NULL));
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned first = ~0u, last = ~0u;

        OK(clEnqueueReadBuffer(c->queue, buffers[i], CL_TRUE, 0, sizeof i, &first, 0,
                               NULL, NULL));
        OK(clEnqueueReadBuffer(c->queue, buffers[i], CL_TRUE, chunk - sizeof i, sizeof i,
                               &last, 0, NULL, NULL));
        EXPECT(first == i && last == i);
    }
}

static void
exact(const struct cl *c, size_t bytes, size_t chunk)
{
    cl_mem more;

    for (; count < bytes / chunk; count++) {
        if (make(c, chunk, &buffers[count]) != CL_SUCCESS)
            fail("buffer %u of %zu was refused", count + 1, bytes / chunk);
    }
    if (make(c, 1, &more) == CL_SUCCESS)
        fail("one byte more was given");
    stamp_all(c, chunk);
    OK(clReleaseMemObject(buffers[--count]));
    if (make(c, 1, &more) != CL_SUCCESS)
        fail("one byte was refused after a release");
    if (make(c, chunk, &buffers[count]) == CL_SUCCESS)
        fail("a buffer was given that is one byte too large");
    if (make(c, chunk - 1, &buffers[count]) != CL_SUCCESS)
        fail("the last %zu bytes were refused", chunk - 1);
    printf("%zu buffers of %zu bytes, and not one byte more\n", bytes / chunk, chunk);
}

/* Nothing is about to be released, so there is nothing to wait for. */
static void
kept(const struct cl *c, size_t bytes)
{
    const cl_buffer_region region = {0, 4096};
    const uint32_t word = 1;
    double began;
    cl_mem all = NULL, sub, more;
    cl_int rc;

    OK(make(c, bytes, &all));
    sub = clCreateSubBuffer(all, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &rc);
    OK(rc);
    OK(clEnqueueFillBuffer(c->queue, sub, &word, sizeof word, 0, 4096, 0, NULL, NULL));
    OK(clFinish(c->queue));
    OK(clReleaseMemObject(all));
    began = now_s();
    if (make(c, 1, &more) == CL_SUCCESS)
        fail("a byte was given that a sub-buffer keeps");
    if (now_s() - began > 3)
        fail("refused after %.1f s", now_s() - began);
    OK(clReleaseMemObject(sub));
    if (make(c, bytes, &all) != CL_SUCCESS)
        fail("the buffer did not come back with its sub-buffer");
    puts("a sub-buffer keeps its parent");
}

static void
hold(const char *file)
{
    fflush(stdout);
    while (access(file, F_OK) == 0)
        sleep_ms(1);
}

static void
race(const struct cl *c, size_t chunk, const char *file)
{
    puts("ready");
    fflush(stdout);
    wait_for_file(file);
    while (count < MAX_BUFFERS && make(c, chunk, &buffers[count]) == CL_SUCCESS)
        count++;
    printf("%u\n", count);
    hold(file);
}

static void
hold_some(const struct cl *c, unsigned n, size_t chunk, const char *file)
{
    for (; count < n; count++) {
        if (make(c, chunk, &buffers[count]) != CL_SUCCESS)
            fail("buffer %u of %u was refused", count + 1, n);
    }
    OK(clFinish(c->queue));
    puts("held");
    hold(file);
}

/* A slot's buffer is replaced by one of another size, if there is room. */
static void
churn_one(const struct cl *c, cl_mem *slot, size_t *bytes, uint32_t random)
{
    const uint8_t byte = (uint8_t)random;
    uint8_t back = 0;

    if (*slot) {
        OK(clEnqueueReadBuffer(c->queue, *slot, CL_TRUE, *bytes - 1, 1, &back, 0, NULL,
                               NULL));
        EXPECT(back == (uint8_t)*bytes);
        OK(clReleaseMemObject(*slot));
        *slot = NULL;
    }
    *bytes = (random >> 4) % CHURN_MAX_BYTES + 1;
    *bytes = (*bytes & ~(size_t)255) + byte + 1;
    back = (uint8_t)*bytes;
    if (make(c, *bytes, slot) == CL_SUCCESS)
        OK(clEnqueueWriteBuffer(c->queue, *slot, CL_TRUE, *bytes - 1, 1, &back, 0, NULL,
                                NULL));
}

static void
churn(const struct cl *c, double seconds, uint32_t seed)
{
    const double end = now_s() + seconds;
    static size_t sizes[CHURN_BUFFERS];
    unsigned long rounds = 0;

    for (; now_s() < end; rounds++) {
        unsigned i;

        seed = seed * 1664525u + 1013904223u;
        i = (seed >> 16) % CHURN_BUFFERS;
        churn_one(c, &buffers[i], &sizes[i], seed);
    }
    printf("%lu buffers made\n", rounds);
}

static void
says(const struct cl *c, size_t bytes)
{
    cl_ulong size = 0;

    OK(clGetDeviceInfo(c->device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof size, &size, NULL));
    EXPECT(size == bytes);
}

int
main(int argc, char **argv)
{
    struct cl c;

    if (argc < 4)
        fail("fb_limit says|exact|kept|race|hold|churn ...");
    cl_open(&c);
    if (strcmp(argv[1], "says") == 0)
        says(&c, strtoul(argv[2], NULL, 10));
    else if (strcmp(argv[1], "exact") == 0)
        exact(&c, strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
    else if (strcmp(argv[1], "kept") == 0)
        kept(&c, strtoul(argv[2], NULL, 10));
    else if (strcmp(argv[1], "race") == 0)
        race(&c, strtoul(argv[2], NULL, 10), argv[3]);
    else if (strcmp(argv[1], "hold") == 0 && argc == 5)
        hold_some(&c, (unsigned)strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10),
                  argv[4]);
    else if (strcmp(argv[1], "churn") == 0)
        churn(&c, strtod(argv[2], NULL), (uint32_t)strtoul(argv[3], NULL, 10));
    else
        fail("fb_limit: %s?", argv[1]);
    return 0;
}
