/* SPDX-License-Identifier: MIT */
#include "worker/context.h"

#include "api/opencl_request.h"

#include <errno.h>
#include <stdlib.h>

struct context_parts {
    struct session *s;
    uint64_t n;
    struct object *device[]; /* counted */
};

static void
parts_free(struct context_parts *p)
{
    for (uint64_t i = 0; i < p->n; i++)
        object_unref(p->s, p->device[i]);
    free(p);
}

static struct context_parts *
parts_new(struct session *s, const struct req_clCreateContext *r)
{
    struct context_parts *p = malloc(sizeof *p + r->n_devices * sizeof(struct object *));

    if (!p)
        return NULL;
    *p = (struct context_parts){.s = s};
    for (uint64_t i = 0; i < r->n_devices; i++) {
        if (r->devices[i] == &s->root_device)
            continue;
        object_ref(r->devices[i]);
        p->device[p->n++] = r->devices[i];
    }
    return p;
}

/* Any thread. */
static void CL_CALLBACK
context_destroyed(cl_context context, void *parts)
{
    (void)context;
    parts_free(parts);
}

/* Ties the parts to the driver's context, where the driver tells of its end, else to ours. */
static void
context_keep(struct session *s, struct context *c, struct context_parts *parts)
{
    if (s->device.version >= CL_MAKE_VERSION(3, 0, 0) &&
        s->cl->clSetContextDestructorCallback &&
        s->cl->clSetContextDestructorCallback(c->o.h.context, context_destroyed, parts) ==
            CL_SUCCESS)
        return;
    c->parts = parts;
}

void
context_fini(struct session *s, struct object *o)
{
    struct context *c = container_of(o, struct context, o);

    if (o->h.context)
        s->cl->clReleaseContext(o->h.context);
    if (c->parts)
        parts_free(c->parts);
}

int
op_clCreateContext(struct session *s, const struct req_clCreateContext *r)
{
    const cl_context_properties properties[] = {
        CL_CONTEXT_PLATFORM, (cl_context_properties)s->device.platform, 0};
    struct context *c = object_new(s, r->context, KIND_context);
    struct context_parts *parts;
    cl_int rc = s->request.error;

    if (!c)
        return -ENOMEM;
    parts = parts_new(s, r);
    if (!parts)
        return session_fail(s, "the worker has no memory for another context");
    if (rc == CL_SUCCESS)
        c->o.h.context = s->cl->clCreateContext(
            properties, (cl_uint)r->n_devices,
            handles_of_device(s, r->n_devices, r->devices), NULL, NULL, &rc);
    if (rc == CL_SUCCESS && parts->n > 0)
        context_keep(s, c, parts);
    else
        parts_free(parts);
    return object_made(s, &c->o, rc, r->tag);
}
