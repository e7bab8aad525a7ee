/* SPDX-License-Identifier: MIT */
/*
 * guest_blocked: a blocking read waits, in an in-order queue, for what another thread only
 * lets go on after it has enqueued something in the same queue itself. Ends with status 1
 * when the two wait for each other.
 */
#include "cltest.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STUCK_S 30

#define WIDTH 1024 /* of images, in elements of 4 bytes */

static struct cl c;
static cl_event gate;
static cl_mem mem; /* a buffer, or a 2D image */
static bool is_image;
static size_t bytes;

static const size_t origin[3];

static void
make(unsigned char *host)
{
    const cl_image_format format = {CL_RGBA, CL_UNSIGNED_INT8};
    const cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE2D,
                                .image_width = WIDTH,
                                .image_height = bytes / 4 / WIDTH};
    cl_int rc;

    if (!is_image) {
        mem = cl_buffer(&c, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, bytes, host);
        return;
    }
    mem = clCreateImage(c.context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, &format,
                        &desc, host, &rc);
    OK(rc);
}

static void
fill_with_two(void)
{
    const size_t region[] = {WIDTH, bytes / 4 / WIDTH, 1};
    const cl_uchar two = 2;
    const cl_uint twos[] = {2, 2, 2, 2};

    if (is_image)
        OK(clEnqueueFillImage(c.queue, mem, twos, origin, region, 0, NULL, NULL));
    else
        OK(clEnqueueFillBuffer(c.queue, mem, &two, 1, 0, bytes, 0, NULL, NULL));
}

static void
read_all(unsigned char *host, cl_uint n_waits, const cl_event *waits)
{
    const size_t region[] = {WIDTH, bytes / 4 / WIDTH, 1};

    if (is_image)
        OK(clEnqueueReadImage(c.queue, mem, CL_TRUE, origin, region, 0, 0, host, n_waits,
                              waits, NULL));
    else
        OK(clEnqueueReadBuffer(c.queue, mem, CL_TRUE, 0, bytes, host, n_waits, waits,
                               NULL));
}

static void *
enqueue_then_open(void *arg)
{
    (void)arg;
    sleep_ms(200); /* the read is waiting by now, most likely */
    fill_with_two();
    OK(clFlush(c.queue));
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    return NULL;
}

/* The read has its place before the fill or after it, and not in its midst. */
static void
read_behind_gate(bool image, size_t size, bool in_wait_list)
{
    unsigned char *host = alloc(size);
    pthread_t thread;
    cl_int rc;

    is_image = image;
    bytes = size;
    memset(host, 1, size);
    make(host);
    gate = clCreateUserEvent(c.context, &rc);
    OK(rc);
    if (!in_wait_list)
        OK(clEnqueueMarkerWithWaitList(c.queue, 1, &gate, NULL));
    EXPECT(pthread_create(&thread, NULL, enqueue_then_open, NULL) == 0);
    read_all(host, in_wait_list, in_wait_list ? &gate : NULL);
    pthread_join(thread, NULL);
    EXPECT(host[0] == 1 || host[0] == 2);
    for (size_t i = 1; i < size; i++)
        EXPECT(host[i] == host[0]);
    OK(clFinish(c.queue));
    OK(clReleaseEvent(gate));
    OK(clReleaseMemObject(mem));
    free(host);
}

int
main(void)
{
    static const size_t sizes[] = {1000, 1u << 20, 3u << 20, 40u << 20};
    static const size_t image_sizes[] = {1u << 20, 24u << 20};

    cl_open(&c);
    alarm(STUCK_S);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        read_behind_gate(false, sizes[i], true);
        read_behind_gate(false, sizes[i], false);
    }
    for (size_t i = 0; i < sizeof image_sizes / sizeof *image_sizes; i++) {
        read_behind_gate(true, image_sizes[i], true);
        read_behind_gate(true, image_sizes[i], false);
    }
    cl_close(&c);
    puts("blocking reads hold up nobody");
    return 0;
}
