/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.2.2: reading and writing buffers; also how bytes of images travel. */
#include "guest/opencl/image.h"

#include "api/opencl_send.h"
#include "base/io.h"
#include "guest/opencl/clock.h"
#include "guest/opencl/late.h"
#include "guest/opencl/stream.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* Blocking transfers of this many bytes and more are cut, so that copies overlap (staged way). */
#define CHUNK_BYTES (4ull << 20)

/*
 * Of those whose caller waits: many enough that copies overlap, and large enough that a driver's command for each
 * does not count; what is under way fits the last-level cache.
 */
#define PIECE_LEAST_BYTES (256ull << 10)
#define PIECE_MOST_BYTES (1ull << 20)
#define PULL_AHEAD 4
#define STREAM_BYTES (32ull << 20)

/* A direct copy looks this often for a queue without work before it goes the staged way. */
#define DIRECT_TRIES 3

static uint64_t
rect_bytes(const struct rect *r)
{
    return (uint64_t)r->region[0] * r->region[1] * r->region[2];
}

static size_t
piece_bytes(size_t size)
{
    const size_t part = size / 16;

    if (part < PIECE_LEAST_BYTES)
        return PIECE_LEAST_BYTES;
    return part < PIECE_MOST_BYTES ? part & ~(size_t)4095 : PIECE_MOST_BYTES;
}

/* ---- direct ------------------------------------------------------------------------ */

/* An event for a copy that is over: the worker gets a completed one, for wait lists. */
static cl_int
direct_event(struct enqueue *q, uint64_t began, uint64_t ended)
{
    struct _cl_event *e = q->shadow;

    if (!e)
        return CL_SUCCESS;
    if (q->queue->flags & CL_QUEUE_PROFILING_ENABLE) {
        int64_t offset = clock_offset_ns(q->queue);

        began += offset;
        ended += offset;
    }
    e->local = true;
    e->stamp[STAMP_QUEUED] = e->stamp[STAMP_SUBMIT] = e->stamp[STAMP_START] = began;
    e->stamp[STAMP_END] = e->stamp[STAMP_COMPLETE] = ended;
    atomic_store_explicit(&e->status, CL_COMPLETE, memory_order_release);
    return send_tessera_completed_event(q->session, NULL, q->event_id, q->queue->o.id);
}

static void
direct_copy(struct _cl_mem *m, const struct rect *r, void *dst, const void *src)
{
    for (size_t z = 0; z < r->region[2]; z++) {
        for (size_t y = 0; y < r->region[1]; y++) {
            size_t in_buffer = (r->buffer_origin[2] + z) * r->buffer_slice +
                               (r->buffer_origin[1] + y) * r->buffer_row +
                               r->buffer_origin[0];
            size_t in_host = r->plain ? 0
                                      : (r->host_origin[2] + z) * r->host_slice +
                                            (r->host_origin[1] + y) * r->host_row +
                                            r->host_origin[0];

            if (dst)
                memcpy((uint8_t *)dst + in_host, mem_bytes(m) + in_buffer, r->region[0]);
            else
                memcpy(mem_bytes(m) + in_buffer, (const uint8_t *)src + in_host,
                       r->region[0]);
        }
    }
}

/*
 * Waits, without the queue's lock (another thread may have to enqueue what we wait for), until the
 * wait list is done and the queue has nothing left; comes back with the lock. *ret_idle is false
 * when others keep the queue busy.
 */
static cl_int
direct_wait(struct enqueue *q, bool *ret_idle)
{
    struct _cl_command_queue *queue = q->queue;
    cl_int rc = CL_SUCCESS;

    *ret_idle = false;
    if (q->n_waits) {
        pthread_mutex_unlock(&queue->lock);
        rc = events_wait(q->n_waits, q->waits);
        pthread_mutex_lock(&queue->lock);
    }
    for (int i = 0; rc == CL_SUCCESS && i < DIRECT_TRIES; i++) {
        if (queue->drained == queue->submitted) {
            *ret_idle = true;
            break;
        }
        pthread_mutex_unlock(&queue->lock);
        rc = queue_drain(queue);
        pthread_mutex_lock(&queue->lock);
    }
    return rc;
}

static bool
direct_possible(const struct enqueue *q, const struct _cl_mem *m, bool blocking)
{
    /* An image's layout in the heap is the driver's business: it goes through the worker. */
    return blocking && m->storage != EXTENT_NONE && !m->image && queue_in_order(q->queue);
}

