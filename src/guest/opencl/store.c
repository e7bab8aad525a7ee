/* SPDX-License-Identifier: MIT */
/*
 * OpenCL 3.0, section 5.2.2: writing buffers whose bytes are the driver's. They go through
 * extents of the heap, piece by piece, so that the worker's copy of one overlaps with ours
 * of the next.
 *
 * A write that blocks has its bytes taken when they are in the heap, and need not wait for
 * the worker. But one who writes again and again would run ahead of it, through ever more
 * of the heap, whose pages cost more than the copies: those writes are paced, and go
 * through a few extents that stay in caches.
 */
#include "guest/opencl/store.h"

#include "api/opencl_send.h"
#include "guest/opencl/image.h"

#include <stdlib.h>
#include <string.h>

/* So much of them is under way, or two pieces, if they are large. */
#define AHEAD_BYTES (4ull << 20)

struct piece {
    const struct rect *rect;
    const void *ptr;
    struct extent data; /* off EXTENT_NONE: it travels in the message */
    bool first;         /* it waits for what the write waits for */
    bool last;          /* it is the write's event */
};

/* p: what is told when it is complete; NULL: nothing, and the extent comes back by itself. */
static cl_int
piece_send(struct enqueue *q, struct _cl_mem *m, const struct piece *s, struct pending *p)
{
    const struct guest_id event = s->last ? q->event_id : (struct guest_id){0};
    cl_uint n_waits = s->first || !queue_in_order(q->queue) ? q->n_waits : 0;
    bool in_message = s->data.off == EXTENT_NONE;
    const struct rect *r = s->rect;
    uint64_t origin[3], region[3];

    if (r->plain)
        return send_clEnqueueWriteBuffer(
            q->session, p, q->queue->o.id, m->o.id, r->buffer_origin[0], rect_bytes(r),
            s->data, s->ptr, in_message ? rect_bytes(r) : 0, n_waits, q->waits, event);
    for (int i = 0; i < 3; i++) {
        origin[i] = r->buffer_origin[i];
        region[i] = r->region[i];
    }
    if (m->image) {
        region[0] /= m->image->element;
        return send_clEnqueueWriteImage(q->session, p, q->queue->o.id, m->o.id, origin,
                                        region, s->data, n_waits, q->waits, event);
    }
    return send_clEnqueueWriteBufferRect(q->session, p, q->queue->o.id, m->o.id, origin,
                                         region, r->buffer_row, r->buffer_slice, s->data,
                                         n_waits, q->waits, event);
}

static cl_int
store_piece(struct enqueue *q, struct _cl_mem *m, const struct rect *r, const void *ptr,
            bool first, bool last)
{
    struct piece s = {r, ptr, {EXTENT_NONE, 0}, first, last};
    uint64_t bytes = rect_bytes(r);

    if (!r->plain || bytes > CHANNEL_INLINE_BYTES) {
        s.data = (struct extent){session_heap_alloc(q->session, bytes), bytes};
        if (s.data.off == EXTENT_NONE)
            return CL_OUT_OF_RESOURCES;
        rect_gather(r, q->session->channel.heap + s.data.off, ptr);
    }
    return extent_sent(q->session, s.data.off, piece_send(q, m, &s, NULL));
}

static cl_int
store_boxes(struct enqueue *q, struct _cl_mem *m, const struct rect *r,
            const uint8_t *ptr)
{
    struct image_pieces p = image_pieces(m->image, r, CHUNK_BYTES);
    cl_int rc = CL_SUCCESS;

    while (rc == CL_SUCCESS && image_next_piece(&p))
        rc = store_piece(q, m, &p.piece, ptr + p.host_offset, p.first, p.last);
    return rc;
}

/* ---- plain ones that block --------------------------------------------------------- */

/* Of the queue, and of each piece under way. */
struct pace {
    _Atomic uint32_t holds;
    _Atomic uint64_t bytes;
};

void
pace_unhold(struct pace *p)
{
    if (p && atomic_fetch_sub_explicit(&p->holds, 1, memory_order_acq_rel) == 1)
        free(p);
}

