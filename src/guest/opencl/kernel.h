/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_GUEST_OPENCL_KERNEL_H
#define TESSERA_GUEST_OPENCL_KERNEL_H

#include "guest/opencl/program.h"

struct kernel_arg {
    bool set;
    bool size_known; /* of a by-value argument, learned from the driver */
    size_t size;
    struct _cl_mem
        *mem; /* what it was set to, not retained (section 5.9.2); may be gone */
};

/* Work-group facts of a kernel, asked once (OpenCL 3.0, section 5.9.4, table 42). */
struct kernel_limits {
    bool known;
    size_t work_group_size, required[3];
};

struct _cl_kernel {
    struct object o;
    struct _cl_program *program; /* held */
    struct metadata *metadata;   /* held */
    const struct kernel_meta *meta;
    pthread_mutex_t lock; /* all below */
    struct kernel_arg *args;
    struct kernel_limits limits;
};

/* Fills limits if they are not known yet. */
cl_int kernel_ask_limits(struct _cl_kernel *k);

/* CL_INVALID_KERNEL_ARGS unless all arguments are set. */
cl_int kernel_check_args(struct _cl_kernel *k);

#endif
