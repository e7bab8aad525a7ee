/* SPDX-License-Identifier: MIT */
/*
 * guest_held_args event|turn [pocl]: launches that cannot run yet take the arguments that their
 * kernel had when they were enqueued, whatever becomes of the kernel afterwards.
 */
#include "command_buffer.h"
#include "heldtest.h"

#include <stdlib.h>
#include <string.h>

#define BUFFERS 3u
#define LAUNCHES 32u /* with samplers */
#define WIDTH ((size_t)50)
#define HEIGHT (WORDS / WIDTH)

static void
set_word(cl_kernel kernel, cl_uint index, uint32_t value)
{
    OK(clSetKernelArg(kernel, index, sizeof value, &value));
}

static void
set_mem(cl_kernel kernel, cl_uint index, cl_mem m)
{
    OK(clSetKernelArg(kernel, index, sizeof(cl_mem), &m));
}

static void
enqueue(const struct hold *h, cl_command_queue queue, cl_kernel kernel, size_t items)
{
    OK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &items, NULL, h->n, h->list, NULL));
}

/* put: p[at] = value. */
static void
enqueue_put(const struct hold *h, cl_command_queue queue, cl_kernel put, uint32_t at,
            uint32_t value)
{
    set_word(put, 1, at);
    set_word(put, 2, value);
    enqueue(h, queue, put, 1);
}

/* Some launches per set; sets change the value, the buffer, or both; the last are never used. */
static void
values_and_buffers(void)
{
    static uint32_t host[BUFFERS + 1][WORDS];
    cl_mem b[BUFFERS + 1];
    uint32_t seed = 1;
    unsigned at = 0;
    struct hold h;

    for (unsigned i = 0; i <= BUFFERS; i++)
        b[i] = new_buffer(host[i], i);
    hold_begin(&h);
    cl_args(scramble, b[0], seed);
    for (unsigned i = 0; i < 60; i++) {
        if (i % 2)
            set_word(scramble, 1, seed = i * 77);
        if (i % 3 == 0)
            set_mem(scramble, 0, b[at = i / 3 % BUFFERS]);
        for (unsigned k = 0; k <= i % 4; k++) {
            enqueue(&h, c.queue, scramble, WORDS);
            scramble_host(host[at], WORDS, seed);
        }
    }
    cl_args(scramble, b[BUFFERS], 99);
    hold_open(&h);
    for (unsigned i = 0; i <= BUFFERS; i++) {
        compare(b[i], host[i], "values and buffers");
        OK(clReleaseMemObject(b[i]));
    }
    done("values and buffers as they were");
}

/* Held launches and direct ones of one kernel, in turns. */
static void
direct_beside_held(void)
{
    cl_command_queue other = cl_queue(&c, 0);
    uint32_t host[WORDS], direct[WORDS];
    cl_mem b = new_buffer(host, 3), d = new_buffer(direct, 4);
    struct hold h;

    hold_begin(&h);
    for (uint32_t i = 0; i < 40; i++) {
        cl_event e;

        launch_held(&h, c.queue, b, i);
        scramble_host(host, WORDS, i);
        e = launch(other, d, 1000 + i, 0, NULL);
        scramble_host(direct, WORDS, 1000 + i);
        if (i % 10 == 0)
            OK(clWaitForEvents(1, &e));
        OK(clReleaseEvent(e));
    }
    OK(clFinish(other));
    hold_open(&h);
    compare(d, direct, "direct ones");
    compare(b, host, "held ones");
    /* What was set last is set still. */
    enqueue(&h, c.queue, scramble, WORDS);
    scramble_host(direct, WORDS, 1039);
    compare(d, direct, "what is set afterwards");
    OK(clReleaseCommandQueue(other));
    OK(clReleaseMemObject(b));
    OK(clReleaseMemObject(d));
    done("direct launches beside held ones");
}

static uint32_t
tally_host(uint32_t n)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += i * n;
    return sum;
}

static void
local_sizes_and_blocks(void)
{
    cl_kernel tally = cl_kernel_of(program, "tally"),
              block = cl_kernel_of(program, "put_block");
    uint32_t host[WORDS], v[16];
    cl_mem b = new_buffer(host, 5);
    struct hold h;

    hold_begin(&h);
    set_mem(tally, 0, b);
    set_mem(block, 0, b);
    for (uint32_t i = 0; i < 20; i++) {
        const uint32_t n = i % 2 ? 1 : 2000 + i;

        set_word(tally, 1, host[i] = i);
        OK(clSetKernelArg(tally, 2, n * 4, NULL));
        set_word(tally, 3, n);
        enqueue(&h, c.queue, tally, 1);
        host[i] = tally_host(n);
        pattern_fill(v, 16, i);
        set_word(block, 1, 20 + 16 * i);
        OK(clSetKernelArg(block, 2, sizeof v, v));
        enqueue(&h, c.queue, block, 1);
        memcpy(&host[20 + 16 * i], v, sizeof v);
        memset(v, 0, sizeof v);
    }
    OK(clSetKernelArg(tally, 2, 4, NULL));
    OK(clSetKernelArg(block, 2, sizeof v, v));
    hold_open(&h);
    compare(b, host, "local sizes and blocks");
    OK(clReleaseKernel(tally));
    OK(clReleaseKernel(block));
    OK(clReleaseMemObject(b));
    done("local sizes and long values as they were");
}

