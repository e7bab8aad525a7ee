/* SPDX-License-Identifier: MIT */
/*
 * OpenCL 3.0, section 5.2.2: reading buffers whose bytes are the driver's. They come
 * through extents of the heap, piece by piece, so that the worker's copy of one overlaps
 * with ours of the one before.
 */
#include "guest/opencl/fetch.h"

#include "api/opencl_send.h"
#include "guest/opencl/image.h"
#include "guest/opencl/stream.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/*
 * Of those whose caller waits: many enough that copies overlap, and large enough that a
 * driver's command for each, which takes as long as half of the copy, does not count too
 * much; what is under way stays in caches.
 */
#define PIECE_BYTES (1ull << 20)
#define PULL_AHEAD 6
#define PULL_RESTARTS 3
#define STREAM_BYTES (32ull << 20)

/* The pieces of one blocking read; on the stack of the caller, who waits until none is left. */
struct fetch_group {
    _Atomic cl_int status;
    _Atomic uint32_t left;
    bool began; /* one piece has come: what the read waits for is over */
    unsigned restarts;
};

/* A piece of a read on its way. Freed when the data has arrived, by whoever reads the reply. */
struct fetch {
    struct pending pending;
    struct session *session;
    struct _cl_command_queue *queue; /* held */
    struct _cl_event *event;         /* held; NULL */
    uint64_t staging;
    struct rect rect;
    void *ptr;
    struct fetch_group *group; /* NULL when nobody waits in the call */
};

static void
fetch_arrived(struct pending *p)
{
    struct fetch *f = container_of(p, struct fetch, pending);

    if (p->status == CL_SUCCESS)
        rect_scatter(&f->rect, f->session->channel.heap + f->staging, f->ptr);
    else if (f->group)
        atomic_store(&f->group->status, (cl_int)p->status);
    heap_free(&f->session->heap, f->staging);
    atomic_fetch_sub_explicit(&f->session->reclaims_due, 1, memory_order_relaxed);
    if (f->event) {
        atomic_store_explicit(&f->event->fetch_pending, false, memory_order_release);
        object_unhold(&f->event->o);
    }
    atomic_fetch_sub_explicit(&f->queue->reads, 1, memory_order_release);
    object_unhold(&f->queue->o);
    if (f->group)
        atomic_fetch_sub_explicit(&f->group->left, 1, memory_order_release);
    free(p->answer);
    free(f);
}

static cl_int
fetch_send(struct enqueue *q, struct _cl_mem *m, struct fetch *f, cl_uint n_waits,
           struct guest_id event)
{
    struct extent data = {f->staging, rect_bytes(&f->rect)};
    const struct rect *r = &f->rect;
    uint64_t origin[3], region[3];

    if (r->plain)
        return send_clEnqueueReadBuffer(q->session, &f->pending, q->queue->o.id, m->o.id,
                                        r->buffer_origin[0], data.len, data, n_waits,
                                        q->waits, event);
    for (int i = 0; i < 3; i++) {
        origin[i] = r->buffer_origin[i];
        region[i] = r->region[i];
    }
    if (m->image) {
        region[0] /= m->image->element;
        return send_clEnqueueReadImage(q->session, &f->pending, q->queue->o.id, m->o.id,
                                       origin, region, data, n_waits, q->waits, event);
    }
    return send_clEnqueueReadBufferRect(q->session, &f->pending, q->queue->o.id, m->o.id,
                                        origin, region, r->buffer_row, r->buffer_slice,
                                        data, n_waits, q->waits, event);
}

/* Sends one piece; the last one carries the event. */
static cl_int
fetch_begin(struct enqueue *q, struct _cl_mem *m, const struct rect *r, void *ptr,
            bool first, bool last, struct fetch_group *group)
{
    struct fetch *f = calloc(1, sizeof *f);
    cl_int rc;

    if (!f)
        return CL_OUT_OF_HOST_MEMORY;
    *f = (struct fetch){.pending.done = fetch_arrived,
                        .session = q->session,
                        .queue = q->queue,
                        .event = last ? q->shadow : NULL,
                        .rect = *r,
                        .ptr = ptr,
                        .group = group};
    f->staging = session_heap_alloc(q->session, rect_bytes(r));
    if (f->staging == EXTENT_NONE) {
        free(f);
        return CL_OUT_OF_RESOURCES;
    }
    session_expect_reclaim(q->session);
    object_hold(&q->queue->o);
    atomic_fetch_add(&q->queue->reads, 1);
    if (group)
        atomic_fetch_add(&group->left, 1);
    if (f->event) {
        object_hold(&f->event->o);
        atomic_store(&f->event->fetch_pending, true);
    }
    rc = fetch_send(q, m, f, first || !queue_in_order(q->queue) ? q->n_waits : 0,
                    last ? q->event_id : (struct guest_id){0});
    q->event_sent |= rc == CL_SUCCESS && last;
    if (rc != CL_SUCCESS) {
        f->pending.status = rc;
        fetch_arrived(&f->pending);
    }
    return rc;
}

