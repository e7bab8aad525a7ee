/* SPDX-License-Identifier: MIT */
/* The sizes of OpenCL C's own types, by the names that CL_KERNEL_ARG_TYPE_NAME gives them. */
#ifndef TESSERA_WIRE_ARG_TYPE_H
#define TESSERA_WIRE_ARG_TYPE_H

#include <stdbool.h>
#include <stddef.h>

/* Scalars and vectors (OpenCL C 3.0, sections 6.3.1 and 6.3.2); 0: a type of the program's. */
size_t arg_type_size(const char *name);

/* sampler_t and its like: passed by value, but no values. */
bool arg_type_is_opaque(const char *name);

#endif
