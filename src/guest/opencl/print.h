/* SPDX-License-Identifier: MIT */
/* OpenCL C's printf (section 6.15.14): what kernels print goes to the program's own stdout. */
#ifndef TESSERA_GUEST_OPENCL_PRINT_H
#define TESSERA_GUEST_OPENCL_PRINT_H

#include <stddef.h>

/*
 * Writes to fd 1, past stdio, as drivers do. Waits where the reader of a pipe is slow; what nobody
 * can read is dropped.
 */
void print_text(const void *text, size_t len);

#endif
