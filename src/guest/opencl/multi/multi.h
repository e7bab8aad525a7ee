/* SPDX-License-Identifier: MIT */
/*
 * A context over several vGPUs. Its objects are composites: each holds one ordinary object per
 * vGPU (its replicas), and works by the ordinary functions alone. Their first word is
 * multi_dispatch, so the loader itself brings calls here, and a program with one vGPU pays
 * nothing.
 *
 *   cl_context ──▶ multi_context ──▶ inner context of vGPU 0, of vGPU 1, …
 *   cl_mem     ──▶ multi_mem     ──▶ inner buffer of vGPU 1 (made at its first use there)
 *
 * Order of locks: a context's lock, an event's lock, then the locks of the ordinary objects. The
 * program's callbacks are called from the sessions' service threads, with nothing locked.
 */
#ifndef TESSERA_GUEST_OPENCL_MULTI_MULTI_H
#define TESSERA_GUEST_OPENCL_MULTI_MULTI_H

#include "api/opencl_multi.h"
#include "guest/opencl/context.h"
#include "guest/opencl/multi/ranges.h"

#include <pthread.h>

/* The functions on objects of one vGPU. */
#define ordinary (&opencl_dispatch)

/* A vGPU as the context sees it. */
struct multi_vgpu {
    struct device *device;
    cl_context context;
    cl_uint n_devices; /* of the context's devices, those of this vGPU */
    cl_device_id *devices;
    /* Ours, made at first use, under the context's lock: in order for bytes that come, and out of
     * order for bytes that go and for commands that wait for others. */
    cl_command_queue in, out;
};

struct multi_context {
    struct object o;
    unsigned n_vgpus;
    struct multi_vgpu *vgpus;
    cl_uint n_devices;
    cl_device_id *devices; /* in the program's order, each once */
    cl_context_properties *properties;
    size_t n_properties;
    unsigned forks; /* the process it was made in: see multi_lock() */
    _Atomic(struct destructor *) destructors;
    pthread_mutex_t
        lock; /* replicas, state of memory, kernel arguments, order of enqueues */
};

struct multi_queue {
    struct object o;
    struct multi_context *context; /* retained */
    cl_device_id device;
    unsigned vgpu;
    bool in_order;
    cl_command_queue inner;
};

/* clCreateContext's pfn_notify: told once for each vGPU that is lost. */
struct multi_notify {
    void(CL_CALLBACK *function)(const char *, const void *, size_t, void *); /* or NULL */
    void *user_data;
};

/* clCreateContext for devices of more than one vGPU; the arguments are checked. */
cl_int multi_context_new(const cl_context_properties *properties, size_t n_properties,
                         cl_uint n_devices, const cl_device_id *devices,
                         const struct multi_notify *notify, cl_context *ret);

/*
 * Takes the context's lock. CL_OUT_OF_RESOURCES in a forked child, where threads that do not
 * exist may hold it; nothing is locked then.
 */
cl_int multi_lock(struct multi_context *c);
void multi_unlock(struct multi_context *c);
bool multi_is_inherited(const struct multi_context *c);

/* The vGPU of a device of this context, or -1. */
int multi_vgpu_of(const struct multi_context *c, cl_device_id device);

/* The library's own queues of a vGPU; NULL when they cannot be made. Under the lock. */
cl_command_queue multi_queue_in(struct multi_context *c, unsigned vgpu);
cl_command_queue multi_queue_out(struct multi_context *c, unsigned vgpu);

/* object_init() for a composite. */
void multi_init(struct object *o, uint32_t kind, void (*destroy)(struct object *o));

static inline struct multi_context *
multi_context_of(cl_context context)
{
    return object_is(context, KIND_multi_context) ? (struct multi_context *)context
                                                  : NULL;
}

static inline struct multi_queue *
multi_queue_of(cl_command_queue queue)
{
    return object_is(queue, KIND_multi_queue) ? (struct multi_queue *)queue : NULL;
}

#endif
