/* SPDX-License-Identifier: MIT */
/* barrier.h - lets several trainings start their measured steps at the same time. */
#ifndef TRAIN_BARRIER_H
#define TRAIN_BARRIER_H

#include <signal.h>

#include "failure.h"

/*
 * Creates FILE.PID.ready, waits until FILE exists, and removes the former again.
 * Returns -EINTR when *stop becomes true.
 */
int barrier_wait(const char *file, const volatile sig_atomic_t *stop,
                 struct failure *why);

#endif
