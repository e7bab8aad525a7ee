/* SPDX-License-Identifier: MIT */
/* Buffers of every flag, sub-buffers, large and empty ones, destructor callbacks. */
#include "suite.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- flags ------------------------------------------------------------------------- */

static const cl_mem_flags flags[] = {
    CL_MEM_READ_WRITE,
    CL_MEM_READ_ONLY,
    CL_MEM_WRITE_ONLY,
    CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
    CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR,
    CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR,
    CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR,
    CL_MEM_READ_WRITE | CL_MEM_HOST_READ_ONLY | CL_MEM_COPY_HOST_PTR,
    CL_MEM_READ_WRITE | CL_MEM_HOST_WRITE_ONLY | CL_MEM_COPY_HOST_PTR,
    CL_MEM_READ_WRITE | CL_MEM_HOST_NO_ACCESS | CL_MEM_COPY_HOST_PTR,
};
#define N_FLAGS (sizeof flags / sizeof *flags)
#define POINTERS (CL_MEM_COPY_HOST_PTR | CL_MEM_USE_HOST_PTR)
#define NO_READ (CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS)
#define NO_WRITE (CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS)

static cl_mem buffers[N_FLAGS];
static uint32_t content[N_FLAGS][WORDS];
static uint32_t used_pointer[N_FLAGS][WORDS] __attribute__((aligned(4096)));

static void
flags_make(void)
{
    for (size_t i = 0; i < N_FLAGS; i++) {
        pattern(content[i], WORDS, (uint32_t)i);
        pattern(used_pointer[i], WORDS, (uint32_t)i);
        buffers[i] =
            buffer_new(flags[i], BYTES, flags[i] & POINTERS ? used_pointer[i] : NULL);
        if (!(flags[i] & POINTERS))
            OK(clEnqueueWriteBuffer(w.queue, buffers[i], CL_FALSE, 0, BYTES, content[i],
                                    0, NULL, NULL));
        watch(MEM, buffers[i], "buffer %zu", i);
    }
    OK(clRetainMemObject(buffers[0]));
}

/* What the host may not read is copied to where it may. */
static void
compare_any(size_t i)
{
    cl_mem m = buffers[i];

    if (flags[i] & NO_READ) {
        m = buffer_new(0, BYTES, NULL);
        OK(clEnqueueCopyBuffer(w.queue, buffers[i], m, 0, 0, BYTES, 0, NULL, NULL));
    }
    compare(m, 0, content[i], BYTES, "a buffer");
    if (m != buffers[i])
        OK(clReleaseMemObject(m));
}

static void
flags_check(void)
{
    for (size_t i = 0; i < N_FLAGS; i++)
        compare_any(i);
}

static void
still_refused(size_t i)
{
    uint32_t host[4] = {0};

    if (flags[i] & NO_READ)
        EXPECT(clEnqueueReadBuffer(w.queue, buffers[i], CL_TRUE, 0, sizeof host, host, 0,
                                   NULL, NULL) == CL_INVALID_OPERATION);
    if (flags[i] & NO_WRITE)
        EXPECT(clEnqueueWriteBuffer(w.queue, buffers[i], CL_TRUE, 0, sizeof host, host, 0,
                                    NULL, NULL) == CL_INVALID_OPERATION);
}

static void
flags_use(void)
{
    OK(clReleaseMemObject(buffers[0]));
    for (size_t i = 0; i < N_FLAGS; i++) {
        still_refused(i);
        if (!(flags[i] & (CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY))) {
            OK(clReleaseEvent(launch(w.queue, buffers[i], WORDS, 77, NULL)));
            scramble_host(content[i], WORDS, 77);
            compare_any(i);
        }
        OK(clReleaseMemObject(buffers[i]));
    }
}

/* ---- a buffer in the host's memory, as the host sees it ---------------------------- */

static uint32_t in_host[WORDS] __attribute__((aligned(4096))), in_host_want[WORDS];
static cl_mem of_host;

static void
host_pointer_make(void)
{
    pattern(in_host, WORDS, 5);
    of_host = buffer_new(CL_MEM_USE_HOST_PTR, BYTES, in_host);
    OK(clReleaseEvent(launch(w.queue, of_host, WORDS, 6, NULL)));
    pattern(in_host_want, WORDS, 5);
    scramble_host(in_host_want, WORDS, 6);
    watch(MEM, of_host, "a buffer in the host's memory");
}

static void
host_pointer_check(void)
{
    cl_int rc;
    void *const p = clEnqueueMapBuffer(w.queue, of_host, CL_TRUE, CL_MAP_READ, 0, BYTES,
                                       0, NULL, NULL, &rc);

    OK(rc);
    EXPECT(p == in_host);
    same(in_host, in_host_want, BYTES, "the host's memory");
    OK(clEnqueueUnmapMemObject(w.queue, of_host, p, 0, NULL, NULL));
}

static void
host_pointer_use(void)
{
    scramble_both(of_host, in_host_want, WORDS, 8);
    host_pointer_check();
    OK(clFinish(w.queue));
    OK(clReleaseMemObject(of_host));
}

/* ---- sub-buffers ------------------------------------------------------------------- */

#define SUBS 4
static cl_mem parent, subs[SUBS];
static uint32_t *parent_want;
static size_t sub_bytes;

