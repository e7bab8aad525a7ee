/* SPDX-License-Identifier: MIT */
#include "common/gemm.h"

enum { TRANSPOSE_BLOCK = 16 };

/* A CPU wants whole vector registers in a row, a GPU many small items. */
#define CPU_TILE_M 8
#define CPU_TILE_N 16
#define GPU_TILE_M 4
#define GPU_TILE_N 4
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define TILE_OPTIONS(m, n) "-cl-mad-enable -DTM=" TEXT(m) " -DTN=" TEXT(n)

const char gemm_cpu_options[] = TILE_OPTIONS(CPU_TILE_M, CPU_TILE_N);
const char gemm_gpu_options[] = TILE_OPTIONS(GPU_TILE_M, GPU_TILE_N);

static int
ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

static int
tiles(const struct gpu *gpu, int m, int n)
{
    return gpu->is_cpu ? ceil_div(m, CPU_TILE_M) * ceil_div(n, CPU_TILE_N)
                       : ceil_div(m, GPU_TILE_M) * ceil_div(n, GPU_TILE_N);
}

void
gemm_run(struct gpu *gpu, const struct gemm *g)
{
    /* Without a bias any buffer does in its place. */
    GPU_RUN(gpu, KERNEL_GEMM, tiles(gpu, g->m, g->n), ARG_MEM(g->a), ARG_INT(g->a_at),
            ARG_MEM(g->b), ARG_MEM(g->c), ARG_INT(g->c_at),
            ARG_MEM(g->bias ? g->bias : g->b), ARG_INT(g->m), ARG_INT(g->n),
            ARG_INT(g->k), ARG_INT(g->bias != NULL), ARG_INT(g->accumulate),
            ARG_INT(g->relu));
}

void
gemm_tn_run(struct gpu *gpu, const struct gemm_tn *g)
{
    GPU_RUN(gpu, KERNEL_GEMM_TN, tiles(gpu, g->m, g->n) * ceil_div(g->k, g->chunk),
            ARG_MEM(g->a), ARG_INT(g->a_at), ARG_MEM(g->b), ARG_MEM(g->c), ARG_INT(g->m),
            ARG_INT(g->n), ARG_INT(g->k), ARG_INT(g->chunk));
}

void
gemm_sum_columns(struct gpu *gpu, cl_mem a, cl_mem parts, int m, int n, int chunk)
{
    GPU_RUN(gpu, KERNEL_SUM_COLUMNS, n * ceil_div(m, chunk), ARG_MEM(a), ARG_MEM(parts),
            ARG_INT(m), ARG_INT(n), ARG_INT(chunk));
}

void
gemm_transpose(struct gpu *gpu, cl_mem in, cl_mem out, int m, int n)
{
    GPU_RUN(gpu, KERNEL_TRANSPOSE,
            ceil_div(m, TRANSPOSE_BLOCK) * ceil_div(n, TRANSPOSE_BLOCK), ARG_MEM(in),
            ARG_MEM(out), ARG_INT(m), ARG_INT(n));
}
