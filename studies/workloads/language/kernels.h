/* SPDX-License-Identifier: MIT */
/* kernels.h - the kernels of kernels.cl, by number, after those of gemm.h. */
#ifndef LANGUAGE_KERNELS_H
#define LANGUAGE_KERNELS_H

#include "common/gemm.h"

enum kernel_id {
    KERNEL_TAKE_WORDS = GEMM_KERNEL_COUNT,
    KERNEL_EMBED,
    KERNEL_CELL,
    KERNEL_CELL_GRAD,
    KERNEL_SOFTMAX_LOSS,
    KERNEL_EMBED_GRAD,
    KERNEL_SUM_SQUARES,
    KERNEL_CLIP,
    KERNEL_DESCEND,
    KERNEL_DESCEND_WORDS,
    KERNEL_COUNT,
};

extern const struct gpu_program language_program;

/* Work-items that compute the softmax of one row together. */
int kernels_softmax_items(const struct gpu *gpu);

#endif