static void
sub_buffers_make(void)
{
    cl_uint align_bits = 0;
    cl_int rc;

    OK(clGetDeviceInfo(w.device, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof align_bits,
                       &align_bits, NULL));
    sub_bytes = align_bits / 8;
    parent_want = malloc(SUBS * sub_bytes);
    EXPECT(parent_want != NULL);
    pattern(parent_want, SUBS * sub_bytes / 4, 30);
    parent = buffer_new(CL_MEM_COPY_HOST_PTR, SUBS * sub_bytes, parent_want);
    for (size_t i = 0; i < SUBS; i++) {
        const cl_buffer_region region = {i * sub_bytes, sub_bytes};

        subs[i] = clCreateSubBuffer(parent, i % 2 ? CL_MEM_READ_ONLY : 0,
                                    CL_BUFFER_CREATE_TYPE_REGION, &region, &rc);
        OK(rc);
        watch(MEM, subs[i], "sub-buffer %zu", i);
    }
    watch(MEM, parent, "the parent of sub-buffers");
}

static void
sub_buffers_check(void)
{
    for (size_t i = 0; i < SUBS; i++)
        compare(subs[i], 0, (char *)parent_want + i * sub_bytes, sub_bytes,
                "a sub-buffer");
    compare(parent, 0, parent_want, SUBS * sub_bytes, "the parent");
}

/* Sub-buffer and parent are the same memory still, also when the parent is let go of. */
static void
sub_buffers_use(void)
{
    const size_t words = sub_bytes / 4;

    scramble_host(parent_want + 2 * words, words, 3);
    OK(clReleaseEvent(launch(w.queue, subs[2], words, 3, NULL)));
    sub_buffers_check();
    OK(clReleaseMemObject(parent));
    scramble_both(subs[0], parent_want, words, 4);
    for (size_t i = 0; i < SUBS; i++)
        OK(clReleaseMemObject(subs[i]));
    free(parent_want);
}

/* ---- zeros, nothing, 32 MiB -------------------------------------------------------- */

#define ZEROS ((size_t)4 << 20)
#define LARGE ((size_t)32 << 20)
static cl_mem zeros, untouched, half, large;
static uint32_t *large_want;

static void
sizes_make(void)
{
    const cl_uint zero = 0, one = 0x01020304;

    zeros = buffer_new(0, ZEROS, NULL);
    half = buffer_new(0, ZEROS, NULL);
    untouched = buffer_new(0, ZEROS, NULL);
    large_want = malloc(LARGE);
    EXPECT(large_want != NULL);
    pattern(large_want, LARGE / 4, 99);
    large = buffer_new(0, LARGE, NULL);
    OK(clEnqueueFillBuffer(w.queue, zeros, &zero, 4, 0, ZEROS, 0, NULL, NULL));
    OK(clEnqueueFillBuffer(w.queue, half, &zero, 4, 0, ZEROS, 0, NULL, NULL));
    OK(clEnqueueFillBuffer(w.queue, half, &one, 4, ZEROS / 2 - 4, 8, 0, NULL, NULL));
    OK(clEnqueueWriteBuffer(w.queue, large, CL_TRUE, 0, LARGE, large_want, 0, NULL,
                            NULL));
    watch(MEM, zeros, "a buffer of zeros");
    watch(MEM, untouched, "a buffer that nobody has written to");
    watch(MEM, large, "a buffer of 32 MiB");
}

static void
sizes_check(void)
{
    uint32_t *const want = calloc(1, ZEROS);

    EXPECT(want != NULL);
    compare(zeros, 0, want, ZEROS, "zeros");
    want[ZEROS / 8 - 1] = want[ZEROS / 8] = 0x01020304;
    compare(half, 0, want, ZEROS, "zeros but for two words");
    compare(large, 0, large_want, LARGE, "32 MiB");
    free(want);
}

static void
sizes_use(void)
{
    scramble_both(large, large_want, LARGE / 4, 12);
    OK(clReleaseMemObject(zeros));
    OK(clReleaseMemObject(half));
    OK(clReleaseMemObject(untouched));
    OK(clReleaseMemObject(large));
    free(large_want);
}

/* ---- destructor callbacks ---------------------------------------------------------- */

static cl_mem with_callbacks;
static atomic_uint called; /* a digit for each call: which */

static void CL_CALLBACK
first(cl_mem m, void *data)
{
    (void)m;
    (void)data;
    atomic_store(&called, atomic_load(&called) * 10 + 1);
}

static void CL_CALLBACK
second(cl_mem m, void *data)
{
    (void)m;
    (void)data;
    atomic_store(&called, atomic_load(&called) * 10 + 2);
}

static void
destructors_make(void)
{
    uint32_t host[WORDS];

    with_callbacks = words_new(host, 1);
    OK(clSetMemObjectDestructorCallback(with_callbacks, first, NULL));
    OK(clSetMemObjectDestructorCallback(with_callbacks, second, NULL));
    OK(clRetainMemObject(with_callbacks));
    watch(MEM, with_callbacks, "a buffer with destructor callbacks");
}

static void
destructors_check(void)
{
    EXPECT(atomic_load(&called) == 0);
}

/* The last that was registered comes first. */
static void
destructors_use(void)
{
    OK(clReleaseMemObject(with_callbacks));
    OK(clFinish(w.queue));
    EXPECT(atomic_load(&called) == 0);
    OK(clReleaseMemObject(with_callbacks));
    for (unsigned i = 0; i < 5000 && atomic_load(&called) < 10; i++)
        sleep_ms(1);
    EXPECT(atomic_load(&called) == 21);
}

const struct part memory_parts[] = {
    {"buffer flags", flags_make, flags_check, flags_use},
    {"buffers in the host's memory", host_pointer_make, host_pointer_check,
     host_pointer_use},
    {"sub-buffers", sub_buffers_make, sub_buffers_check, sub_buffers_use},
    {"zeros, and 32 MiB", sizes_make, sizes_check, sizes_use},
    {"destructor callbacks", destructors_make, destructors_check, destructors_use},
    {0},
};
