/* SPDX-License-Identifier: MIT */
/*
 * The host side of an object that the guest named. An object keeps the recipe it was made from:
 * the message, and the bytes that were not inside it.
 *
 * Counted: one reference for the id in the table, one for each command, event or job that still
 * needs it. The driver's handle goes with the last one. The dispatcher makes and destroys objects;
 * when another thread drops the last reference, the object waits for the dispatcher in a grave.
 */
#ifndef TESSERA_WORKER_OBJECT_H
#define TESSERA_WORKER_OBJECT_H

#include "api/opencl_wire.h"
#include "base/list.h"
#include "wire/frame.h"

#include <CL/cl_ext.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct session;

struct recipe {
    void *frame; /* as it came, header included; owned */
    uint32_t frame_len, frame_cap;
    void *blob; /* the blob's bytes when they were in the heap, else NULL; owned */
    uint64_t blob_len;
};

/* Copies a message, reusing the recipe's memory. false: no memory, and the recipe is empty. */
bool recipe_set(struct recipe *r, const void *frame, size_t len);
void recipe_fini(struct recipe *r);
uint64_t recipe_bytes(const struct recipe *r);

struct object {
    struct guest_id id;
    struct list node;  /* in the session's objects: those that live, the oldest first */
    uint64_t serial;   /* the moment that it was made (session.h): ids come again */
    uint64_t released; /* the moment that the guest let go of the id; 0: it has it */
    uint32_t kind;     /* enum object_kind */
    _Atomic uint32_t refs;
    cl_int error; /* not CL_SUCCESS: a failed object, h is NULL */
    union {
        void *any;
        cl_context context;
        cl_command_queue queue;
        cl_mem mem;
        cl_program program;
        cl_kernel kernel;
        cl_event event;
        cl_device_id device;
        cl_command_buffer_khr command_buffer;
        cl_sampler sampler;
        cl_mem image;
    } h;          /* owned */
    bool counted; /* against LIMIT_OBJECTS */
    struct recipe recipe;
    struct object *next_grave;
};

/* One per kind; each kind's struct begins with a struct object. */
struct object_ops {
    size_t size;
    /* The guest has let go of the id: what the specification ties to the release. May be NULL. */
    void (*released)(struct session *s, struct object *o);
    /* Frees what the kind adds and the driver's handle. */
    void (*fini)(struct session *s, struct object *o);
};

/*
 * A new object under the guest's id, with the running request's recipe. NULL when there is no
 * memory (the session then ends). Its handle is the caller's to fill in, with object_made().
 * At a limit (link/limit.h) the running request has an error from then on, which the caller looks
 * at after this.
 */
void *object_new(struct session *s, struct guest_id id, enum object_kind kind);

/*
 * Ends a creating message: a failed object if rc is an error; the answer if one is wanted.
 * Returns 0, a handler's success.
 */
int object_made(struct session *s, struct object *o, cl_int rc, uint64_t tag);

void object_ref(struct object *o);
void object_unref(struct session *s, struct object *o); /* any thread */

/* The dispatcher: destroys what other threads let go. */
void objects_bury(struct session *s);

#endif
