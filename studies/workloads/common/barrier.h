/* SPDX-License-Identifier: MIT */
/* barrier.h - lets several programs start what they measure at the same time. */
#ifndef WORKLOADS_BARRIER_H
#define WORKLOADS_BARRIER_H

#include <signal.h>

#include "common/failure.h"

/*
 * Creates FILE.PID.ready, waits until FILE exists, and removes the former again.
 * Returns -EINTR when *stop becomes true.
 */
int barrier_wait(const char *file, const volatile sig_atomic_t *stop,
                 struct failure *why);

#endif