/* dst or src is given. *ret_done: the copy was made, or rc is an error. */
static cl_int
transfer_direct(struct enqueue *q, struct _cl_mem *m, const struct rect *r, void *dst,
                const void *src, bool *ret_done)
{
    uint64_t began = now_ns();
    cl_int rc = direct_wait(q, ret_done);

    if (rc != CL_SUCCESS || !*ret_done) {
        *ret_done = rc != CL_SUCCESS;
        return rc;
    }
    direct_copy(m, r, dst, src);
    atomic_fetch_add_explicit(&q->session->channel.page->copied_bytes, rect_bytes(r),
                              memory_order_relaxed);
    rc = direct_event(q, began, now_ns());
    /* No command was sent, so the one that enqueue_end counts is over already. */
    if (rc == CL_SUCCESS)
        q->queue->drained++;
    return rc;
}

/* ---- staged reads ------------------------------------------------------------------ */

/* The pieces of one blocking read; on the stack of the caller, who waits until none is left. */
struct fetch_group {
    _Atomic cl_int status;
    _Atomic uint32_t left;
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

/*
 * A large read of a range: pieces, so that the worker's copy of one overlaps with ours of the one
 * before. Only in order: there the pieces cannot be overtaken. Without a group nobody waits.
 */
static cl_int
fetch_pieces(struct enqueue *q, struct _cl_mem *m, const struct rect *r, uint8_t *ptr,
             struct fetch_group *g)
{
    size_t size = r->region[0], step = CHUNK_BYTES;
    cl_int rc = CL_SUCCESS;

    for (size_t at = 0; rc == CL_SUCCESS && at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        struct rect piece = rect_of_range(r->buffer_origin[0] + at, n);

        if (g)
            session_wait_until(q->session, group_has_room, g);
        rc = fetch_begin(q, m, &piece, ptr + at, at == 0, at + n == size, g);
    }
    return rc;
}

/* The same for a region of an image. */
static cl_int
fetch_boxes(struct enqueue *q, struct _cl_mem *m, const struct rect *r, uint8_t *ptr,
            struct fetch_group *g)
{
    struct image_pieces p = image_pieces(m->image, r, CHUNK_BYTES);
    cl_int rc = CL_SUCCESS;

    while (rc == CL_SUCCESS && image_next_piece(&p)) {
        if (g)
            session_wait_until(q->session, group_has_room, g);
        rc = fetch_begin(q, m, &p.piece, ptr + p.host_offset, p.first, p.last, g);
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
        return fetch_pieces(q, m, r, ptr, g);
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
    /* The session's end completes every piece too, so the group is never left behind. */
    while (!group_is_done(&g)) {
        if (session_wait_until(q->session, group_is_done, &g) != CL_SUCCESS)
            sched_yield();
    }
    pthread_mutex_lock(&q->queue->lock);
    return rc == CL_SUCCESS ? atomic_load(&g.status) : rc;
}

/* ---- staged reads whose caller waits ----------------------------------------------- */

/*
 * A few pieces are under way, each with an answer that wakes this thread alone; it copies the oldest while the
 * worker fills the others. They are small, and few, so that what the worker wrote is still in a cache.
 */
struct pull {
    struct fetch piece[PULL_AHEAD]; /* a ring */
    unsigned first, n;
    bool streams; /* the whole is so large that it is not wanted in a cache */
    cl_int rc;    /* the first that went wrong */
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
        memcpy(f->ptr, f->session->channel.heap + f->staging, f->rect.region[0]);
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

static cl_int
fetch_pulled(struct enqueue *q, struct _cl_mem *m, const struct rect *r, uint8_t *ptr)
{
    size_t size = r->region[0], step = piece_bytes(size);
    struct pull p = {.streams = size >= STREAM_BYTES};

    atomic_fetch_add(&q->queue->reads, 1);
    for (size_t at = 0; p.rc == CL_SUCCESS && at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        struct rect piece = rect_of_range(r->buffer_origin[0] + at, n);

        if (p.n == PULL_AHEAD)
            pull_end_oldest(&p);
        if (p.rc == CL_SUCCESS)
            pull_begin(&p, q, m, &piece, ptr + at, at == 0, at + n == size);
    }
    /* Not under the lock: what the read waits for may have to be enqueued by another thread. */
    pthread_mutex_unlock(&q->queue->lock);
    while (p.n > 0)
        pull_end_oldest(&p);
    atomic_fetch_sub(&q->queue->reads, 1);
    session_tell(q->session);
    pthread_mutex_lock(&q->queue->lock);
    return p.rc;
}

static cl_int
fetch_blocking(struct enqueue *q, struct _cl_mem *m, const struct rect *r, void *ptr)
{
    if (r->plain && !m->image && queue_in_order(q->queue))
        return fetch_pulled(q, m, r, ptr);
    return fetch_group_blocking(q, m, r, ptr);
}

cl_int
transfer_read(struct enqueue *q, struct _cl_mem *m, const struct rect *r, void *ptr,
              bool blocking)
{
    bool done = false;
    cl_int rc = CL_SUCCESS;

    if (direct_possible(q, m, blocking))
        rc = transfer_direct(q, m, r, ptr, NULL, &done);
    if (done)
        return rc;
    if (blocking)
        return fetch_blocking(q, m, r, ptr);
    if (late_wanted(q->session, rect_bytes(r)))
        return late_transfer(q, m, r, ptr, NULL);
    rc = session_need_service(q->session);
    return rc == CL_SUCCESS ? fetch(q, m, r, ptr, NULL) : rc;
}

/* ---- staged writes ----------------------------------------------------------------- */

static cl_int
store_send(struct enqueue *q, struct _cl_mem *m, const struct rect *r, const void *ptr,
           struct extent data, cl_uint n_waits, struct guest_id event)
{
    bool in_message = data.off == EXTENT_NONE;
    uint64_t origin[3], region[3];

