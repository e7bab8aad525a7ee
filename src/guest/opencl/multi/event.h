/* SPDX-License-Identifier: MIT */
/*
 * Events. A command's event is at home on one vGPU; elsewhere a user event stands for it, made
 * when a wait list there first names it, and set by the home session's service thread when the
 * command ended, with its status. A user event of the program stands on every vGPU that asks for
 * it; all are set together.
 */
#ifndef TESSERA_GUEST_OPENCL_MULTI_EVENT_H
#define TESSERA_GUEST_OPENCL_MULTI_EVENT_H

#include "guest/opencl/multi/multi.h"

struct multi_event {
    struct object o;
    struct multi_context *context; /* retained, or by the queue */
    struct multi_queue *queue;     /* retained; NULL for user events */
    cl_command_type type;
    unsigned home;
    cl_event inner;
    pthread_mutex_t lock; /* all below */
    cl_event *stand_in;   /* by vGPU */
    cl_int user_status;   /* of a user event; CL_SUBMITTED until it is set */
};

/* Without an inner event yet. */
struct multi_event *multi_event_new(struct multi_context *c, struct multi_queue *q,
                                    cl_command_type type);

/* A user event on `vgpu` that ends as `e` does, wherever that is. The caller owns it. */
cl_int event_carry(struct multi_context *c, cl_event e, unsigned vgpu, cl_event *ret);

/* The same, kept with the composite; borrowed. */
cl_int multi_event_on(struct multi_event *e, unsigned vgpu, cl_event *ret);

/* Flushes the queue of an inner event, if the program has not released it (which flushes too). */
void event_flush(cl_event e);

static inline struct multi_event *
multi_event_of(cl_event event)
{
    return object_is(event, KIND_multi_event) ? (struct multi_event *)event : NULL;
}

#endif
