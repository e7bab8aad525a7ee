/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.7: samplers. */
#include "api_use.h"

static cl_int
create(struct use *u, cl_context c, const cl_sampler_properties *p)
{
    return NEW(u, clCreateSamplerWithProperties(c, p, &u->rc));
}

static bool
sampler_tells(cl_sampler s, uint64_t normalized, uint64_t addressing, uint64_t filter)
{
    return NUMBER(clGetSamplerInfo, s, CL_SAMPLER_REFERENCE_COUNT) == 1 &&
           NUMBER(clGetSamplerInfo, s, CL_SAMPLER_NORMALIZED_COORDS) == normalized &&
           NUMBER(clGetSamplerInfo, s, CL_SAMPLER_ADDRESSING_MODE) == addressing &&
           NUMBER(clGetSamplerInfo, s, CL_SAMPLER_FILTER_MODE) == filter;
}

static bool
defaults_are_told(struct use *u)
{
    cl_sampler s = clCreateSamplerWithProperties(u->context, NULL, &u->rc);
    size_t size = 1;
    bool good =
        s && u->rc == CL_SUCCESS &&
        sampler_tells(s, CL_TRUE, CL_ADDRESS_CLAMP, CL_FILTER_NEAREST) &&
        NUMBER(clGetSamplerInfo, s, CL_SAMPLER_CONTEXT) == (uintptr_t)u->context &&
        clGetSamplerInfo(s, CL_SAMPLER_PROPERTIES, 0, NULL, &size) == CL_SUCCESS &&
        size == 0;

    return s && clReleaseSampler(s) == CL_SUCCESS && good;
}

static bool
properties_are_told(struct use *u)
{
    const cl_sampler_properties p[] = {CL_SAMPLER_NORMALIZED_COORDS,
                                       CL_FALSE,
                                       CL_SAMPLER_ADDRESSING_MODE,
                                       CL_ADDRESS_CLAMP_TO_EDGE,
                                       CL_SAMPLER_FILTER_MODE,
                                       CL_FILTER_LINEAR,
                                       0};
    cl_sampler_properties got[7] = {0};
    size_t size = 0;
    cl_sampler s = clCreateSamplerWithProperties(u->context, p, &u->rc);
    bool good = s && u->rc == CL_SUCCESS &&
                sampler_tells(s, CL_FALSE, CL_ADDRESS_CLAMP_TO_EDGE, CL_FILTER_LINEAR) &&
                clGetSamplerInfo(s, CL_SAMPLER_PROPERTIES, sizeof got, got, &size) ==
                    CL_SUCCESS &&
                size == sizeof p && memcmp(got, p, sizeof p) == 0;

    return s && clReleaseSampler(s) == CL_SUCCESS && good;
}

static bool
older_call_tells(struct use *u)
{
    cl_sampler s = clCreateSampler(u->context, CL_TRUE, CL_ADDRESS_REPEAT,
                                   CL_FILTER_NEAREST, &u->rc);
    bool good = s && u->rc == CL_SUCCESS &&
                sampler_tells(s, CL_TRUE, CL_ADDRESS_REPEAT, CL_FILTER_NEAREST);

    return s && clReleaseSampler(s) == CL_SUCCESS && good;
}

static void
creation(struct use *u)
{
    const cl_sampler_properties unknown[] = {0x7ffffff0, 1, 0};
    const cl_sampler_properties twice[] = {CL_SAMPLER_FILTER_MODE, CL_FILTER_NEAREST,
                                           CL_SAMPLER_FILTER_MODE, CL_FILTER_NEAREST, 0};
    const cl_sampler_properties no_mode[] = {CL_SAMPLER_ADDRESSING_MODE, 0x7777, 0};
    const cl_sampler_properties no_filter[] = {CL_SAMPLER_FILTER_MODE, 0x7777, 0};
    const cl_sampler_properties no_bool[] = {CL_SAMPLER_NORMALIZED_COORDS, 7, 0};
    const char *const call = "clCreateSamplerWithProperties";
    cl_context no_context = (cl_context)u->buffer;

    RIGHT_DIFFERS("sampler-defaults", call, "without properties the defaults",
                  defaults_are_told(u));
    RIGHT(call, "every property is told again", properties_are_told(u));
    WRONG(call, "no context", CL_INVALID_CONTEXT, create(u, NULL, NULL));
    WRONG_KIND(call, "a context that is a buffer", CL_INVALID_CONTEXT,
               create(u, no_context, NULL));
    WRONG(call, "a property that there is not", CL_INVALID_VALUE,
          create(u, u->context, unknown));
    WRONG(call, "a property twice", CL_INVALID_VALUE, create(u, u->context, twice));
    WRONG_DIFFERS("sampler-modes", CL_SUCCESS, call,
                  "an addressing mode that there is not", CL_INVALID_VALUE,
                  create(u, u->context, no_mode));
    WRONG_DIFFERS("sampler-modes", CL_SUCCESS, call, "a filter that there is not",
                  CL_INVALID_VALUE, create(u, u->context, no_filter));
    WRONG(call, "normalized coordinates neither true nor false", CL_INVALID_VALUE,
          create(u, u->context, no_bool));
}

