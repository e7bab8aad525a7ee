/* SPDX-License-Identifier: MIT */
/* Kernels: their arguments, and launches. */
#ifndef TESSERA_WORKER_KERNEL_H
#define TESSERA_WORKER_KERNEL_H

#include "worker/program.h"

struct kernel_arg {
    struct recipe set; /* the last message that set it */
    uint64_t serial;   /* of the object that it names; 0: none */
    uint64_t key;      /* of a value or a local size; 0: of an object */
    cl_int
        error; /* that set failed: the kernel cannot be launched until it is set again */
};

/*
 * What a kernel's arguments were at one moment, for a launch that is held back. All launches
 * between two sets share it.
 */
struct kernel_args {
    unsigned refs;         /* of held launches */
    struct kernel *kernel; /* whose copy it is still; NULL: it has others now */
    uint64_t sets;         /* struct kernel's then */
    cl_int error;          /* kernel_args_error() then */
    uint64_t bytes;        /* of LIMIT_INFLIGHT_BYTES */
    cl_uint n;
    struct kernel_arg_copy {
        void *frame; /* the message that set it; NULL: not set */
        size_t frame_len;
        struct object *object; /* counted; NULL: names none */
    } arg[];
};

struct kernel {
    struct object o;
    struct program *program; /* counted; NULL in a failed object */
    struct kernel_arg *args; /* owned */
    cl_uint n_args;
    uint64_t sets;    /* how often an argument was set */
    uint64_t applied; /* sets, as the driver's kernel has them; KERNEL_MIXED: a mixture */
    struct kernel_args
        *copy;         /* of the arguments as they are; NULL: no held launch needs it */
    uint64_t key;      /* of program and name (gate/cost.h) */
    uint64_t args_key; /* of all values among the arguments */
};

#define KERNEL_MIXED UINT64_MAX

/* The arguments as they are now, counted. NULL: no memory, or the limit. */
struct kernel_args *kernel_args_ref(struct session *s, struct kernel *k);
void kernel_args_unref(struct session *s, struct kernel_args *a);

/* The driver's kernel gets the arguments as they are now, if held launches left others there. */
cl_int kernel_make_current(struct session *s, struct kernel *k);

struct kernel *kernel_of(const struct object *o);

/* The kernel of that name once more, in k->o.h.kernel; or why there is none. */
cl_int kernel_remake(struct session *s, struct kernel *k, struct program *p,
                     const char *name);

/* An argument as a message once set it; `object` stands for the one that it names. */
struct kernel_set {
    const void *frame;
    size_t frame_len;
    struct object *object; /* NULL: it names none, or one that is gone */
    uint64_t serial;       /* of the object that it names; 0: none */
    cl_int error;          /* that a later set had failed with */
};

/* -EPROTO: no such message, or no such argument. 0: as it was, *ret_rc is the driver's word. */
int kernel_set_again(struct session *s, struct kernel *k, const struct kernel_set *set,
                     cl_int *ret_rc);

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
