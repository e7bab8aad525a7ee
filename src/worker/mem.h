/* SPDX-License-Identifier: MIT */
/* Memory objects: buffers, sub-buffers, images, and the mappings of those that live in the heap. */
#ifndef TESSERA_WORKER_MEM_H
#define TESSERA_WORKER_MEM_H

#include "base/list.h"
#include "worker/object.h"
#include "worker/request.h"

#define MAPPINGS_MAX (1u << 20) /* of one session at once */

struct charge;

struct mem {
    struct object o;
    struct charge
        *charge;  /* what the driver's destruction gives back; shared with the parent */
    bool watched; /* the guest is told when the driver has destroyed it */
    uint64_t watch_tag; /* by this answer; 0: it was told that it will not be */
    bool in_heap;       /* its bytes are in the heap, where the guest sees them */
    bool part; /* in another memory object's bytes: a sub-buffer, an image in a buffer */
    struct list mappings;
    /* Of an image (KIND_image) alone: */
    uint64_t image_type; /* cl_mem_object_type */
    uint64_t channel_order, channel_type;
    uint32_t element;   /* bytes */
    uint64_t extent[3]; /* regions are inside it */
    cl_mem line; /* the buffer of a 1D image buffer, which the driver's image holds */
};

/* A mapping by the guest's id for it; ends with its unmap, or with the object. */
struct mapping {
    struct list node;
    uint64_t id;
    void *ptr;                            /* the driver's; the guest sees the heap */
    uint64_t flags, origin[3], region[3]; /* of a buffer its offset and size come first */
    cl_int error;                         /* the map failed */
};

/* The flags that concern the device. How the host may use an object is checked in the guest. */
#define DEVICE_FLAGS (CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY)

static inline struct mem *
mem_of(struct object *o)
{
    return container_of(o, struct mem, o);
}

/* A new buffer or image under that id. NULL: no memory, the session ends. */
struct mem *mem_new(struct session *s, struct guest_id id, enum object_kind kind);

/*
 * Its bytes are charged to the framebuffer from now until the driver destroys the object: between
 * mem_charge and mem_charged the driver's handle is made. `storage` is the heap offset that is the
 * guest's again then, or EXTENT_NONE. A negative errno ends the session.
 */
int mem_charge(struct session *s, struct mem *m, uint64_t bytes, uint64_t storage);

/* rc: how the driver took the creation. Returns what the object's error is. */
cl_int mem_charged(struct session *s, struct mem *m, cl_int rc);

/* The object lies in its parent's bytes, which are not given back before it. */
void mem_share_charge(struct mem *m, const struct mem *parent);

/* Notes which objects, or parts of them, the guest has mapped: for the next two. */
void mems_look_at_mappings(struct session *s);
bool mem_is_mapped(const struct mem *m);

/* Where in the heap its bytes are; false: nowhere, or in another object's. */
bool mem_storage(const struct mem *m, struct extent *ret);

/*
 * The whole pages of the heap that are an object's alone while its guest is suspended: it has not
 * mapped them. false: it has none.
 */
bool mem_hole(struct object *o, struct extent *ret);

/* The driver's size of a memory object in bytes, 0 if it does not tell. */
uint64_t mem_driver_bytes(struct session *s, cl_mem mem);

/* Checks where a new object's bytes are and come from; 0, or -EPROTO that ends the session. */
int mem_check_content(struct session *s, uint64_t size, struct extent storage,
                      uint64_t content, struct extent initial);

/* NULL: the id is taken, or there are too many; the session ends. */
struct mapping *mapping_new(struct session *s, struct mem *m, uint64_t id);

/*
 * The guest asks for credit, which may take as long as its commands run. What a paused session
 * could not answer is parked: asks_each() tells of it, asks_resume() starts it again.
 */
void ask_start(struct session *s, uint64_t tag, uint64_t bytes);
void asks_resume(struct session *s);
void asks_each(struct session *s, void (*each)(void *ctx, uint64_t tag, uint64_t bytes),
               void *ctx);

void mem_fini(struct session *s, struct object *o);

#endif
