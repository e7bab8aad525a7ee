/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_GUEST_OPENCL_PROGRAM_H
#define TESSERA_GUEST_OPENCL_PROGRAM_H

#include "guest/opencl/context.h"
#include "guest/opencl/submit.h"

/* What a build told of a kernel (docs/protocol.md, "Program metadata"). */
struct arg_meta {
    bool known;
    cl_kernel_arg_address_qualifier address;
    cl_kernel_arg_access_qualifier access;
    cl_kernel_arg_type_qualifier type;
    char *type_name, *name;
};

struct kernel_meta {
    char *name, *attributes;
    cl_uint n_args;
    struct arg_meta *args;
};

/* The kernels of one successful build; shared by the program and its kernels. */
struct metadata {
    _Atomic uint32_t holds;
    cl_uint n_kernels;
    struct kernel_meta *kernels;
};

struct metadata *metadata_parse(const uint8_t *bytes, size_t len);
void metadata_hold(struct metadata *m);
void metadata_unhold(struct metadata *m);

struct _cl_program {
    struct object o;
    struct _cl_context *context;
    char *source; /* NULL for binaries */
    size_t source_len;
    pthread_mutex_t lock; /* all below */
    cl_build_status status;
    cl_program_binary_type binary_type;
    char *options;
    struct metadata *metadata;
    _Atomic uint32_t kernels; /* attached; a build is refused meanwhile */
    _Atomic(struct destructor *) destructors;
};

/* The metadata, held for the caller, or NULL when there is no successful build. */
struct metadata *program_metadata(struct _cl_program *p);

/*
 * A question whose answer may be long: sends with `send(arg, pending, out)`, gets room when the
 * worker says how much it needs. *ret is malloc'ed.
 */
cl_int ask_bytes(struct session *s,
                 cl_int (*send)(void *arg, struct pending *p, struct extent out),
                 void *arg, uint8_t **ret, size_t *ret_len);

/* The answer in `p`, wherever it was put; CL_OUT_OF_RESOURCES when it was too long for `out`. */
cl_int pending_take_bytes(struct session *s, struct pending *p, struct extent out,
                          uint8_t **ret, size_t *ret_len);

#endif
