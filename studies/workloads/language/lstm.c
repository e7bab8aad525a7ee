/* SPDX-License-Identifier: MIT */
/*
 * What a layer does with its input is one large product over all steps; only the product
 * with the output of the step before has to go step by step.
 */
#include "language/lstm.h"

#include "language/kernels.h"

void
param_init(struct param *param, struct gpu *gpu, int len)
{
    const size_t bytes = (size_t)len * sizeof(cl_float);

    param->len = len;
    param->value = gpu_alloc(gpu, bytes);
    param->grad = gpu_alloc(gpu, bytes);
}

void
param_fini(struct param *param)
{
    gpu_release(&param->value);
    gpu_release(&param->grad);
}

void
lstm_init(struct lstm *l, struct gpu *gpu, int units, int batch, int steps)
{
    const size_t step = (size_t)batch * (size_t)units * sizeof(cl_float);
    const size_t all = step * (size_t)steps;

    *l = (struct lstm){.units = units, .len = batch * units};
    param_init(&l->inputs, gpu, units * 4 * units);
    param_init(&l->state, gpu, units * 4 * units);
    param_init(&l->biases, gpu, 4 * units);
    l->gates = gpu_alloc(gpu, 4 * all);
    l->cells = gpu_alloc(gpu, step + all);
    l->out = gpu_alloc(gpu, step + all);
    l->out_grad = gpu_alloc(gpu, step + all);
    l->cells_grad = gpu_alloc(gpu, step);
}

void
lstm_fini(struct lstm *l)
{
    param_fini(&l->inputs);
    param_fini(&l->state);
    param_fini(&l->biases);
    gpu_release(&l->gates);
    gpu_release(&l->cells);
    gpu_release(&l->out);
    gpu_release(&l->out_grad);
    gpu_release(&l->cells_grad);
}

static void
forward_step(struct lstm *l, const struct pass *p, int step)
{
    const int before = step * l->len, gates_at = 4 * before;

    gemm_run(p->gpu, &(struct gemm){.a = l->out,
                                    .a_at = before,
                                    .b = l->state.value,
                                    .c = l->gates,
                                    .c_at = gates_at,
                                    .m = p->batch,
                                    .n = 4 * l->units,
                                    .k = l->units,
                                    .accumulate = true});
    GPU_RUN(p->gpu, KERNEL_CELL, l->len, ARG_MEM(l->gates), ARG_INT(gates_at),
            ARG_MEM(l->cells), ARG_MEM(l->out), ARG_INT(before), ARG_INT(l->len),
            ARG_INT(l->units));
}

void
lstm_forward(struct lstm *l, const struct pass *p, cl_mem input, int input_at)
{
    gemm_run(p->gpu, &(struct gemm){.a = input,
                                    .a_at = input_at,
                                    .b = l->inputs.value,
                                    .c = l->gates,
                                    .m = p->steps * p->batch,
                                    .n = 4 * l->units,
                                    .k = l->units,
                                    .bias = l->biases.value});
    for (int step = 0; step < p->steps; step++)
        forward_step(l, p, step);
}

/* Needs the state's weights transposed; what they pass on goes to the step before. */
static void
backward_step(struct lstm *l, const struct pass *p, int step)
{
    const int before = step * l->len, gates_at = 4 * before;

    GPU_RUN(p->gpu, KERNEL_CELL_GRAD, l->len, ARG_MEM(l->gates), ARG_INT(gates_at),
            ARG_MEM(l->cells), ARG_MEM(l->out_grad), ARG_MEM(l->cells_grad),
            ARG_INT(before), ARG_INT(l->len), ARG_INT(l->units));
    if (step)
        gemm_run(p->gpu, &(struct gemm){.a = l->gates,
                                        .a_at = gates_at,
                                        .b = p->transposed,
                                        .c = l->out_grad,
                                        .c_at = before,
                                        .m = p->batch,
                                        .n = l->units,
                                        .k = 4 * l->units,
                                        .accumulate = true});
}

/* grad[units][4 * units] = in^T gates, over all steps. */
static void
weights_grad(struct lstm *l, const struct pass *p, cl_mem in, int in_at, cl_mem grad)
{
    const int rows = p->steps * p->batch;

    gemm_tn_run(p->gpu, &(struct gemm_tn){.a = in,
                                          .a_at = in_at,
                                          .b = l->gates,
                                          .c = grad,
                                          .m = l->units,
                                          .n = 4 * l->units,
                                          .k = rows,
                                          .chunk = rows});
}

void
lstm_backward(struct lstm *l, const struct pass *p, cl_mem input, cl_mem input_grad,
              int input_at)
{
    const int rows = p->steps * p->batch, units = l->units;

    gpu_zero(p->gpu, l->cells_grad, (size_t)l->len * sizeof(cl_float));
    gemm_transpose(p->gpu, l->state.value, p->transposed, units, 4 * units);
    for (int step = p->steps - 1; step >= 0; step--)
        backward_step(l, p, step);

    gemm_transpose(p->gpu, l->inputs.value, p->transposed, units, 4 * units);
    gemm_run(p->gpu, &(struct gemm){.a = l->gates,
                                    .b = p->transposed,
                                    .c = input_grad,
                                    .c_at = input_at,
                                    .m = rows,
                                    .n = units,
                                    .k = 4 * units});
    weights_grad(l, p, input, input_at, l->inputs.grad);
    weights_grad(l, p, l->out, 0, l->state.grad);
    gemm_sum_columns(p->gpu, l->gates, l->biases.grad, rows, 4 * units, rows);
}

void
lstm_carry(struct lstm *l, const struct pass *p)
{
    const size_t bytes = (size_t)l->len * sizeof(cl_float);
    const size_t last = (size_t)p->steps * bytes;

    gpu_copy(p->gpu, l->out, last, 0, bytes);
    gpu_copy(p->gpu, l->cells, last, 0, bytes);
}

void
lstm_clear(struct lstm *l, struct gpu *gpu)
{
    const size_t bytes = (size_t)l->len * sizeof(cl_float);

    gpu_zero(gpu, l->out, bytes);
    gpu_zero(gpu, l->cells, bytes);
}
