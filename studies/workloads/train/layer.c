/* SPDX-License-Identifier: MIT */
#include "train/layer.h"

#include <errno.h>
#include <stdlib.h>

#include "train/layer_ops.h"

static const struct layer_ops *const ops_by_kind[] = {
    [LAYER_CONV] = &layer_conv_ops,       [LAYER_POOL] = &layer_pool_ops,
    [LAYER_LRN] = &layer_lrn_ops,         [LAYER_DENSE] = &layer_dense_ops,
    [LAYER_DROPOUT] = &layer_dropout_ops,
};

static struct shape
out_shape(const struct layer_spec *spec, struct shape in)
{
    switch (spec->kind) {
    case LAYER_CONV:
        return (struct shape){in.h, in.w, spec->units};
    case LAYER_POOL:
        return (struct shape){(in.h + spec->stride - 1) / spec->stride,
                              (in.w + spec->stride - 1) / spec->stride, in.c};
    case LAYER_DENSE:
        return (struct shape){1, 1, spec->units};
    case LAYER_LRN:
    case LAYER_DROPOUT:
        break;
    }
    return in;
}

static void
param_init(struct param *param, struct gpu *gpu, int len)
{
    const size_t bytes = (size_t)len * sizeof(cl_float);

    param->len = len;
    param->value = gpu_alloc(gpu, bytes);
    param->grad = gpu_alloc(gpu, bytes);
    param->mean = gpu_alloc(gpu, bytes);
    param->var = gpu_alloc(gpu, bytes);
}

static void
param_fini(struct param *param)
{
    gpu_release(&param->value);
    gpu_release(&param->grad);
    gpu_release(&param->mean);
    gpu_release(&param->var);
}

/* Rows of the products of a layer: one for each pixel, or one for each image. */
static int
rows_of(const struct layer *l, int batch)
{
    return l->spec.kind == LAYER_CONV ? batch * l->in.h * l->in.w : batch;
}

void
layer_init(struct layer *l, struct gpu *gpu, const struct layer_spec *spec,
           struct shape in, int batch)
{
    size_t floats;

    *l = (struct layer){.ops = ops_by_kind[spec->kind],
                        .spec = *spec,
                        .in = in,
                        .out = out_shape(spec, in)};
    floats = (size_t)batch * (size_t)shape_size(l->out);
    l->output = gpu_alloc(gpu, floats * sizeof(cl_float));
    l->output_grad = gpu_alloc(gpu, floats * sizeof(cl_float));

    if (spec->kind == LAYER_POOL)
        l->winners = gpu_alloc(gpu, floats);
    if (spec->kind == LAYER_LRN)
        l->scale = gpu_alloc(gpu, floats * sizeof(cl_float));
    if (spec->kind == LAYER_CONV)
        l->patches = gpu_alloc(gpu, (size_t)rows_of(l, batch) * (size_t)layer_inputs(l) *
                                        sizeof(cl_float));
    if (layer_inputs(l)) {
        param_init(&l->weights, gpu, layer_inputs(l) * spec->units);
        param_init(&l->biases, gpu, spec->units);
    }
}

void
layer_fini(struct layer *l)
{
    param_fini(&l->weights);
    param_fini(&l->biases);
    gpu_release(&l->output);
    gpu_release(&l->output_grad);
    gpu_release(&l->patches);
    gpu_release(&l->winners);
    gpu_release(&l->scale);
}

struct scratch_need
layer_scratch_need(const struct layer *l, int batch)
{
    const size_t rows = (size_t)rows_of(l, batch), weights = (size_t)l->weights.len;
    struct scratch_need need = {.transposed = weights};

    if (l->spec.kind == LAYER_CONV)
        need.patches_grad = rows * (size_t)layer_inputs(l);
    if (weights)
        need.parts = weights * (size_t)layer_parts((int)rows);
    return need;
}

static void
param_reset(struct param *param, struct gpu *gpu, const float *values)
{
    const size_t bytes = (size_t)param->len * sizeof(cl_float);

    gpu_write(gpu, param->value, values, bytes);
    gpu_zero(gpu, param->mean, bytes);
    gpu_zero(gpu, param->var, bytes);
}

void
layer_reset(struct layer *l, struct gpu *gpu, struct rng *rng)
{
    float *values;

    if (!l->weights.len)
        return;
    values = malloc((size_t)l->weights.len * sizeof *values);
    if (!values) {
        failure_set(&gpu->failure, -ENOMEM, "out of memory");
        return;
    }

    for (int i = 0; i < l->weights.len; i++)
        values[i] = rng_truncated_normal(rng, l->spec.stddev);
    param_reset(&l->weights, gpu, values);

    /* There are never more biases than weights. */
    for (int i = 0; i < l->biases.len; i++)
        values[i] = l->spec.bias;
    param_reset(&l->biases, gpu, values);
    free(values);
}
