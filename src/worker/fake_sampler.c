/* SPDX-License-Identifier: MIT */
/* Samplers of the fake driver: made and counted; no kernel of its uses one. */
#include "worker/fake_internal.h"

#include <stdlib.h>

struct _cl_sampler {
    struct fake_object base;
    cl_context context;
};

static void
sampler_destroy(void *self)
{
    cl_sampler s = self;

    fake_unref(s->context);
    s->base.kind = FAKE_DEAD;
    free(s);
}

cl_sampler
fake_clCreateSampler(cl_context context, cl_bool normalized_coords,
                     cl_addressing_mode addressing_mode, cl_filter_mode filter_mode,
                     cl_int *errcode_ret)
{
    cl_sampler s;

    if (!fake_is(context, FAKE_CONTEXT))
        return fake_ret(errcode_ret, CL_INVALID_CONTEXT, NULL);
    if (normalized_coords > CL_TRUE || addressing_mode < CL_ADDRESS_NONE ||
        addressing_mode > CL_ADDRESS_MIRRORED_REPEAT ||
        (filter_mode != CL_FILTER_NEAREST && filter_mode != CL_FILTER_LINEAR))
        return fake_ret(errcode_ret, CL_INVALID_VALUE, NULL);
    s = calloc(1, sizeof *s);
    if (!s)
        return fake_ret(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    fake_object_init(s, FAKE_SAMPLER, sampler_destroy);
    s->context = fake_ref(context);
    return fake_ret(errcode_ret, CL_SUCCESS, s);
}
