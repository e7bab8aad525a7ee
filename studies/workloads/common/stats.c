/* SPDX-License-Identifier: MIT */
#include "common/stats.h"

#include <math.h>
#include <stdlib.h>

static int
compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
sorted_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2.0;
}

static double
nearest_rank(const double *sorted, size_t count, unsigned percent)
{
    return sorted[(count * percent + 99) / 100 - 1];
}

struct stats
stats_of(double *values, size_t count)
{
    struct stats s = {0};

    if (!count)
        return s;

    s.median = sorted_median(values, count);
    s.p95 = nearest_rank(values, count, 95);
    s.p99 = nearest_rank(values, count, 99);
    for (size_t i = 0; i < count; i++)
        s.mean += values[i] / (double)count;
    for (size_t i = 0; i < count; i++)
        values[i] = fabs(values[i] - s.median);
    s.mad = sorted_median(values, count);
    return s;
}
