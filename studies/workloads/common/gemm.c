/* SPDX-License-Identifier: MIT */
#include "common/gemm.h"

/*
 * CPU_SUMMANDS: what a CPU sums of a product at once, so that the columns of b that many
 * tiles need stay in its second-level cache. In float, the bits are those of one sum.
 */
enum { TRANSPOSE_BLOCK = 16, CPU_SUMMANDS = 512 };

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

/* The sum over the k from `from` on and before `to`, which goes on from what c holds. */
static void
run_part(struct gpu *gpu, const struct gemm *g, int from, int to)
{
    const bool first = !from, last = to == g->k;

    /* Without a bias any buffer does in its place. */
    GPU_RUN(gpu, KERNEL_GEMM, tiles(gpu, g->m, g->n), ARG_MEM(g->a), ARG_INT(g->a_at),
            ARG_MEM(g->b), ARG_MEM(g->c), ARG_INT(g->c_at),
            ARG_MEM(g->bias ? g->bias : g->b), ARG_INT(g->m), ARG_INT(g->n),
            ARG_INT(g->k), ARG_INT(from), ARG_INT(to), ARG_INT(first && g->bias),
            ARG_INT(!first || g->accumulate), ARG_INT(last && g->relu));
}

void
gemm_run(struct gpu *gpu, const struct gemm *g)
{
    const int most = gpu->is_cpu ? CPU_SUMMANDS : g->k;

    for (int from = 0; from < g->k; from += most)
        run_part(gpu, g, from, g->k - from < most ? g->k : from + most);
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
