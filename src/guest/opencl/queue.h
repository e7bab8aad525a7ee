/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_GUEST_OPENCL_QUEUE_H
#define TESSERA_GUEST_OPENCL_QUEUE_H

#include "guest/opencl/context.h"

struct _cl_command_queue {
    struct object o;
    struct _cl_context *context;
    cl_device_id device;
    cl_command_queue_properties flags;
    cl_queue_properties *properties; /* as given, with the final 0; NULL when none */
    size_t n_properties;

    pthread_mutex_t lock;   /* order of enqueues and direct copies */
    uint64_t submitted;     /* commands sent; under lock */
    uint64_t drained;       /* commands known to be complete; under lock */
    _Atomic uint32_t reads; /* transfers to the program's memory not finished yet */
    struct pace *pace; /* of writes that block (store.h); under lock. NULL: none yet */
};

/*
 * Waits until all that was enqueued before is complete and its data has arrived. The error of a
 * command that failed asynchronously is returned once (docs/protocol.md).
 */
cl_int queue_drain(struct _cl_command_queue *q);

static inline bool
queue_in_order(const struct _cl_command_queue *q)
{
    return !(q->flags & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
}

#endif
