/* SPDX-License-Identifier: MIT */
#include "guest/opencl/multi/countdown.h"

#include "base/cleanup.h"

#include <stdlib.h>

void
countdown_init(struct countdown *c, void (*end)(struct countdown *c))
{
    atomic_init(&c->left, 1);
    c->end = end;
}

void
countdown_step(struct countdown *c)
{
    if (atomic_fetch_sub(&c->left, 1) == 1)
        c->end(c);
}

static void
countdown_run(struct callback *c)
{
    countdown_step(container_of(c, struct countdown, callback));
}

/* The first vGPU whose service thread can do it; where all are lost, the caller does. */
void
countdown_begun(struct countdown *c, struct multi_context *context)
{
    c->callback.run = countdown_run;
    for (unsigned v = 0; v < context->n_vgpus; v++) {
        struct session *s = context->vgpus[v].context->o.session;

        if (session_is_dead(s) || session_need_service(s) != CL_SUCCESS)
            continue;
        session_post_callback(s, &c->callback);
        return;
    }
    countdown_step(c);
}

/* ---- destructors ------------------------------------------------------------------- */

struct farewell {
    struct countdown countdown;
    struct object *object; /* held */
    _Atomic(struct destructor *) *list;
};

static void
farewell_end(struct countdown *c)
{
    struct farewell *f = container_of(c, struct farewell, countdown);

    destructors_run(f->list, f->object);
    object_unhold(f->object);
    free(f);
}

struct countdown *
farewell_begin(struct object *o, _Atomic(struct destructor *) *list)
{
    struct farewell *f = atomic_load(list) ? calloc(1, sizeof *f) : NULL;

    if (!f)
        return NULL;
    countdown_init(&f->countdown, farewell_end);
    f->object = o;
    f->list = list;
    object_hold(o);
    return &f->countdown;
}
