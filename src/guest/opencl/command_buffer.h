/* SPDX-License-Identifier: MIT */
/*
 * cl_khr_command_buffer, version 0.9.0. Recording is synchronous, so each recorder answers the
 * driver's own error; a replay is one asynchronous message. Sync points are numbers from 1, in the
 * order of recording; the worker knows the driver's for each.
 */
#ifndef TESSERA_GUEST_OPENCL_COMMAND_BUFFER_H
#define TESSERA_GUEST_OPENCL_COMMAND_BUFFER_H

#include "guest/opencl/queue.h"
#include "guest/opencl/submit.h"

struct _cl_command_buffer_khr {
    struct object o;
    struct _cl_command_queue *queue; /* retained */
    cl_command_buffer_flags_khr flags;
    cl_command_buffer_properties_khr
        *properties; /* as given, with the final 0, or NULL */
    size_t n_properties;

    pthread_mutex_t lock; /* all below */
    bool finalized;
    cl_sync_point_khr n_points; /* commands recorded */
    struct object **used;       /* retained: what they use, once per use */
    size_t n_used, cap_used;
    /* The last replay: known to be over once its queue has drained that far. */
    struct _cl_command_queue *last_queue; /* held; NULL: never enqueued */
    uint64_t last_submitted;
};

/*
 * A command being recorded. record_begin() checks what all recorders share and takes the command
 * buffer's lock; record_end() waits for the answer to the message, gives the sync point out and
 * unlocks. q stands for the queue in the checks shared with enqueue functions.
 */
struct recording {
    struct enqueue q;
    struct _cl_command_buffer_khr *buffer;
    struct pending pending;
    size_t n_used; /* the last of the buffer's, not retained yet */
};

cl_int record_begin(struct recording *r, cl_command_buffer_khr buffer,
                    cl_command_queue queue, cl_uint n_waits,
                    const cl_sync_point_khr *waits, cl_mutable_command_khr *handle);

/* The command uses that object, which the command buffer retains if all goes well. */
cl_int record_uses(struct recording *r, struct object *o);

cl_int record_end(struct recording *r, cl_int rc, cl_sync_point_khr *ret);

#endif
