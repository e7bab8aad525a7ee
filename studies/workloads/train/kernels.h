/* SPDX-License-Identifier: MIT */
/* kernels.h - the kernels of kernels.cl, by number. */
#ifndef TRAIN_KERNELS_H
#define TRAIN_KERNELS_H

#include "common/gpu.h"

enum kernel_id {
    KERNEL_GEMM,
    KERNEL_GEMM_TN,
    KERNEL_SUM_COLUMNS,
    KERNEL_SUM_PARTS,
    KERNEL_TRANSPOSE,
    KERNEL_GATHER,
    KERNEL_IM2COL,
    KERNEL_COL2IM,
    KERNEL_POOL,
    KERNEL_POOL_GRAD,
    KERNEL_RELU_GRAD,
    KERNEL_DROPOUT,
    KERNEL_SOFTMAX_LOSS,
    KERNEL_ADAM,
    KERNEL_COUNT,
};

extern const struct gpu_program train_program;

/* TM and TN of kernels.cl on that device: the tile of a product that an item computes. */
struct tile {
    int m, n;
};

struct tile train_tile(const struct gpu *gpu);

#endif
