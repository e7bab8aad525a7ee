/* SPDX-License-Identifier: MIT */
#include "guest/opencl/submit.h"

#include "api/opencl_send.h"
#include "guest/opencl/event.h"
#include "guest/opencl/hold.h"
#include "guest/opencl/mem.h"
#include "guest/opencl/queue.h"
#include "guest/opencl/rejoin.h"
#include "guest/opencl/wait.h"

#include <poll.h>
#include <sched.h>

cl_int
blob_init(struct session *s, struct blob *b, const void *data, uint64_t len)
{
    *b = (struct blob){.data = data, .len = len, .off = EXTENT_NONE};
    if (len <= CHANNEL_INLINE_BYTES)
        return CL_SUCCESS;
    b->off = session_heap_alloc(s, len);
    if (b->off == EXTENT_NONE)
        return session_is_dead(s) ? CL_OUT_OF_RESOURCES : CL_OUT_OF_HOST_MEMORY;
    memcpy(s->channel.heap + b->off, data, len);
    return CL_SUCCESS;
}

/*
 * Sleeps for a moment; true when the worker has hung up. Looks for that alone: the doorbell's bytes
 * belong to the thread that sleeps on it.
 */
static bool
submit_peer_hung_up(struct session *s)
{
    struct pollfd p = {.fd = s->channel.fd};

    /* A port does not hang up when its worker leaves to be back. */
    return poll(&p, 1, 1) > 0 || (s->heap_grows && session_peer_hung_up(s));
}

/*
 * The ring is full: the worker takes frames without ever waiting for the device, so room comes soon
 * or never. tx_lock is held; replies are read meanwhile, so that the worker is not held up. It may
 * still sleep, if all that fills the ring was held back.
 */
static void *
submit_wait_for_room(struct session *s, uint32_t len)
{
    void *p = NULL;
    int err = 0;

    if (s->tx_wake)
        s->channel.transport->kick(&s->channel);
    s->tx_wake = false;
    for (unsigned tries = 0; !p && !session_is_dead(s); tries++) {
        p = ring_reserve(&s->channel.tx, len, &err);
        if (p || err < 0)
            break;
        session_pump_silently(s);
        if (tries < 200)
            sched_yield();
        else if (submit_peer_hung_up(s) && !session_lost(s))
            break;
    }
    return p;
}

void *
submit_room(struct session *s, uint32_t len)
{
    int err;
    void *at = ring_reserve(&s->channel.tx, len, &err);

    return at ? at : submit_wait_for_room(s, len);
}

static void
frame_begin(struct frame_header *h, struct enc *e, unsigned op, uint32_t size,
            uint64_t tag)
{
    *h = (struct frame_header){.size = size, .op = (uint16_t)op, .tag = tag};
    e->p = (uint8_t *)(h + 1);
}

/* The answer will find the pending. false: the session is dead. */
static bool
pending_begin(struct session *s, struct pending *p)
{
    bool alive;

    p->waiter = wait_take(s, p);
    /* Its partner is in pending_complete(): with a waiter no lock orders the two threads. */
    atomic_store_explicit(&p->complete, false, memory_order_release);
    if (p->waiter != 0)
        return true;
    pthread_mutex_lock(&s->wait_lock);
    alive = !session_is_dead(s);
    if (alive)
        list_add_tail(&s->pendings, &p->node);
    pthread_mutex_unlock(&s->wait_lock);
    return alive;
}

static uint64_t
pending_tag(const struct pending *p)
{
    return p ? tag_make((uint64_t)(uintptr_t)p, p->waiter) : 0;
}

/* Of a frame that goes before the one for which tx_lock was taken. */
static cl_int
submit_begin_held(struct session *s, struct enc *e, unsigned op, uint32_t size)
{
    struct frame_header *h = submit_room(s, size);

    if (!h)
        return CL_OUT_OF_RESOURCES;
    frame_begin(h, e, op, size, 0);
    s->tx_len = size;
    return CL_SUCCESS;
}

cl_int
submit_begin(struct session *s, struct enc *e, unsigned op, uint64_t size,
             struct pending *p)
{
    struct frame_header *h;

    if (p && p->flushes)
        return submit_begin_held(s, e, op, (uint32_t)size);
    if (session_is_dead(s) || size > ring_max_frame(s->channel.tx.size))
        return CL_OUT_OF_RESOURCES;
    pthread_mutex_lock(&s->tx_lock);
    h = held_flush(s) ? submit_room(s, (uint32_t)size) : NULL;
    if (h && p && !pending_begin(s, p))
        h = NULL;
    if (!h) {
        pthread_mutex_unlock(&s->tx_lock);
        return CL_OUT_OF_RESOURCES;
    }
    frame_begin(h, e, op, (uint32_t)size, pending_tag(p));
    s->tx_len = (uint32_t)size;
    return CL_SUCCESS;
}

