/* SPDX-License-Identifier: MIT */
/* Staged writes (transfer.h), between enqueue_begin and enqueue_end, with the queue's lock held. */
#ifndef TESSERA_GUEST_OPENCL_STORE_H
#define TESSERA_GUEST_OPENCL_STORE_H

#include "guest/opencl/transfer.h"

/* What a queue's blocking writes have under way. */
struct pace;
void pace_unhold(struct pace *p); /* NULL: nothing */

/* The bytes are taken on return. One that does not block waits for room in the heap alone. */
cl_int store(struct enqueue *q, struct _cl_mem *m, const struct rect *r,
             const uint8_t *ptr, bool blocking);

#endif
