/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.2.2: reading and writing buffers; also how bytes of images travel. */
#include "guest/opencl/image.h"

#include "api/opencl_send.h"
#include "base/io.h"
#include "guest/opencl/clock.h"
#include "guest/opencl/fetch.h"
#include "guest/opencl/late.h"
#include "guest/opencl/store.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* A direct copy looks this often for a queue without work before it goes the staged way. */
#define DIRECT_TRIES 3

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
                rect_put(r, (uint8_t *)dst + in_host, mem_bytes(m) + in_buffer,
                         r->region[0]);
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

static inline bool
direct_possible(const struct enqueue *q, struct _cl_mem *m, bool blocking)
{
    /* An image's layout in the heap is the driver's business: it goes through the worker. */
    return blocking && mem_storage(m) != EXTENT_NONE && !m->image &&
           queue_in_order(q->queue);
}

/* No command was sent, so the one that enqueue_end counts is over already. */
static cl_int
direct_end(struct enqueue *q, uint64_t began)
{
    cl_int rc = direct_event(q, began, now_ns());

    if (rc == CL_SUCCESS)
        q->queue->drained++;
    return rc;
}

/*
 * dst or src is given. *ret_done: the copy was made, or rc is an error. Not made where the queue is
 * busy, or the worker wants to see copies.
 */
static cl_int
transfer_direct(struct enqueue *q, struct _cl_mem *m, const struct rect *r, void *dst,
                const void *src, bool *ret_done)
{
    struct channel *channel = &q->session->channel;
    uint64_t began = now_ns();
    cl_int rc = direct_wait(q, ret_done);

    if (rc != CL_SUCCESS || !*ret_done) {
        *ret_done = rc != CL_SUCCESS;
        return rc;
    }
    *ret_done = channel_copy_enter(channel);
    if (!*ret_done)
        return CL_SUCCESS;
    direct_copy(m, r, dst, src);
    atomic_fetch_add_explicit(&channel->page->copied_bytes, rect_bytes(r),
                              memory_order_relaxed);
    channel_copy_leave(channel);
    return direct_end(q, began);
}

bool
transfer_is_idle(const struct enqueue *q)
{
    return q->queue->drained == q->queue->submitted && q->n_waits == 0;
}

cl_int
transfer_none(struct enqueue *q)
{
    return direct_end(q, now_ns());
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
    return rc == CL_SUCCESS ? fetch_behind(q, m, r, ptr) : rc;
}

/* ---- writes -------------------------------------------------------------------------- */

cl_int
transfer_write(struct enqueue *q, struct _cl_mem *m, const struct rect *r,
               const void *ptr, bool blocking)
{
    bool short_one = r->plain && rect_bytes(r) <= CHANNEL_INLINE_BYTES;
    bool idle = transfer_is_idle(q);
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
    return rc == CL_SUCCESS ? store(q, m, r, ptr, blocking) : rc;
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
