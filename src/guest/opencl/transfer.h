/* SPDX-License-Identifier: MIT */
/*
 * Bytes between the program's memory and a buffer, in three ways:
 *   direct   one copy by the calling thread, no message: the buffer is in the heap, the queue
 *            is in order and has nothing left to do; a read must block; the worker does not
 *            want to see it (channel_copy_enter)
 *   inline   a short write travels in its message
 *   staged   through an extent of the heap, in order with everything else of the queue
 */
#ifndef TESSERA_GUEST_OPENCL_TRANSFER_H
#define TESSERA_GUEST_OPENCL_TRANSFER_H

#include "guest/opencl/event.h"
#include "guest/opencl/mem.h"

/*
 * The rectangle of OpenCL 3.0, section 5.2.2 (clEnqueueReadBufferRect). A plain range of bytes is
 * the rectangle {size, 1, 1} without pitches.
 */
struct rect {
    size_t buffer_origin[3], host_origin[3], region[3];
    size_t buffer_row, buffer_slice, host_row, host_slice; /* pitches, never 0 */
    bool plain;                                            /* a range: host_origin is 0 */
    bool
        own; /* a map of the program's own memory (CL_MEM_USE_HOST_PTR), which may be constant */
};

static inline uint64_t
rect_bytes(const struct rect *r)
{
    return (uint64_t)r->region[0] * r->region[1] * r->region[2];
}

/* Transfers of this many bytes and more are cut, so that copies overlap (staged way). */
#define CHUNK_BYTES (4ull << 20)

/* In that form, a region of an image has its origin in elements, its width in bytes. */
struct rect rect_of_range(size_t offset, size_t size);

/* Fills in the pitches that are 0; CL_INVALID_VALUE for what the specification forbids. */
cl_int rect_check(struct rect *r, const struct _cl_mem *m);

/*
 * Between enqueue_begin and enqueue_end. A read that blocks has its data on return; otherwise the
 * service thread sees to it. A write has taken its bytes when it returns.
 */
cl_int transfer_read(struct enqueue *q, struct _cl_mem *m, const struct rect *r,
                     void *ptr, bool blocking);
cl_int transfer_write(struct enqueue *q, struct _cl_mem *m, const struct rect *r,
                      const void *ptr, bool blocking);

/* Has the queue nothing to do, and the command nothing to wait for? */
bool transfer_is_idle(const struct enqueue *q);

/* Then: a command that moves nothing is over at once, without a message. */
cl_int transfer_none(struct enqueue *q);

/* Copies between tight staging bytes and the program's rectangle. */
cl_int check_host_access(const struct _cl_mem *m, cl_mem_flags forbidden);
void rect_gather(const struct rect *r, uint8_t *tight, const void *ptr);
void rect_scatter(const struct rect *r, const uint8_t *tight, void *ptr);

/* A run of bytes of it into the program's memory. */
void rect_put(const struct rect *r, void *dst, const void *src, size_t n);

#endif
