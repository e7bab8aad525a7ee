/* SPDX-License-Identifier: MIT */
/*
 * The guest reads what a worker sends: replies to somebody who waits, extents that come back,
 * printed text. Each message is 8 bytes (what, a small number, its length), then its fields. Tags
 * of replies are the guest's own, as a worker gives them back.
 */
#include "guest/opencl/session.h"
#include "wire/frame.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING_BYTES 16384u
#define HEAP_BYTES (1u << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct session session;
static struct channel worker;

static void
session_open(struct session *s)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    /* What kernels printed goes to fd 1. */
    if (null < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        channel_loopback(&s->channel, &worker, HEAP_BYTES, RING_BYTES, RING_BYTES) < 0 ||
        heap_init(&s->heap, s->channel.heap, HEAP_BYTES) < 0)
        abort();
    close(null);
    pthread_mutex_init(&s->rx_lock, NULL);
    pthread_mutex_init(&s->wait_lock, NULL);
    pthread_cond_init(&s->wait_cond, NULL);
    list_init(&s->pendings);
    list_init(&s->callbacks);
    list_init(&s->deaths);
    s->service_running = true; /* no thread: nothing here waits */
    s->rx_buf = malloc(RING_BYTES);
}

/* An answer is whole, or there is none. */
static void
check_answer(struct pending *p)
{
    volatile uint8_t sum = 0;

    for (uint64_t i = 0; p->answer && i < p->answer_len; i++)
        sum = (uint8_t)(sum + p->answer[i]);
    free(p->answer);
}

static void
deliver(const void *fields, size_t len, uint16_t op, uint64_t tag)
{
    int err;
    uint32_t size = (uint32_t)(sizeof(struct frame_header) + len);
    struct frame_header h = {.size = size, .op = op, .tag = tag};
    uint8_t *at = ring_reserve(&worker.tx, size, &err);

    if (!at)
        return;
    memcpy(at, &h, sizeof h);
    memcpy(at + sizeof h, fields, len);
    ring_commit(&worker.tx, size);
}

static void
reply(struct session *s, const uint8_t *fields, size_t len)
{
    struct pending p = {.status = 1};

    list_add_tail(&s->pendings, &p.node);
    deliver(fields, len, FRAME_REPLY, (uintptr_t)&p);
    session_pump(s);
    if (!atomic_load(&p.complete))
        abort();
    check_answer(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct session *s = &session;

    if (!s->rx_buf)
        session_open(s);
    while (size >= 8) {
        size_t len = data[2] * 8ul;
        const uint8_t *fields = data + 8;

        if (len > size - 8)
            len = (size - 8) / 8 * 8;
        if (data[0] % 4 == 0)
            reply(s, fields, len);
        else if (data[0] % 4 == 1)
            deliver(fields, len, FRAME_PRINT, data[1]);
        else if (data[0] % 4 == 2 && heap_alloc(&s->heap, 64 + data[1]) != EXTENT_NONE)
            deliver(fields, 0, FRAME_RECLAIM, data[1] * 64ul);
        else
            deliver(fields, len, (uint16_t)(data[1] << 8 | data[3]), 0);
        session_pump(s);
        data += 8 + len;
        size -= 8 + len;
    }
    if (atomic_load(&s->dead))
        abort();
    heap_fini(&s->heap);
    if (heap_init(&s->heap, s->channel.heap, HEAP_BYTES) < 0)
        abort();
    return 0;
}