static void
older_creation(struct use *u)
{
    const char *const call = "clCreateSampler";

    RIGHT(call, "it tells what it was made of", older_call_tells(u));
    WRONG(call, "no context", CL_INVALID_CONTEXT,
          NEW(u, clCreateSampler(NULL, CL_TRUE, CL_ADDRESS_CLAMP, CL_FILTER_NEAREST,
                                 &u->rc)));
    WRONG_KIND(call, "a context that is a buffer", CL_INVALID_CONTEXT,
               NEW(u, clCreateSampler((cl_context)u->buffer, CL_TRUE, CL_ADDRESS_CLAMP,
                                      CL_FILTER_NEAREST, &u->rc)));
    WRONG_DIFFERS(
        "sampler-modes", CL_SUCCESS, call, "an addressing mode that there is not",
        CL_INVALID_VALUE,
        NEW(u, clCreateSampler(u->context, CL_TRUE, 0x7777, CL_FILTER_NEAREST, &u->rc)));
    WRONG_DIFFERS(
        "sampler-modes", CL_SUCCESS, call, "a filter that there is not", CL_INVALID_VALUE,
        NEW(u, clCreateSampler(u->context, CL_TRUE, CL_ADDRESS_CLAMP, 0x7777, &u->rc)));
    WRONG(call, "normalized coordinates neither true nor false", CL_INVALID_VALUE,
          NEW(u, clCreateSampler(u->context, 7, CL_ADDRESS_CLAMP, CL_FILTER_NEAREST,
                                 &u->rc)));
}

/* The refusal of a device without images: CL_INVALID_OPERATION (section 5.7.1). */
static void
refused(struct use *u)
{
    REFUSED("clCreateSampler", "images are not reported", CL_INVALID_OPERATION,
            NEW(u, clCreateSampler(u->context, CL_TRUE, CL_ADDRESS_CLAMP,
                                   CL_FILTER_NEAREST, &u->rc)));
    REFUSED("clCreateSamplerWithProperties", "images are not reported",
            CL_INVALID_OPERATION, create(u, u->context, NULL));
    REFUSED("clRetainSampler", "nothing is a sampler", CL_INVALID_SAMPLER,
            clRetainSampler((cl_sampler)u->buffer));
    REFUSED("clReleaseSampler", "nothing is a sampler", CL_INVALID_SAMPLER,
            clReleaseSampler((cl_sampler)u->buffer));
    REFUSED("clGetSamplerInfo", "nothing is a sampler", CL_INVALID_SAMPLER,
            clGetSamplerInfo((cl_sampler)u->buffer, CL_SAMPLER_CONTEXT, 0, NULL, NULL));
}

void
api_sampler(struct use *u)
{
    cl_sampler s;

    if (!device_number(u, CL_DEVICE_IMAGE_SUPPORT)) {
        refused(u);
        return;
    }
    creation(u);
    older_creation(u);
    s = clCreateSampler(u->context, CL_TRUE, CL_ADDRESS_CLAMP, CL_FILTER_NEAREST, &u->rc);
    MUST(u->rc);
    {
        const struct query q = {
            "clGetSamplerInfo", (query_fn)clGetSamplerInfo, s,
            u->buffer,          CL_INVALID_SAMPLER,         CL_SAMPLER_REFERENCE_COUNT,
            sizeof(cl_uint)};
        const struct counted counts = {"clRetainSampler", "clReleaseSampler",
                                       (count_fn)clRetainSampler,
                                       (count_fn)clReleaseSampler, q};

        use_query(&q);
        use_counts(&counts);
    }
    MUST(clReleaseSampler(s));
    api_image_args(u);
}
