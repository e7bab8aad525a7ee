/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.7: samplers, one on each vGPU of the context. */
#include "guest/opencl/multi/kernel.h"

#include <stdlib.h>

static void
sampler_destroy(struct object *o)
{
    struct multi_sampler *s = (struct multi_sampler *)o;

    for (unsigned v = 0; s->inner && v < s->context->n_vgpus; v++) {
        if (s->inner[v])
            ordinary->clReleaseSampler(s->inner[v]);
    }
    object_release(&s->context->o);
    free(s->inner);
    free(s);
}

static cl_int
sampler_new(cl_context context, struct multi_sampler **ret)
{
    struct multi_context *c = multi_context_of(context);
    struct multi_sampler *s;

    if (!c)
        return CL_INVALID_CONTEXT;
    s = calloc(1, sizeof *s);
    if (!s)
        return CL_OUT_OF_HOST_MEMORY;
    multi_init(&s->o, KIND_multi_sampler, sampler_destroy);
    object_retain(&c->o);
    s->context = c;
    s->inner = calloc(c->n_vgpus, sizeof(cl_sampler));
    if (!s->inner) {
        object_unhold(&s->o);
        return CL_OUT_OF_HOST_MEMORY;
    }
    *ret = s;
    return CL_SUCCESS;
}

/* Section 5.7.1. */
CL_API_ENTRY cl_sampler CL_API_CALL
multi_clCreateSampler(cl_context context, cl_bool normalized_coords,
                      cl_addressing_mode addressing_mode, cl_filter_mode filter_mode,
                      cl_int *errcode_ret)
{
    struct multi_sampler *s = NULL;
    cl_int rc = sampler_new(context, &s);

    for (unsigned v = 0; rc == CL_SUCCESS && v < s->context->n_vgpus; v++)
        s->inner[v] =
            ordinary->clCreateSampler(s->context->vgpus[v].context, normalized_coords,
                                      addressing_mode, filter_mode, &rc);
    if (rc != CL_SUCCESS && s) {
        object_unhold(&s->o);
        s = NULL;
    }
    RETURN_WITH(errcode_ret, rc, (cl_sampler)s);
}

/* Section 5.7.1. */
CL_API_ENTRY cl_sampler CL_API_CALL
multi_clCreateSamplerWithProperties(cl_context context,
                                    const cl_sampler_properties *sampler_properties,
                                    cl_int *errcode_ret)
{
    struct multi_sampler *s = NULL;
    cl_int rc = sampler_new(context, &s);

    for (unsigned v = 0; rc == CL_SUCCESS && v < s->context->n_vgpus; v++)
        s->inner[v] = ordinary->clCreateSamplerWithProperties(
            s->context->vgpus[v].context, sampler_properties, &rc);
    if (rc != CL_SUCCESS && s) {
        object_unhold(&s->o);
        s = NULL;
    }
    RETURN_WITH(errcode_ret, rc, (cl_sampler)s);
}

/* Section 5.7.1. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clRetainSampler(cl_sampler sampler)
{
    return object_retain_call(sampler, KIND_multi_sampler, CL_INVALID_SAMPLER);
}

/* Section 5.7.1. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clReleaseSampler(cl_sampler sampler)
{
    return object_release_call(sampler, KIND_multi_sampler, CL_INVALID_SAMPLER);
}

/* Section 5.7.2. */
CL_API_ENTRY cl_int CL_API_CALL
multi_clGetSamplerInfo(cl_sampler sampler, cl_sampler_info param_name,
                       size_t param_value_size, void *param_value,
                       size_t *param_value_size_ret)
{
    struct multi_sampler *s = multi_sampler_of(sampler);

    if (!s)
        return CL_INVALID_SAMPLER;
    switch (param_name) {
    case CL_SAMPLER_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, atomic_load(&s->o.refs));
    case CL_SAMPLER_CONTEXT:
        return INFO_VALUE(cl_context, (cl_context)s->context);
    default:
        return ordinary->clGetSamplerInfo(s->inner[0], param_name, param_value_size,
                                          param_value, param_value_size_ret);
    }
}