/* The queue's lock is held. */
static struct pace *
pace_of(struct _cl_command_queue *q)
{
    if (!q->pace) {
        q->pace = calloc(1, sizeof *q->pace);
        if (q->pace)
            atomic_init(&q->pace->holds, 1);
    }
    return q->pace;
}

struct pace_wait {
    struct pace *pace;
    uint64_t most;
};

static bool
pace_allows(void *arg)
{
    struct pace_wait *w = arg;

    return atomic_load_explicit(&w->pace->bytes, memory_order_relaxed) <= w->most;
}

/*
 * Waits for what the writes before left behind, but only where nothing of it can wait for
 * the program: the queue's lock is held.
 */
static void
pace_keep(struct session *s, struct pace *p, uint64_t bytes)
{
    struct pace_wait w = {p, bytes < AHEAD_BYTES / 2 ? AHEAD_BYTES - bytes : bytes};

    if (atomic_load_explicit(&s->user_events_open, memory_order_relaxed) == 0)
        session_wait_until(s, pace_allows, &w);
}

/* A piece whose extent is not ours until the worker has answered. */
struct stored {
    struct pending pending;
    struct session *session;
    struct pace *pace; /* held */
    struct extent data;
};

static void
stored_over(struct pending *p)
{
    struct stored *t = container_of(p, struct stored, pending);

    heap_free(&t->session->heap, t->data.off);
    atomic_fetch_sub_explicit(&t->session->reclaims_due, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&t->pace->bytes, t->data.len, memory_order_relaxed);
    pace_unhold(t->pace);
    free(p->answer);
    free(t);
}

/* With its bytes in the heap. NULL: there is no memory, or no room and none will come. */
static struct stored *
stored_new(struct session *s, struct pace *pace, const void *ptr, uint64_t bytes)
{
    struct stored *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    *t = (struct stored){.pending.done = stored_over, .session = s, .pace = pace};
    t->data = (struct extent){session_heap_alloc(s, bytes), bytes};
    if (t->data.off == EXTENT_NONE) {
        free(t);
        return NULL;
    }
    memcpy(s->channel.heap + t->data.off, ptr, bytes);
    session_expect_reclaim(s);
    atomic_fetch_add_explicit(&pace->holds, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pace->bytes, bytes, memory_order_relaxed);
    return t;
}

static cl_int
store_paced(struct enqueue *q, struct _cl_mem *m, const struct rect *r, const void *ptr,
            bool first, bool last)
{
    struct pace *pace = pace_of(q->queue);
    struct stored *t;
    cl_int rc;

    if (!pace)
        return CL_OUT_OF_HOST_MEMORY;
    pace_keep(q->session, pace, rect_bytes(r));
    t = stored_new(q->session, pace, ptr, rect_bytes(r));
    if (!t)
        return CL_OUT_OF_RESOURCES;
    rc = piece_send(q, m, &(struct piece){r, ptr, t->data, first, last}, &t->pending);
    if (rc != CL_SUCCESS)
        stored_over(&t->pending);
    return rc;
}

cl_int
store(struct enqueue *q, struct _cl_mem *m, const struct rect *r, const uint8_t *ptr,
      bool blocking)
{
    bool in_order = queue_in_order(q->queue);
    size_t size = r->region[0], step = in_order ? CHUNK_BYTES : size;
    cl_int rc = CL_SUCCESS;

    if (m->image && in_order)
        return store_boxes(q, m, r, ptr);
    if (!r->plain || size <= CHANNEL_INLINE_BYTES)
        return store_piece(q, m, r, ptr, true, true);
    for (size_t at = 0; rc == CL_SUCCESS && at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        struct rect piece = rect_of_range(r->buffer_origin[0] + at, n);

        rc = blocking ? store_paced(q, m, &piece, ptr + at, at == 0, at + n == size)
                      : store_piece(q, m, &piece, ptr + at, at == 0, at + n == size);
    }
    return rc;
}
