/* SPDX-License-Identifier: MIT */
/*
 * Creations that are held back. What a new object is made for is named by a later
 * message: until any other message is sent, the one that makes it waits here, and an
 * object that is released before that never reaches the worker. Order is kept: whatever
 * is sent goes after all that is held.
 */
#ifndef TESSERA_GUEST_OPENCL_HOLD_H
#define TESSERA_GUEST_OPENCL_HOLD_H

#include "guest/opencl/session.h"

#define HELD_FRAME_BYTES                                                                 \
    112u /* clCreateBuffer's 104; a kernel with a long name is sent at once */

/* In the object that it makes. */
struct held {
    struct list node; /* session.held */
    struct object *object;
    uint32_t size;
    _Alignas(FRAME_ALIGN) uint8_t frame[HELD_FRAME_BYTES];
};

/*
 * A pending for the send_ function of a creation: its message is held back, in `h`, if it
 * fits there. Nobody waits for an answer.
 */
static inline struct pending
pending_hold(struct held *h, struct object *o)
{
    h->object = o;
    return (struct pending){.hold = h};
}

/* The frame in h is complete. CL_OUT_OF_RESOURCES: the session is dead. */
cl_int held_add(struct session *s, struct held *h);

/* tx_lock held: puts all that is held into the ring. false: the session is dead. */
bool held_flush(struct session *s);

/* The object is released: true if its message was held back, and is dropped now. */
bool held_take_back(struct object *o);

#endif
