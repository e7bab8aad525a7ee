/* SPDX-License-Identifier: MIT */
/* rng.h - the workloads' own random numbers: the same seed gives the same run. */
#ifndef WORKLOADS_RNG_H
#define WORKLOADS_RNG_H

#include <stdint.h>

/* SplitMix64 (Steele, Lea, Flood 2014). Any state is a good one. */
struct rng {
    uint64_t state;
};

uint64_t rng_next(struct rng *rng);

/* 0 <= value < bound; bound > 0. */
uint32_t rng_below(struct rng *rng, uint32_t bound);

/* From -spread to spread, all alike. */
float rng_uniform(struct rng *rng, float spread);

/* Normal with mean 0, drawn again beyond two standard deviations. */
float rng_truncated_normal(struct rng *rng, float stddev);

/* Exponential with that mean, drawn again beyond ten times the mean. */
double rng_exponential(struct rng *rng, double mean);

/* A permutation of 0 ... count-1. */
void rng_permute(struct rng *rng, uint32_t *order, uint32_t count);

#endif
