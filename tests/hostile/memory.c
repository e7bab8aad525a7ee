/* SPDX-License-Identifier: MIT */
#include "attacks.h"

#include "wire/waiter.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INLINE_BYTES 32000u
#define INLINE_WRITES 8192 /* 250 MiB */
#define WAITED_EVENTS 1000
#define WAITS 2000
#define BUFFER_BYTES (1u << 20)
#define ROOM_BYTES (2u << 20)
#define ROUNDS 200
#define RECORDED 4096

#define OUT_OF_RESOURCES (-5)
#define OUT_OF_HOST_MEMORY (-6)

enum { GATE_ID = 10, BUFFER_ID = 11, OTHER_ID = 12, RECORD_ID = 13 };

static bool
answered(struct guest *g, int64_t want)
{
    int64_t status;

    return guest_reply(g, &status) && status == want;
}

/*
 * On a device that shares storage it lies in the heap, so far into the guest's room, where it can
 * be written meanwhile.
 */
static bool
buffer_make(struct guest *g, uint64_t id, uint64_t offset)
{
    const bool shared = g->w.flags & WELCOME_SHARED_STORAGE;

    /* The first credit is soon gone. */
    return SEND(g, OP_tessera_credit, 1, BUFFER_BYTES) && answered(g, 0) &&
           SEND(g, OP_clCreateBuffer, 0, id, CONTEXT_ID, 1, BUFFER_BYTES,
                shared ? guest_room(g, ROOM_BYTES) + offset : EXTENT_NONE,
                shared ? BUFFER_BYTES : 0, CONTENT_NONE, EXTENT_NONE, 0);
}

static bool
gate_set(struct guest *g)
{
    return SEND(g, OP_clSetUserEventStatus, 0, GATE_ID, 0);
}

/* ---- bytes in flight --------------------------------------------------------------- */

static bool
inline_write(struct guest *g, uint64_t tag)
{
    static const uint8_t bytes[INLINE_BYTES];
    struct message *m = message_begin();

    message_u64(m, QUEUE_ID);
    message_u64(m, BUFFER_ID);
    message_u64(m, 0);
    message_u64(m, INLINE_BYTES);
    message_u64(m, EXTENT_NONE);
    message_u64(m, 0);
    message_bytes(m, bytes, INLINE_BYTES);
    message_u64(m, 1);
    message_u64(m, GATE_ID);
    message_u64(m, 0);
    return guest_send(g, OP_clEnqueueWriteBuffer, tag, m->n, m->words);
}

/* Writes whose bytes the worker must keep, since what they wait for never comes; until it does. */
bool
inline_flood(struct guest *g)
{
    SEND(g, OP_clCreateUserEvent, 0, GATE_ID, CONTEXT_ID);
    buffer_make(g, BUFFER_ID, 0);
    for (unsigned i = 0; i < INLINE_WRITES; i++) {
        if (!inline_write(g, 0))
            return false;
    }
    return inline_write(g, 1) && answered(g, OUT_OF_HOST_MEMORY) && gate_set(g) &&
           SEND(g, OP_clFinish, 1, QUEUE_ID) && answered(g, OUT_OF_HOST_MEMORY) &&
           inline_write(g, 1) && answered(g, 0) && still_answers(g);
}

/* Waits of a thousand times one event that is never complete. */
bool
wait_flood(struct guest *g)
{
    struct message *m = message_begin();
    int64_t status = 0;

    SEND(g, OP_clCreateUserEvent, 0, GATE_ID, CONTEXT_ID);
    message_u64(m, WAITED_EVENTS);
    for (unsigned i = 0; i < WAITED_EVENTS; i++)
        message_u64(m, GATE_ID);
    for (unsigned i = 0; i < WAITS; i++) {
        if (!guest_send(g, OP_clWaitForEvents, 1, m->n, m->words))
            return false;
    }
    return guest_reply(g, &status) && status == OUT_OF_HOST_MEMORY && gate_set(g) &&
           SEND(g, OP_clFlush, 0, QUEUE_ID);
}

/* ---- extents ----------------------------------------------------------------------- */

struct scribbler {
    uint8_t *at;
    _Atomic bool stop;
};

/* A copy that never leaves. */
static void *
scribble(void *arg)
{
    struct scribbler *s = arg;

    for (int i = 0; !atomic_load(&s->stop); i++)
        memset(s->at, i, ROOM_BYTES);
    return NULL;
}

/*
 * While a thread writes into all extents: buffers come and go there, are written from extents that
 * are reused before the write is over, and are read back.
 */
static bool
extents_round(struct guest *g, uint64_t generation)
{
    const uint64_t id = generation << 32 | BUFFER_ID,
                   data = guest_room(g, ROOM_BYTES) + BUFFER_BYTES;

    return buffer_make(g, id, 0) &&
           SEND(g, OP_clEnqueueWriteBuffer, 0, QUEUE_ID, id, 0, BUFFER_BYTES, data,
                BUFFER_BYTES, 0, 0, 0) &&
           SEND(g, OP_clEnqueueReadBuffer, 1, QUEUE_ID, id, 0, BUFFER_BYTES, data,
                BUFFER_BYTES, 0, 0) &&
           SEND(g, OP_tessera_release, 0, id) && answered(g, 0);
}

