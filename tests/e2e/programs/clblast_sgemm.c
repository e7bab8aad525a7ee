/* SPDX-License-Identifier: MIT */
/* clblast_sgemm: CLBlast's product of matrices, row-major and transposed, against C. */
#include "cltest.h"

#include <clblast_c.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define M ((size_t)97)
#define N ((size_t)64)
#define K ((size_t)51)
#define ALPHA 1.5f
#define BETA 0.25f
/* Sums of K products of numbers up to 1, in float. */
#define TOLERANCE 1e-4f

static void
fill(float *p, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
    }
}

static void
reference(const float *a, const float *b, float *out, bool transposed)
{
    for (size_t i = 0; i < M; i++) {
        for (size_t j = 0; j < N; j++) {
            double sum = 0.0;

            for (size_t k = 0; k < K; k++)
                sum += (double)a[i * K + k] *
                       (double)(transposed ? b[j * K + k] : b[k * N + j]);
            out[i * N + j] = ALPHA * (float)sum + BETA * out[i * N + j];
        }
    }
}

static float
product(struct cl *c, bool transposed)
{
    float *a = alloc(M * K * 4), *b = alloc(K * N * 4), *want = alloc(M * N * 4);
    float *got = alloc(M * N * 4), worst = 0.0f;
    cl_mem da, db, dc;

    fill(a, M * K, 1);
    fill(b, K * N, 2);
    fill(want, M * N, 3);
    da = cl_buffer(c, CL_MEM_COPY_HOST_PTR, M * K * 4, a);
    db = cl_buffer(c, CL_MEM_COPY_HOST_PTR, K * N * 4, b);
    dc = cl_buffer(c, CL_MEM_COPY_HOST_PTR, M * N * 4, want);
    EXPECT(CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo,
                        transposed ? CLBlastTransposeYes : CLBlastTransposeNo, M, N, K,
                        ALPHA, da, 0, K, db, 0, transposed ? K : N, BETA, dc, 0, N,
                        &c->queue, NULL) == CLBlastSuccess);
    OK(clEnqueueReadBuffer(c->queue, dc, CL_TRUE, 0, M * N * 4, got, 0, NULL, NULL));
    reference(a, b, want, transposed);
    for (size_t i = 0; i < M * N; i++)
        worst = fmaxf(worst, fabsf(got[i] - want[i]));
    OK(clReleaseMemObject(da));
    OK(clReleaseMemObject(db));
    OK(clReleaseMemObject(dc));
    free(a);
    free(b);
    free(want);
    free(got);
    return worst;
}

int
main(void)
{
    struct cl c;
    float plain, transposed;

    cl_open(&c);
    plain = product(&c, false);
    transposed = product(&c, true);
    if (!(plain < TOLERANCE && transposed < TOLERANCE))
        fail("off by %g and %g", (double)plain, (double)transposed);
    cl_close(&c);
    printf("%zu x %zu x %zu agrees with C\n", M, N, K);
    return 0;
}