static void
null_buffers(void)
{
    cl_kernel put_if = cl_kernel_of(program, "put_if");
    uint32_t host[WORDS], other_host[WORDS];
    cl_mem b = new_buffer(host, 6), other = new_buffer(other_host, 7);
    struct hold h;

    hold_begin(&h);
    set_mem(put_if, 0, b);
    for (uint32_t i = 0; i < 20; i++) {
        if (i % 3 == 0)
            OK(clSetKernelArg(put_if, 1, sizeof(cl_mem), NULL));
        else
            set_mem(put_if, 1, other);
        set_word(put_if, 2, i);
        enqueue(&h, c.queue, put_if, 1);
        host[i] = i % 3 == 0 ? 77 : other_host[i];
    }
    hold_open(&h);
    compare(b, host, "null buffers");
    OK(clReleaseKernel(put_if));
    OK(clReleaseMemObject(b));
    OK(clReleaseMemObject(other));
    done("null for a buffer as it was");
}

/* A clone has what its source has when it is made; neither knows of the other's sets. */
static void
clones(void)
{
    cl_kernel put = cl_kernel_of(program, "put"), clone, again;
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 8);
    struct hold h;
    cl_int rc;

    hold_begin(&h);
    set_mem(put, 0, b);
    for (uint32_t i = 0; i < 50; i += 5) {
        enqueue_put(&h, c.queue, put, i, host[i] = 100 + i);
        set_word(put, 1, i + 1);
        set_word(put, 2, host[i + 1] = 200 + i);
        clone = clCloneKernel(put, &rc);
        OK(rc);
        enqueue_put(&h, c.queue, put, i + 2, host[i + 2] = 300 + i);
        enqueue(&h, c.queue, clone, 1);
        enqueue_put(&h, c.queue, clone, i + 3, host[i + 3] = 400 + i);
        set_word(clone, 1, i + 4);
        set_word(clone, 2, host[i + 4] = 500 + i);
        again = clCloneKernel(clone, &rc);
        OK(rc);
        set_word(clone, 1, 999);
        OK(clReleaseKernel(clone));
        enqueue(&h, c.queue, again, 1);
        OK(clReleaseKernel(again));
    }
    hold_open(&h);
    compare(b, host, "clones");
    OK(clReleaseKernel(put));
    OK(clReleaseMemObject(b));
    done("clones of kernels with held launches");
}

static void *
find(const char *name)
{
    void *address = clGetExtensionFunctionAddressForPlatform(c.platform, name);

    if (!address)
        fail("%s is not there", name);
    return address;
}

#define FIND(name) ((__typeof__(name) *)find(#name))

/*
 * What is recorded is what is set then, not what its held launches have. PoCL 3.1 looks at the
 * arguments only when it replays.
 */
static void
recordings(void)
{
    cl_kernel put = cl_kernel_of(program, "put");
    const size_t one = 1;
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 9);
    cl_command_buffer_khr cb;
    struct hold h;
    cl_int rc;

    hold_begin(&h);
    cb = FIND(clCreateCommandBufferKHR)(1, &c.queue, NULL, &rc);
    OK(rc);
    set_mem(put, 0, b);
    for (uint32_t i = 0; i < 30; i += 3) {
        enqueue_put(&h, c.queue, put, i, host[i] = 100 + i);
        set_word(put, 1, i + 1);
        set_word(put, 2, host[i + 1] = 200 + i);
        OK(FIND(clCommandNDRangeKernelKHR)(cb, NULL, NULL, put, 1, NULL, &one, NULL, 0,
                                           NULL, NULL, NULL));
        enqueue_put(&h, c.queue, put, i + 2, host[i + 2] = 300 + i);
    }
    OK(FIND(clFinalizeCommandBufferKHR)(cb));
    OK(FIND(clEnqueueCommandBufferKHR)(0, NULL, cb, 0, NULL, NULL));
    enqueue_put(&h, c.queue, put, 1, host[1] = 7);
    hold_open(&h);
    compare(b, host, "recordings");
    OK(FIND(clReleaseCommandBufferKHR)(cb));
    OK(clReleaseKernel(put));
    OK(clReleaseMemObject(b));
    done("recordings of kernels with held launches");
}

