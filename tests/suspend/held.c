/* SPDX-License-Identifier: MIT */
/* Commands of every kind that wait for a user event while the program pauses. */
#include "suite.h"

#include <string.h>

/* A queue whose commands wait for `gate`, and two buffers; in and out are the host's. */
struct held {
    cl_command_queue queue;
    cl_event gate, last;
    cl_mem a, b;
    uint32_t words_a[WORDS], words_b[WORDS], in[WORDS], out[WORDS];
};

static void
hold(struct held *h)
{
    h->queue = queue_new(CL_QUEUE_PROFILING_ENABLE);
    h->gate = gate_new();
    h->a = words_new(h->words_a, 100);
    h->b = words_new(h->words_b, 101);
    pattern(h->in, WORDS, 102);
    OK(clEnqueueBarrierWithWaitList(h->queue, 1, &h->gate, NULL));
}

static void
held_now(struct held *h, const char *name)
{
    OK(clEnqueueMarkerWithWaitList(h->queue, 0, NULL, &h->last));
    OK(clFlush(h->queue));
    watch(EVENT, h->gate, "the event before %s", name);
    watch(MEM, h->a, "a buffer of %s", name);
    watch(QUEUE, h->queue, "the queue of %s", name);
}

static void
still_held(const struct held *h)
{
    EXPECT(status_of(h->last) > CL_COMPLETE);
    compare(h->a, 0, h->words_a, BYTES, "a buffer whose commands are held back");
    compare(h->b, 0, h->words_b, BYTES, "a buffer whose commands are held back");
}

static void
let_go(struct held *h)
{
    cl_int status = 0;

    gate_open(h->gate);
    EXPECT(ends_soon(h->last, &status));
    EXPECT(status == CL_COMPLETE);
    OK(clFinish(h->queue));
    OK(clReleaseEvent(h->last));
    OK(clReleaseCommandQueue(h->queue));
}

/* The buffers now are as words_a and words_b. */
static void
end(struct held *h)
{
    compare(h->a, 0, h->words_a, BYTES, "the first buffer");
    compare(h->b, 0, h->words_b, BYTES, "the second buffer");
    OK(clReleaseMemObject(h->a));
    OK(clReleaseMemObject(h->b));
}

/* ---- transfers --------------------------------------------------------------------- */

static struct held transfers;