cl_int
submit_end(struct session *s, struct enc *e, const struct pending *p)
{
    bool wake;

    (void)e;
    if (p && p->flushes) {
        s->tx_wake |= ring_commit(&s->channel.tx, s->tx_len);
        return CL_SUCCESS;
    }
    wake = ring_commit(&s->channel.tx, s->tx_len) || s->tx_wake;
    s->tx_wake = false;
    pthread_mutex_unlock(&s->tx_lock);
    if (wake)
        s->channel.transport->kick(&s->channel);
    session_pump_silently(s);
    return CL_SUCCESS;
}

static cl_int
check_wait_list(const struct _cl_command_queue *queue, cl_uint n, const cl_event *waits)
{
    if ((n == 0) != (waits == NULL))
        return CL_INVALID_EVENT_WAIT_LIST;
    for (cl_uint i = 0; i < n; i++) {
        if (object_is(waits[i], KIND_multi_event))
            return CL_INVALID_CONTEXT;
        if (!object_is(waits[i], KIND_event))
            return CL_INVALID_EVENT_WAIT_LIST;
        if (waits[i]->context != queue->context)
            return CL_INVALID_CONTEXT;
    }
    return CL_SUCCESS;
}

cl_int
enqueue_begin(struct enqueue *q, cl_command_queue queue, cl_command_type type,
              cl_uint n_waits, const cl_event *waits, cl_event *event)
{
    cl_int rc;

    if (!object_is(queue, KIND_queue))
        return CL_INVALID_COMMAND_QUEUE;
    rc = check_wait_list(queue, n_waits, waits);
    if (rc != CL_SUCCESS)
        return rc;
    *q = (struct enqueue){
        .session = queue->o.session, .queue = queue, .n_waits = n_waits, .waits = waits};
    if (session_is_dead(q->session))
        return CL_OUT_OF_RESOURCES;
    if (event) {
        q->shadow = event_new(queue->context, queue, type);
        if (!q->shadow)
            return CL_OUT_OF_HOST_MEMORY;
        q->event_id = q->shadow->o.id;
    }
    pthread_mutex_lock(&queue->lock);
    return CL_SUCCESS;
}

cl_int
enqueue_end(struct enqueue *q, cl_int rc, cl_event *event)
{
    if (rc == CL_SUCCESS)
        q->queue->submitted++;
    pthread_mutex_unlock(&q->queue->lock);
    if (!q->shadow)
        return rc;
    if (rc == CL_SUCCESS)
        *event = q->shadow;
    else if (q->event_sent)
        object_release(&q->shadow->o);
    else
        event_discard(q->shadow);
    return rc;
}

/* A barrier behind an event that is complete holds up nothing that comes after it. */
static cl_int
place_without_waits(struct enqueue *q)
{
    struct _cl_event *none = event_new(q->queue->context, q->queue, CL_COMMAND_MARKER);
    cl_int rc;

    if (!none)
        return CL_OUT_OF_HOST_MEMORY;
    rc = send_tessera_completed_event(q->session, NULL, none->o.id, q->queue->o.id);
    if (rc != CL_SUCCESS) {
        event_discard(none);
        return rc;
    }
    rc = send_clEnqueueBarrierWithWaitList(q->session, NULL, q->queue->o.id, 1, &none,
                                           q->event_id);
    object_release(&none->o);
    return rc;
}

/*
 * Out of order, a marker without a wait list waits for all (section 5.12), and PoCL's does with
 * one, too. To leave an object on its device is a command like any other.
 */
cl_int
enqueue_place(struct enqueue *q, cl_mem m)
{
    if (!queue_in_order(q->queue) && m)
        return send_clEnqueueMigrateMemObjects(q->session, NULL, q->queue->o.id, 1, &m, 0,
                                               q->n_waits, q->waits, q->event_id);
    if (!queue_in_order(q->queue) && q->n_waits == 0)
        return place_without_waits(q);
    return send_clEnqueueMarkerWithWaitList(q->session, NULL, q->queue->o.id, q->n_waits,
                                            q->waits, q->event_id);
}

cl_int
check_mems(const struct enqueue *q, cl_uint n, const cl_mem *mems)
{
    if (n == 0 || !mems)
        return CL_INVALID_VALUE;
    for (cl_uint i = 0; i < n; i++) {
        if (object_is(mems[i], KIND_multi_mem))
            return CL_INVALID_CONTEXT;
        if (!object_is(mems[i], KIND_mem))
            return CL_INVALID_MEM_OBJECT;
        if (mems[i]->context != q->queue->context)
            return CL_INVALID_CONTEXT;
    }
    return CL_SUCCESS;
}

cl_int
check_buffers(const struct enqueue *q, cl_uint n, const cl_mem *mems)
{
    cl_int rc = check_mems(q, n, mems);

    for (cl_uint i = 0; rc == CL_SUCCESS && i < n; i++) {
        if (mems[i]->image)
            rc = CL_INVALID_MEM_OBJECT;
    }
    return rc;
}

cl_int
check_images(const struct enqueue *q, cl_uint n, const cl_mem *mems)
{
    cl_int rc = check_mems(q, n, mems);

    for (cl_uint i = 0; rc == CL_SUCCESS && i < n; i++) {
        if (!mems[i]->image)
            rc = CL_INVALID_MEM_OBJECT;
    }
    return rc;
}
