/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_WORKER_CLOCK_H
#define TESSERA_WORKER_CLOCK_H

#include "worker/device.h"

/* One moment by two clocks: a marker's CL_PROFILING_COMMAND_QUEUED, and CLOCK_MONOTONIC in ns. */
struct clock_mark {
    cl_event event; /* a reference of the caller's */
    uint64_t host_ns;
};

/*
 * Enqueues markers until one was enqueued without an interruption, or gives the best of some.
 * CL_SUCCESS, or the driver's error when there is none.
 */
cl_int clock_mark(const struct _cl_icd_dispatch *cl, cl_command_queue queue,
                  struct clock_mark *ret);

#endif
