/* SPDX-License-Identifier: MIT */
/*
 * Kernels. Arguments are kept here and given to a vGPU's inner kernel when it is enqueued there,
 * all of it under the context's lock. What can be wrong with a value, a local size or a sampler
 * is asked of the first inner kernel when it is set.
 */
#ifndef TESSERA_GUEST_OPENCL_MULTI_KERNEL_H
#define TESSERA_GUEST_OPENCL_MULTI_KERNEL_H

#include "guest/opencl/multi/mem.h"
#include "guest/opencl/multi/program.h"

enum multi_arg_kind { MULTI_ARG_VALUE, MULTI_ARG_MEM, MULTI_ARG_SAMPLER };

struct multi_arg {
    /* What the driver tells of it. */
    bool known;
    bool memory, sampler;
    bool reads_only; /* const, constant or a read_only image */
    cl_kernel_arg_access_qualifier
        access; /* of an image; else CL_KERNEL_ARG_ACCESS_NONE */

    bool set;
    enum multi_arg_kind kind;
    size_t size;
    void *value;               /* MULTI_ARG_VALUE; NULL: local memory of that size */
    struct mem_ref *ref;       /* MULTI_ARG_MEM; NULL: no buffer */
    struct multi_sampler *smp; /* MULTI_ARG_SAMPLER; held */
    uint64_t fresh;            /* vGPUs whose inner kernel has it */
};

struct multi_kernel {
    struct object o;
    struct multi_program *program; /* retained */
    cl_kernel *inner;              /* by vGPU; NULL where the program is not built */
    unsigned first;                /* a vGPU that has one */
    cl_uint n_args;
    struct multi_arg *args; /* under the context's lock */
};

struct multi_sampler {
    struct object o;
    struct multi_context *context; /* retained */
    cl_sampler *inner;             /* by vGPU */
};

static inline struct multi_kernel *
multi_kernel_of(cl_kernel kernel)
{
    return object_is(kernel, KIND_multi_kernel) ? (struct multi_kernel *)kernel : NULL;
}

static inline struct multi_sampler *
multi_sampler_of(cl_sampler sampler)
{
    return object_is(sampler, KIND_multi_sampler) ? (struct multi_sampler *)sampler
                                                  : NULL;
}

/* The kernel of that name, on every vGPU where the program is built. */
cl_int multi_kernel_new(struct multi_program *p, const char *name,
                        struct multi_kernel **ret);

#endif
