/* SPDX-License-Identifier: MIT */
/* Kernels: their arguments, and launches. */
#ifndef TESSERA_WORKER_KERNEL_H
#define TESSERA_WORKER_KERNEL_H

#include "worker/object.h"

struct kernel_arg {
    struct recipe set; /* the last message that set it */
    cl_int
        error; /* that set failed: the kernel cannot be launched until it is set again */
};

struct kernel {
    struct object o;
    struct kernel_arg *args; /* owned */
    cl_uint n_args;
};

/* The error of an argument whose set failed, CL_SUCCESS when there is none. */
cl_int kernel_args_error(const struct object *kernel);

/* The live objects set as arguments, malloc'ed; NULL without memory. */
struct object **kernel_arg_objects(struct session *s, const struct object *kernel,
                                   unsigned *ret_n);

void kernel_fini(struct session *s, struct object *o);

#endif
