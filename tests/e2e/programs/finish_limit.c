/* SPDX-License-Identifier: MIT */
/*
 * finish_limit: where a vGPU may keep 4600 bytes for what is under way, a write of 4000
 * leaves too little for a finish, which says so each time; and no read takes the queue for
 * idle then, whose write waits for an event. For devices that share storage with the guest.
 */
#include "cltest.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BYTES 4000
#define STUCK_S 30

int
main(void)
{
    static unsigned char ones[BYTES], twos[BYTES], got[BYTES];
    struct cl c;
    cl_mem buffer;
    cl_event gate;
    cl_int rc;

    memset(ones, 1, BYTES);
    memset(twos, 2, BYTES);
    cl_open(&c);
    buffer = cl_buffer(&c, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, BYTES, ones);
    gate = clCreateUserEvent(c.context, &rc);
    OK(rc);
    OK(clEnqueueWriteBuffer(c.queue, buffer, CL_FALSE, 0, BYTES, twos, 1, &gate, NULL));
    EXPECT(clFinish(c.queue) == CL_OUT_OF_HOST_MEMORY);
    EXPECT(clFinish(c.queue) == CL_OUT_OF_HOST_MEMORY);
    EXPECT(clEnqueueReadBuffer(c.queue, buffer, CL_TRUE, 0, BYTES, got, 0, NULL, NULL) ==
           CL_OUT_OF_HOST_MEMORY);
    OK(clSetUserEventStatus(gate, CL_COMPLETE));
    alarm(STUCK_S);
    while ((rc = clFinish(c.queue)) == CL_OUT_OF_HOST_MEMORY)
        sleep_ms(10);
    OK(rc);
    OK(clEnqueueReadBuffer(c.queue, buffer, CL_TRUE, 0, BYTES, got, 0, NULL, NULL));
    same_bytes(got, twos, BYTES, "the buffer");
    OK(clReleaseEvent(gate));
    OK(clReleaseMemObject(buffer));
    cl_close(&c);
    puts("no finish, no idle queue");
    return 0;
}
