/* SPDX-License-Identifier: MIT */
#include "train/kernels.h"

#include "train/kernel_source.h"

static const struct gpu_kernel kernels[KERNEL_COUNT] = {
    [KERNEL_GEMM] = {"gemm", 8, 64},
    [KERNEL_GEMM_TN] = {"gemm_tn", 8, 64},
    [KERNEL_SUM_COLUMNS] = {"sum_columns", 32, 64},
    [KERNEL_SUM_PARTS] = {"sum_parts", 64, 64},
    [KERNEL_TRANSPOSE] = {"transpose", 8, 64},
    [KERNEL_GATHER] = {"gather", 64, 64},
    [KERNEL_IM2COL] = {"im2col", 64, 64},
    [KERNEL_COL2IM] = {"col2im", 64, 64},
    [KERNEL_POOL] = {"pool", 64, 64},
    [KERNEL_POOL_GRAD] = {"pool_grad", 64, 64},
    [KERNEL_RELU_GRAD] = {"relu_grad", 64, 64},
    [KERNEL_DROPOUT] = {"dropout", 64, 64},
    [KERNEL_SOFTMAX_LOSS] = {"softmax_loss", 16, 64},
    [KERNEL_ADAM] = {"adam", 64, 64},
};

/* A CPU wants whole vector registers in a row, a GPU many small items. */
#define CPU_TILE_M 8
#define CPU_TILE_N 16
#define GPU_TILE_M 4
#define GPU_TILE_N 4
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define TILE_OPTIONS(m, n) "-cl-mad-enable -DTM=" TEXT(m) " -DTN=" TEXT(n)

const struct gpu_program train_program = {
    .source = kernel_source,
    .kernels = kernels,
    .kernel_count = KERNEL_COUNT,
    .cpu_options = TILE_OPTIONS(CPU_TILE_M, CPU_TILE_N),
    .gpu_options = TILE_OPTIONS(GPU_TILE_M, GPU_TILE_N),
};

struct tile
train_tile(const struct gpu *gpu)
{
    return gpu->is_cpu ? (struct tile){CPU_TILE_M, CPU_TILE_N}
                       : (struct tile){GPU_TILE_M, GPU_TILE_N};
}
