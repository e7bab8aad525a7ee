/* SPDX-License-Identifier: MIT */
/* The fixed programs that sequences use: few, since each is compiled at its first launch. */
#ifndef TESSERA_TESTS_DIFFERENTIAL_KERNELS_H
#define TESSERA_TESTS_DIFFERENTIAL_KERNELS_H

#include <CL/cl.h>
#include <stddef.h>

enum { SOURCES = 5, KINDS = 11, LINKED = 5 /* helper and main, compiled apart */ };

/* By value in `blend`. */
struct record {
    cl_uint a;
    cl_uchar b;
    cl_ushort c;
    cl_uint d[4];
};

/*
 * One character an argument: w a buffer to write, r one to read, u a number, l local memory,
 * s a struct record, i an image to read, p a sampler, o an image to write. Of each buffer
 * the first 64 words are used.
 */
struct kind {
    unsigned source;
    const char *name, *args;
    cl_uint dims;
    size_t global[3], local[3], offset[3];
};

extern const char *const sources[SOURCES];
extern const char linked_header[], linked_helper[], linked_main[], broken_source[];
extern const struct kind kinds[KINDS];

#endif
