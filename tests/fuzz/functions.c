/* SPDX-License-Identifier: MIT */
/* In place of the calls that a program makes: nothing that is read leads to one. */
#include "guest/opencl/object.h"

const struct opencl_function opencl_functions[] = {{0}};
const struct _cl_icd_dispatch opencl_dispatch;
