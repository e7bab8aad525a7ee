/* SPDX-License-Identifier: MIT */
/* Held-back commands: on images, out of order, with what was changed or released meanwhile. */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

/* ---- images ------------------------------------------------------------------------ */

#define WIDE ((size_t)32)
#define HIGH ((size_t)8)
#define PIXELS (WIDE * HIGH)

static cl_command_queue image_queue;
static cl_event image_gate, image_last;
static cl_mem images[2], image_buffer;
static uint32_t pixels[PIXELS], read_back[PIXELS], buffer_words[PIXELS];
static const size_t origin[3], extent[3] = {WIDE, HIGH, 1};

static void
images_make(void)
{
    const cl_image_format format = {CL_RGBA, CL_UNSIGNED_INT8};
    const cl_image_desc desc = {
        .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = WIDE, .image_height = HIGH};
    const size_t half[3] = {WIDE, HIGH / 2, 1}, lower[3] = {0, HIGH / 2, 0};
    const cl_uint color[4] = {1, 2, 3, 4};
    cl_int rc;

    pattern(pixels, PIXELS, 70);
    for (size_t i = 0; i < 2; i++) {
        images[i] = clCreateImage(w.context, 0, &format, &desc, NULL, &rc);
        OK(rc);
    }
    image_buffer = buffer_new(0, sizeof pixels, NULL);
    image_queue = queue_new(0);
    image_gate = gate_new();
    OK(clEnqueueBarrierWithWaitList(image_queue, 1, &image_gate, NULL));
    OK(clEnqueueWriteImage(image_queue, images[0], CL_FALSE, origin, extent, 0, 0, pixels,
                           0, NULL, NULL));
    OK(clEnqueueCopyImage(image_queue, images[0], images[1], origin, origin, extent, 0,
                          NULL, NULL));
    OK(clEnqueueFillImage(image_queue, images[1], color, lower, half, 0, NULL, NULL));
    OK(clEnqueueCopyImageToBuffer(image_queue, images[1], image_buffer, origin, extent, 0,
                                  0, NULL, NULL));
    OK(clEnqueueCopyBufferToImage(image_queue, image_buffer, images[0], 0, origin, half,
                                  0, NULL, NULL));
    OK(clEnqueueReadImage(image_queue, images[1], CL_FALSE, origin, extent, 0, 0,
                          read_back, 0, NULL, &image_last));
    OK(clFlush(image_queue));
    watch(IMAGE, images[0], "an image of held commands");
}

static void
images_check(void)
{
    EXPECT(status_of(image_last) > CL_COMPLETE);
}

static void
images_use(void)
{
    cl_int status = 0;

    gate_open(image_gate);
    EXPECT(ends_soon(image_last, &status) && status == CL_COMPLETE);
    memcpy(buffer_words, pixels, sizeof pixels);
    for (size_t i = PIXELS / 2; i < PIXELS; i++)
        buffer_words[i] = 0x04030201;
    same(read_back, buffer_words, sizeof read_back, "what a held read of an image read");
    compare(image_buffer, 0, buffer_words, sizeof buffer_words, "a copy of an image");
    OK(clEnqueueReadImage(w.queue, images[0], CL_TRUE, origin, extent, 0, 0, read_back, 0,
                          NULL, NULL));
    same(read_back, pixels, sizeof read_back, "an image");
    OK(clReleaseEvent(image_last));
    OK(clReleaseMemObject(images[0]));
    OK(clReleaseMemObject(images[1]));
    OK(clReleaseMemObject(image_buffer));
    OK(clReleaseCommandQueue(image_queue));
}

/* ---- changed and released meanwhile ------------------------------------------------ */

static cl_command_queue own_queue;
static cl_event own_gate, own_last;
static cl_mem result;
static uint32_t result_words[WORDS], source_words[WORDS];

