/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_GUEST_OPENCL_EVENT_H
#define TESSERA_GUEST_OPENCL_EVENT_H

#include "guest/opencl/hold.h"
#include "guest/opencl/queue.h"

/* Profiling stamps in the order of docs/protocol.md, in nanoseconds of the device's clock. */
enum { STAMP_QUEUED, STAMP_SUBMIT, STAMP_START, STAMP_END, STAMP_COMPLETE, STAMPS };

struct _cl_event {
    struct object o;
    struct _cl_context *context;
    struct _cl_command_queue *queue; /* NULL for user events */
    cl_command_type type;
    /* What is known: CL_COMPLETE or an error once it is final, else CL_QUEUED. */
    _Atomic cl_int status;
    bool user;
    _Atomic bool user_set;
    bool local; /* a copy that this process did itself: stamps are known */
    _Atomic bool stamped;
    cl_ulong stamp[STAMPS];
    _Atomic bool fetch_pending; /* the event is not complete before it has arrived */
};

/* A shadow with a fresh id, holding context and queue. NULL without memory or ids. */
struct _cl_event *event_new(struct _cl_context *c, struct _cl_command_queue *q,
                            cl_command_type type);

/* Takes back an event whose command was never sent. */
void event_discard(struct _cl_event *e);

/* Waits for all. CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST when one ended with an error. */
cl_int events_wait(cl_uint n, const cl_event *events);

#endif
