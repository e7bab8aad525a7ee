/* SPDX-License-Identifier: MIT */
/* stats.h - what to say about a list of times. */
#ifndef WORKLOADS_STATS_H
#define WORKLOADS_STATS_H

#include <stddef.h>

struct stats {
    double median, p95, p99, mean, mad; /* mad: median of |x - median| */
};

/* Reorders the values. All zero for none. The percentiles are by nearest rank. */
struct stats stats_of(double *values, size_t count);

#endif
