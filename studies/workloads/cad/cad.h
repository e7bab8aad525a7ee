/* SPDX-License-Identifier: MIT */
/* cad.h - one run from the mesh to the result. */
#ifndef CAD_CAD_H
#define CAD_CAD_H

#include "cad/options.h"
#include "common/failure.h"

/*
 * Draws and reports as the options say. Returns 0, or a negative errno with the reason;
 * -EINTR after SIGINT or SIGTERM.
 */
int cad_run(const struct options *options, struct failure *why);

#endif
