/* SPDX-License-Identifier: MIT */
/* train.h - one training from the data set to the result. */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H

#include "common/failure.h"
#include "train/options.h"

/*
 * Trains, evaluates and reports as the options say. Returns 0, or a negative errno with
 * the reason; -EINTR after SIGINT or SIGTERM.
 */
int train_run(const struct options *options, struct failure *why);

#endif
