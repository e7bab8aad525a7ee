/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_GUEST_OPENCL_LAUNCH_H
#define TESSERA_GUEST_OPENCL_LAUNCH_H

#include "guest/opencl/kernel.h"
#include "guest/opencl/submit.h"

/* What clEnqueueNDRangeKernel demands (OpenCL 3.0, section 5.10). *ret_empty: nothing to run. */
cl_int check_launch(const struct enqueue *q, cl_kernel kernel, cl_uint dims,
                    const size_t *offset, const size_t *global, const size_t *local,
                    bool *ret_empty);

/* A range as it travels: unused dimensions are 0. */
struct launch_size {
    uint64_t given; /* GIVEN_OFFSET, GIVEN_LOCAL */
    uint64_t offset[3], global[3], local[3];
};

struct launch_size launch_size_of(cl_uint dims, const size_t *offset,
                                  const size_t *global, const size_t *local);

#endif
