/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_GUEST_OPENCL_CLOCK_H
#define TESSERA_GUEST_OPENCL_CLOCK_H

#include "guest/opencl/queue.h"

/* CL_PLATFORM_HOST_TIMER_RESOLUTION: the coarsest of all devices; 0 when one has no such timer. */
cl_ulong platform_timer_resolution(void);

/*
 * What to add to now_ns() to get the device's time, as profiling tells it. Asks the worker when the
 * last answer is old; the queue must have nothing left to do.
 */
int64_t clock_offset_ns(struct _cl_command_queue *q);

#endif
