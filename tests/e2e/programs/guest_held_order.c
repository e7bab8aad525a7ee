/* SPDX-License-Identifier: MIT */
/*
 * guest_held_order event|turn [pocl]: commands that cannot run yet keep the order that OpenCL 3.0
 * (sections 3.2.4 and 5.12 f.) gives them, and hold up nothing else.
 */
#include "heldtest.h"

#include <stdlib.h>
#include <string.h>

#define LONG 1000u /* commands of a chain, and dependents of one event */
#define CHAINS 6u

static void
in_order_of_all_kinds(void)
{
    static uint32_t host[WORDS], other_host[WORDS], written[20][WORDS], read[20][WORDS],
        want[20][WORDS];
    cl_mem b = new_buffer(host, 1), other = new_buffer(other_host, 2);
    struct hold h;

    hold_begin(&h);
    for (uint32_t i = 0; i < 20; i++) {
        const uint32_t word = i * 0x01010101u;

        launch_held(&h, c.queue, b, i);
        scramble_host(host, WORDS, i);
        OK(clEnqueueCopyBuffer(c.queue, b, other, 0, 2000, 2000, 0, NULL, NULL));
        memcpy((char *)other_host + 2000, host, 2000);
        OK(clEnqueueFillBuffer(c.queue, b, &word, 4, i * 4, 400, 0, NULL, NULL));
        for (unsigned k = 0; k < 100; k++)
            host[i + k] = word;
        pattern_fill(written[i], WORDS, i + 50);
        OK(clEnqueueWriteBuffer(c.queue, b, CL_FALSE, 800, i % 2 ? 3000 : 100, written[i],
                                0, NULL, NULL));
        memcpy((char *)host + 800, written[i], i % 2 ? 3000 : 100);
        OK(clEnqueueReadBuffer(c.queue, i % 3 ? b : other, CL_FALSE, 0, BYTES, read[i], 0,
                               NULL, NULL));
        memcpy(want[i], i % 3 ? host : other_host, BYTES);
    }
    hold_open(&h);
    OK(clFinish(c.queue));
    for (unsigned i = 0; i < 20; i++)
        same_words(read[i], want[i], WORDS, "a read in the midst");
    compare(b, host, "in order");
    compare(other, other_host, "in order, copies");
    OK(clReleaseMemObject(b));
    OK(clReleaseMemObject(other));
    done("in order, of all kinds");
}

static void
rectangles_in_order(void)
{
    static uint32_t host[WORDS], written[WORDS], read[WORDS];
    const size_t from[] = {40, 2, 0}, to[] = {80, 10, 0}, region[] = {100, 5, 1};
    cl_mem b = new_buffer(host, 3);
    struct hold h;

    hold_begin(&h);
    launch_held(&h, c.queue, b, 4);
    scramble_host(host, WORDS, 4);
    OK(clEnqueueCopyBufferRect(c.queue, b, b, from, to, region, 200, 0, 200, 0, 0, NULL,
                               NULL));
    for (size_t y = 0; y < 5; y++)
        memcpy((char *)host + (10 + y) * 200 + 80, (char *)host + (2 + y) * 200 + 40,
               100);
    pattern_fill(written, WORDS, 5);
    OK(clEnqueueWriteBufferRect(c.queue, b, CL_FALSE, from, to, region, 200, 0, 200, 0,
                                written, 0, NULL, NULL));
    for (size_t y = 0; y < 5; y++)
        memcpy((char *)host + (2 + y) * 200 + 40, (char *)written + (10 + y) * 200 + 80,
               100);
    OK(clEnqueueReadBufferRect(c.queue, b, CL_FALSE, from, to, region, 200, 0, 200, 0,
                               read, 0, NULL, NULL));
    launch_held(&h, c.queue, b, 6);
    hold_open(&h);
    OK(clFinish(c.queue));
    for (size_t y = 0; y < 5; y++)
        same_bytes((char *)read + (10 + y) * 200 + 80, (char *)host + (2 + y) * 200 + 40,
                   100, "a rectangle read");
    scramble_host(host, WORDS, 6);
    compare(b, host, "rectangles");
    OK(clReleaseMemObject(b));
    done("rectangles in order");
}

/* In order: what comes behind a command that waits for another queue's, waits too. */
static void
across_queues(void)
{
    cl_command_queue queues[] = {c.queue, next_device_queue(), out_of_order(),
                                 cl_queue(&c, 0)};
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 5);
    cl_event last[80];
    struct hold h;

    hold_begin(&h);
    for (uint32_t i = 0; i < 80; i++) {
        last[i] =
            launch(queues[i * 7 / 3 % 4], b, i, i ? 1 : h.n, i ? &last[i - 1] : h.list);
        scramble_host(host, WORDS, i);
    }
    for (unsigned i = 1; i < 4; i++)
        OK(clFlush(queues[i]));
    hold_stays(&h, 80, last);
    hold_open(&h);
    OK(clFlush(c.queue));
    EXPECT(comes_soon(last[79]));
    compare(b, host, "across queues");
    release_events(80, last);
    for (unsigned i = 1; i < 4; i++)
        OK(clReleaseCommandQueue(queues[i]));
    OK(clReleaseMemObject(b));
    done("across queues");
}

