/* SPDX-License-Identifier: MIT */
/* A program has an inner one on each vGPU that it has devices of. */
#ifndef TESSERA_GUEST_OPENCL_MULTI_PROGRAM_H
#define TESSERA_GUEST_OPENCL_MULTI_PROGRAM_H

#include "guest/opencl/multi/multi.h"

struct multi_program {
    struct object o;
    struct multi_context *context; /* retained */
    cl_uint n_devices;             /* associated with it (CL_PROGRAM_DEVICES) */
    cl_device_id *devices;
    cl_program *inner; /* by vGPU; NULL without a device there */
    _Atomic(struct destructor *) destructors;
};

static inline struct multi_program *
multi_program_of(cl_program program)
{
    return object_is(program, KIND_multi_program) ? (struct multi_program *)program
                                                  : NULL;
}

/* Without inner programs yet. n_devices 0: those of the context. */
struct multi_program *multi_program_new(struct multi_context *c, cl_uint n_devices,
                                        const cl_device_id *devices);

/* The vGPU of a device that the program is associated with, or -1. */
int multi_program_vgpu_of(const struct multi_program *p, cl_device_id device);

#endif
