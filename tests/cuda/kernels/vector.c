/* SPDX-License-Identifier: MIT */
/* Kernels for the fake driver. */
#include "tests/cuda/fake/kernel.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT fake_kernel_fn vector_add, block_sums, short_one, long_one;
EXPORT extern const uint64_t short_one_cost_ns, long_one_cost_ns;
EXPORT extern const unsigned short_one_params, long_one_params;
EXPORT extern const uint64_t vector_add_cost_ns;
EXPORT extern float scale;

const uint64_t vector_add_cost_ns = 50000;
float scale = 1.0f;
const uint64_t short_one_cost_ns = 50000, long_one_cost_ns = 20000000;
const unsigned short_one_params = 1, long_one_params = 1;

/* (count): one more. */
void
short_one(const struct fake_thread *t, void *const *args)
{
    (void)t;
    ++**(uint64_t *const *)args[0];
}

void
long_one(const struct fake_thread *t, void *const *args)
{
    short_one(t, args);
}

/* (a, b, sum, n): sum = scale * (a + b) */
void
vector_add(const struct fake_thread *t, void *const *args)
{
    const uint64_t i = fake_global_x(t);

    if (i < *(const uint32_t *)args[3])
        (*(float *const *)args[2])[i] = scale * ((*(const float *const *)args[0])[i] +
                                                 (*(const float *const *)args[1])[i]);
}

/* (values, sums): each block's sum, by way of its shared memory. */
void
block_sums(const struct fake_thread *t, void *const *args)
{
    float *const sum = t->shared;

    *sum += (*(const float *const *)args[0])[fake_global_x(t)];
    if (t->index.x + 1 == t->block.x)
        (*(float *const *)args[1])[t->block_index.x] = *sum;
}
