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
    uint64_t local_bytes; /* of its own, without local arguments */
    cl_uint n_args;
    struct arg_meta *args;
};

/* The kernels of one successful build; shared by the program and its kernels. */
struct metadata {
    _Atomic uint32_t holds;
    cl_uint n_kernels;
    struct kernel_meta *kernels;
    bool args_hidden; /* the program did not ask for them: they are the library's own */
};

struct metadata *metadata_parse(const uint8_t *bytes, size_t len);
void metadata_hold(struct metadata *m);
void metadata_unhold(struct metadata *m);

enum program_origin {
    PROGRAM_SOURCE,
    PROGRAM_IL,
    PROGRAM_BINARY,
    PROGRAM_BUILT_IN,
    PROGRAM_LINKED,
};

/* A program on one of its devices; under the program's lock. */
struct program_device {
    cl_device_id device;
    cl_build_status status;
    cl_program_binary_type type;
    bool type_unknown; /* a binary's: the driver knows */
    char *options;     /* of the last build, NULL: none */
};

struct _cl_program {
    struct object o;
    struct _cl_context *context;
    enum program_origin origin;
    char *source; /* of PROGRAM_SOURCE the text, of PROGRAM_IL the bytes; else NULL */
    size_t source_len;
    cl_uint n_devices; /* all of the context's, or those that the program was made for */
    struct program_device *devices;
    pthread_mutex_t lock; /* what changes of the devices, and all below */
    struct metadata *metadata;
    const char *log;          /* why the last build did not reach the driver, or NULL */
    _Atomic uint32_t kernels; /* attached; a build is refused meanwhile */
    _Atomic(struct destructor *) destructors;
};

/* A new program on these devices (0: all of the context's), with an id, not sent yet. */
struct _cl_program *program_new(cl_context context, enum program_origin origin, cl_uint n,
                                const cl_device_id *devices);
void program_discard(struct _cl_program *p); /* never sent */

/* The program on that device, NULL when it is not the program's. */
struct program_device *program_on(struct _cl_program *p, cl_device_id device);

/* What its binary for the device is; asks the driver about binaries that it was made from. */
cl_int program_binary_type(struct _cl_program *p, cl_device_id device,
                           cl_program_binary_type *ret);

/* The metadata, held for the caller, or NULL when there is no successful build. */
struct metadata *program_metadata(struct _cl_program *p);

/* The same from an answer; a long one is asked for. NULL: none. */
struct metadata *program_take_metadata(struct _cl_program *p, struct pending *pending);

/* Is there an executable for the device? */
bool program_runs_on(struct _cl_program *p, cl_device_id device);

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
