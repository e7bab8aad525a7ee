/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_GUEST_OPENCL_SAMPLER_H
#define TESSERA_GUEST_OPENCL_SAMPLER_H

#include "guest/opencl/context.h"

#define SAMPLER_PROPERTIES 7 /* three pairs and the final 0 */

struct _cl_sampler {
    struct object o;
    struct _cl_context *context; /* held */
    cl_bool normalized_coords;
    cl_addressing_mode addressing_mode;
    cl_filter_mode filter_mode;
    cl_sampler_properties properties[SAMPLER_PROPERTIES]; /* as given */
    size_t n_properties; /* with the final 0; 0: none given */
};

#endif
