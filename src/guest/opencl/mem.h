/* SPDX-License-Identifier: MIT */
/*
 * Memory objects: buffers here, images in image.h. Where a buffer's bytes are:
 *   heap    the device uses host memory: the storage is an extent of the shared heap, which guest,
 *           worker and kernels see. The guest copies into it, or maps it, by itself.
 *   device  the driver's own memory: bytes move through staging extents.
 * A map of the second kind is a copy in the heap (window.h), which the worker reads into at the
 * map and writes from at the unmap. Of a buffer made with CL_MEM_USE_HOST_PTR, of an image, and
 * where the heap has no room for it, it is a copy in the program's memory ("shadow").
 */
#ifndef TESSERA_GUEST_OPENCL_MEM_H
#define TESSERA_GUEST_OPENCL_MEM_H

#include "guest/opencl/context.h"
#include "guest/opencl/hold.h"
#include "guest/opencl/submit.h"

struct mapping {
    struct mapping *next, *next_written; /* of the object; of all that share its bytes */
    void *ptr;
    size_t offset, size;         /* of a buffer */
    size_t origin[3], region[3]; /* of an image, in elements */
    size_t begin, end;           /* of a buffer, in its root */
    cl_map_flags flags;
    uint64_t id;           /* of the worker's mapping; 0: a copy */
    struct window *window; /* where the copy is, used by the mapping; NULL: a shadow */
};

/* Of a buffer that is held back: nobody has asked where its bytes are. mem_storage() decides. */
#define STORAGE_LATER (EXTENT_NONE - 1)

struct image; /* image.h */

struct _cl_mem {
    struct object o;
    struct _cl_context *context;
    struct image *image; /* what makes it an image; owned. NULL: a buffer */
    struct _cl_mem
        *parent;         /* of a sub-buffer, of an image made from another object; held */
    size_t origin, size; /* origin: in the parent */
    cl_mem_flags flags;
    void *host_ptr;
    cl_mem_properties *properties;
    size_t n_properties;
    _Atomic uint64_t storage; /* heap offset of byte 0, EXTENT_NONE, or STORAGE_LATER */

    _Atomic bool watched; /* see destructors_watch() */
    cl_uint map_count;    /* under the lock, as all below but `destructors` */
    pthread_mutex_t lock;
    struct mapping *mappings;
    struct mapping *written; /* of a buffer and its sub-buffers, those for writing */
    uint8_t *shadow;         /* of the whole object, made at the first shadow map */
    struct window *window;   /* of a buffer with its sub-buffers; shadow is NULL then */
    _Atomic(struct destructor *) destructors;
};

/*
 * The live handles of memory objects and samplers (mem_set.c): pages of the former, each of the
 * latter, and of the objects in multi/. The lock is for fork alone.
 */
void mem_set_add_page(const struct pool_page *page);
void mem_set_remove_page(const struct pool_page *page);
void mem_set_add(const void *handle);
void mem_set_remove(const void *handle);
bool handle_is_mem(const void *p);
void mem_set_lock(void);
void mem_set_unlock(void);

/* Framebuffer credit: `size` bytes are the caller's, or CL_MEM_OBJECT_ALLOCATION_FAILURE. */
cl_int mem_credit_get(struct session *s, uint64_t size);
void mem_credit_return(struct session *s, uint64_t size); /* for what was never made */

/* A shadow with a fresh id, holding the context. */
cl_int mem_new(cl_context context, cl_mem_flags flags, size_t size, void *host_ptr,
               struct _cl_mem **ret);

/* Takes back an object whose message was never sent. */
void mem_discard(struct _cl_mem *m);

/* CL_INVALID_VALUE for flags that do not go together (the memory flags of section 5.2.1). */
cl_int mem_check_flags(cl_mem_flags flags);

/* Adds to *flags what an object made from another one inherits; checks what it may narrow. */
cl_int mem_inherit_flags(const struct _cl_mem *parent, cl_mem_flags *flags);

/* Mappings (map.c). */
uint64_t mapping_new_id(void);
void mapping_add(struct _cl_mem *m, struct mapping *map);
/* No longer mapped for writing. */
void mapping_unclaim(struct _cl_mem *m, const struct mapping *map);
/* One that is over, or never was; NULL: nothing. */
void mapping_free(struct mapping *map);
/* Unmaps what a map returned that failed later: nothing is written back. */
void map_undo(cl_command_queue queue, cl_mem m, void *ptr);

/* Decides where a buffer's bytes are, if nobody has yet. Does not wait. */
uint64_t mem_place(struct _cl_mem *m);

/* The heap offset of byte 0, or EXTENT_NONE. */
static inline uint64_t
mem_storage(struct _cl_mem *m)
{
    /* Its partner is in mem_place(). */
    uint64_t off = atomic_load_explicit(&m->storage, memory_order_acquire);

    return __builtin_expect(off == STORAGE_LATER, 0) ? mem_place(m) : off;
}

/* The bytes of an object in the heap; its storage is decided. */
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
