/* SPDX-License-Identifier: MIT */
/* Sending messages, and what all enqueue functions share. Included by the generated encoders. */
#ifndef TESSERA_GUEST_OPENCL_SUBMIT_H
#define TESSERA_GUEST_OPENCL_SUBMIT_H

#include "guest/opencl/session.h"
#include "wire/codec.h"

/* A byte string of any length: inline when short, else in the heap (off set by blob_init). */
struct blob {
    const void *data;
    uint64_t len;
    uint64_t off; /* EXTENT_NONE: inline */
};

/* Places the bytes. CL_OUT_OF_HOST_MEMORY when the heap has no room. */
cl_int blob_init(struct session *s, struct blob *b, const void *data, uint64_t len);

/*
 * The message that carries an extent (or none) was sent, or not: from now on the worker gives it
 * back, or it is free. Returns rc.
 */
static inline cl_int
extent_sent(struct session *s, uint64_t off, cl_int rc)
{
    if (off == EXTENT_NONE)
        return rc;
    if (rc == CL_SUCCESS)
        session_expect_reclaim(s);
    else
        heap_free(&s->heap, off);
    return rc;
}

/*
 * Begins a message of `size` bytes: takes tx_lock, writes the header, points e behind it. With a
 * pending the answer will come to it. submit_end() publishes, wakes the worker if it sleeps, and
 * unlocks. CL_OUT_OF_RESOURCES: the session is dead, or the message is too long for the ring;
 * nothing is locked then.
 */
cl_int submit_begin(struct session *s, struct enc *e, unsigned op, uint64_t size,
                    struct pending *p);
cl_int submit_end(struct session *s, struct enc *e, const struct pending *p);

/*
 * tx_lock held: room for a frame in the ring, waiting for it if need be. NULL: the
 * session is dead.
 */
void *submit_room(struct session *s, uint32_t len);

static inline void
enc_objects(struct enc *e, uint32_t n, void *const *handles)
{
    enc_u64(e, n);
    for (uint32_t i = 0; i < n; i++)
        enc_u64(e, object_id(handles[i]).v);
}

static inline void
enc_syncs(struct enc *e, uint32_t n, const cl_sync_point_khr *points)
{
    enc_u64(e, n);
    for (uint32_t i = 0; i < n; i++)
        enc_u64(e, points[i]);
}

static inline void
enc_ids(struct enc *e, uint32_t n, const struct guest_id *ids)
{
    enc_u64(e, n);
    for (uint32_t i = 0; i < n; i++)
        enc_u64(e, ids[i].v);
}

static inline uint64_t
enc_blob_size(const struct blob *b)
{
    return 16 + (b->off == EXTENT_NONE ? enc_bytes_size(b->len) : 0);
}

static inline void
enc_blob(struct enc *e, const struct blob *b)
{
    enc_u64(e, b->off);
    enc_u64(e, b->len);
    if (b->off == EXTENT_NONE)
        enc_bytes(e, b->data, b->len);
}

/*
 * An enqueue in progress. enqueue_begin() checks queue and wait list (as OpenCL 3.0 says at every
 * command, first in section 5.2.2: CL_INVALID_COMMAND_QUEUE, CL_INVALID_CONTEXT,
 * CL_INVALID_EVENT_WAIT_LIST), makes the event's shadow when one is wanted, and takes the queue's
 * lock. enqueue_end() gives the event out, or takes it back when rc is an error, unlocks and
 * returns rc.
 */
struct enqueue {
    struct session *session;
    struct _cl_command_queue *queue;
    struct _cl_event *shadow; /* NULL when no event is wanted */
    struct guest_id event_id;
    bool event_sent; /* the worker has it, though the call may fail */
    cl_uint n_waits;
    const cl_event *waits;
};

cl_int enqueue_begin(struct enqueue *q, cl_command_queue queue, cl_command_type type,
                     cl_uint n_waits, const cl_event *waits, cl_event *event);
cl_int enqueue_end(struct enqueue *q, cl_int rc, cl_event *event);

/*
 * A command that has nothing to do on the device. It is complete when its wait list is, and what
 * comes before it in a queue that is in order, or before the last barrier in one that is not.
 * m: the object that it is about, which is not changed; NULL when it is about none.
 */
cl_int enqueue_place(struct enqueue *q, cl_mem m);

/*
 * CL_INVALID_MEM_OBJECT, CL_INVALID_CONTEXT, or CL_INVALID_VALUE for a missing list: of any memory
 * objects, of buffers alone, of images alone.
 */
cl_int check_mems(const struct enqueue *q, cl_uint n, const cl_mem *mems);
cl_int check_buffers(const struct enqueue *q, cl_uint n, const cl_mem *mems);
cl_int check_images(const struct enqueue *q, cl_uint n, const cl_mem *mems);

#endif
