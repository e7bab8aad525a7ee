/* SPDX-License-Identifier: MIT */
/*
 * Memory objects. A replica is made when a command first needs it on a vGPU, and is charged
 * there. Which vGPU has the latest bytes is known by range (ranges.h), in the order of enqueues;
 * sub-buffers, and images made of a buffer, are ranges of their root. An image of its own is one
 * range.
 *
 *   stamp   how a vGPU got its bytes: by a command there, or moved from another vGPU. Commands
 *           wait for what was moved; a command that wrote is the program's to wait for, but
 *           moving its result on waits for it.
 */
#ifndef TESSERA_GUEST_OPENCL_MULTI_MEM_H
#define TESSERA_GUEST_OPENCL_MULTI_MEM_H

#include "guest/opencl/multi/multi.h"

struct stamp {
    _Atomic uint32_t holds;
    bool moved;
    /*
     * Events of the vGPU, owned: the command, or the arrival of what was moved. Behind a command,
     * the arrivals that it waited for: one that fails does not wait for them.
     */
    cl_uint n_events;
    cl_event event[];
};

/* The events are retained. NULL without memory. */
struct stamp *stamp_new(bool moved, cl_event event, cl_uint n_more, const cl_event *more);
void stamp_drop(void *stamp);

struct multi_map {
    struct multi_map *next;
    void *ptr;
    size_t begin, end; /* in the root */
    cl_map_flags flags;
    unsigned vgpu;
};

/* What a kernel's argument keeps of a memory object, which may end before it. */
struct mem_ref {
    _Atomic uint32_t holds;
    struct multi_mem *mem; /* NULL once it is released; under the context's lock */
};

struct multi_mem {
    struct object o;
    struct multi_context *context; /* retained */
    struct multi_mem *parent; /* of a sub-buffer, or the buffer of an image; retained */
    bool image;
    size_t origin, size; /* of a range of the parent; an image of its own: 0 and 1 */
    size_t bytes;        /* CL_MEM_SIZE of a buffer */
    cl_mem_flags flags;
    void *host_ptr;
    cl_mem_properties *properties;
    size_t n_properties;
    cl_image_format format;
    cl_image_desc desc;
    _Atomic(struct destructor *) destructors;
    struct mem_ref *ref;

    /* Under the context's lock. */
    cl_mem *replica; /* by vGPU */
    struct multi_map *maps;
    cl_uint map_count;

    /* Of a root. */
    struct ranges ranges;
    bool placed;         /* it has had a replica */
    const void *initial; /* the program's bytes, until the first replica has them */
    void *initial_copy;  /* of CL_MEM_COPY_HOST_PTR */
};

/* With everything but sizes, ranges and format. NULL without memory. */
struct multi_mem *multi_mem_new(struct multi_context *c, struct multi_mem *parent,
                                cl_mem_flags flags, void *host_ptr);

static inline struct multi_mem *
multi_mem_of(cl_mem memobj)
{
    return object_is(memobj, KIND_multi_mem) ? (struct multi_mem *)memobj : NULL;
}

static inline struct multi_mem *
mem_root(struct multi_mem *m)
{
    while (m->parent)
        m = m->parent;
    return m;
}

extern const struct stamp_ops stamp_ops;

void mem_ref_drop(struct mem_ref *r);

/*
 * Section 5.2.1: what the program's host may not do with an object, CL_INVALID_OPERATION. Checked
 * here: the replica of a root forbids nothing, since bytes move through the host.
 */
#define HOST_ACCESS_FLAGS                                                                \
    (CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS)
cl_int mem_host_access(cl_mem memobj, bool reads, bool writes);

/* The replica on this vGPU, made if need be. Under the lock. */
cl_int mem_replica(struct multi_mem *m, unsigned vgpu, cl_mem *ret);

/* The image's replica, from its recipe (image.c). */
cl_mem image_replica_new(struct multi_mem *m, cl_context inner, cl_mem buffer,
                         cl_mem_flags flags, const void *host_ptr, cl_int *ret_rc);

/*
 * Starts to move [begin, end) of the root, one range of its list, to `vgpu`, and stamps it there.
 * Under the lock; blocks for nothing. A move that fails fails those who wait for it.
 */
cl_int move_start(struct multi_mem *root, size_t begin, size_t end, unsigned from,
                  unsigned vgpu);

#endif
