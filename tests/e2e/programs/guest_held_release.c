/* SPDX-License-Identifier: MIT */
/*
 * guest_held_release event|turn [GO | pocl]: all that commands use is released by the program
 * before they can run. With GO it says "held" and waits for that file, to be looked at; then
 * "released" and waits for GO.end.
 */
#include "heldtest.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFERS 8u
#define PART ((size_t)1024) /* a sub-buffer's bytes: aligned for every device */
#define WIDTH ((size_t)50)
#define HEIGHT (WORDS / WIDTH)

static atomic_uint destroyed;

static void CL_CALLBACK
on_destroyed(cl_mem m, void *arg)
{
    (void)m;
    (void)arg;
    atomic_fetch_add(&destroyed, 1);
}

static void
tell_destroyed(cl_mem m)
{
    OK(clSetMemObjectDestructorCallback(m, on_destroyed, NULL));
}

static cl_mem
part_of(cl_mem b, size_t origin)
{
    const cl_buffer_region r = {origin, PART};
    cl_int rc;
    cl_mem part = clCreateSubBuffer(b, 0, CL_BUFFER_CREATE_TYPE_REGION, &r, &rc);

    OK(rc);
    return part;
}

static cl_mem
new_image(void)
{
    const cl_image_format format = {CL_R, CL_UNSIGNED_INT32};
    const cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE2D,
                                .image_width = WIDTH,
                                .image_height = HEIGHT};
    cl_int rc;
    cl_mem image = clCreateImage(c.context, CL_MEM_READ_WRITE, &format, &desc, NULL, &rc);

    OK(rc);
    return image;
}

/* One round of commands, all of whose objects are gone when it returns; the read's event stays. */
static cl_event
round_of_commands(const struct hold *h, uint32_t seed, uint32_t *read, uint32_t *want)
{
    static const size_t origin[3], region[] = {WIDTH, HEIGHT, 1};
    cl_command_queue queue = cl_queue(&c, 0), other = out_of_order();
    cl_program own = cl_build(&c, scramble_source);
    cl_kernel kernel = cl_kernel_of(own, "scramble");
    cl_mem b = new_buffer(want, seed),
           last = cl_buffer(&c, CL_MEM_READ_WRITE, BYTES, NULL), part = part_of(b, 0),
           image = new_image();
    const size_t words = WORDS, part_words = PART / 4;
    cl_event e[6];

    tell_destroyed(b);
    tell_destroyed(part);
    tell_destroyed(image);
    tell_destroyed(last);
    cl_args(kernel, b, seed);
    OK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &words, NULL, h->n, h->list,
                              &e[0]));
    cl_args(kernel, part, seed + 1);
    OK(clEnqueueNDRangeKernel(other, kernel, 1, NULL, &part_words, NULL, 1, &e[0],
                              &e[1]));
    OK(clReleaseKernel(kernel));
    OK(clReleaseProgram(own));
    OK(clReleaseMemObject(part));
    OK(clEnqueueCopyBufferToImage(queue, b, image, 0, origin, region, 1, &e[1], &e[2]));
    OK(clReleaseMemObject(b));
    OK(clEnqueueBarrierWithWaitList(other, 1, &e[2], &e[3]));
    OK(clEnqueueCopyImageToBuffer(other, image, last, origin, region, 0, 0, NULL, &e[4]));
    OK(clReleaseMemObject(image));
    OK(clEnqueueReadBuffer(other, last, CL_FALSE, 0, BYTES, read, 1, &e[4], &e[5]));
    OK(clReleaseMemObject(last));
    release_events(5, e);
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseCommandQueue(other));
    scramble_host(want, WORDS, seed);
    scramble_host(want, PART / 4, seed + 1);
    return e[5];
}

static void
pause_for(const char *word, const char *go, const char *suffix)
{
    char path[4096];

    if (!go)
        return;
    snprintf(path, sizeof path, "%s%s", go, suffix);
    done(word);
    wait_for_file(path);
}

int
main(int argc, char **argv)
{
    static uint32_t read[BUFFERS][WORDS], want[BUFFERS][WORDS];
    const char *go;
    cl_event e[BUFFERS];
    struct hold h;

    held_open(argc, argv);
    go = argc > 2 && !pocl ? argv[2] : NULL;
    hold_begin(&h);
    for (uint32_t i = 0; i < BUFFERS; i++)
        e[i] = round_of_commands(&h, 10 * i, read[i], want[i]);
    hold_stays(&h, BUFFERS, e);
    if (by_event && !pocl) /* PoCL 3.1 calls some before */
        EXPECT(atomic_load(&destroyed) == 0);
    pause_for("held", go, "");
    hold_open(&h);
    OK(clWaitForEvents(BUFFERS, e));
    for (unsigned i = 0; i < BUFFERS; i++)
        same_words(read[i], want[i], WORDS, "a round");
    release_events(BUFFERS, e);
    for (unsigned ms = 0; atomic_load(&destroyed) < 4 * BUFFERS; ms++) {
        EXPECT(ms < WAIT_MS);
        sleep_ms(1);
    }
    pause_for("released", go, ".end");
    EXPECT(atomic_load(&destroyed) == 4 * BUFFERS);
    held_close();
    done("all was released before it was used");
    return 0;
}
