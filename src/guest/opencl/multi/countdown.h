/* SPDX-License-Identifier: MIT */
/*
 * What happens once when something is over on several vGPUs, from a service thread and never from
 * inside a call of the program:
 *
 *   countdown_init(&c, end);     one share: the beginner's
 *   countdown_more(&c);          before each thing that will call countdown_step()
 *   countdown_begun(&c, ctx);    drops the beginner's share, from a service thread
 */
#ifndef TESSERA_GUEST_OPENCL_MULTI_COUNTDOWN_H
#define TESSERA_GUEST_OPENCL_MULTI_COUNTDOWN_H

#include "guest/opencl/multi/multi.h"

struct countdown {
    struct callback callback;
    _Atomic unsigned left;
    void (*end)(struct countdown *c); /* frees what it is in */
};

void countdown_init(struct countdown *c, void (*end)(struct countdown *c));

static inline void
countdown_more(struct countdown *c)
{
    atomic_fetch_add(&c->left, 1);
}

void countdown_step(struct countdown *c);
void countdown_begun(struct countdown *c, struct multi_context *context);

/*
 * A countdown that calls the destructors of an object, whose shadow it holds. NULL when there are
 * none, or no memory: they are called when the shadow goes.
 */
struct countdown *farewell_begin(struct object *o, _Atomic(struct destructor *) *list);

#endif
