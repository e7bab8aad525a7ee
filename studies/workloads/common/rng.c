/* SPDX-License-Identifier: MIT */
#include "common/rng.h"

#include <math.h>

uint64_t
rng_next(struct rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint32_t
rng_below(struct rng *rng, uint32_t bound)
{
    /* The bias is below 2^-32 * bound, of no weight for shuffling. */
    return (uint32_t)((rng_next(rng) >> 32) * bound >> 32);
}

/* 0 < value < 1, with 53 bits. */
static double
uniform(struct rng *rng)
{
    return ((double)(rng_next(rng) >> 11) + 0.5) * 0x1p-53;
}

float
rng_uniform(struct rng *rng, float spread)
{
    return (float)(2.0 * uniform(rng) - 1.0) * spread;
}

float
rng_truncated_normal(struct rng *rng, float stddev)
{
    double z;

    do
        z = sqrt(-2.0 * log(uniform(rng))) * cos(2.0 * M_PI * uniform(rng));
    while (fabs(z) > 2.0);
    return (float)z * stddev;
}

double
rng_exponential(struct rng *rng, double mean)
{
    double x;

    do
        x = -log(uniform(rng));
    while (x > 10.0);
    return x * mean;
}

void
rng_permute(struct rng *rng, uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t j = rng_below(rng, i + 1);

        order[i] = order[j];
        order[j] = i;
    }
}
