/* SPDX-License-Identifier: MIT */
/* kernels.h - the kernels of kernels.cl, by number, after those of gemm.h. */
#ifndef TRAIN_KERNELS_H
#define TRAIN_KERNELS_H

#include "common/gemm.h"

enum kernel_id {
    KERNEL_SUM_PARTS = GEMM_KERNEL_COUNT,
    KERNEL_GATHER,
    KERNEL_IM2COL,
    KERNEL_COL2IM,
    KERNEL_RELU_GRAD,
    KERNEL_DROPOUT,
    KERNEL_SOFTMAX_LOSS,
    KERNEL_ADAM,
    KERNEL_POOL,
    KERNEL_POOL_GRAD,
    KERNEL_LRN,
    KERNEL_LRN_GRAD,
    KERNEL_CROP,
    KERNEL_COUNT,
};

extern const struct gpu_program train_program;

#endif
