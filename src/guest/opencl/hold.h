/* SPDX-License-Identifier: MIT */
/*
 * Creations that are held back. What a new object is made for is named by a later
 * message: until any other message is sent, the one that makes it waits here, and an
 * object that is released before that never reaches the worker. Order is kept: whatever
 * is sent goes after all that is held. What waits is the object alone; its message is
 * written when it is sent.
 */
#ifndef TESSERA_GUEST_OPENCL_HOLD_H
#define TESSERA_GUEST_OPENCL_HOLD_H

#include "guest/opencl/session.h"

/*
 * The object, complete and with an id, waits for a message to follow: o->make() will send what
 * makes it. CL_OUT_OF_RESOURCES: the session is dead. The second is for who has tx_lock, and a
 * session that is alive.
 */
cl_int held_add(struct object *o);
void held_add_locked(struct session *s, struct object *o);

bool held_send_all(struct session *s);

/* tx_lock held: puts all that is held into the ring. false: the session is dead. */
static inline bool
held_flush(struct session *s)
{
    return list_empty(&s->held) || held_send_all(s);
}

/* The object is released: true if it was held back; then it and its id are forgotten. */
bool held_take_back(struct object *o);

#endif
