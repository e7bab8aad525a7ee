/* SPDX-License-Identifier: MIT */
/* gpu_error.h - the names of OpenCL's error codes. */
#ifndef WORKLOADS_GPU_ERROR_H
#define WORKLOADS_GPU_ERROR_H

/* "CL_OUT_OF_RESOURCES", or "OpenCL error -9999" in a buffer that the next call reuses.
 */
const char *gpu_error_name(int code);

#endif
