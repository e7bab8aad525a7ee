/* SPDX-License-Identifier: MIT */
#include "train/layer_ops.h"

#include "train/kernels.h"

/*
 * Rows that one work-item sums: small enough for a GPU to find work for all of it and
 * for a CPU's second-level cache (512 rows of 800 floats are 1.6 MB).
 */
enum { ROWS_PER_PART = 512 };

int
layer_inputs(const struct layer *l)
{
    switch (l->spec.kind) {
    case LAYER_CONV:
        return l->spec.kernel * l->spec.kernel * l->in.c;
    case LAYER_DENSE:
        return shape_size(l->in);
    case LAYER_POOL:
    case LAYER_LRN:
    case LAYER_DROPOUT:
        break;
    }
    return 0;
}

int
layer_parts(int rows)
{
    return (rows + ROWS_PER_PART - 1) / ROWS_PER_PART;
}

/* output = input * weights + biases, over that many rows. */
static void
product(struct layer *l, const struct pass *p, cl_mem input, int rows)
{
    gemm_run(p->gpu, &(struct gemm){.a = input,
                                    .b = l->weights.value,
                                    .c = l->output,
                                    .m = rows,
                                    .n = l->spec.units,
                                    .k = layer_inputs(l),
                                    .bias = l->biases.value,
                                    .relu = l->spec.relu});
}

static void
sum_parts(const struct pass *p, const struct param *param, int parts)
{
    GPU_RUN(p->gpu, KERNEL_SUM_PARTS, param->len, ARG_MEM(p->scratch->parts),
            ARG_MEM(param->grad), ARG_INT(param->len), ARG_INT(parts));
}

/* The gradients of the parameters from those of the output (cut by the ReLU here). */
static void
product_grad(struct layer *l, const struct pass *p, cl_mem input, int rows)
{
    const int k = layer_inputs(l), n = l->spec.units, parts = layer_parts(rows);
    cl_mem weight_parts = parts > 1 ? p->scratch->parts : l->weights.grad;
    cl_mem bias_parts = parts > 1 ? p->scratch->parts : l->biases.grad;

    if (l->spec.relu)
        GPU_RUN(p->gpu, KERNEL_RELU_GRAD, rows * n, ARG_MEM(l->output_grad),
                ARG_MEM(l->output), ARG_INT(rows * n));

    gemm_tn_run(p->gpu, &(struct gemm_tn){.a = input,
                                          .b = l->output_grad,
                                          .c = weight_parts,
                                          .m = k,
                                          .n = n,
                                          .k = rows,
                                          .chunk = ROWS_PER_PART});
    if (parts > 1)
        sum_parts(p, &l->weights, parts);

    gemm_sum_columns(p->gpu, l->output_grad, bias_parts, rows, n, ROWS_PER_PART);
    if (parts > 1)
        sum_parts(p, &l->biases, parts);
}

/* input_grad = output_grad * weights^T. */
static void
product_input_grad(struct layer *l, const struct pass *p, cl_mem input_grad, int rows)
{
    const int k = layer_inputs(l), n = l->spec.units;
    cl_mem transposed = p->scratch->transposed;

    gemm_transpose(p->gpu, l->weights.value, transposed, k, n);
    gemm_run(p->gpu, &(struct gemm){.a = l->output_grad,
                                    .b = transposed,
                                    .c = input_grad,
                                    .m = rows,
                                    .n = k,
                                    .k = n});
}

static void
conv_forward(struct layer *l, const struct pass *p, cl_mem input)
{
    const int rows = p->images * l->in.h * l->in.w, kernel = l->spec.kernel;

    GPU_RUN(p->gpu, KERNEL_IM2COL, rows * kernel, ARG_MEM(input), ARG_MEM(l->patches),
            ARG_INT(p->images), ARG_INT(l->in.h), ARG_INT(l->in.w), ARG_INT(l->in.c),
            ARG_INT(kernel));
    product(l, p, l->patches, rows);
}

