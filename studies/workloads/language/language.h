/* SPDX-License-Identifier: MIT */
/* language.h - one training of a language model from the text to the result. */
#ifndef LANGUAGE_LANGUAGE_H
#define LANGUAGE_LANGUAGE_H

#include "common/failure.h"
#include "language/options.h"

/*
 * Trains, evaluates and reports as the options say. Returns 0, or a negative errno with
 * the reason; -EINTR after SIGINT or SIGTERM.
 */
int language_run(const struct options *options, struct failure *why);

#endif
