/* SPDX-License-Identifier: MIT */
/* times.h - a growing list of times. */
#ifndef WORKLOADS_TIMES_H
#define WORKLOADS_TIMES_H

#include <stddef.h>

#include "common/failure.h"

struct times {
    double *seconds; /* owned */
    size_t count, room;
};

/* Returns 0 or -ENOMEM. */
int times_add(struct times *t, double seconds, struct failure *why);
void times_fini(struct times *t);

#endif
