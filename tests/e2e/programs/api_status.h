/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_TESTS_API_STATUS_H
#define TESSERA_TESTS_API_STATUS_H

#include <CL/cl.h>

/* As the specification writes it: "CL_INVALID_VALUE". Never NULL. */
const char *status_name(cl_int status);

#endif
