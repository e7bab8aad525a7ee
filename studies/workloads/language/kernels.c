/* SPDX-License-Identifier: MIT */
#include "language/kernels.h"

#include "language/kernel_source.h"

/* A row of the softmax is a work-group's: on a CPU one item with whole vectors. */
enum { CPU_SOFTMAX_ITEMS = 1, GPU_SOFTMAX_ITEMS = 64 }; /* at most SOFTMAX_ITEMS */

static const struct gpu_kernel kernels[KERNEL_COUNT] = {
    GEMM_KERNEL_TABLE,
    [KERNEL_TAKE_WORDS] = {"take_words", 8, 64},
    [KERNEL_EMBED] = {"embed", 64, 64},
    [KERNEL_CELL] = {"cell", 64, 64},
    [KERNEL_CELL_GRAD] = {"cell_grad", 64, 64},
    [KERNEL_SOFTMAX_LOSS] = {"softmax_loss", CPU_SOFTMAX_ITEMS, GPU_SOFTMAX_ITEMS},
    [KERNEL_EMBED_GRAD] = {"embed_grad", 64, 64},
    [KERNEL_SUM_SQUARES] = {"sum_squares", 8, 64},
    [KERNEL_CLIP] = {"clip", 1, 1},
    [KERNEL_DESCEND] = {"descend", 64, 64},
    [KERNEL_DESCEND_WORDS] = {"descend_words", 64, 64},
};

const struct gpu_program language_program = {
    .library = gemm_source,
    .source = kernel_source,
    .kernels = kernels,
    .kernel_count = KERNEL_COUNT,
    .cpu_options = gemm_cpu_options,
    .gpu_options = gemm_gpu_options,
};

int
kernels_softmax_items(const struct gpu *gpu)
{
    return gpu->is_cpu ? CPU_SOFTMAX_ITEMS : GPU_SOFTMAX_ITEMS;
}
