/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_GUEST_OPENCL_KERNEL_H
#define TESSERA_GUEST_OPENCL_KERNEL_H

#include "guest/opencl/hold.h"
#include "guest/opencl/program.h"

struct kernel_arg {
    bool set;
    bool size_known; /* of a by-value argument, learned from the driver */
    bool size_asked;
    size_t size;
    struct _cl_mem
        *mem; /* what it was set to, not retained (section 5.9.2); may be gone */
    size_t local_bytes; /* of a local argument */
};

/* Work-group facts of a kernel on one device, asked once (section 5.9.4). */
struct kernel_limits {
    bool known;
    size_t work_group_size, required[3];
};

struct _cl_kernel {
    struct object o;
    struct _cl_program *program; /* retained: an OpenCL reference */
    struct metadata *metadata;   /* held */
    const struct kernel_meta *meta;
    pthread_mutex_t lock; /* all below */
    struct kernel_arg *args;
    struct kernel_limits *limits; /* by the program's devices */
};

/*
 * The guest's half of a new kernel, with an id. meta points into m; takes over the caller's hold on
 * m, also on failure. kernel_made() ends it: rc is of the message that went to the worker.
 */
struct _cl_kernel *kernel_alloc(struct _cl_program *p, struct metadata *m,
                                const struct kernel_meta *meta);
cl_int kernel_made(struct _cl_kernel *k, cl_int rc, cl_kernel *ret);

/* What is known of an argument of that type by value. Lock held. */
cl_int kernel_learn_size(struct _cl_kernel *k, cl_uint index);

/* The limits on one of the program's devices, asked if they are not known yet. */
cl_int kernel_ask_limits(struct _cl_kernel *k, cl_device_id device,
                         struct kernel_limits *ret);

/* All local memory that a launch takes: the kernel's own and that of its arguments. */
uint64_t kernel_local_bytes(struct _cl_kernel *k);

/* CL_INVALID_KERNEL_ARGS unless all arguments are set. */
cl_int kernel_check_args(struct _cl_kernel *k);

#endif
