/* SPDX-License-Identifier: MIT */
/* Kernels: their arguments, and launches. */
#ifndef TESSERA_WORKER_KERNEL_H
#define TESSERA_WORKER_KERNEL_H

#include "worker/program.h"

struct kernel_arg {
    struct recipe set; /* the last message that set it */
    uint64_t serial;   /* of the object that it names; 0: none */
    cl_int
        error; /* that set failed: the kernel cannot be launched until it is set again */
};

struct kernel {
    struct object o;
    struct program *program; /* counted; NULL in a failed object */
    struct kernel_arg *args; /* owned */
    cl_uint n_args;
};

struct kernel *kernel_of(const struct object *o);

/*
 * The error of an argument whose set failed, or whose object is gone; else CL_SUCCESS.
 * A driver's kernel is no reference to its arguments (section 5.9.2): it would use what it freed.
 */
cl_int kernel_args_error(struct session *s, const struct object *kernel);

/* The live objects set as arguments, malloc'ed; NULL without memory. */
struct object **kernel_arg_objects(struct session *s, const struct object *kernel,
                                   unsigned *ret_n);

void kernel_fini(struct session *s, struct object *o);

#endif
