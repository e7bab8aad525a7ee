/* SPDX-License-Identifier: MIT */
/*
 * How a kernel for the fake driver is written: a shared object that exports, for each kernel,
 *
 *   void NAME(const struct fake_thread *t, void *const *args);   each arg points to its value
 *   const uint64_t NAME_cost_ns;                                 of a launch, if it has one
 *   const unsigned NAME_params;      how many, of 8 bytes each, if it is to be recorded
 *
 * Memory of the device is the host's: a CUdeviceptr is an address. There are no barriers: the
 * threads of a block run one after the other.
 */
#ifndef TESSERA_TESTS_FAKE_KERNEL_H
#define TESSERA_TESTS_FAKE_KERNEL_H

#include <stdint.h>

struct fake_dim {
    unsigned x, y, z;
};

struct fake_thread {
    struct fake_dim grid, block; /* how many there are */
    struct fake_dim block_index, index;
    void *shared; /* of the block; NULL: none was asked for */
};

typedef void fake_kernel_fn(const struct fake_thread *t, void *const *args);

static inline uint64_t
fake_global_x(const struct fake_thread *t)
{
    return (uint64_t)t->block_index.x * t->block.x + t->index.x;
}

#endif
