/* SPDX-License-Identifier: MIT */
/* Destructor callbacks, OpenCL 3.0, sections 4.4 (contexts) and 5.5.1 (memory objects). */
#include "guest/opencl/context.h"

#include <stdlib.h>

cl_int
destructor_push(_Atomic(struct destructor *) *list,
                void (*call)(struct destructor *d, void *handle), void *function,
                void *user_data)
{
    struct destructor *d = malloc(sizeof *d);

    if (!d)
        return CL_OUT_OF_HOST_MEMORY;
    *d = (struct destructor){.call = call, .function = function, .user_data = user_data};
    d->next = atomic_load(list);
    while (!atomic_compare_exchange_weak(list, &d->next, d))
        ;
    return CL_SUCCESS;
}

void
destructors_run(_Atomic(struct destructor *) *list, void *handle)
{
    struct destructor *d = atomic_exchange(list, NULL);

    while (d) {
        struct destructor *next = d->next;

        d->call(d, handle);
        free(d);
        d = next;
    }
}

/* ---- from the service thread ------------------------------------------------------- */

struct destructor_run {
    struct callback callback;
    struct object *object; /* held */
    _Atomic(struct destructor *) *list;
};

static void
run_later(struct callback *c)
{
    struct destructor_run *r = container_of(c, struct destructor_run, callback);

    destructors_run(r->list, r->object);
    object_unhold(r->object);
    free(r);
}

void
destructors_run_later(struct object *o, _Atomic(struct destructor *) *list)
{
    struct destructor_run *r;

    if (!atomic_load(list))
        return;
    r = malloc(sizeof *r);
    if (!r || session_is_dead(o->session) ||
        session_need_service(o->session) != CL_SUCCESS) {
        free(r);
        destructors_run(list, o);
        return;
    }
    *r = (struct destructor_run){.callback.run = run_later, .object = o, .list = list};
    object_hold(o);
    session_post_callback(o->session, &r->callback);
}

struct destructor_watch {
    struct pending pending;
    struct callback callback;
    struct object *object; /* held */
    _Atomic(struct destructor *) *list;
};

/* The session's end is not the object's: the program may still have it, and calls come later. */
static void
watch_run(struct callback *c)
{
    struct destructor_watch *w = container_of(c, struct destructor_watch, callback);

    if (w->pending.status == CL_SUCCESS)
        destructors_run(w->list, w->object);
    object_unhold(w->object);
    free(w);
}

static void
watch_due(struct pending *p)
{
    struct destructor_watch *w = container_of(p, struct destructor_watch, pending);

    session_post_callback(w->object->session, &w->callback);
}

void
destructors_watch(struct object *o, _Atomic(struct destructor *) *list,
                  _Atomic bool *watched,
                  cl_int (*send)(struct session *s, struct pending *p,
                                 struct guest_id id))
{
    struct destructor_watch *w;

    if (session_is_dead(o->session) || atomic_exchange(watched, true))
        return;
    w = calloc(1, sizeof *w);
    if (!w || session_need_service(o->session) != CL_SUCCESS) {
        free(w);
        return;
    }
    w->pending.done = watch_due;
    w->callback.run = watch_run;
    w->object = o;
    w->list = list;
    object_hold(o);
    if (send(o->session, &w->pending, o->id) != CL_SUCCESS) {
        object_unhold(o);
        free(w);
    }
}
