/* SPDX-License-Identifier: MIT */
/*
 * guest_transfer [MIB]: every way in which bytes go to a device and back, checked against
 * plain C: read, write, copy, fill, rectangles, mappings, sub-buffers, big transfers.
 * guest_transfer behind MIB: so much is written, and read, behind an event that is not set.
 */
#include "cltest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define WORDS ((size_t)30000)
#define BYTES (WORDS * 4)

static struct cl c;
static cl_kernel scramble;
static uint32_t *want, *got; /* WORDS each */

static void
launch(cl_mem buffer, size_t words, uint32_t seed)
{
    cl_args(scramble, buffer, seed);
    OK(clEnqueueNDRangeKernel(c.queue, scramble, 1, NULL, &words, NULL, 0, NULL, NULL));
}

static void
write_all(cl_mem buffer, cl_bool blocking)
{
    OK(clEnqueueWriteBuffer(c.queue, buffer, blocking, 0, BYTES, want, 0, NULL, NULL));
}

static void
read_all(cl_mem buffer)
{
    memset(got, 0xee, BYTES);
    OK(clEnqueueReadBuffer(c.queue, buffer, CL_TRUE, 0, BYTES, got, 0, NULL, NULL));
}

static void
compare(cl_mem buffer, const char *what)
{
    read_all(buffer);
    same_words(got, want, WORDS, what);
}

static void
done(const char *name)
{
    puts(name);
    fflush(stdout);
}

static void
blocking_and_not(void)
{
    cl_mem b = cl_buffer(&c, CL_MEM_READ_WRITE, BYTES, NULL);
    cl_event e;

    pattern_fill(want, WORDS, 1);
    write_all(b, CL_TRUE);
    compare(b, "blocking write");
    pattern_fill(want, WORDS, 2);
    write_all(b, CL_FALSE);
    OK(clFinish(c.queue));
    compare(b, "write, not blocking");
    launch(b, WORDS, 5);
    scramble_host(want, WORDS, 5);
    compare(b, "blocking read after a kernel");
    launch(b, WORDS, 6);
    scramble_host(want, WORDS, 6);
    memset(got, 0, BYTES);
    OK(clEnqueueReadBuffer(c.queue, b, CL_FALSE, 0, BYTES, got, 0, NULL, &e));
    OK(clWaitForEvents(1, &e));
    OK(clReleaseEvent(e));
    same_words(got, want, WORDS, "read, not blocking");
    OK(clReleaseMemObject(b));
    done("read and write");
}

/* Single bytes and odd ranges, one after another without waiting. */
static void
odd_ranges(void)
{
    cl_mem b = cl_buffer(&c, CL_MEM_READ_WRITE, BYTES, NULL);
    const uint8_t *from = (const uint8_t *)got;
    uint8_t *to = (uint8_t *)want;
    uint32_t random = 9;

    pattern_fill(want, WORDS, 3);
    pattern_fill(got, WORDS, 4);
    write_all(b, CL_TRUE);
    for (unsigned i = 0; i < 200; i++) {
        const size_t at = (random = random * 1664525u + 1013904223u) % BYTES;
        const size_t len = 1 + (size_t)i * i % (BYTES - at);

        OK(clEnqueueWriteBuffer(c.queue, b, i % 3 == 0, at, len, from + at, 0, NULL,
                                NULL));
        memcpy(to + at, from + at, len);
    }
    OK(clFinish(c.queue));
    compare(b, "odd ranges");
    OK(clEnqueueReadBuffer(c.queue, b, CL_TRUE, 4321, 1, got, 0, NULL, NULL));
    EXPECT(((uint8_t *)got)[0] == to[4321] && ((uint8_t *)got)[1] == to[1]);
    OK(clReleaseMemObject(b));
    done("odd ranges");
}

