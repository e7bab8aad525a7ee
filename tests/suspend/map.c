/* SPDX-License-Identifier: MIT */
/* Mappings that are open during the pause: their pointers stay, and so does what is there. */
#include "suite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED ((size_t)64 << 10)
#define N_MAPPED (MAPPED / 4)

static void *
map(cl_mem m, cl_map_flags flags, size_t offset, size_t bytes)
{
    cl_int rc;
    void *const p =
        clEnqueueMapBuffer(w.queue, m, CL_TRUE, flags, offset, bytes, 0, NULL, NULL, &rc);

    OK(rc);
    EXPECT(p != NULL);
    return p;
}

static void
unmap(cl_mem m, void *p)
{
    OK(clEnqueueUnmapMemObject(w.queue, m, p, 0, NULL, NULL));
}

/* ---- written to after the pause ---------------------------------------------------- */

static cl_mem reading, writing, invalid, twice, parent, part, of_host;
static uint32_t *p_reading, *p_writing, *p_invalid, *p_twice[2], *p_part, *p_host;
static uint32_t words[N_MAPPED], own[N_MAPPED] __attribute__((aligned(4096)));
static size_t part_bytes;

static void
map_sub_buffer(void)
{
    cl_buffer_region region = {0};
    cl_uint align_bits = 0;
    cl_int rc;

    OK(clGetDeviceInfo(w.device, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof align_bits,
                       &align_bits, NULL));
    part_bytes = align_bits / 8;
    region.origin = region.size = part_bytes;
    parent = buffer_new(CL_MEM_COPY_HOST_PTR, MAPPED, words);
    part = clCreateSubBuffer(parent, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &rc);
    OK(rc);
    p_part = map(part, CL_MAP_READ | CL_MAP_WRITE, 0, part_bytes);
}

static void
maps_make(void)
{
    pattern(words, N_MAPPED, 1);
    pattern(own, N_MAPPED, 1);
    reading = buffer_new(CL_MEM_COPY_HOST_PTR, MAPPED, words);
    writing = buffer_new(CL_MEM_COPY_HOST_PTR, MAPPED, words);
    invalid = buffer_new(CL_MEM_COPY_HOST_PTR, MAPPED, words);
    twice = buffer_new(CL_MEM_ALLOC_HOST_PTR, MAPPED, NULL);
    of_host = buffer_new(CL_MEM_USE_HOST_PTR, MAPPED, own);
    p_reading = map(reading, CL_MAP_READ, 0, MAPPED);
    p_writing = map(writing, CL_MAP_READ | CL_MAP_WRITE, 4096, MAPPED - 4096);
    p_invalid = map(invalid, CL_MAP_WRITE_INVALIDATE_REGION, 0, MAPPED);
    p_twice[0] = map(twice, CL_MAP_WRITE, 0, MAPPED / 2);
    p_twice[1] = map(twice, CL_MAP_WRITE, MAPPED / 2, MAPPED / 2);
    p_host = map(of_host, CL_MAP_WRITE, 0, MAPPED);
    map_sub_buffer();
    pattern(p_twice[0], N_MAPPED / 2,
            50); /* the one before the pause, the other after it */
    pattern(p_host, N_MAPPED / 2, 51);
    watch(MEM, reading, "a buffer mapped to read");
    watch(MEM, writing, "a buffer mapped to write");
    watch(MEM, invalid, "a buffer mapped to be filled");
    watch(MEM, twice, "a buffer mapped twice");
    watch(MEM, of_host, "a mapped buffer in the host's memory");
    watch(MEM, part, "a mapped sub-buffer");
    watch(MEM, parent, "the parent of a mapped sub-buffer");
}

static void
maps_check(void)
{
    static uint32_t want[N_MAPPED / 2];

    EXPECT(count_of(reading, CL_MEM_MAP_COUNT) == 1);
    EXPECT(count_of(twice, CL_MEM_MAP_COUNT) == 2);
    same(p_reading, words, MAPPED, "what is mapped to read");
    same(p_writing, words + 1024, MAPPED - 4096, "what is mapped to write");
    same(p_part, (char *)words + part_bytes, part_bytes, "a mapped sub-buffer");
    pattern(want, N_MAPPED / 2, 50);
    same(p_twice[0], want, sizeof want, "what was written to a mapping before");
    pattern(want, N_MAPPED / 2, 51);
    same(own, want, sizeof want, "what was written to the host's memory before");
}

/* Bytes through the old pointers come to a kernel. */
static void
written_comes(cl_mem m, uint32_t *p, size_t word, size_t n, uint32_t seed)
{
    uint32_t *const want = malloc(n * 4);

    EXPECT(want != NULL);
    pattern(p, n, seed);
    pattern(want, n, seed);
    unmap(m, p);
    compare(m, word * 4, want, n * 4, "what was written to a mapping after");
    free(want);
}

