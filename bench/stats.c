/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include "base/cleanup.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int
compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double
stats_quantile(const double *v, unsigned n, double q)
{
    _cleanup_free_ double *sorted = n ? malloc(n * sizeof *sorted) : NULL;
    double at, part;
    unsigned low;

    if (!sorted)
        return NAN;
    memcpy(sorted, v, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare);
    at = q * (n - 1);
    low = (unsigned)at;
    part = at - low;
    if (low + 1 >= n)
        return sorted[n - 1];
    return sorted[low] * (1.0 - part) + sorted[low + 1] * part;
}

double
stats_median(const double *v, unsigned n)
{
    return stats_quantile(v, n, 0.5);
}
