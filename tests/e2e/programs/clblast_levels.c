/* SPDX-License-Identifier: MIT */
/*
 * clblast_levels: routines of CLBlast of all three levels of BLAS against plain C, in single
 * precision: vectors (1), a matrix and vectors (2), matrices (3). Row-major throughout.
 */
#include "cltest.h"

#include <clblast_c.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N ((size_t)64) /* vectors, and all square matrices */
#define M ((size_t)97) /* the other sides of those that are not square */
#define K ((size_t)51)
#define ALPHA 1.5f
#define BETA 0.25f
/* Sums of up to M products of numbers up to 1, in float. */
#define TOLERANCE 2e-4f

#define ROW CLBlastLayoutRowMajor
#define PLAIN CLBlastTransposeNo
#define TURNED CLBlastTransposeYes
#define LOWER CLBlastTriangleLower

/* Numbers in the program and in a buffer. */
struct block {
    size_t n;
    float *host;
    cl_mem mem;
};

static struct cl cl;

static float *
numbers(size_t n, uint32_t seed)
{
    float *p = alloc(n * sizeof(float));

    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
    }
    return p;
}

static struct block
block_of(size_t n, float *host)
{
    return (struct block){n, host,
                          cl_buffer(&cl, CL_MEM_COPY_HOST_PTR, n * sizeof(float), host)};
}

static struct block
block_new(size_t n, uint32_t seed)
{
    return block_of(n, numbers(n, seed));
}

static void
block_free(struct block *b)
{
    OK(clReleaseMemObject(b->mem));
    free(b->host);
}

/* Ends a case: what the device has must be what C has in `want`. Frees all. */
static void
check(const char *what, CLBlastStatusCode status, struct block *want, size_t n_others,
      struct block *others)
{
    float *got = alloc(want->n * sizeof(float)), worst = 0.0f;

    if (status != CLBlastSuccess)
        fail("%s: CLBlast answers %d", what, (int)status);
    OK(clEnqueueReadBuffer(cl.queue, want->mem, CL_TRUE, 0, want->n * sizeof(float), got,
                           0, NULL, NULL));
    for (size_t i = 0; i < want->n; i++)
        worst = fmaxf(worst, fabsf(got[i] - want->host[i]) / (1 + fabsf(want->host[i])));
    if (!(worst < TOLERANCE))
        fail("%s: off by %g", what, (double)worst);
    printf("%s agrees with C\n", what);
    free(got);
    block_free(want);
    for (size_t i = 0; i < n_others; i++)
        block_free(&others[i]);
}

/* ---- level 1 ----------------------------------------------------------------------- */

static void
moving(void)
{
    struct block x = block_new(N, 1), y = block_new(N, 2);
    CLBlastStatusCode rc = CLBlastSswap(N, x.mem, 0, 1, y.mem, 0, 1, &cl.queue, NULL);

    for (size_t i = 0; i < N; i++) {
        float t = x.host[i];

        x.host[i] = ALPHA * y.host[i];
        y.host[i] = t;
    }
    if (rc == CLBlastSuccess)
        rc = CLBlastSscal(N, ALPHA, x.mem, 0, 1, &cl.queue, NULL);
    check("swap, scal", rc, &x, 1, &y);
}

static void
adding(void)
{
    struct block x = block_new(N, 3), y = block_new(N, 4), z = block_new(N, 5);
    CLBlastStatusCode rc = CLBlastScopy(N, y.mem, 0, 1, z.mem, 0, 1, &cl.queue, NULL);

    /* Every second number, from the fourth on. */
    if (rc == CLBlastSuccess)
        rc = CLBlastSaxpy(N / 4, ALPHA, x.mem, 3, 2, z.mem, 3, 2, &cl.queue, NULL);
    memcpy(z.host, y.host, N * sizeof(float));
    for (size_t i = 0; i < N / 4; i++)
        z.host[3 + 2 * i] += ALPHA * x.host[3 + 2 * i];
    check("copy, axpy", rc, &z, 2, (struct block[]){x, y});
}

static void
summing(void)
{
    struct block x = block_new(N, 6), y = block_new(N, 7), sums = block_new(3, 8);
    CLBlastStatusCode rc;
    double dot = 0, square = 0, absolute = 0;

    rc = CLBlastSdot(N, sums.mem, 0, x.mem, 0, 1, y.mem, 0, 1, &cl.queue, NULL);
    if (rc == CLBlastSuccess)
        rc = CLBlastSnrm2(N, sums.mem, 1, x.mem, 0, 1, &cl.queue, NULL);
    if (rc == CLBlastSuccess)
        rc = CLBlastSasum(N, sums.mem, 2, x.mem, 0, 1, &cl.queue, NULL);
    for (size_t i = 0; i < N; i++) {
        dot += (double)x.host[i] * (double)y.host[i];
        square += (double)x.host[i] * (double)x.host[i];
        absolute += fabs((double)x.host[i]);
    }
    sums.host[0] = (float)dot;
    sums.host[1] = (float)sqrt(square);
    sums.host[2] = (float)absolute;
    check("dot, nrm2, asum", rc, &sums, 2, (struct block[]){x, y});
}

/* ---- level 2 ----------------------------------------------------------------------- */

