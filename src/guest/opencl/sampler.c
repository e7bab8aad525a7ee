/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.7: sampler objects. */
#include "guest/opencl/sampler.h"

#include "api/opencl_send.h"
#include "guest/opencl/image.h"

#include <stdlib.h>
#include <string.h>

static void
sampler_destroy(struct object *o)
{
    struct _cl_sampler *s = (struct _cl_sampler *)o;

    mem_set_remove(s);
    object_release(&s->context->o);
    free(s);
}

/* Table 40: what each may be; repeating needs normalized coordinates. */
static bool
sampler_valid(const struct _cl_sampler *s)
{
    const bool repeats = s->addressing_mode == CL_ADDRESS_REPEAT ||
                         s->addressing_mode == CL_ADDRESS_MIRRORED_REPEAT;

    if (s->normalized_coords != CL_TRUE && s->normalized_coords != CL_FALSE)
        return false;
    if (s->filter_mode != CL_FILTER_NEAREST && s->filter_mode != CL_FILTER_LINEAR)
        return false;
    if (repeats)
        return s->normalized_coords;
    return s->addressing_mode == CL_ADDRESS_NONE ||
           s->addressing_mode == CL_ADDRESS_CLAMP ||
           s->addressing_mode == CL_ADDRESS_CLAMP_TO_EDGE;
}

/* Waits for the answer: whether the device can sample so, it alone knows. */
static cl_int
sampler_make(struct _cl_sampler *s)
{
    struct session *session = s->o.session;
    struct pending p = {0};
    cl_int rc =
        send_clCreateSampler(session, &p, s->o.id, s->context->o.id, s->normalized_coords,
                             s->addressing_mode, s->filter_mode);

    if (rc != CL_SUCCESS) {
        session_drop_id(session, s->o.id);
        s->o.id.v = 0;
        return rc;
    }
    rc = session_wait(session, &p);
    return rc == CL_SUCCESS ? (cl_int)p.status : rc;
}

/* Takes over what `as` says of the sampler. */
static cl_int
sampler_new(cl_context context, const struct _cl_sampler *as, cl_sampler *ret)
{
    struct _cl_sampler *s = malloc(sizeof *s);
    cl_int rc;

    if (!s)
        return CL_OUT_OF_HOST_MEMORY;
    *s = *as;
    object_init(&s->o, KIND_sampler, context->o.session, sampler_destroy);
    object_retain(&context->o);
    s->context = context;
    s->o.id = session_new_id(context->o.session);
    mem_set_add(s);
    rc = s->o.id.v ? sampler_make(s) : CL_OUT_OF_HOST_MEMORY;
    if (rc == CL_SUCCESS)
        *ret = s;
    else
        object_release(&s->o);
    return rc;
}

static cl_int
sampler_create(cl_context context, const struct _cl_sampler *as, cl_sampler *ret)
{
    if (!object_is(context, KIND_context))
        return CL_INVALID_CONTEXT;
    if (!image_support(context))
        return CL_INVALID_OPERATION;
    if (!sampler_valid(as))
        return CL_INVALID_VALUE;
    return sampler_new(context, as, ret);
}

/* Section 5.7.1. */
CL_API_ENTRY cl_sampler CL_API_CALL
tsr_clCreateSampler(cl_context context, cl_bool normalized_coords,
                    cl_addressing_mode addressing_mode, cl_filter_mode filter_mode,
                    cl_int *errcode_ret)
{
    const struct _cl_sampler as = {.normalized_coords = normalized_coords,
                                   .addressing_mode = addressing_mode,
                                   .filter_mode = filter_mode};
    cl_sampler s = NULL;
    cl_int rc = sampler_create(context, &as, &s);

    RETURN_WITH(errcode_ret, rc, s);
}

/* Each property at most once; those not given have their defaults. */
static cl_int
take_properties(struct _cl_sampler *s, const cl_sampler_properties *p)
{
    unsigned seen = 0;
    size_t n = 0;

    for (; p && p[n] != 0; n += 2) {
        unsigned bit;

        switch (p[n]) {
        case CL_SAMPLER_NORMALIZED_COORDS:
            s->normalized_coords = (cl_bool)p[n + 1];
            bit = 1;
            break;
        case CL_SAMPLER_ADDRESSING_MODE:
            s->addressing_mode = (cl_addressing_mode)p[n + 1];
            bit = 2;
            break;
        case CL_SAMPLER_FILTER_MODE:
            s->filter_mode = (cl_filter_mode)p[n + 1];
            bit = 4;
            break;
        default:
            return CL_INVALID_VALUE;
        }
        if ((seen & bit) || p[n + 1] > UINT32_MAX)
            return CL_INVALID_VALUE;
        seen |= bit;
    }
    if (!p)
        return CL_SUCCESS;
    s->n_properties = n + 1;
    memcpy(s->properties, p, s->n_properties * sizeof *p);
    return CL_SUCCESS;
}

/* Section 5.7.1. */
CL_API_ENTRY cl_sampler CL_API_CALL
tsr_clCreateSamplerWithProperties(cl_context context,
                                  const cl_sampler_properties *sampler_properties,
                                  cl_int *errcode_ret)
{
    struct _cl_sampler as = {.normalized_coords = CL_TRUE,
                             .addressing_mode = CL_ADDRESS_CLAMP,
                             .filter_mode = CL_FILTER_NEAREST};
    cl_sampler s = NULL;
    cl_int rc;

    if (!object_is(context, KIND_context))
        RETURN_WITH(errcode_ret, CL_INVALID_CONTEXT, NULL);
    rc = take_properties(&as, sampler_properties);
    if (rc == CL_SUCCESS)
        rc = sampler_create(context, &as, &s);
    RETURN_WITH(errcode_ret, rc, s);
}

/* Section 5.7.1. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clRetainSampler(cl_sampler sampler)
{
    return object_retain_call(sampler, KIND_sampler, CL_INVALID_SAMPLER);
}

/* Section 5.7.1. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clReleaseSampler(cl_sampler sampler)
{
    return object_release_call(sampler, KIND_sampler, CL_INVALID_SAMPLER);
}

/* Section 5.7.2. */
CL_API_ENTRY cl_int CL_API_CALL
tsr_clGetSamplerInfo(cl_sampler sampler, cl_sampler_info param_name,
                     size_t param_value_size, void *param_value,
                     size_t *param_value_size_ret)
{
    const struct _cl_sampler *s = sampler;

    if (!object_is(s, KIND_sampler))
        return CL_INVALID_SAMPLER;
    switch (param_name) {
    case CL_SAMPLER_REFERENCE_COUNT:
        return INFO_VALUE(cl_uint, atomic_load(&s->o.refs));
    case CL_SAMPLER_CONTEXT:
        return INFO_VALUE(cl_context, s->context);
    case CL_SAMPLER_NORMALIZED_COORDS:
        return INFO_VALUE(cl_bool, s->normalized_coords);
    case CL_SAMPLER_ADDRESSING_MODE:
        return INFO_VALUE(cl_addressing_mode, s->addressing_mode);
    case CL_SAMPLER_FILTER_MODE:
        return INFO_VALUE(cl_filter_mode, s->filter_mode);
    case CL_SAMPLER_PROPERTIES:
        return info_put(s->properties, s->n_properties * sizeof *s->properties,
                        param_value_size, param_value, param_value_size_ret);
    default:
        return CL_INVALID_VALUE;
    }
}
