/* SPDX-License-Identifier: MIT */
#include "train/kernels.h"

#include "train/kernel_source.h"

static const struct gpu_kernel kernels[KERNEL_COUNT] = {
    GEMM_KERNEL_TABLE,
    [KERNEL_SUM_PARTS] = {"sum_parts", 64, 64},
    [KERNEL_GATHER] = {"gather", 64, 64},
    [KERNEL_IM2COL] = {"im2col", 64, 64},
    [KERNEL_COL2IM] = {"col2im", 64, 64},
    [KERNEL_RELU_GRAD] = {"relu_grad", 64, 64},
    [KERNEL_DROPOUT] = {"dropout", 64, 64},
    [KERNEL_SOFTMAX_LOSS] = {"softmax_loss", 16, 64},
    [KERNEL_ADAM] = {"adam", 64, 64},
    [KERNEL_POOL] = {"pool", 64, 64},
    [KERNEL_POOL_GRAD] = {"pool_grad", 64, 64},
    [KERNEL_LRN] = {"lrn", 64, 64},
    [KERNEL_LRN_GRAD] = {"lrn_grad", 64, 64},
    [KERNEL_CROP] = {"crop", 64, 64},
};

const struct gpu_program train_program = {
    .library = gemm_source,
    .source = kernel_source,
    .kernels = kernels,
    .kernel_count = KERNEL_COUNT,
    .cpu_options = gemm_cpu_options,
    .gpu_options = gemm_gpu_options,
};