static void
out_of_order_passes(void)
{
    cl_command_queue queue = out_of_order();
    uint32_t host[WORDS], other_host[WORDS];
    cl_mem b = new_buffer(host, 7), other = new_buffer(other_host, 8);
    cl_event held[2], e[4];
    struct hold h;

    hold_begin(&h);
    held[0] = launch(queue, b, 9, h.n, h.list);
    held[1] = launch(queue, b, 10, 1, &held[0]);
    scramble_host(host, WORDS, 9);
    scramble_host(host, WORDS, 10);
    e[0] = launch(queue, other, 11, 0, NULL);
    for (unsigned i = 1; i < 3; i++)
        e[i] = launch(queue, other, 11 + i, 1, &e[i - 1]);
    for (uint32_t i = 0; i < 3; i++)
        scramble_host(other_host, WORDS, 11 + i);
    OK(clEnqueueMarkerWithWaitList(queue, 1, &e[2], &e[3]));
    OK(clFlush(queue));
    if (!pocl)
        EXPECT(comes_soon(e[3]));
    EXPECT(comes_soon(e[2]));
    hold_stays(&h, 2, held);
    compare(other, other_host, "passed");
    hold_open(&h);
    OK(clFinish(queue));
    compare(b, host, "held");
    release_events(2, held);
    release_events(4, e);
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseMemObject(b));
    OK(clReleaseMemObject(other));
    done("out of order, others pass");
}

/* Without a wait list a barrier waits for all before it, and all after it for the barrier. */
static void
barriers_without_lists(void)
{
    cl_command_queue queue = out_of_order();
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 12);
    cl_event e[61];
    struct hold h;

    hold_begin(&h);
    for (unsigned i = 0; i < 60; i += 3) {
        e[i] = launch(queue, b, i, i ? 0 : h.n, i ? NULL : h.list);
        scramble_host(host, WORDS, i);
        OK(clEnqueueBarrierWithWaitList(queue, 0, NULL, &e[i + 1]));
        OK(clEnqueueMarkerWithWaitList(queue, 0, NULL, &e[i + 2]));
    }
    OK(clEnqueueMarkerWithWaitList(queue, 0, NULL, &e[60]));
    OK(clFlush(queue));
    hold_stays(&h, 61, e);
    hold_open(&h);
    EXPECT(comes_soon(e[60]));
    for (unsigned i = 0; i < 61; i++)
        EXPECT(status_of(e[i]) == CL_COMPLETE);
    compare(b, host, "barriers without lists");
    release_events(61, e);
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseMemObject(b));
    done("barriers and markers without lists");
}

/* With one it waits for that alone; all after it wait for it, whatever they are. */
static void
barriers_with_lists(void)
{
    cl_command_queue queue = out_of_order();
    uint32_t host[WORDS], other_host[WORDS];
    cl_mem b = new_buffer(host, 13), other = new_buffer(other_host, 14);
    cl_event first, barrier, after[3];
    struct hold a, h;

    hold_begin(&a);
    hold_begin(&h);
    first = launch(queue, b, 15, a.n, a.list);
    OK(clEnqueueBarrierWithWaitList(queue, h.n, h.list, &barrier));
    after[0] = launch(queue, other, 16, 0, NULL);
    OK(clEnqueueMarkerWithWaitList(queue, 1, &after[0], &after[1]));
    after[2] = launch(queue, other, 17, 1, &after[1]);
    OK(clFlush(queue));
    hold_stays(&h, 3, after);
    hold_open(&h);
    if (!pocl)
        EXPECT(comes_soon(barrier) && comes_soon(after[2]));
    hold_stays(&a, 1, &first);
    hold_open(&a);
    OK(clFinish(queue));
    EXPECT(status_of(first) == CL_COMPLETE && status_of(after[2]) == CL_COMPLETE);
    scramble_host(host, WORDS, 15);
    scramble_host(other_host, WORDS, 16);
    scramble_host(other_host, WORDS, 17);
    compare(b, host, "before a barrier");
    compare(other, other_host, "behind a barrier");
    release_events(3, after);
    OK(clReleaseEvent(first));
    OK(clReleaseEvent(barrier));
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseMemObject(b));
    OK(clReleaseMemObject(other));
    done("barriers with lists");
}

/* A marker holds up nothing that comes after it. */
static void
markers_hold_up_nothing(void)
{
    cl_command_queue queue = out_of_order();
    uint32_t host[WORDS], other_host[WORDS];
    cl_mem b = new_buffer(host, 18), other = new_buffer(other_host, 19);
    cl_event e[4];
    struct hold h;

    hold_begin(&h);
    e[0] = launch(queue, b, 20, h.n, h.list);
    OK(clEnqueueMarkerWithWaitList(queue, 0, NULL, &e[1]));
    OK(clEnqueueMarkerWithWaitList(queue, 1, &e[0], &e[2]));
    e[3] = launch(queue, other, 21, 0, NULL);
    OK(clFlush(queue));
    EXPECT(comes_soon(e[3]));
    hold_stays(&h, 3, e);
    hold_open(&h);
    OK(clWaitForEvents(4, e));
    scramble_host(host, WORDS, 20);
    scramble_host(other_host, WORDS, 21);
    compare(b, host, "before a marker");
    compare(other, other_host, "behind a marker");
    release_events(4, e);
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseMemObject(b));
    OK(clReleaseMemObject(other));
    done("markers hold up nothing");
}