static void
copy_and_fill(void)
{
    cl_mem a = cl_buffer(&c, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, BYTES, want);
    cl_mem b = cl_buffer(&c, CL_MEM_READ_WRITE, BYTES, NULL);
    uint8_t fill[16];

    pattern_fill(got, WORDS, 8);
    compare(a, "CL_MEM_COPY_HOST_PTR");
    OK(clEnqueueCopyBuffer(c.queue, a, b, 0, 0, BYTES, 0, NULL, NULL));
    OK(clEnqueueCopyBuffer(c.queue, a, b, 17, 1001, 4099, 0, NULL, NULL));
    for (size_t i = 0; i < sizeof fill; i++)
        fill[i] = (uint8_t)(200 + i);
    for (size_t size = 1; size <= sizeof fill; size *= 2) {
        const size_t at = 16000 + 1600 * size;

        OK(clEnqueueFillBuffer(c.queue, b, fill, size, at, 80 * size, 0, NULL, NULL));
    }
    memcpy(got, want, BYTES);
    memcpy((uint8_t *)got + 1001, (uint8_t *)want + 17, 4099);
    for (size_t size = 1; size <= sizeof fill; size *= 2) {
        for (size_t i = 0; i < 80 * size; i++)
            ((uint8_t *)got)[16000 + 1600 * size + i] = fill[i % size];
    }
    memcpy(want, got, BYTES);
    compare(b, "copy and fill");
    OK(clReleaseMemObject(a));
    OK(clReleaseMemObject(b));
    done("copy and fill");
}

struct rect {
    size_t buffer[3], host[3], region[3], row, slice, host_row, host_slice;
};

static const struct rect rect = {.buffer = {3, 2, 1},
                                 .host = {5, 1, 2},
                                 .region = {41, 7, 3},
                                 .row = 100,
                                 .slice = 2000,
                                 .host_row = 64,
                                 .host_slice = 704};

/* The same in C: dst and src are at their own origin and pitches. */
static void
rect_copy(uint8_t *dst, const uint8_t *src, bool to_buffer)
{
    const struct rect *r = &rect;

    for (size_t z = 0; z < r->region[2]; z++) {
        for (size_t y = 0; y < r->region[1]; y++) {
            const size_t b = (r->buffer[2] + z) * r->slice + (r->buffer[1] + y) * r->row +
                             r->buffer[0];
            const size_t h = (r->host[2] + z) * r->host_slice +
                             (r->host[1] + y) * r->host_row + r->host[0];

            memcpy(dst + (to_buffer ? b : h), src + (to_buffer ? h : b), r->region[0]);
        }
    }
}

static void
rectangles(void)
{
    const struct rect *r = &rect;
    cl_mem a = cl_buffer(&c, CL_MEM_READ_WRITE, BYTES, NULL);
    uint32_t *host = alloc(BYTES);

    pattern_fill(want, WORDS, 11);
    pattern_fill(host, WORDS, 12);
    write_all(a, CL_TRUE);
    OK(clEnqueueWriteBufferRect(c.queue, a, CL_FALSE, r->buffer, r->host, r->region,
                                r->row, r->slice, r->host_row, r->host_slice, host, 0,
                                NULL, NULL));
    OK(clFinish(c.queue));
    rect_copy((uint8_t *)want, (uint8_t *)host, true);
    compare(a, "write of a rectangle");
    memcpy(got, host, BYTES);
    for (int blocking = 0; blocking < 2; blocking++) {
        OK(clEnqueueReadBufferRect(c.queue, a, (cl_bool)blocking, r->buffer, r->host,
                                   r->region, r->row, r->slice, r->host_row,
                                   r->host_slice, got, 0, NULL, NULL));
        OK(clFinish(c.queue));
    }
    rect_copy((uint8_t *)host, (uint8_t *)want, false);
    same_words(got, host, WORDS, "read of a rectangle");
    OK(clReleaseMemObject(a));
    free(host);
    done("rectangles");
}

static void
rectangle_copies(void)
{
    const struct rect *r = &rect;
    cl_mem a, b;

    pattern_fill(want, WORDS, 13);
    a = cl_buffer(&c, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, BYTES, want);
    pattern_fill(got, WORDS, 14);
    b = cl_buffer(&c, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, BYTES, got);
    OK(clEnqueueCopyBufferRect(c.queue, a, b, r->buffer, r->host, r->region, r->row,
                               r->slice, r->host_row, r->host_slice, 0, NULL, NULL));
    rect_copy((uint8_t *)got, (uint8_t *)want, false);
    memcpy(want, got, BYTES);
    compare(b, "copy of a rectangle");
    OK(clReleaseMemObject(a));
    OK(clReleaseMemObject(b));
    done("rectangle copies");
}

static void *
map(cl_mem b, cl_map_flags flags, size_t at, size_t bytes)
{
    cl_int rc;
    void *p =
        clEnqueueMapBuffer(c.queue, b, CL_TRUE, flags, at, bytes, 0, NULL, NULL, &rc);

    OK(rc);
    return p;
}

