/* SPDX-License-Identifier: MIT */
/* Statistics of small sets of numbers. Nothing here changes its input. */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

/* The value below which a fraction q of the numbers lies, interpolated between
 * neighbours; NAN when n is 0 or memory is short. */
double stats_quantile(const double *v, unsigned n, double q);

/* stats_quantile(0.5). */
double stats_median(const double *v, unsigned n);

#endif