    if (r->plain)
        return send_clEnqueueWriteBuffer(
            q->session, NULL, q->queue->o.id, m->o.id, r->buffer_origin[0], rect_bytes(r),
            data, ptr, in_message ? rect_bytes(r) : 0, n_waits, q->waits, event);
    for (int i = 0; i < 3; i++) {
        origin[i] = r->buffer_origin[i];
        region[i] = r->region[i];
    }
    if (m->image) {
        region[0] /= m->image->element;
        return send_clEnqueueWriteImage(q->session, NULL, q->queue->o.id, m->o.id, origin,
                                        region, data, n_waits, q->waits, event);
    }
    return send_clEnqueueWriteBufferRect(q->session, NULL, q->queue->o.id, m->o.id,
                                         origin, region, r->buffer_row, r->buffer_slice,
                                         data, n_waits, q->waits, event);
}

static cl_int
store_piece(struct enqueue *q, struct _cl_mem *m, const struct rect *r, const void *ptr,
            bool first, bool last)
{
    uint64_t bytes = rect_bytes(r);
    struct extent data = {EXTENT_NONE, 0};
    cl_int rc;

    if (!r->plain || bytes > CHANNEL_INLINE_BYTES) {
        data = (struct extent){session_heap_alloc(q->session, bytes), bytes};
        if (data.off == EXTENT_NONE)
            return CL_OUT_OF_RESOURCES;
        rect_gather(r, q->session->channel.heap + data.off, ptr);
    }
    rc = store_send(q, m, r, ptr, data,
                    first || !queue_in_order(q->queue) ? q->n_waits : 0,
                    last ? q->event_id : (struct guest_id){0});
    return extent_sent(q->session, data.off, rc);
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

static cl_int
store(struct enqueue *q, struct _cl_mem *m, const struct rect *r, const uint8_t *ptr)
{
    size_t size = r->region[0], step = CHUNK_BYTES;
    cl_int rc = CL_SUCCESS;

    if (m->image && queue_in_order(q->queue))
        return store_boxes(q, m, r, ptr);
    if (!r->plain || !queue_in_order(q->queue) || size <= step)
        return store_piece(q, m, r, ptr, true, true);
    for (size_t at = 0; rc == CL_SUCCESS && at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        struct rect piece = rect_of_range(r->buffer_origin[0] + at, n);

        rc = store_piece(q, m, &piece, ptr + at, at == 0, at + n == size);
    }
    return rc;
}

cl_int
transfer_write(struct enqueue *q, struct _cl_mem *m, const struct rect *r,
               const void *ptr, bool blocking)
{
    bool short_one = r->plain && rect_bytes(r) <= CHANNEL_INLINE_BYTES;
    bool idle = q->queue->drained == q->queue->submitted && q->n_waits == 0;
    bool done = false;
    cl_int rc = CL_SUCCESS;

    /*
     * A write blocks until its bytes are taken (section 5.2.2: "the memory pointed to by ptr can
     * be reused"), so a short one need not wait for a busy queue: it travels in its message. One
     * that does not block has its bytes taken by the caller anyway: where the queue is idle they
     * go to their place at once.
     */
    if (direct_possible(q, m, blocking || idle) && (idle || !short_one))
        rc = transfer_direct(q, m, r, NULL, ptr, &done);
    if (done)
        return rc;
    if (!blocking && !short_one && late_wanted(q->session, rect_bytes(r)))
        return late_transfer(q, m, r, NULL, ptr);
    if (blocking && q->n_waits) {
        /* The wait list's failure must show in a blocking call. */
        pthread_mutex_unlock(&q->queue->lock);
        rc = events_wait(q->n_waits, q->waits);
        pthread_mutex_lock(&q->queue->lock);
    }
    return rc == CL_SUCCESS ? store(q, m, r, ptr) : rc;
}

/* ---- the calls --------------------------------------------------------------------- */

cl_int
check_host_access(const struct _cl_mem *m, cl_mem_flags forbidden)
{
    return m->flags & (forbidden | CL_MEM_HOST_NO_ACCESS) ? CL_INVALID_OPERATION
                                                          : CL_SUCCESS;
}

/* Exactly one of dst and src is the program's memory; `forbidden` is the host-access flag. */
static cl_int
transfer_call(cl_command_queue queue, cl_mem buffer, cl_bool blocking, struct rect *r,
              void *dst, const void *src, cl_command_type type, cl_uint n,
              const cl_event *waits, cl_event *event)
{
    struct enqueue q;
    cl_int rc = enqueue_begin(&q, queue, type, n, waits, event);

    if (rc != CL_SUCCESS)
        return rc;
    rc = check_buffers(&q, 1, &buffer);
    if (rc == CL_SUCCESS && !dst && !src)
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS)
        rc = rect_check(r, buffer);
    if (rc == CL_SUCCESS)
        rc = check_host_access(buffer,
                               dst ? CL_MEM_HOST_WRITE_ONLY : CL_MEM_HOST_READ_ONLY);
    if (rc == CL_SUCCESS)
        rc = dst ? transfer_read(&q, buffer, r, dst, blocking)
                 : transfer_write(&q, buffer, r, src, blocking);
    return enqueue_end(&q, rc, event);
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clEnqueueReadBuffer(cl_command_queue command_queue, cl_mem buffer,
                        cl_bool blocking_read, size_t offset, size_t size, void *ptr,
                        cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                        cl_event *event)
{
    struct rect r = rect_of_range(offset, size);

    return transfer_call(command_queue, buffer, blocking_read, &r, ptr, NULL,
                         CL_COMMAND_READ_BUFFER, num_events_in_wait_list, event_wait_list,
                         event);
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clEnqueueWriteBuffer(cl_command_queue command_queue, cl_mem buffer,
                         cl_bool blocking_write, size_t offset, size_t size,
                         const void *ptr, cl_uint num_events_in_wait_list,
                         const cl_event *event_wait_list, cl_event *event)
{
    struct rect r = rect_of_range(offset, size);

    return transfer_call(command_queue, buffer, blocking_write, &r, NULL, ptr,
                         CL_COMMAND_WRITE_BUFFER, num_events_in_wait_list,
                         event_wait_list, event);
}

static cl_int
rect_from_arguments(struct rect *r, const size_t *buffer_origin,
                    const size_t *host_origin, const size_t *region)
{
    if (!buffer_origin || !host_origin || !region)
        return CL_INVALID_VALUE;
    for (int i = 0; i < 3; i++) {
        r->buffer_origin[i] = buffer_origin[i];
        r->host_origin[i] = host_origin[i];
        r->region[i] = region[i];
    }
    return CL_SUCCESS;
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clEnqueueReadBufferRect(cl_command_queue command_queue, cl_mem buffer,
                            cl_bool blocking_read, const size_t *buffer_origin,
                            const size_t *host_origin, const size_t *region,
                            size_t buffer_row_pitch, size_t buffer_slice_pitch,
                            size_t host_row_pitch, size_t host_slice_pitch, void *ptr,
                            cl_uint num_events_in_wait_list,
                            const cl_event *event_wait_list, cl_event *event)
{
    struct rect r = {.buffer_row = buffer_row_pitch,
                     .buffer_slice = buffer_slice_pitch,
                     .host_row = host_row_pitch,
                     .host_slice = host_slice_pitch};
    cl_int rc = rect_from_arguments(&r, buffer_origin, host_origin, region);

    if (rc != CL_SUCCESS)
        return rc;
    return transfer_call(command_queue, buffer, blocking_read, &r, ptr, NULL,
                         CL_COMMAND_READ_BUFFER_RECT, num_events_in_wait_list,
                         event_wait_list, event);
}

CL_API_ENTRY cl_int CL_API_CALL
tsr_clEnqueueWriteBufferRect(cl_command_queue command_queue, cl_mem buffer,
                             cl_bool blocking_write, const size_t *buffer_origin,
                             const size_t *host_origin, const size_t *region,
                             size_t buffer_row_pitch, size_t buffer_slice_pitch,
                             size_t host_row_pitch, size_t host_slice_pitch,
                             const void *ptr, cl_uint num_events_in_wait_list,
                             const cl_event *event_wait_list, cl_event *event)
{
    struct rect r = {.buffer_row = buffer_row_pitch,
                     .buffer_slice = buffer_slice_pitch,
                     .host_row = host_row_pitch,
                     .host_slice = host_slice_pitch};
    cl_int rc = rect_from_arguments(&r, buffer_origin, host_origin, region);

    if (rc != CL_SUCCESS)
        return rc;
    return transfer_call(command_queue, buffer, blocking_write, &r, NULL, ptr,
                         CL_COMMAND_WRITE_BUFFER_RECT, num_events_in_wait_list,
                         event_wait_list, event);
}
