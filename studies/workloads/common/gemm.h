/* SPDX-License-Identifier: MIT */
/*
 * gemm.h - products of matrices on the device, by the kernels of gemm.cl.
 *
 * A program that uses them puts gemm_source before its own, begins its kernels with
 * those of enum gemm_kernel and its table of them with GEMM_KERNEL_TABLE, and builds
 * with the options here. Matrices are of floats, row after row.
 */
#ifndef WORKLOADS_GEMM_H
#define WORKLOADS_GEMM_H

#include <stdbool.h>

#include "common/gpu.h"

enum gemm_kernel {
    KERNEL_GEMM,
    KERNEL_GEMM_TN,
    KERNEL_SUM_COLUMNS,
    KERNEL_TRANSPOSE,
    GEMM_KERNEL_COUNT,
};

#define GEMM_KERNEL_TABLE                                                                \
    [KERNEL_GEMM] = {"gemm", 8, 64}, [KERNEL_GEMM_TN] = {"gemm_tn", 8, 64},              \
    [KERNEL_SUM_COLUMNS] = {"sum_columns", 32, 64},                                      \
    [KERNEL_TRANSPOSE] = {"transpose", 8, 64}

extern const char gemm_source[], gemm_cpu_options[], gemm_gpu_options[];

/* c = a b, with what there is to add and ReLU; nothing to add: neither is set. */
struct gemm {
    cl_mem a, b, c;
    int a_at, c_at;  /* where they begin, in floats */
    int m, n, k;     /* a is [m][k], b is [k][n], c is [m][n] */
    cl_mem bias;     /* + bias[n], or NULL */
    bool accumulate; /* + what c held before */
    bool relu;
};

void gemm_run(struct gpu *gpu, const struct gemm *g);

/* c[parts][m][n] = a^T b, summed apart over each `chunk` of the k rows. */
struct gemm_tn {
    cl_mem a, b, c;
    int a_at;    /* where it begins, in floats */
    int m, n, k; /* a is [k][m], b is [k][n] */
    int chunk;   /* k: one part */
};

void gemm_tn_run(struct gpu *gpu, const struct gemm_tn *g);

/* parts[][n] = the sums of the columns of each `chunk` rows of a[m][n]. */
void gemm_sum_columns(struct gpu *gpu, cl_mem a, cl_mem parts, int m, int n, int chunk);

/* out[n][m] = in[m][n] */
void gemm_transpose(struct gpu *gpu, cl_mem in, cl_mem out, int m, int n);

#endif