static void
unmap(cl_mem b, void *p)
{
    OK(clEnqueueUnmapMemObject(c.queue, b, p, 0, NULL, NULL));
}

static void
mappings_of(cl_mem b, const char *what)
{
    uint32_t *p, *q;

    write_all(b, CL_TRUE);
    p = map(b, CL_MAP_READ, 0, BYTES);
    q = map(b, CL_MAP_READ, 4000, 8000);
    same_words(p, want, WORDS, what);
    same_words(q, want + 1000, 2000, what);
    EXPECT(q == p + 1000);
    unmap(b, q);
    unmap(b, p);
    launch(b, WORDS, 21);
    scramble_host(want, WORDS, 21);
    p = map(b, CL_MAP_READ | CL_MAP_WRITE, 400, 40000);
    same_words(p, want + 100, 10000, what);
    scramble_host(p, 10000, 22);
    scramble_host(want + 100, 10000, 22);
    unmap(b, p);
    launch(b, WORDS, 23);
    scramble_host(want, WORDS, 23);
    compare(b, what);
    p = map(b, CL_MAP_WRITE_INVALIDATE_REGION, 4, 4096);
    pattern_fill(p, 1024, 24);
    pattern_fill(want + 1, 1024, 24);
    unmap(b, p);
    compare(b, what);
    OK(clReleaseMemObject(b));
}

static void
mappings(void)
{
    cl_mem b = cl_buffer(&c, CL_MEM_READ_WRITE, BYTES, NULL);
    cl_event e[2];
    uint32_t *p;
    cl_int rc;

    pattern_fill(want, WORDS, 20);
    mappings_of(b, "mapped buffer");
    mappings_of(cl_buffer(&c, CL_MEM_ALLOC_HOST_PTR, BYTES, NULL),
                "CL_MEM_ALLOC_HOST_PTR");
    b = cl_buffer(&c, CL_MEM_READ_WRITE, BYTES, NULL);
    write_all(b, CL_FALSE);
    launch(b, WORDS, 25);
    p = clEnqueueMapBuffer(c.queue, b, CL_FALSE, CL_MAP_READ, 0, BYTES, 0, NULL, &e[0],
                           &rc);
    OK(rc);
    OK(clWaitForEvents(1, &e[0]));
    scramble_host(want, WORDS, 25);
    same_words(p, want, WORDS, "map, not blocking");
    OK(clEnqueueUnmapMemObject(c.queue, b, p, 0, NULL, &e[1]));
    OK(clWaitForEvents(1, &e[1]));
    OK(clReleaseEvent(e[0]));
    OK(clReleaseEvent(e[1]));
    OK(clReleaseMemObject(b));
    done("mappings");
}

/*
 * Little of each of several large buffers: more than the library keeps room for, if their
 * bytes are not in its heap. Parts for writing touch; each buffer is given up while what was
 * written may still be on its way.
 */
static void
mapped_at_once(void)
{
    enum { BUFFERS = 3, ROUNDS = 2 };
    const size_t bytes = (size_t)60 << 20, at = bytes - 4100;
    cl_mem b[BUFFERS];
    uint32_t *p[BUFFERS], *q[BUFFERS];

    for (unsigned i = 0; i < BUFFERS; i++)
        b[i] = cl_buffer(&c, CL_MEM_READ_WRITE, bytes, NULL);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < BUFFERS; i++) {
            p[i] = map(b[i], CL_MAP_WRITE_INVALIDATE_REGION, at, 2048);
            q[i] = map(b[i], CL_MAP_WRITE, at + 2048, 2052);
            EXPECT(q[i] == p[i] + 512);
        }
        for (unsigned i = 0; i < BUFFERS; i++) {
            pattern_fill(p[i], 1025, 60 + 7 * round + i);
            unmap(b[i], p[i]);
            unmap(b[i], q[i]);
        }
        for (unsigned i = 0; i < BUFFERS; i++) {
            pattern_fill(want, 1025, 60 + 7 * round + i);
            OK(clEnqueueReadBuffer(c.queue, b[i], CL_TRUE, at, 4100, got, 0, NULL, NULL));
            same_words(got, want, 1025, "mapped at once");
            p[i] = map(b[i], CL_MAP_READ, at, 4100);
            same_words(p[i], want, 1025, "mapped again");
            unmap(b[i], p[i]);
        }
    }
    for (unsigned i = 0; i < BUFFERS; i++) {
        p[i] = map(b[i], CL_MAP_WRITE, 0, BYTES);
        pattern_fill(p[i], WORDS, i);
        unmap(b[i], p[i]);
        OK(clReleaseMemObject(b[i]));
        b[i] = cl_buffer(&c, CL_MEM_READ_WRITE, BYTES, NULL);
        pattern_fill(want, WORDS, 80 + i);
        p[i] = map(b[i], CL_MAP_WRITE_INVALIDATE_REGION, 0, BYTES);
        memcpy(p[i], want, BYTES);
        unmap(b[i], p[i]);
        compare(b[i], "mapped where another was");
        OK(clReleaseMemObject(b[i]));
    }
    done("mapped at once");
}

