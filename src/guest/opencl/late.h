/* SPDX-License-Identifier: MIT */
/*
 * A read or write that does not block, while the heap has no room and a user event is not set: what
 * fills the heap may be waiting for that event, and it is perhaps the caller who will set it. The
 * command keeps its place in the queue, and its bytes travel later, from a thread of their own:
 *
 *   marker (the wait list, the order of the queue) ─▶ the transfer, on another queue
 *   ─▶ a user event of ours ─▶ marker (the command's event)
 */
#ifndef TESSERA_GUEST_OPENCL_LATE_H
#define TESSERA_GUEST_OPENCL_LATE_H

#include "guest/opencl/transfer.h"

static inline bool
late_wanted(struct session *s, uint64_t bytes)
{
    return atomic_load_explicit(&s->user_events_open, memory_order_relaxed) > 0 &&
           !heap_has(&s->heap, bytes);
}

/*
 * Between enqueue_begin and enqueue_end; dst or src is given. What is at src is copied before it
 * returns. CL_OUT_OF_HOST_MEMORY.
 */
cl_int late_transfer(struct enqueue *q, struct _cl_mem *m, const struct rect *r,
                     void *dst, const void *src);

#endif