/* Random: each command depends on the last of its buffer, and on one of another. */
static void
long_graph(void)
{
    cl_command_queue queues[] = {out_of_order(), out_of_order(), cl_queue(&c, 0)};
    static uint32_t host[CHAINS][WORDS];
    uint32_t random = 5;
    cl_event last[CHAINS];
    cl_mem b[CHAINS];
    struct hold h;

    hold_begin(&h);
    for (unsigned i = 0; i < CHAINS; i++) {
        b[i] = new_buffer(host[i], 100 + i);
        last[i] = launch(queues[0], b[i], i, h.n, h.list);
        scramble_host(host[i], WORDS, i);
    }
    for (unsigned n = 0; n < LONG; n++) {
        const unsigned i = (random = random * 1664525u + 1013904223u) / 65536 % CHAINS;
        const cl_event waits[] = {last[i],
                                  last[(i + 1 + random / 99 % (CHAINS - 1)) % CHAINS]};
        cl_event e = launch(queues[n % 3], b[i], n, 2, waits);

        scramble_host(host[i], WORDS, n);
        OK(clReleaseEvent(last[i]));
        last[i] = e;
    }
    for (unsigned i = 0; i < 3; i++)
        OK(clFlush(queues[i]));
    hold_stays(&h, CHAINS, last);
    hold_open(&h);
    OK(clWaitForEvents(CHAINS, last));
    for (unsigned i = 0; i < CHAINS; i++) {
        compare(b[i], host[i], "graph");
        OK(clReleaseMemObject(b[i]));
    }
    release_events(CHAINS, last);
    for (unsigned i = 0; i < 3; i++)
        OK(clReleaseCommandQueue(queues[i]));
    done("a graph of 1,000 commands");
}

/* All of one event, and one of all of them. */
static void
many_dependents(void)
{
    static cl_event e[LONG];
    cl_command_queue queue = out_of_order();
    cl_kernel put = cl_kernel_of(program, "put");
    const size_t one = 1;
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 30);
    cl_event all;
    struct hold h;

    hold_begin(&h);
    OK(clSetKernelArg(put, 0, sizeof b, &b));
    for (uint32_t i = 0; i < LONG; i++) {
        const uint32_t value = i * i;

        OK(clSetKernelArg(put, 1, 4, &i));
        OK(clSetKernelArg(put, 2, 4, &value));
        OK(clEnqueueNDRangeKernel(queue, put, 1, NULL, &one, NULL, h.n, h.list, &e[i]));
        host[i] = value;
    }
    all = launch(queue, b, 31, LONG, e);
    scramble_host(host, WORDS, 31);
    OK(clFlush(queue));
    hold_stays(&h, 1, &all);
    hold_open(&h);
    EXPECT(comes_soon(all));
    compare(b, host, "dependents");
    release_events(LONG, e);
    OK(clReleaseEvent(all));
    OK(clReleaseKernel(put));
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseMemObject(b));
    done("1,000 dependents of one event");
}

/* Set in either order; one event twice in a list counts once. */
static void
two_user_events(void)
{
    for (unsigned order = 0; order < 2; order++) {
        cl_command_queue queue = order ? out_of_order() : cl_queue(&c, 0);
        uint32_t host[WORDS];
        cl_mem b = new_buffer(host, 32);
        struct hold h[2];
        cl_event waits[4], e[2];
        cl_uint n = 0;

        for (unsigned i = 0; i < 2; i++) {
            hold_begin(&h[i]);
            for (unsigned k = 0; k < 2 * h[i].n; k++)
                waits[n++] = h[i].event;
        }
        e[0] = launch(queue, b, 33, n, waits);
        e[1] = launch(queue, b, 34, 1, e);
        scramble_host(host, WORDS, 33);
        scramble_host(host, WORDS, 34);
        OK(clFlush(queue));
        hold_open(&h[order]);
        hold_stays(&h[1 - order], 2, e);
        hold_open(&h[1 - order]);
        OK(clWaitForEvents(2, e));
        compare(b, host, "two user events");
        release_events(2, e);
        OK(clReleaseCommandQueue(queue));
        OK(clReleaseMemObject(b));
    }
    done("two user events");
}

int
main(int argc, char **argv)
{
    held_open(argc, argv);
    in_order_of_all_kinds();
    rectangles_in_order();
    across_queues();
    out_of_order_passes();
    barriers_without_lists();
    barriers_with_lists();
    markers_hold_up_nothing();
    long_graph();
    many_dependents();
    two_user_events();
    held_close();
    return 0;
}