/* The program's own memory is the buffer: a mapping lies there and shows what kernels did. */
static void
own_memory(void)
{
    uint32_t *host = aligned_alloc(4096, (BYTES + 4095) & ~(size_t)4095), *p;
    cl_mem b;

    EXPECT(host != NULL);
    pattern_fill(want, WORDS, 30);
    memcpy(host, want, BYTES);
    b = cl_buffer(&c, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, BYTES, host);
    launch(b, WORDS, 31);
    scramble_host(want, WORDS, 31);
    p = map(b, CL_MAP_READ | CL_MAP_WRITE, 80, BYTES - 80);
    EXPECT(p == host + 20);
    same_words(p, want + 20, WORDS - 20, "CL_MEM_USE_HOST_PTR, mapped");
    host[20] = want[20] = 42;
    unmap(b, p);
    launch(b, WORDS, 32);
    scramble_host(want, WORDS, 32);
    compare(b, "CL_MEM_USE_HOST_PTR, read");
    OK(clReleaseMemObject(b));
    free(host);
    done("own memory");
}

/* So may be constant memory, while no command writes: mapping it writes nothing there. */
static void
constant_memory(void)
{
    const size_t room = (BYTES + 4095) & ~(size_t)4095;
    uint32_t *host =
        mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t *p;
    cl_event e;
    cl_int rc;
    cl_mem b;

    EXPECT(host != MAP_FAILED);
    pattern_fill(want, WORDS, 33);
    memcpy(host, want, BYTES);
    EXPECT(mprotect(host, room, PROT_READ) == 0);
    b = cl_buffer(&c, CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR, BYTES, host);
    p = map(b, CL_MAP_READ, 80, BYTES - 80);
    EXPECT(p == host + 20);
    same_words(p, want + 20, WORDS - 20, "constant memory, mapped");
    unmap(b, p);
    p = clEnqueueMapBuffer(c.queue, b, CL_FALSE, CL_MAP_READ, 0, BYTES, 0, NULL, &e, &rc);
    OK(rc);
    OK(clWaitForEvents(1, &e));
    OK(clReleaseEvent(e));
    same_words(p, want, WORDS, "constant memory, mapped without blocking");
    unmap(b, p);
    compare(b, "constant memory, read");
    OK(clReleaseMemObject(b));
    EXPECT(munmap(host, room) == 0);
    done("constant memory");
}

static cl_mem
sub_buffer(cl_mem parent, size_t at, size_t bytes)
{
    const cl_buffer_region region = {.origin = at, .size = bytes};
    cl_int rc;
    cl_mem sub = clCreateSubBuffer(parent, CL_MEM_READ_WRITE,
                                   CL_BUFFER_CREATE_TYPE_REGION, &region, &rc);

    OK(rc);
    return sub;
}

static void
sub_buffers(void)
{
    cl_mem b = cl_buffer(&c, CL_MEM_READ_WRITE, BYTES, NULL);
    cl_mem s = sub_buffer(b, 4096, 8192), t = sub_buffer(b, 12288, 4096);
    uint32_t *p;
    cl_mem of;

    pattern_fill(want, WORDS, 40);
    write_all(b, CL_TRUE);
    launch(s, 2048, 41);
    scramble_host(want + 1024, 2048, 41);
    OK(clEnqueueCopyBuffer(c.queue, s, t, 4, 8, 1000, 0, NULL, NULL));
    memcpy(want + 3072 + 2, want + 1024 + 1, 1000);
    compare(b, "sub-buffers, seen from the whole");
    OK(clEnqueueReadBuffer(c.queue, s, CL_TRUE, 16, 8000, got, 0, NULL, NULL));
    same_words(got, want + 1024 + 4, 2000, "read of a sub-buffer");
    p = map(s, CL_MAP_READ | CL_MAP_WRITE, 4, 400);
    same_words(p, want + 1025, 100, "map of a sub-buffer");
    p[0] = want[1025] = 77;
    unmap(s, p);
    OK(clGetMemObjectInfo(s, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof(cl_mem), &of, NULL));
    EXPECT(of == b);
    OK(clReleaseMemObject(b)); /* the sub-buffers keep it alive */
    OK(clEnqueueReadBuffer(c.queue, s, CL_TRUE, 0, 8192, got, 0, NULL, NULL));
    same_words(got, want + 1024, 2048, "sub-buffer of a released buffer");
    OK(clReleaseMemObject(s));
    OK(clReleaseMemObject(t));
    done("sub-buffers");
}