static bool
group_has_room(void *arg)
{
    struct fetch_group *g = arg;

    return atomic_load_explicit(&g->left, memory_order_acquire) < 4;
}

static bool
group_is_done(void *arg)
{
    struct fetch_group *g = arg;

    return atomic_load_explicit(&g->left, memory_order_acquire) == 0;
}

/* The session's end completes every piece too, so the group is never left behind. */
static void
group_wait(struct session *s, struct fetch_group *g)
{
    while (!group_is_done(g)) {
        if (session_wait_until(s, group_is_done, g) != CL_SUCCESS)
            sched_yield();
    }
}

/*
 * Room for one more piece of an image; until the first has come not under the lock, and false as
 * pull_make_room() below has it.
 */
static bool
group_make_room(struct enqueue *q, struct fetch_group *g)
{
    struct _cl_command_queue *queue = q->queue;
    const uint64_t submitted = queue->submitted;
    const bool unlocked = !g->began;

    if (group_has_room(g))
        return true;
    if (unlocked)
        pthread_mutex_unlock(&queue->lock);
    session_wait_until(q->session, group_has_room, g);
    if (unlocked)
        pthread_mutex_lock(&queue->lock);
    g->began = true;
    if (queue->submitted == submitted)
        return true;
    group_wait(q->session, g);
    g->began = ++g->restarts == PULL_RESTARTS;
    return false;
}

/*
 * A large read of a range that nobody waits for: pieces, so that the worker's copy of one overlaps
 * with ours of the one before. Only in order: there the pieces cannot be overtaken.
 */
static cl_int
fetch_pieces(struct enqueue *q, struct _cl_mem *m, const struct rect *r, uint8_t *ptr)
{
    size_t size = r->region[0], step = CHUNK_BYTES;
    cl_int rc = CL_SUCCESS;

    for (size_t at = 0; rc == CL_SUCCESS && at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        struct rect piece = rect_of_range(r->buffer_origin[0] + at, n);

        piece.own = r->own;
        rc = fetch_begin(q, m, &piece, ptr + at, at == 0, at + n == size, NULL);
    }
    return rc;
}

/* The same for a region of an image; with a group somebody waits. */
static cl_int
fetch_boxes(struct enqueue *q, struct _cl_mem *m, const struct rect *r, uint8_t *ptr,
            struct fetch_group *g)
{
    struct image_pieces p = image_pieces(m->image, r, CHUNK_BYTES);
    bool waits = true; /* but not for the same once more: those events may be gone */
    cl_int rc = CL_SUCCESS;

    while (rc == CL_SUCCESS && image_next_piece(&p)) {
        if (g && !group_make_room(q, g)) {
            p = image_pieces(m->image, r, CHUNK_BYTES);
            waits = false;
            continue;
        }
        rc =
            fetch_begin(q, m, &p.piece, ptr + p.host_offset, p.first && waits, p.last, g);
    }
    return rc;
}

static cl_int
fetch(struct enqueue *q, struct _cl_mem *m, const struct rect *r, void *ptr,
      struct fetch_group *g)
{
    if (m->image && queue_in_order(q->queue))
        return fetch_boxes(q, m, r, ptr, g);
    if (r->plain && queue_in_order(q->queue) && r->region[0] > CHUNK_BYTES)
        return fetch_pieces(q, m, r, ptr);
    return fetch_begin(q, m, r, ptr, true, true, g);
}

static cl_int
fetch_group_blocking(struct enqueue *q, struct _cl_mem *m, const struct rect *r,
                     void *ptr)
{
    struct fetch_group g = {0};
    cl_int rc = fetch(q, m, r, ptr, &g);

    /* Not under the lock: what the read waits for may have to be enqueued by another thread. */
    pthread_mutex_unlock(&q->queue->lock);
    group_wait(q->session, &g);
    pthread_mutex_lock(&q->queue->lock);
    return rc == CL_SUCCESS ? atomic_load(&g.status) : rc;
}

/* ---- staged reads whose caller waits ----------------------------------------------- */

/*
 * A few pieces are under way, each with an answer that wakes this thread alone; it copies
 * the oldest while the worker fills the others. They are small, and few, so that what the
 * worker wrote is still in a cache.
 */