/* All that the launch needs is let go of: only `result` stays. */
static void
released_make(void)
{
    cl_program p =
        build("kernel void blend(global uint *out, global const uint *in, uint v)\n"
              "{ uint i = get_global_id(0); out[i] = in[i] * 3 + v; }\n",
              "");
    cl_kernel k = kernel_of(p, "blend");
    cl_mem in = words_new(source_words, 80), elsewhere = buffer_new(0, BYTES, NULL);
    const cl_uint v = 9, changed = 1000;

    result = words_new(result_words, 81);
    own_queue = queue_new(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    own_gate = gate_new();
    OK(clSetKernelArg(k, 0, sizeof(cl_mem), &result));
    OK(clSetKernelArg(k, 1, sizeof(cl_mem), &in));
    OK(clSetKernelArg(k, 2, sizeof v, &v));
    OK(clEnqueueNDRangeKernel(own_queue, k, 1, NULL, &(size_t){WORDS}, NULL, 1, &own_gate,
                              &own_last));
    OK(clFlush(own_queue));
    OK(clSetKernelArg(k, 2, sizeof changed, &changed));
    OK(clSetKernelArg(k, 0, sizeof(cl_mem), &elsewhere));
    OK(clReleaseMemObject(elsewhere));
    OK(clReleaseMemObject(in));
    OK(clReleaseKernel(k));
    OK(clReleaseProgram(p));
    watch(MEM, result, "the result of a held launch");
}

static void
released_check(void)
{
    EXPECT(status_of(own_last) > CL_COMPLETE);
    compare(result, 0, result_words, BYTES, "the result of a held launch");
}

static void
released_use(void)
{
    cl_int status = 0;

    gate_open(own_gate);
    EXPECT(ends_soon(own_last, &status) && status == CL_COMPLETE);
    for (size_t i = 0; i < WORDS; i++)
        result_words[i] = source_words[i] * 3 + 9;
    compare(result, 0, result_words, BYTES, "the result of a held launch");
    OK(clReleaseEvent(own_last));
    OK(clReleaseMemObject(result));
    OK(clReleaseCommandQueue(own_queue));
}

/* ---- out of order, over several gates ---------------------------------------------- */

#define STEPS 12
static cl_command_queue queues[2];
static cl_event gates[3], steps[STEPS];
static cl_mem chain;
static uint32_t chain_words[WORDS];

/* Each step waits for the one before, on the other queue, and each fourth for a gate as well. */
static void
graph_make(void)
{
    queues[0] = queue_new(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    queues[1] = queue_new(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    chain = words_new(chain_words, 90);
    for (size_t i = 0; i < 3; i++)
        gates[i] = gate_new();
    OK(clSetKernelArg(w.scramble, 0, sizeof(cl_mem), &chain));
    for (cl_uint i = 0; i < STEPS; i++) {
        cl_event waits[2];
        cl_uint n = 0;

        if (i > 0)
            waits[n++] = steps[i - 1];
        if (i % 4 == 0)
            waits[n++] = gates[i / 4];
        OK(clSetKernelArg(w.scramble, 1, sizeof i, &i));
        OK(clEnqueueNDRangeKernel(queues[i % 2], w.scramble, 1, NULL, &(size_t){WORDS},
                                  NULL, n, waits, &steps[i]));
    }
    OK(clFlush(queues[0]));
    OK(clFlush(queues[1]));
    watch(MEM, chain, "the buffer of a chain");
}

static void
graph_check(void)
{
    for (size_t i = 0; i < STEPS; i++)
        EXPECT(status_of(steps[i]) > CL_COMPLETE);
    compare(chain, 0, chain_words, BYTES, "the buffer of a chain");
}

/* Gates open from the last to the first: nothing runs before that one. */
static void
graph_use(void)
{
    cl_int status = 0;

    gate_open(gates[2]);
    gate_open(gates[1]);
    EXPECT(status_of(steps[STEPS - 1]) > CL_COMPLETE);
    compare(chain, 0, chain_words, BYTES, "the buffer of a chain");
    gate_open(gates[0]);
    EXPECT(ends_soon(steps[STEPS - 1], &status) && status == CL_COMPLETE);
    for (cl_uint i = 0; i < STEPS; i++)
        scramble_host(chain_words, WORDS, i);
    compare(chain, 0, chain_words, BYTES, "the buffer of a chain");
    for (size_t i = 0; i < STEPS; i++)
        OK(clReleaseEvent(steps[i]));
    OK(clReleaseMemObject(chain));
    OK(clReleaseCommandQueue(queues[0]));
    OK(clReleaseCommandQueue(queues[1]));
}

/* ---- a queue that was released with commands in it --------------------------------- */

static cl_event orphan_gate, orphan;
static cl_mem orphan_buffer;
static uint32_t orphan_words[WORDS];

static void
orphan_make(void)
{
    cl_command_queue q = queue_new(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);

    orphan_buffer = words_new(orphan_words, 95);
    orphan_gate = gate_new();
    orphan = launch(q, orphan_buffer, WORDS, 4, orphan_gate);
    OK(clFlush(q));
    OK(clRetainEvent(
        orphan_gate)); /* this one's, and the program's, which it lets go of */
    OK(clReleaseEvent(orphan_gate));
    OK(clReleaseCommandQueue(q));
}

static void
orphan_check(void)
{
    EXPECT(status_of(orphan) > CL_COMPLETE);
    compare(orphan_buffer, 0, orphan_words, BYTES, "a buffer");
}

static void
orphan_use(void)
{
    cl_int status = 0;

    gate_open(orphan_gate);
    EXPECT(ends_soon(orphan, &status) && status == CL_COMPLETE);
    scramble_host(orphan_words, WORDS, 4);
    compare(orphan_buffer, 0, orphan_words, BYTES, "a buffer");
    OK(clReleaseEvent(orphan));
    OK(clReleaseMemObject(orphan_buffer));
}

const struct part held_more_parts[] = {
    {"held commands on images", images_make, images_check, images_use},
    {"held, then changed and released", released_make, released_check, released_use},
    {"held out of order", graph_make, graph_check, graph_use},
    {"held in a queue that was released", orphan_make, orphan_check, orphan_use},
    {0},
};
