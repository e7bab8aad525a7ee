/* SPDX-License-Identifier: MIT */
/*
 * Buffers. Where a buffer's bytes are:
 *   heap    the device uses host memory: the storage is an extent of the shared heap, which guest,
 *           worker and kernels see. The guest copies into it, or maps it, by itself.
 *   device  the driver's own memory: bytes move through staging extents.
 * A map of the second kind, and of a buffer made with CL_MEM_USE_HOST_PTR, is a copy in the
 * program's memory ("shadow"): read at map, written back at unmap.
 */
#ifndef TESSERA_GUEST_OPENCL_MEM_H
#define TESSERA_GUEST_OPENCL_MEM_H

#include "guest/opencl/context.h"
#include "guest/opencl/submit.h"

struct mapping {
    struct mapping *next;
    void *ptr;
    size_t offset, size;
    cl_map_flags flags;
    uint64_t id; /* of the worker's mapping; 0: a shadow */
};

struct _cl_mem {
    struct object o;
    struct _cl_context *context;
    struct _cl_mem *parent; /* of a sub-buffer; held */
    size_t origin, size;    /* origin: in the parent */
    cl_mem_flags flags;
    void *host_ptr;
    cl_mem_properties *properties;
    size_t n_properties;
    uint64_t storage; /* heap offset of byte 0, or EXTENT_NONE */

    pthread_mutex_t lock; /* all below */
    struct mapping *mappings;
    cl_uint map_count;
    uint8_t *shadow; /* of the whole buffer, made at the first shadow map */
    _Atomic(struct destructor *) destructors;
};

/* CL_INVALID_VALUE for flags that exclude each other (section 5.2.1). */
cl_int mem_check_flags(cl_mem_flags flags);

/* Of a sub-buffer: adds what it inherits, CL_INVALID_VALUE for what it may not ask for. */
cl_int mem_inherit_flags(const struct _cl_mem *parent, cl_mem_flags *flags);

/* The live handles (mem_set.c). The lock is for fork alone. */
void mem_set_add(const void *handle);
void mem_set_remove(const void *handle);
bool handle_is_mem(const void *p);
void mem_set_lock(void);
void mem_set_unlock(void);

/* The bytes of a buffer in the heap. */
static inline uint8_t *
mem_bytes(const struct _cl_mem *m)
{
    return m->o.session->channel.heap + m->storage;
}

/* Is [offset, offset + size) inside, and size > 0? */
static inline bool
mem_range_ok(const struct _cl_mem *m, size_t offset, size_t size)
{
    return size > 0 && offset <= m->size && size <= m->size - offset;
}

#endif
