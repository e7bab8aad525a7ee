/* SPDX-License-Identifier: MIT */
/* program.h - how each of the workloads begins and ends. */
#ifndef WORKLOADS_PROGRAM_H
#define WORKLOADS_PROGRAM_H

#include <stdbool.h>

#include "common/failure.h"

/* Prints the devices that there are, a line each. Returns 0 or a negative errno. */
int program_list_devices(bool json, struct failure *why);

/*
 * The process's status for what its work returned: 0, 130 for -EINTR, else 1 with the
 * reason on stderr; 1, too, when stdout could not be written.
 */
int program_status(const char *name, int r, struct failure *why);

#endif