static void
conv_backward(struct layer *l, const struct pass *p, cl_mem input, cl_mem input_grad)
{
    const int rows = p->images * l->in.h * l->in.w;
    cl_mem patches_grad = p->scratch->patches_grad;

    (void)input; /* its patches are still there */
    product_grad(l, p, l->patches, rows);
    if (!input_grad)
        return;
    product_input_grad(l, p, patches_grad, rows);
    GPU_RUN(p->gpu, KERNEL_COL2IM, rows * l->in.c, ARG_MEM(patches_grad),
            ARG_MEM(input_grad), ARG_INT(p->images), ARG_INT(l->in.h), ARG_INT(l->in.w),
            ARG_INT(l->in.c), ARG_INT(l->spec.kernel));
}

const struct layer_ops layer_conv_ops = {conv_forward, conv_backward};

static void
dense_forward(struct layer *l, const struct pass *p, cl_mem input)
{
    product(l, p, input, p->images);
}

static void
dense_backward(struct layer *l, const struct pass *p, cl_mem input, cl_mem input_grad)
{
    product_grad(l, p, input, p->images);
    if (input_grad)
        product_input_grad(l, p, input_grad, p->images);
}

const struct layer_ops layer_dense_ops = {dense_forward, dense_backward};

static void
pool_forward(struct layer *l, const struct pass *p, cl_mem input)
{
    GPU_RUN(p->gpu, KERNEL_POOL, p->images * shape_size(l->out), ARG_MEM(input),
            ARG_MEM(l->output), ARG_MEM(l->winners), ARG_INT(p->images), ARG_INT(l->in.h),
            ARG_INT(l->in.w), ARG_INT(l->in.c), ARG_INT(l->spec.kernel),
            ARG_INT(l->spec.stride));
}

static void
pool_backward(struct layer *l, const struct pass *p, cl_mem input, cl_mem input_grad)
{
    (void)input;
    if (!input_grad)
        return;
    GPU_RUN(p->gpu, KERNEL_POOL_GRAD, p->images * shape_size(l->in),
            ARG_MEM(l->output_grad), ARG_MEM(l->winners), ARG_MEM(input_grad),
            ARG_INT(p->images), ARG_INT(l->in.h), ARG_INT(l->in.w), ARG_INT(l->in.c),
            ARG_INT(l->spec.kernel), ARG_INT(l->spec.stride));
}

const struct layer_ops layer_pool_ops = {pool_forward, pool_backward};

static void
lrn_forward(struct layer *l, const struct pass *p, cl_mem input)
{
    const int len = p->images * shape_size(l->out);

    GPU_RUN(p->gpu, KERNEL_LRN, len, ARG_MEM(input), ARG_MEM(l->output),
            ARG_MEM(l->scale), ARG_INT(len), ARG_INT(l->out.c), ARG_INT(l->spec.radius),
            ARG_REAL(l->spec.alpha));
}

static void
lrn_backward(struct layer *l, const struct pass *p, cl_mem input, cl_mem input_grad)
{
    const int len = p->images * shape_size(l->out);

    if (!input_grad)
        return;
    GPU_RUN(p->gpu, KERNEL_LRN_GRAD, len, ARG_MEM(input), ARG_MEM(l->output),
            ARG_MEM(l->scale), ARG_MEM(l->output_grad), ARG_MEM(input_grad), ARG_INT(len),
            ARG_INT(l->out.c), ARG_INT(l->spec.radius), ARG_REAL(l->spec.alpha));
}

const struct layer_ops layer_lrn_ops = {lrn_forward, lrn_backward};

/* Forward and backward are the same: scale what is kept. */
static void
dropout_apply(struct layer *l, const struct pass *p, cl_mem from, cl_mem to)
{
    const int len = p->images * shape_size(l->out);

    GPU_RUN(p->gpu, KERNEL_DROPOUT, len, ARG_MEM(from), ARG_MEM(to), ARG_INT(len),
            ARG_BITS(p->step_key + (uint32_t)l->index),
            ARG_REAL(p->training ? l->spec.keep : 1.0f));
}

static void
dropout_forward(struct layer *l, const struct pass *p, cl_mem input)
{
    dropout_apply(l, p, input, l->output);
}

static void
dropout_backward(struct layer *l, const struct pass *p, cl_mem input, cl_mem input_grad)
{
    (void)input;
    if (input_grad)
        dropout_apply(l, p, l->output_grad, input_grad);
}

const struct layer_ops layer_dropout_ops = {dropout_forward, dropout_backward};
