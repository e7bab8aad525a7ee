/* SPDX-License-Identifier: MIT */
/* Staged reads (transfer.h), between enqueue_begin and enqueue_end, with the queue's lock held. */
#ifndef TESSERA_GUEST_OPENCL_FETCH_H
#define TESSERA_GUEST_OPENCL_FETCH_H

#include "guest/opencl/transfer.h"

/* The data is there on return. Lets go of the queue's lock while it waits. */
cl_int fetch_blocking(struct enqueue *q, struct _cl_mem *m, const struct rect *r,
                      void *ptr);

/* Whoever reads the replies copies what comes: the session's service thread must be there. */
cl_int fetch_behind(struct enqueue *q, struct _cl_mem *m, const struct rect *r,
                    void *ptr);

#endif
