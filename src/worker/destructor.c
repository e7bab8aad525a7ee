/* SPDX-License-Identifier: MIT */
/*
 * "Tell me when the driver has destroyed that": the guest's destructor callbacks (OpenCL 3.0,
 * sections 4.4 and 5.5.1). Answered from the driver's own callback. CL_INVALID_OPERATION: it will
 * not be told.
 */
#include "api/opencl_request.h"
#include "worker/context.h"
#include "worker/mem.h"

#include <stdlib.h>

struct told {
    struct session *s;
    uint64_t tag;
};

static struct told *
told_new(struct session *s, uint64_t tag)
{
    struct told *t = malloc(sizeof *t);

    if (t)
        *t = (struct told){s, tag};
    return t;
}

/* Any thread. */
static void
told_answer(struct told *t)
{
    reply_status(t->s, t->tag, CL_SUCCESS);
    free(t);
}

static void CL_CALLBACK
mem_destroyed(cl_mem mem, void *told)
{
    (void)mem;
    told_answer(told);
}

static void CL_CALLBACK
context_destroyed(cl_context context, void *told)
{
    (void)context;
    told_answer(told);
}

int
op_clSetMemObjectDestructorCallback(struct session *s,
                                    const struct req_clSetMemObjectDestructorCallback *r)
{
    struct mem *m = mem_of(r->memobj);
    struct told *t;

    if (r->memobj->kind != KIND_mem && r->memobj->kind != KIND_image)
        return request_bad_field(s, "memobj", "no memory object");
    if (m->watched)
        return request_bad_field(s, "memobj", "asked for already");
    m->watched = true;
    t = m->o.h.mem ? told_new(s, r->tag) : NULL;
    if (t && s->cl->clSetMemObjectDestructorCallback(m->o.h.mem, mem_destroyed, t) ==
                 CL_SUCCESS) {
        m->watch_tag = r->tag;
        return 0;
    }
    free(t);
    reply_status(s, r->tag, CL_INVALID_OPERATION);
    return 0;
}

int
op_clSetContextDestructorCallback(struct session *s,
                                  const struct req_clSetContextDestructorCallback *r)
{
    struct context *c = container_of(r->context, struct context, o);
    struct told *t = NULL;

    if (c->watched)
        return request_bad_field(s, "context", "asked for already");
    c->watched = true;
    if (c->o.h.context && s->device.version >= CL_MAKE_VERSION(3, 0, 0) &&
        s->cl->clSetContextDestructorCallback)
        t = told_new(s, r->tag);
    if (t && s->cl->clSetContextDestructorCallback(c->o.h.context, context_destroyed,
                                                   t) == CL_SUCCESS) {
        c->watch_tag = r->tag;
        return 0;
    }
    free(t);
    reply_status(s, r->tag, CL_INVALID_OPERATION);
    return 0;
}
