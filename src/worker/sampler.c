/* SPDX-License-Identifier: MIT */
#include "worker/sampler.h"

#include "api/opencl_request.h"
#include "worker/queue.h"

#include <errno.h>

static void
sampler_is_unused(struct session *s, void *arg, cl_int status)
{
    (void)status;
    s->cl->clReleaseSampler(arg);
}

/*
 * Commands that are enqueued use it on (OpenCL 3.0, section 5.7.2), but not every driver keeps it
 * for them: PoCL 3.1 frees it at once.
 */
void
sampler_fini(struct session *s, struct object *o)
{
    if (o->h.sampler)
        queues_when_complete(s, sampler_is_unused, o->h.sampler);
}

/* The older of the two calls: every driver has it, and the messages' fields are its arguments. */
int
op_clCreateSampler(struct session *s, const struct req_clCreateSampler *r)
{
    struct object *o = object_new(s, r->sampler, KIND_sampler);
    cl_int rc = s->request.error;

    if (!o)
        return -ENOMEM;
    if (rc == CL_SUCCESS && !s->cl->clCreateSampler)
        rc = CL_INVALID_OPERATION; /* a device without images */
    if (rc == CL_SUCCESS &&
        (r->normalized_coords > 1 || r->addressing_mode > UINT32_MAX ||
         r->filter_mode > UINT32_MAX))
        rc = CL_INVALID_VALUE;
    if (rc == CL_SUCCESS)
        o->h.sampler = s->cl->clCreateSampler(
            r->context->h.context, (cl_bool)r->normalized_coords,
            (cl_addressing_mode)r->addressing_mode, (cl_filter_mode)r->filter_mode, &rc);
    return object_made(s, o, rc, r->tag);
}
