/* SPDX-License-Identifier: MIT */
/*
 * How long kernels took, counted in buckets: four to each power of two from a microsecond on, so
 * that what is said of them is right to a quarter. Pure.
 */
#ifndef TESSERA_LINK_LENGTHS_H
#define TESSERA_LINK_LENGTHS_H

#include <stdint.h>

/* The last one holds all from a minute on. */
#define LENGTHS_BUCKETS 104

unsigned lengths_bucket(uint64_t ns);

/* The longest that a bucket holds. */
uint64_t lengths_most_ns(unsigned bucket);

/* What the part q (0 to 1) of them did not take longer than; 0: there are none. */
uint64_t lengths_quantile_ns(const uint64_t n[LENGTHS_BUCKETS], double q);

#endif
