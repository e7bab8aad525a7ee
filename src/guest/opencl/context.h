/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_GUEST_OPENCL_CONTEXT_H
#define TESSERA_GUEST_OPENCL_CONTEXT_H

#include "guest/opencl/device.h"
#include "guest/opencl/session.h"

/* A destructor callback of a context, a program or a memory object; called last first. */
struct destructor {
    struct destructor *next;
    void (*call)(struct destructor *d, void *handle);
    void *function, *user_data;
};

struct _cl_context {
    struct object o;
    struct device *device; /* the vGPU */
    uint64_t max_alloc;    /* its CL_DEVICE_MAX_MEM_ALLOC_SIZE */
    cl_device_id *devices; /* as given, each once: the vGPU itself, or parts of it */
    cl_uint n_devices;
    cl_context_properties *properties; /* with the final 0, NULL when none were given */
    size_t n_properties;
    _Atomic(struct destructor *) destructors;
    struct context_notify *notify; /* of clCreateContext's pfn_notify; NULL */
    _Atomic bool watched; /* the worker will tell when the driver has destroyed it */
};

bool context_has_device(const struct _cl_context *c, cl_device_id device);

/*
 * The device lists of sections 5.8.4 f.: CL_INVALID_VALUE when count and pointer disagree (none
 * means all of the context's), CL_INVALID_DEVICE for one that is not the context's.
 */
cl_int context_check_devices(const struct _cl_context *c, cl_uint n,
                             const cl_device_id *devices);

/* Pushes one; CL_OUT_OF_HOST_MEMORY. */
cl_int destructor_push(_Atomic(struct destructor *) *list,
                       void (*call)(struct destructor *d, void *handle), void *function,
                       void *user_data);

/*
 * Has them called by the service thread when the driver has destroyed the object, which `send` asks
 * the worker to tell. Until then the shadow is held. Asked once per object (*watched). Where that
 * cannot be, they are called when the shadow goes.
 */
void destructors_watch(struct object *o, _Atomic(struct destructor *) *list,
                       _Atomic bool *watched,
                       cl_int (*send)(struct session *s, struct pending *p,
                                      struct guest_id id));

/*
 * The same for an object whose end the driver does not tell: at its release, to be called in
 * `released` of the object. Where there is no thread they are called here.
 */
void destructors_run_later(struct object *o, _Atomic(struct destructor *) *list);

/* Calls and frees all, newest first (OpenCL 3.0, section 5.5.1 "in the reverse order"). */
void destructors_run(_Atomic(struct destructor *) *list, void *handle);

#endif
