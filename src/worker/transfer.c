/* SPDX-License-Identifier: MIT */
#include "worker/transfer.h"

#include "api/opencl_request.h"
#include "base/checked.h"
#include "worker/bounds.h"

#include <errno.h>
#include <stdlib.h>

static void
transfer_over(struct session *s, const struct transfer *t, cl_int status)
{
    free(t->memory);
    inflight_give(s, t->bytes);
    reply_reclaim(s, t->reclaim);
    if (t->tag != 0)
        reply_status(s, t->tag, status);
}

static void
transfer_done(struct session *s, void *arg, cl_int status)
{
    transfer_over(s, arg, status);
    free(arg);
}

int
transfer_end(struct session *s, struct submission *sub, cl_int rc,
             const struct transfer *t)
{
    struct transfer *later;

    if (rc != CL_SUCCESS) {
        if (submission_end(s, sub, rc, t->tag ? t->tag : t->tag_now) < 0)
            return -ENOMEM;
        transfer_over(s,
                      &(struct transfer){
                          .reclaim = t->reclaim, .memory = t->memory, .bytes = t->bytes},
                      rc);
        return 0;
    }
    later = malloc(sizeof *later);
    if (!later)
        return session_fail(s, "the worker has no memory left");
    *later = *t;
    s->cl->clRetainEvent(sub->event); /* the end of the submission may let go of it */
    if (submission_end(s, sub, rc, t->tag_now) < 0)
        return -ENOMEM;
    s->cl->clFlush(sub->queue->o.h.queue);
    watch_command(s, sub->queue, sub->event, transfer_done, later);
    s->cl->clReleaseEvent(sub->event);
    return 0;
}

int
op_clEnqueueReadBuffer(struct session *s, const struct req_clEnqueueReadBuffer *r)
{
    struct submission sub;
    cl_int rc;

    if (r->data.len < r->size)
        return request_bad_field(s, "data", "shorter than the read");
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    if (rc == CL_SUCCESS)
        rc = s->cl->clEnqueueReadBuffer(
            r->command_queue->h.queue, r->buffer->h.mem, CL_FALSE, r->offset, r->size,
            s->channel.heap + r->data.off, sub.n_waits, sub.waits, &sub.event);
    if (rc == CL_SUCCESS)
        gate_copied(&s->gate, r->size);
    return transfer_end(s, &sub, rc,
                        &(struct transfer){.tag = r->tag, .reclaim = EXTENT_NONE});
}

/* Where a write's bytes are: in the heap, or in a copy of what was inside the message. */
static int
write_source(struct session *s, const struct req_clEnqueueWriteBuffer *r,
             struct transfer *t, const void **ret_source)
{
    uint64_t len = r->data.off != EXTENT_NONE ? r->data.len : r->inline_data_len;

    if (len < r->size)
        return request_bad_field(s, "data", "shorter than the write");
    t->reclaim = EXTENT_NONE;
    t->tag_now = r->tag;
    if (r->data.off != EXTENT_NONE) {
        *ret_source = s->channel.heap + r->data.off;
        /* The extent is the guest's again with the answer, or else with a frame of its own. */
        if (r->tag == 0)
            t->reclaim = r->data.off;
        t->tag = r->tag;
        t->tag_now = 0;
        return 0;
    }
    if (!inflight_take(s, r->size)) {
        s->request.error = CL_OUT_OF_HOST_MEMORY;
        return 0;
    }
    t->bytes = r->size;
    t->memory = malloc(r->size + 1);
    if (!t->memory)
        return session_fail(s, "the worker has no memory left");
    memcpy(t->memory, r->inline_data, r->size);
    *ret_source = t->memory;
    return 0;
}

int
op_clEnqueueWriteBuffer(struct session *s, const struct req_clEnqueueWriteBuffer *r)
{
    struct transfer t = {0};
    struct submission sub;
    const void *source = NULL;
    cl_int rc;

    if (write_source(s, r, &t, &source) < 0)
        return -EPROTO;
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    if (rc == CL_SUCCESS)
        rc = s->cl->clEnqueueWriteBuffer(r->command_queue->h.queue, r->buffer->h.mem,
                                         CL_FALSE, r->offset, r->size, source,
                                         sub.n_waits, sub.waits, &sub.event);
    if (rc == CL_SUCCESS)
        gate_copied(&s->gate, r->size);
    return transfer_end(s, &sub, rc, &t);
}

/* ---- rectangles -------------------------------------------------------------------- */

/* The bytes of a region, packed tight; an overflow is as good as too many. */
static uint64_t
rect_bytes(const uint64_t region[3])
{
    uint64_t bytes;

    if (!checked_mul(region[0], region[1], &bytes) ||
        !checked_mul(bytes, region[2], &bytes))
        return UINT64_MAX;
    return bytes;
}

static const size_t no_origin[3];

int
op_clEnqueueReadBufferRect(struct session *s, const struct req_clEnqueueReadBufferRect *r)
{
    uint64_t bytes = rect_bytes(r->region);
    struct submission sub;
    cl_int rc;

    if (buffer_check_rect(s, r->buffer, r->buffer_origin, r->region, r->buffer_row_pitch,
                          r->buffer_slice_pitch) < 0)
        return -EPROTO;
    if (r->data.len < bytes)
        return request_bad_field(s, "data", "shorter than the read");
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    if (rc == CL_SUCCESS)
        rc = s->cl->clEnqueueReadBufferRect(
            r->command_queue->h.queue, r->buffer->h.mem, CL_FALSE, r->buffer_origin,
            no_origin, r->region, r->buffer_row_pitch, r->buffer_slice_pitch,
            r->region[0], r->region[0] * r->region[1], s->channel.heap + r->data.off,
            sub.n_waits, sub.waits, &sub.event);
    if (rc == CL_SUCCESS)
        gate_copied(&s->gate, bytes);
    return transfer_end(s, &sub, rc,
                        &(struct transfer){.tag = r->tag, .reclaim = EXTENT_NONE});
}

int
op_clEnqueueWriteBufferRect(struct session *s,
                            const struct req_clEnqueueWriteBufferRect *r)
{
    uint64_t bytes = rect_bytes(r->region);
    struct submission sub;
    cl_int rc;

    if (buffer_check_rect(s, r->buffer, r->buffer_origin, r->region, r->buffer_row_pitch,
                          r->buffer_slice_pitch) < 0)
        return -EPROTO;
    if (r->data.len < bytes)
        return request_bad_field(s, "data", "shorter than the write");
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    if (rc == CL_SUCCESS)
        rc = s->cl->clEnqueueWriteBufferRect(
            r->command_queue->h.queue, r->buffer->h.mem, CL_FALSE, r->buffer_origin,
            no_origin, r->region, r->buffer_row_pitch, r->buffer_slice_pitch,
            r->region[0], r->region[0] * r->region[1], s->channel.heap + r->data.off,
            sub.n_waits, sub.waits, &sub.event);
    if (rc == CL_SUCCESS)
        gate_copied(&s->gate, bytes);
    return transfer_end(s, &sub, rc,
                        &(struct transfer){.tag_now = r->tag, .reclaim = r->data.off});
}