bool
changed_extents(struct guest *g)
{
    struct scribbler s = {.at = g->c.heap + guest_room(g, ROOM_BYTES)};
    pthread_t thread;
    bool ok = true;

    if (pthread_create(&thread, NULL, scribble, &s) != 0)
        return false;
    for (uint64_t i = 1; i <= ROUNDS && ok; i++)
        ok = extents_round(g, i);
    atomic_store(&s.stop, true);
    pthread_join(thread, NULL);
    return ok && still_answers(g);
}

/* Two buffers in one place, one of which goes while the other is used. */
bool
same_storage(struct guest *g)
{
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        const uint64_t one = i << 32 | BUFFER_ID, two = i << 32 | OTHER_ID;

        if (!buffer_make(g, one, 0) || !buffer_make(g, two, BUFFER_BYTES / 2) ||
            !SEND(g, OP_clEnqueueCopyBuffer, 0, QUEUE_ID, one, two, 0, 0, BUFFER_BYTES, 0,
                  0) ||
            !SEND(g, OP_tessera_release, 0, one) ||
            !SEND(g, OP_clEnqueueReadBuffer, 1, QUEUE_ID, two, 0, BUFFER_BYTES,
                  guest_room(g, ROOM_BYTES), BUFFER_BYTES, 0, 0) ||
            !answered(g, 0) || !SEND(g, OP_tessera_release, 0, two))
            return false;
    }
    return still_answers(g);
}

/* ---- waiters ----------------------------------------------------------------------- */

static void *
forge_waiters(void *arg)
{
    struct guest *g = ((void **)arg)[0];
    _Atomic bool *stop = ((void **)arg)[1];

    for (uint32_t i = 0; !atomic_load(stop); i++) {
        struct waiter *w = &g->c.page->waiters[i % CHANNEL_WAITERS];

        atomic_store(&w->state, i * 2654435761u >> i % 32);
    }
    return NULL;
}

/* Numbers of waiters up to the last, the same one in many messages, and words of any value. */
bool
waiters_forged(struct guest *g)
{
    _Atomic bool stop = false;
    void *arg[] = {g, &stop};
    pthread_t thread;
    int64_t status;
    bool ok = true;

    if (pthread_create(&thread, NULL, forge_waiters, arg) != 0)
        return false;
    for (uint64_t i = 1; i <= UINT16_MAX && ok; i += 13) {
        ok = SEND(g, OP_clFlush, tag_make(i, (unsigned)i), QUEUE_ID) &&
             SEND(g, OP_clFlush, tag_make(i, 1), QUEUE_ID);
        /* The rest is answered in the ring. */
        if (i > CHANNEL_WAITERS)
            ok = ok && guest_reply(g, &status) && status == 0;
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    return ok && still_answers(g);
}

/* ---- command buffers ---------------------------------------------------------------- */

static bool
record(struct guest *g)
{
    return SEND(g, OP_clCreateCommandBufferKHR, 0, RECORD_ID, QUEUE_ID, 0);
}

bool
foreign_sync_point(struct guest *g)
{
    return record(g) &&
           SEND(g, OP_clCommandBarrierWithWaitListKHR, 1, RECORD_ID, 1, 0x7fff0000);
}

/* Recorded commands count as those under way: up to the limit. */
bool
record_flood(struct guest *g)
{
    int64_t status = 0;
    unsigned n = 0;

    record(g);
    while (n < RECORDED && status == 0) {
        if (!SEND(g, OP_clCommandBarrierWithWaitListKHR, 1, RECORD_ID, 0) ||
            !guest_reply(g, &status))
            return false;
        n += status == 0;
    }
    printf("%u recorded, then status %lld\n", n, (long long)status);
    SEND(g, OP_tessera_release, 0, RECORD_ID);
    return status == OUT_OF_RESOURCES && still_answers(g);
}

/* Replayed before it is whole, and after what it uses was released. */
bool
record_released(struct guest *g)
{
    const uint32_t pattern = 0;
    struct message *m;
    int64_t early, status;

    buffer_make(g, BUFFER_ID, 0);
    record(g);
    m = message_begin();
    message_u64(m, RECORD_ID);
    message_u64(m, BUFFER_ID);
    message_bytes(m, &pattern, sizeof pattern);
    message_u64(m, 0);
    message_u64(m, BUFFER_BYTES);
    message_u64(m, 0);
    return guest_send(g, OP_clCommandFillBufferKHR, 1, m->n, m->words) &&
           answered(g, 0) &&
           SEND(g, OP_clEnqueueCommandBufferKHR, 1, QUEUE_ID, 0, RECORD_ID, 0, 0) &&
           guest_reply(g, &early) && early < 0 &&
           SEND(g, OP_tessera_release, 0, BUFFER_ID) &&
           SEND(g, OP_clFinalizeCommandBufferKHR, 1, RECORD_ID) && answered(g, 0) &&
           SEND(g, OP_clEnqueueCommandBufferKHR, 1, QUEUE_ID, 0, RECORD_ID, 0, 0) &&
           guest_reply(g, &status) && status == 0 && still_answers(g);
}
