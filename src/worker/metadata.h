/* SPDX-License-Identifier: MIT */
/* What a built program's kernels and their arguments are (docs/protocol.md, "Program metadata"). */
#ifndef TESSERA_WORKER_METADATA_H
#define TESSERA_WORKER_METADATA_H

#include "worker/bytes.h"

#include <CL/cl.h>

struct session;

/* Any thread. What the driver does not tell is left empty, as the form allows. */
void metadata_describe(struct session *s, cl_program program, struct bytes *b);

#endif