struct pull {
    struct fetch piece[PULL_AHEAD]; /* a ring */
    unsigned first, n;
    bool streams; /* the whole is so large that it is not wanted in a cache */
    bool began;   /* the first piece has come: what the read waits for is over */
    unsigned restarts;
    cl_int rc; /* the first that went wrong */
};

static void
pull_end_oldest(struct pull *p)
{
    struct fetch *f = &p->piece[p->first];
    cl_int rc = session_wait(f->session, &f->pending);

    if (rc == CL_SUCCESS)
        rc = (cl_int)f->pending.status;
    if (rc == CL_SUCCESS && p->streams)
        stream_copy(f->ptr, f->session->channel.heap + f->staging, f->rect.region[0]);
    else if (rc == CL_SUCCESS)
        rect_put(&f->rect, f->ptr, f->session->channel.heap + f->staging,
                 f->rect.region[0]);
    if (p->rc == CL_SUCCESS)
        p->rc = rc;
    session_heap_free(f->session, f->staging);
    free(f->pending.answer);
    p->first = (p->first + 1) % PULL_AHEAD;
    p->n--;
}

static void
pull_begin(struct pull *p, struct enqueue *q, struct _cl_mem *m, const struct rect *r,
           void *ptr, bool first, bool last)
{
    struct fetch *f = &p->piece[(p->first + p->n) % PULL_AHEAD];

    *f = (struct fetch){.session = q->session, .rect = *r, .ptr = ptr};
    f->staging = session_heap_alloc(q->session, rect_bytes(r));
    if (f->staging == EXTENT_NONE) {
        p->rc = CL_OUT_OF_RESOURCES;
        return;
    }
    p->rc = fetch_send(q, m, f, first ? q->n_waits : 0,
                       last ? q->event_id : (struct guest_id){0});
    session_expect_reclaim(q->session);
    if (p->rc != CL_SUCCESS) {
        session_heap_free(q->session, f->staging);
        return;
    }
    q->event_sent |= last;
    p->n++;
}

/*
 * Room for one more piece. The first may take as long as what the read waits for, which
 * may have to be enqueued by another thread: so not under the lock. false: behind the
 * pieces so far came another command, so that none of the next would fit them.
 */
static bool
pull_make_room(struct pull *p, struct _cl_command_queue *queue)
{
    const uint64_t submitted = queue->submitted;

    if (!p->began)
        pthread_mutex_unlock(&queue->lock);
    pull_end_oldest(p);
    if (!p->began)
        pthread_mutex_lock(&queue->lock);
    if (p->began || queue->submitted == submitted) {
        p->began = true;
        return true;
    }
    while (p->n > 0)
        pull_end_oldest(p);
    /* Where others enqueue all the time, they have to wait in the end. */
    p->began = ++p->restarts == PULL_RESTARTS;
    return false;
}

static cl_int
fetch_pulled(struct enqueue *q, struct _cl_mem *m, const struct rect *r, uint8_t *ptr)
{
    size_t size = r->region[0], step = PIECE_BYTES;
    struct pull p = {.streams = size >= STREAM_BYTES && !r->own};
    bool waits = true;

    atomic_fetch_add(&q->queue->reads, 1);
    for (size_t at = 0; p.rc == CL_SUCCESS && at < size;) {
        size_t n = size - at < step ? size - at : step;
        struct rect piece = rect_of_range(r->buffer_origin[0] + at, n);

        piece.own = r->own;
        if (p.n == PULL_AHEAD && !pull_make_room(&p, q->queue)) {
            at = 0;
            continue;
        }
        if (p.rc == CL_SUCCESS)
            pull_begin(&p, q, m, &piece, ptr + at, waits, at + n == size);
        waits = false;
        at += n;
    }
    /* As above. */
    pthread_mutex_unlock(&q->queue->lock);
    while (p.n > 0)
        pull_end_oldest(&p);
    atomic_fetch_sub(&q->queue->reads, 1);
    session_tell(q->session);
    pthread_mutex_lock(&q->queue->lock);
    return p.rc;
}

cl_int
fetch_blocking(struct enqueue *q, struct _cl_mem *m, const struct rect *r, void *ptr)
{
    if (r->plain && !m->image && queue_in_order(q->queue))
        return fetch_pulled(q, m, r, ptr);
    return fetch_group_blocking(q, m, r, ptr);
}

cl_int
fetch_behind(struct enqueue *q, struct _cl_mem *m, const struct rect *r, void *ptr)
{
    return fetch(q, m, r, ptr, NULL);
}