static void
maps_use(void)
{
    static uint32_t want[N_MAPPED];

    unmap(reading, p_reading);
    scramble_both(reading, words, N_MAPPED, 7);
    written_comes(writing, p_writing, 1024, N_MAPPED - 1024, 8);
    written_comes(invalid, p_invalid, 0, N_MAPPED, 9);
    written_comes(part, p_part, 0, part_bytes / 4, 11);
    pattern(want, N_MAPPED / 2, 50);
    unmap(twice, p_twice[0]);
    compare(twice, 0, want, MAPPED / 2, "what was written to a mapping before");
    written_comes(twice, p_twice[1], N_MAPPED / 2, N_MAPPED / 2, 10);
    written_comes(of_host, p_host, 0, N_MAPPED, 12);
    EXPECT(count_of(twice, CL_MEM_MAP_COUNT) == 0);
    pattern(want, N_MAPPED, 12);
    scramble_both(of_host, want, N_MAPPED, 13);
    OK(clReleaseMemObject(reading));
    OK(clReleaseMemObject(writing));
    OK(clReleaseMemObject(invalid));
    OK(clReleaseMemObject(twice));
    OK(clReleaseMemObject(part));
    OK(clReleaseMemObject(parent));
    OK(clReleaseMemObject(of_host));
}

/* ---- images ------------------------------------------------------------------------ */

#define WIDE 64
#define HIGH 16
static cl_mem image;
static uint8_t pixels[HIGH][WIDE * 4], *p_image;
static size_t pitch;
static const size_t origin[3], extent[3] = {WIDE, HIGH, 1};

static void
image_make(void)
{
    const cl_image_format format = {CL_RGBA, CL_UNSIGNED_INT8};
    const cl_image_desc desc = {
        .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = WIDE, .image_height = HIGH};
    cl_int rc;

    pattern((uint32_t *)pixels, sizeof pixels / 4, 60);
    image = clCreateImage(w.context, CL_MEM_COPY_HOST_PTR, &format, &desc, pixels, &rc);
    OK(rc);
    p_image = clEnqueueMapImage(w.queue, image, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE,
                                origin, extent, &pitch, NULL, 0, NULL, NULL, &rc);
    OK(rc);
    watch(IMAGE, image, "a mapped image");
}

static void
image_check(void)
{
    for (size_t y = 0; y < HIGH; y++)
        same(p_image + y * pitch, pixels[y], sizeof pixels[y], "a mapped image");
}

static void
image_use(void)
{
    uint8_t got[HIGH][WIDE * 4];

    pattern((uint32_t *)pixels, sizeof pixels / 4, 61);
    for (size_t y = 0; y < HIGH; y++)
        memcpy(p_image + y * pitch, pixels[y], sizeof pixels[y]);
    unmap(image, p_image);
    OK(clEnqueueReadImage(w.queue, image, CL_TRUE, origin, extent, 0, 0, got, 0, NULL,
                          NULL));
    same(got, pixels, sizeof got, "an image that was mapped");
    OK(clReleaseMemObject(image));
}

/* ---- written to by another thread, all the time ------------------------------------ */

static cl_mem busy;
static uint32_t *p_busy, busy_want[N_MAPPED];
static atomic_bool enough;
static atomic_uint passes;
static pthread_t writer;

/* Each pass writes all words, so that some are written before, during and after the pause. */
static void *
keep_writing(void *unused)
{
    (void)unused;
    for (uint32_t pass = 1; !atomic_load(&enough); pass++) {
        for (size_t i = 0; i < N_MAPPED && !atomic_load(&enough); i++) {
            const uint32_t v = pass * 65537u + (uint32_t)i;

            ((volatile uint32_t *)p_busy)[i] = v;
            busy_want[i] = v;
            if (i % 64 == 0)
                sched_yield();
        }
        atomic_store(&passes, pass);
        if (pass > 100)
            sleep_ms(1); /* it need not take a core until someone comes */
    }
    return NULL;
}

static void
busy_make(void)
{
    busy = buffer_new(0, MAPPED, NULL);
    p_busy = map(busy, CL_MAP_WRITE_INVALIDATE_REGION, 0, MAPPED);
    EXPECT(pthread_create(&writer, NULL, keep_writing, NULL) == 0);
    watch(MEM, busy, "a buffer that a thread writes to");
}

static void
busy_use(void)
{
    const unsigned now = atomic_load(&passes);

    for (unsigned i = 0; i < 10000 && atomic_load(&passes) < now + 2; i++)
        sleep_ms(1);
    atomic_store(&enough, true);
    EXPECT(pthread_join(writer, NULL) == 0);
    EXPECT(atomic_load(&passes) >= now + 2);
    unmap(busy, p_busy);
    compare(busy, 0, busy_want, MAPPED, "what a thread wrote during the pause");
    scramble_both(busy, busy_want, N_MAPPED, 1);
    OK(clReleaseMemObject(busy));
}

const struct part map_parts[] = {
    {"mapped buffers", maps_make, maps_check, maps_use},
    {"a mapped image", image_make, image_check, image_use},
    {"a mapping that a thread writes to", busy_make, NULL, busy_use},
    {0},
};