static cl_mem
new_image(uint32_t *host, uint32_t seed)
{
    const cl_image_format format = {CL_R, CL_UNSIGNED_INT32};
    const cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE2D,
                                .image_width = WIDTH,
                                .image_height = HEIGHT};
    cl_int rc;
    cl_mem image;

    pattern_fill(host, WORDS, seed);
    image = clCreateImage(c.context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, &format,
                          &desc, host, &rc);
    OK(rc);
    return image;
}

static void
shift_host(uint32_t *p, const uint32_t *image, bool edge)
{
    for (size_t i = 0; i < WORDS; i++) {
        const size_t x = i % WIDTH + 5, row = i - i % WIDTH;

        p[i] = x < WIDTH ? image[row + x] : edge ? image[row + WIDTH - 1] : 0;
    }
}

static cl_sampler
new_sampler(bool edge)
{
    cl_int rc;
    cl_sampler s = clCreateSampler(c.context, CL_FALSE,
                                   edge ? CL_ADDRESS_CLAMP_TO_EDGE : CL_ADDRESS_CLAMP,
                                   CL_FILTER_NEAREST, &rc);

    OK(rc);
    return s;
}

/*
 * Images and samplers, only the launches' afterwards; one of so many steps keeps them from running
 * before that. PoCL 3.1 forgets samplers at once: new ones would come in their place.
 */
static void
images_and_samplers(uint32_t steps)
{
    static uint32_t host[LAUNCHES][WORDS], pixels[WORDS];
    const size_t size[] = {WIDTH, HEIGHT};
    cl_kernel shift = cl_kernel_of(program, "shift"),
              busy = cl_kernel_of(program, "busy");
    cl_sampler kept[LAUNCHES], others[LAUNCHES];
    uint32_t host_first[WORDS];
    cl_mem b[LAUNCHES], first = new_buffer(host_first, 9);
    struct hold h;

    set_mem(busy, 0, first);
    hold_begin(&h);
    set_word(busy, 1, steps);
    enqueue(&h, c.queue, busy, 1);
    set_word(shift, 3, WIDTH);
    for (unsigned i = 0; i < LAUNCHES; i++) {
        const bool edge = i % 3 == 1;
        cl_sampler s = new_sampler(edge);
        cl_mem image = new_image(pixels, 40 + i);

        b[i] = new_buffer(host[i], i);
        set_mem(shift, 0, b[i]);
        set_mem(shift, 1, image);
        OK(clSetKernelArg(shift, 2, sizeof s, &s));
        OK(clEnqueueNDRangeKernel(c.queue, shift, 2, NULL, size, NULL, h.n, h.list,
                                  NULL));
        shift_host(host[i], pixels, edge);
        kept[i] = s;
        if (!pocl)
            OK(clReleaseSampler(s));
        OK(clReleaseMemObject(image));
    }
    OK(clReleaseKernel(shift));
    OK(clReleaseKernel(busy));
    hold_open(&h);
    for (unsigned i = 0; i < LAUNCHES; i++)
        others[i] = new_sampler(i % 3 != 1);
    for (unsigned i = 0; i < LAUNCHES; i++) {
        compare(b[i], host[i], "images and samplers");
        if (pocl)
            OK(clReleaseSampler(kept[i]));
        OK(clReleaseSampler(others[i]));
        OK(clReleaseMemObject(b[i]));
    }
    OK(clReleaseMemObject(first));
    done("images and samplers as they were");
}

/*
 * No right use: a buffer that is gone before the launch is enqueued. The launch fails, and no more
 * than that, whether it can run at once or not.
 */
static void
buffers_that_are_gone(void)
{
    uint32_t host[WORDS];
    cl_mem b = new_buffer(host, 60), gone = new_buffer(host, 61);
    const size_t words = WORDS;
    struct hold h;
    cl_event e;

    pattern_fill(host, WORDS, 60);
    hold_begin(&h);
    cl_args(scramble, gone, 1);
    OK(clReleaseMemObject(gone));
    if (clEnqueueNDRangeKernel(c.queue, scramble, 1, NULL, &words, NULL, h.n, h.list,
                               &e) == CL_SUCCESS) {
        hold_open(&h);
        EXPECT(clWaitForEvents(1, &e) < 0 && status_of(e) < 0);
        OK(clReleaseEvent(e));
    }
    hold_open(&h);
    clFinish(c.queue); /* with the launch's error */
    compare(b, host, "beside a buffer that is gone");
    OK(clReleaseMemObject(b));
    done("buffers that are gone");
}

int
main(int argc, char **argv)
{
    held_open(argc, argv);
    values_and_buffers();
    direct_beside_held();
    local_sizes_and_blocks();
    null_buffers();
    clones();
    if (!pocl && c.n_devices == 1) /* command buffers are of contexts with one device */
        recordings();
    images_and_samplers(
        1); /* makes machine code of both, so that the next waits for nothing */
    images_and_samplers(20 * 1000 * 1000);
    if (!pocl)
        buffers_that_are_gone();
    held_close();
    return 0;
}
