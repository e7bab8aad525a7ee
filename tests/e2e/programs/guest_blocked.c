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

static struct cl c;
static cl_event gate;
static cl_mem buffer;
static size_t bytes;

static void *
enqueue_then_open(void *arg)
{
    const cl_uchar two = 2;

    (void)arg;
    sleep_ms(200); /* the read is waiting by now, most likely */
    OK(clEnqueueFillBuffer(c.queue, buffer, &two, 1, 0, bytes, 0, NULL, NULL));
    OK(clFlush(c.queue));
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    return NULL;
}

/* The read has its place before the fill or after it, and not in its midst. */
static void
read_behind_gate(size_t size, bool in_wait_list)
{
    unsigned char *host = alloc(size);
    pthread_t thread;
    cl_int rc;

    bytes = size;
    memset(host, 1, size);
    buffer = cl_buffer(&c, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, size, host);
    gate = clCreateUserEvent(c.context, &rc);
    OK(rc);
    if (!in_wait_list)
        OK(clEnqueueMarkerWithWaitList(c.queue, 1, &gate, NULL));
    EXPECT(pthread_create(&thread, NULL, enqueue_then_open, NULL) == 0);
    OK(clEnqueueReadBuffer(c.queue, buffer, CL_TRUE, 0, size, host, in_wait_list,
                           in_wait_list ? &gate : NULL, NULL));
    pthread_join(thread, NULL);
    EXPECT(host[0] == 1 || host[0] == 2);
    for (size_t i = 1; i < size; i++)
        EXPECT(host[i] == host[0]);
    OK(clFinish(c.queue));
    OK(clReleaseEvent(gate));
    OK(clReleaseMemObject(buffer));
    free(host);
}

int
main(void)
{
    static const size_t sizes[] = {1000, 1u << 20, 3u << 20, 40u << 20};

    cl_open(&c);
    alarm(STUCK_S);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        read_behind_gate(sizes[i], true);
        read_behind_gate(sizes[i], false);
    }
    cl_close(&c);
    puts("blocking reads hold up nobody");
    return 0;
}