static void
matrix_vector(bool turned)
{
    size_t from = turned ? M : N, to = turned ? N : M;
    struct block a = block_new(M * N, 9), x = block_new(from, 10), y = block_new(to, 11);
    CLBlastStatusCode rc =
        CLBlastSgemv(ROW, turned ? TURNED : PLAIN, M, N, ALPHA, a.mem, 0, N, x.mem, 0, 1,
                     BETA, y.mem, 0, 1, &cl.queue, NULL);

    for (size_t i = 0; i < to; i++) {
        double sum = 0;

        for (size_t j = 0; j < from; j++)
            sum += (double)a.host[turned ? j * N + i : i * N + j] * (double)x.host[j];
        y.host[i] = ALPHA * (float)sum + BETA * y.host[i];
    }
    check(turned ? "gemv transposed" : "gemv", rc, &y, 2, (struct block[]){a, x});
}

static void
rank_one(void)
{
    struct block a = block_new(M * N, 12), x = block_new(M, 13), y = block_new(N, 14);
    CLBlastStatusCode rc = CLBlastSger(ROW, M, N, ALPHA, x.mem, 0, 1, y.mem, 0, 1, a.mem,
                                       0, N, &cl.queue, NULL);

    for (size_t i = 0; i < M * N; i++)
        a.host[i] += ALPHA * x.host[i / N] * y.host[i % N];
    check("ger", rc, &a, 2, (struct block[]){x, y});
}

static void
symmetric_vector(void)
{
    struct block a = block_new(N * N, 15), x = block_new(N, 16), y = block_new(N, 17);
    CLBlastStatusCode rc = CLBlastSsymv(ROW, LOWER, N, ALPHA, a.mem, 0, N, x.mem, 0, 1,
                                        BETA, y.mem, 0, 1, &cl.queue, NULL);

    for (size_t i = 0; i < N; i++) {
        double sum = 0;

        for (size_t j = 0; j < N; j++)
            sum += (double)a.host[j <= i ? i * N + j : j * N + i] * (double)x.host[j];
        y.host[i] = ALPHA * (float)sum + BETA * y.host[i];
    }
    check("symv", rc, &y, 2, (struct block[]){a, x});
}

/* ---- level 3 ----------------------------------------------------------------------- */

/* c = ALPHA a b + BETA c, where a(i, k) and b(k, j) say where the numbers are. */
static void
product(float *c, size_t rows, size_t columns, size_t inner, const float *a,
        size_t (*a_at)(size_t, size_t), const float *b, size_t (*b_at)(size_t, size_t))
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            double sum = 0;

            for (size_t k = 0; k < inner; k++)
                sum += (double)a[a_at(i, k)] * (double)b[b_at(k, j)];
            c[i * columns + j] = ALPHA * (float)sum + BETA * c[i * columns + j];
        }
    }
}

static size_t
a_plain(size_t i, size_t k)
{
    return i * K + k;
}

static size_t
b_plain(size_t k, size_t j)
{
    return k * N + j;
}

static size_t
b_turned(size_t k, size_t j)
{
    return j * K + k;
}

static size_t
symmetric(size_t i, size_t k)
{
    return k <= i ? i * N + k : k * N + i;
}

static void
matrices(bool turned)
{
    struct block a = block_new(M * K, 18), b = block_new(K * N, 19);
    struct block c = block_new(M * N, 20);
    CLBlastStatusCode rc =
        CLBlastSgemm(ROW, PLAIN, turned ? TURNED : PLAIN, M, N, K, ALPHA, a.mem, 0, K,
                     b.mem, 0, turned ? K : N, BETA, c.mem, 0, N, &cl.queue, NULL);

    product(c.host, M, N, K, a.host, a_plain, b.host, turned ? b_turned : b_plain);
    check(turned ? "gemm transposed" : "gemm", rc, &c, 2, (struct block[]){a, b});
}

static void
symmetric_matrices(void)
{
    struct block a = block_new(N * N, 21), b = block_new(N * N, 22);
    struct block c = block_new(N * N, 23);
    CLBlastStatusCode rc =
        CLBlastSsymm(ROW, CLBlastSideLeft, LOWER, N, N, ALPHA, a.mem, 0, N, b.mem, 0, N,
                     BETA, c.mem, 0, N, &cl.queue, NULL);

    product(c.host, N, N, N, a.host, symmetric, b.host, b_plain);
    check("symm", rc, &c, 2, (struct block[]){a, b});
}

/* b = ALPHA inverse(lower triangle of a) b, by substitution from the first row on. */
static void
triangular_solve(void)
{
    float *factors = numbers(N * N, 24);
    struct block a, b = block_new(N * K, 25);
    CLBlastStatusCode rc;

    for (size_t i = 0; i < N * N; i++)
        factors[i] = i % (N + 1) == 0 ? 4.0f + factors[i] : factors[i] / (float)N;
    a = block_of(N * N, factors);
    rc = CLBlastStrsm(ROW, CLBlastSideLeft, LOWER, PLAIN, CLBlastDiagonalNonUnit, N, K,
                      ALPHA, a.mem, 0, N, b.mem, 0, K, &cl.queue, NULL);
    for (size_t j = 0; j < K; j++) {
        for (size_t i = 0; i < N; i++) {
            double sum = (double)ALPHA * (double)b.host[i * K + j];

            for (size_t k = 0; k < i; k++)
                sum -= (double)a.host[i * N + k] * (double)b.host[k * K + j];
            b.host[i * K + j] = (float)(sum / (double)a.host[i * N + i]);
        }
    }
    check("trsm", rc, &b, 1, &a);
}

int
main(void)
{
    cl_open(&cl);
    moving();
    adding();
    summing();
    matrix_vector(false);
    matrix_vector(true);
    rank_one();
    symmetric_vector();
    matrices(false);
    matrices(true);
    symmetric_matrices();
    triangular_solve();
    cl_close(&cl);
    return 0;
}
