/* SPDX-License-Identifier: MIT */
/*
 * A ring of frames in shared memory, one writer and one reader, in two processes that do
 * not trust each other. Counters run freely modulo 2^32; a frame is contiguous, a
 * FRAME_PAD frame fills the rest where one would wrap.
 *
 *        head (reader)          tail (writer)
 *          v                      v
 *   | free | frame | frame | frame | free |
 *
 * Each side keeps its own counter in private memory and only publishes it; what the other
 * side publishes is loaded once and checked before use.
 */
#ifndef TESSERA_WIRE_RING_H
#define TESSERA_WIRE_RING_H

#include "wire/frame.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* The shared part: a cache line for each side's counter and for each side's "I sleep". */
struct ring_shared {
    _Alignas(64) _Atomic uint32_t tail;     /* the writer's */
    _Alignas(64) _Atomic uint32_t head;     /* the reader's */
    _Alignas(64) _Atomic uint32_t sleeping; /* the reader sleeps: wake it after writing */
};

struct ring {
    struct ring_shared *shared;
    uint8_t *data;
    uint32_t size; /* a power of two */
    uint32_t cur;  /* own counter */
    uint32_t seen; /* the other side's, as last loaded and checked */
    bool weak; /* our mapping may be write-combining: neither side's order is the CPU's */
};

void ring_init(struct ring *r, struct ring_shared *shared, uint8_t *data, uint32_t size);

/*
 * Goes on where a ring of these bytes was left, whose own counter was cur. -EPROTO: the other
 * side's is forged (a writer's alone looks).
 */
int ring_go_on(struct ring *r, uint32_t cur, bool reader);

/* The largest frame that any ring of this size carries. */
static inline uint32_t
ring_max_frame(uint32_t size)
{
    return size / 4;
}

/*
 * Writer: room for one frame of len bytes (a multiple of FRAME_ALIGN, at most
 * ring_max_frame), or NULL while there is none; -EPROTO in *ret_err when the reader's
 * counter is forged. Nothing is visible before ring_commit(len), which returns true when
 * the reader sleeps and must be woken.
 */
void *ring_reserve(struct ring *r, uint32_t len, int *ret_err);
bool ring_commit(struct ring *r, uint32_t len);

/* Writer: is more than half of it unread, as far as we know? Looks again before it says so. */
bool ring_crowded(struct ring *r);

/*
 * Reader: copies the next frame out, once, into buf of cap bytes. Returns its size, 0
 * when the ring is empty, -EPROTO when the counter or the frame's size is forged.
 */
int ring_read(struct ring *r, void *buf, uint32_t cap);

/* Reader: is there something to read? One load. */
bool ring_readable(struct ring *r);

/* The same from any thread of the reader's process, without its lock: a hint. */
static inline bool
ring_hint(const struct ring *r)
{
    return atomic_load_explicit(&r->shared->tail, memory_order_relaxed) !=
           atomic_load_explicit(&r->shared->head, memory_order_relaxed);
}

/*
 * Reader, before it sleeps: says so, and looks once more. false: there is something to
 * read, do not sleep. ring_awake() takes the word back.
 */
bool ring_may_sleep(struct ring *r);
void ring_awake(struct ring *r);

#endif
