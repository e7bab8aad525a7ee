/* SPDX-License-Identifier: MIT */
/* stop.h - SIGINT and SIGTERM. */
#ifndef WORKLOADS_STOP_H
#define WORKLOADS_STOP_H

#include <signal.h>

/* True once a signal has come that asks the program to end. */
extern volatile sig_atomic_t stop;

/* The first signal ends the run in good order, a second one at once. */
void stop_on_signals(void);

#endif