static void
big(size_t mib)
{
    const size_t words = mib << 18, bytes = words * 4;
    uint32_t *a = alloc(bytes), *b = alloc(bytes);
    cl_mem m = cl_buffer(&c, CL_MEM_READ_WRITE, bytes, NULL);

    pattern_fill(a, words, 50);
    OK(clEnqueueWriteBuffer(c.queue, m, CL_TRUE, 0, bytes, a, 0, NULL, NULL));
    launch(m, words, 51);
    scramble_host(a, words, 51);
    OK(clEnqueueReadBuffer(c.queue, m, CL_TRUE, 0, bytes, b, 0, NULL, NULL));
    same_words(b, a, words, "big, blocking");
    scramble_host(b, words, 52);
    OK(clEnqueueWriteBuffer(c.queue, m, CL_FALSE, 0, bytes, b, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(c.queue, m, CL_FALSE, 0, bytes, a, 0, NULL, NULL));
    OK(clFinish(c.queue));
    same_words(a, b, words, "big, not blocking");
    OK(clReleaseMemObject(m));
    free(a);
    free(b);
    done("big");
}

/* None of these calls waits, however many bytes they take or will bring. */
static void
behind_an_event(size_t mib)
{
    enum { PIECE = 8 << 20 };
    const size_t pieces = mib * (1 << 20) / PIECE, words = PIECE / 4;
    uint32_t *in = alloc(pieces * PIECE), *out = alloc(pieces * PIECE);
    cl_mem b = cl_buffer(&c, CL_MEM_READ_WRITE, PIECE, NULL);
    cl_command_queue queue[2];
    cl_event gate, last;
    cl_int rc;

    queue[0] = c.queue;
    queue[1] = cl_queue(&c, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    pattern_fill(in, pieces * words, 3);
    for (unsigned k = 0; k < 2; k++) {
        gate = clCreateUserEvent(c.context, &rc);
        OK(rc);
        OK(clRetainEvent(gate));
        last = gate;
        for (size_t i = 0; i < pieces; i++) {
            cl_event wrote, did;

            OK(clEnqueueWriteBuffer(queue[k], b, CL_FALSE, 0, PIECE, in + i * words, 1,
                                    &last, &wrote));
            OK(clEnqueueReadBuffer(queue[k], b, CL_FALSE, 0, PIECE, out + i * words, 1,
                                   &wrote, &did));
            OK(clReleaseEvent(last));
            OK(clReleaseEvent(wrote));
            last = did;
        }
        OK(clSetUserEventStatus(gate, CL_COMPLETE));
        OK(clWaitForEvents(1, &last));
        same_words(out, in, pieces * words, "behind an event");
        memset(out, 0, pieces * PIECE);
        OK(clReleaseEvent(last));
        OK(clReleaseEvent(gate));
    }
    OK(clReleaseCommandQueue(queue[1]));
    OK(clReleaseMemObject(b));
    free(in);
    free(out);
    done("behind an event");
}

int
main(int argc, char **argv)
{
    cl_program program;

    cl_open(&c);
    if (argc > 2) {
        behind_an_event(strtoul(argv[2], NULL, 10));
        cl_close(&c);
        return 0;
    }
    program = cl_build(&c, scramble_source);
    scramble = cl_kernel_of(program, "scramble");
    want = alloc(BYTES);
    got = alloc(BYTES);
    blocking_and_not();
    odd_ranges();
    copy_and_fill();
    rectangles();
    rectangle_copies();
    mappings();
    mapped_at_once();
    own_memory();
    constant_memory();
    sub_buffers();
    big(argc > 1 ? strtoul(argv[1], NULL, 10) : 100);
    OK(clReleaseKernel(scramble));
    OK(clReleaseProgram(program));
    cl_close(&c);
    free(want);
    free(got);
    return 0;
}
