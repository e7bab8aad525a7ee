/* SPDX-License-Identifier: MIT */
/* Kernels: their arguments, and launches. */
#ifndef TESSERA_WORKER_KERNEL_H
#define TESSERA_WORKER_KERNEL_H

#include "worker/program.h"

struct kernel_arg {
    struct recipe set; /* the last message that set it */
    cl_int
        error; /* that set failed: the kernel cannot be launched until it is set again */
};

struct kernel {
    struct object o;
    struct program *program; /* counted; NULL in a failed object */
    struct kernel_arg *args; /* owned */
    cl_uint n_args;
};

struct kernel *kernel_of(struct object *o);
void kernel_fini(struct session *s, struct object *o);

#endif
