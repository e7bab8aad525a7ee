/* SPDX-License-Identifier: MIT */
/* Command buffers (cl_khr_command_buffer): one that is being recorded, ready ones, a held one. */
#include "suite.h"

#include <string.h>

static clCreateCommandBufferKHR_fn create;
static clReleaseCommandBufferKHR_fn release;
static clFinalizeCommandBufferKHR_fn finalize;
static clEnqueueCommandBufferKHR_fn enqueue;
static clCommandNDRangeKernelKHR_fn record_launch;
static clCommandFillBufferKHR_fn record_fill;
static clCommandCopyBufferKHR_fn record_copy;

static cl_command_buffer_khr recording, ready, waiting;
static cl_mem a, b, c;
static cl_event gate, last;
static uint32_t words_a[WORDS], words_b[WORDS], words_c[WORDS];

#define FIND(f, name)                                                                    \
    f = (name##_fn)clGetExtensionFunctionAddressForPlatform(w.platform, #name)

static void
find(void)
{
    if (!device_has("cl_khr_command_buffer"))
        part_skip("the device has no cl_khr_command_buffer");
    FIND(create, clCreateCommandBufferKHR);
    FIND(release, clReleaseCommandBufferKHR);
    FIND(finalize, clFinalizeCommandBufferKHR);
    FIND(enqueue, clEnqueueCommandBufferKHR);
    FIND(record_launch, clCommandNDRangeKernelKHR);
    FIND(record_fill, clCommandFillBufferKHR);
    FIND(record_copy, clCommandCopyBufferKHR);
    EXPECT(create && release && finalize && enqueue);
    EXPECT(record_launch && record_fill && record_copy);
}

static cl_command_buffer_khr new (void)
{
    cl_int rc;
    cl_command_buffer_khr cb = create(1, &w.queue, NULL, &rc);

    OK(rc);
    return cb;
}

static cl_sync_point_khr
record(cl_command_buffer_khr cb, cl_mem m, uint32_t seed, const cl_sync_point_khr *after)
{
    const cl_uint changed = 1000;
    cl_kernel kernel = kernel_of(w.program, "scramble");
    cl_sync_point_khr point;

    OK(clSetKernelArg(kernel, 0, sizeof(cl_mem), &m));
    OK(clSetKernelArg(kernel, 1, sizeof seed, &seed));
    OK(record_launch(cb, NULL, NULL, kernel, 1, NULL, &(size_t){WORDS}, NULL,
                     after ? 1 : 0, after, &point, NULL));
    if (!pocl) /* PoCL 3.1 takes the arguments that the kernel has when it replays */
        OK(clSetKernelArg(kernel, 1, sizeof changed, &changed));
    OK(clReleaseKernel(kernel));
    return point;
}

static void
buffers_make(void)
{
    const cl_uint seven = 7;
    cl_sync_point_khr point;

    find();
    a = words_new(words_a, 1);
    b = words_new(words_b, 2);
    c = words_new(words_c, 3);
    gate = gate_new();
    recording = new ();
    record(recording, a, 10, NULL);
    ready = new ();
    point = record(ready, b, 11, NULL);
    OK(record_fill(ready, NULL, b, &seven, 4, 0, 64, 1, &point, &point, NULL));
    OK(record_copy(ready, NULL, b, b, 0, 2048, 64, 1, &point, NULL, NULL));
    OK(finalize(ready));
    waiting = new ();
    record(waiting, c, 12, NULL);
    OK(finalize(waiting));
    OK(enqueue(0, NULL, ready, 0, NULL, NULL));
    OK(clFinish(w.queue));
    watch(COMMAND_BUFFER, recording, "a command buffer that is being recorded");
    watch(COMMAND_BUFFER, ready, "a command buffer");
}

static void
ready_host(void)
{
    scramble_host(words_b, WORDS, 11);
    for (size_t i = 0; i < 16; i++)
        words_b[i] = words_b[512 + i] = 7;
}

static void
buffers_check(void)
{
    ready_host();
    compare(a, 0, words_a, BYTES, "what is only recorded");
    compare(b, 0, words_b, BYTES, "what a command buffer made");
    compare(c, 0, words_c, BYTES, "what was not enqueued");
}

static void
end(void)
{
    OK(release(recording));
    OK(release(ready));
    OK(release(waiting));
    OK(clReleaseMemObject(a));
    OK(clReleaseMemObject(b));
    OK(clReleaseMemObject(c));
}

/* What was recorded has the arguments of then, and recording goes on. */
static void
buffers_use(void)
{
    record(recording, c, 13, NULL);
    OK(finalize(recording));
    OK(enqueue(0, NULL, recording, 0, NULL, NULL));
    OK(enqueue(0, NULL, ready, 0, NULL, NULL));
    scramble_host(words_a, WORDS, 10);
    scramble_host(words_c, WORDS, 13);
    ready_host();
    compare(a, 0, words_a, BYTES, "what a command buffer made");
    compare(b, 0, words_b, BYTES, "what a command buffer made");
    compare(c, 0, words_c, BYTES, "what a command buffer made");
    OK(enqueue(0, NULL, waiting, 1, &gate, &last));
    gate_open(gate);
    scramble_host(words_c, WORDS, 12);
    compare(c, 0, words_c, BYTES, "what a held command buffer made");
    OK(clReleaseEvent(last));
    end();
}

const struct part command_buffer_parts[] = {
    {"command buffers", buffers_make, buffers_check, buffers_use},
    {0},
};