static void
transfers_make(void)
{
    struct held *const h = &transfers;
    const cl_uint zero = 0, ones = ~0u;

    hold(h);
    OK(clEnqueueWriteBuffer(h->queue, h->a, CL_FALSE, 0, BYTES / 2, h->in, 0, NULL,
                            NULL));
    OK(clEnqueueFillBuffer(h->queue, h->a, &zero, 4, 0, 64, 0, NULL, NULL));
    OK(clEnqueueFillBuffer(h->queue, h->a, &ones, 4, 64, 64, 0, NULL, NULL));
    OK(clEnqueueCopyBuffer(h->queue, h->a, h->b, 0, 0, 1024, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(h->queue, h->a, CL_FALSE, 0, BYTES, h->out, 0, NULL, NULL));
    held_now(h, "held transfers");
}

static void
transfers_check(void)
{
    still_held(&transfers);
}

static void
transfers_use(void)
{
    struct held *const h = &transfers;

    let_go(h);
    memcpy(h->words_a, h->in, BYTES / 2);
    memset(h->words_a, 0, 64);
    memset((char *)h->words_a + 64, 0xff, 64);
    memcpy(h->words_b, h->words_a, 1024);
    same(h->out, h->words_a, BYTES, "what a held read read");
    end(h);
}

/* ---- rectangles -------------------------------------------------------------------- */

#define ROW ((size_t)128)
#define ROWS (BYTES / ROW)

static struct held rects;

static void
rects_make(void)
{
    struct held *const h = &rects;
    const size_t at[3] = {16, 2, 0}, to[3] = {32, 4, 0}, region[3] = {64, 8, 1};

    hold(h);
    OK(clEnqueueWriteBufferRect(h->queue, h->a, CL_FALSE, at, to, region, ROW, 0, ROW, 0,
                                h->in, 0, NULL, NULL));
    OK(clEnqueueCopyBufferRect(h->queue, h->a, h->b, at, to, region, ROW, 0, ROW, 0, 0,
                               NULL, NULL));
    OK(clEnqueueReadBufferRect(h->queue, h->b, CL_FALSE, to, at, region, ROW, 0, ROW, 0,
                               h->out, 0, NULL, NULL));
    held_now(h, "held rectangles");
}

static void
rects_check(void)
{
    still_held(&rects);
}

static void
rect_host(void *to, size_t to_x, size_t to_y, const void *from, size_t x, size_t y)
{
    for (size_t row = 0; row < 8; row++)
        memcpy((char *)to + (to_y + row) * ROW + to_x,
               (const char *)from + (y + row) * ROW + x, 64);
}

static void
rects_use(void)
{
    struct held *const h = &rects;
    uint32_t want[WORDS] = {0};

    let_go(h);
    rect_host(h->words_a, 16, 2, h->in, 32, 4);
    rect_host(h->words_b, 32, 4, h->words_a, 16, 2);
    rect_host(want, 16, 2, h->words_b, 32, 4);
    same(h->out, want, BYTES, "what a held read of a rectangle read");
    end(h);
}

/* ---- launches ---------------------------------------------------------------------- */

static struct held launches;

/* The second has other arguments than the kernel has later; the third is a task of one item. */
static void
launches_make(void)
{
    struct held *const h = &launches;
    const size_t offset = 16, n = 32, local = 8;

    hold(h);
    OK(clReleaseEvent(launch(h->queue, h->a, WORDS, 1, NULL)));
    OK(clReleaseEvent(launch(h->queue, h->b, WORDS, 2, NULL)));
    OK(clEnqueueNDRangeKernel(h->queue, w.scramble, 1, &offset, &n, &local, 0, NULL,
                              NULL));
    OK(clEnqueueTask(h->queue, w.scramble, 0, NULL, NULL));
    OK(clReleaseEvent(launch(h->queue, h->a, WORDS / 2, 3, NULL)));
    held_now(h, "held launches");
}

static void
launches_check(void)
{
    still_held(&launches);
}

static void
scramble_from(uint32_t *p, size_t from, size_t n, uint32_t seed)
{
    scramble_host(p + from, n, seed + (uint32_t)from);
}

static void
launches_use(void)
{
    struct held *const h = &launches;

    let_go(h);
    scramble_host(h->words_a, WORDS, 1);
    scramble_host(h->words_b, WORDS, 2);
    scramble_from(h->words_b, 16, 32, 2);
    scramble_host(h->words_b, 1, 2);
    scramble_host(h->words_a, WORDS / 2, 3);
    end(h);
}

/* ---- maps and unmaps --------------------------------------------------------------- */

static struct held maps;
static uint32_t *held_map, *held_unmap;

static void
maps_make(void)
{
    struct held *const h = &maps;
    cl_int rc;

    hold(h);
    held_unmap = clEnqueueMapBuffer(w.queue, h->b, CL_TRUE, CL_MAP_WRITE, 0, BYTES, 0,
                                    NULL, NULL, &rc);
    OK(rc);
    OK(clReleaseEvent(launch(h->queue, h->a, WORDS, 5, NULL)));
    held_map = clEnqueueMapBuffer(h->queue, h->a, CL_FALSE, CL_MAP_READ | CL_MAP_WRITE, 0,
                                  BYTES, 0, NULL, NULL, &rc);
    OK(rc);
    pattern(held_unmap, WORDS, 55);
    OK(clEnqueueUnmapMemObject(h->queue, h->b, held_unmap, 0, NULL, NULL));
    held_now(h, "held maps");
    watch(MEM, h->b, "a buffer that is to be unmapped");
}

static void
maps_check(void)
{
    EXPECT(status_of(maps.last) > CL_COMPLETE);
}

static void
maps_use(void)
{
    struct held *const h = &maps;

    let_go(h);
    pattern(h->words_b, WORDS, 55);
    scramble_host(h->words_a, WORDS, 5);
    same(held_map, h->words_a, BYTES, "what was mapped after it was held back");
    pattern(held_map, WORDS, 56);
    pattern(h->words_a, WORDS, 56);
    OK(clEnqueueUnmapMemObject(w.queue, h->a, held_map, 0, NULL, NULL));
    end(h);
}

/* ---- markers, barriers, migrations; and what is refused whether held or not -------- */

static struct held others;
static cl_event marker, barrier;

static void CL_CALLBACK
native(void *unused)
{
    (void)unused;
}

static void
others_make(void)
{
    struct held *const h = &others;
    cl_device_exec_capabilities can = 0;

    hold(h);
    OK(clEnqueueMarkerWithWaitList(h->queue, 1, &h->gate, &marker));
    OK(clEnqueueMigrateMemObjects(h->queue, 1, &h->a, CL_MIGRATE_MEM_OBJECT_HOST, 0, NULL,
                                  NULL));
    OK(clEnqueueMigrateMemObjects(
        h->queue, 1, &h->b, CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED, 0, NULL, NULL));
    OK(clEnqueueBarrierWithWaitList(h->queue, 1, &marker, &barrier));
    OK(clEnqueueWriteBuffer(h->queue, h->b, CL_FALSE, 0, BYTES, h->in, 0, NULL, NULL));
    OK(clGetDeviceInfo(w.device, CL_DEVICE_EXECUTION_CAPABILITIES, sizeof can, &can,
                       NULL));
    if (!(can & CL_EXEC_NATIVE_KERNEL))
        EXPECT(clEnqueueNativeKernel(h->queue, native, NULL, 0, 0, NULL, NULL, 1,
                                     &h->gate, NULL) == CL_INVALID_OPERATION);
    held_now(h, "other held commands");
}

static void
others_check(void)
{
    EXPECT(status_of(marker) > CL_COMPLETE);
    EXPECT(status_of(barrier) > CL_COMPLETE);
    compare(others.a, 0, others.words_a, BYTES, "a buffer that is to be migrated");
}

static void
others_use(void)
{
    struct held *const h = &others;

    let_go(h);
    EXPECT(status_of(marker) == CL_COMPLETE);
    EXPECT(status_of(barrier) == CL_COMPLETE);
    memcpy(h->words_b, h->in, BYTES);
    end(h);
    OK(clReleaseEvent(marker));
    OK(clReleaseEvent(barrier));
}

const struct part held_parts[] = {
    {"held transfers", transfers_make, transfers_check, transfers_use},
    {"held rectangles", rects_make, rects_check, rects_use},
    {"held launches", launches_make, launches_check, launches_use},
    {"held maps and unmaps", maps_make, maps_check, maps_use},
    {"held markers, barriers, migrations", others_make, others_check, others_use},
    {0},
};
