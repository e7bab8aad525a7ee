/* SPDX-License-Identifier: MIT */
/* office.h - all workers, from their files to the result. */
#ifndef OFFICE_OFFICE_H
#define OFFICE_OFFICE_H

#include "common/failure.h"
#include "office/options.h"

/*
 * Runs the workers and reports as the options say. Returns 0, or a negative errno with
 * the reason, also when an operation failed; -EINTR after SIGINT or SIGTERM. No process
 * and no file of it is left.
 */
int office_run(const struct options *options, struct failure *why);

#endif
