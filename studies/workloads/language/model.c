/* SPDX-License-Identifier: MIT */
#include "language/model.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"
#include "language/kernels.h"

/* Elements of a gradient that one work-item squares and sums; a multiple of a vector. */
enum { SQUARES_PER_PART = 4096 };

static const float learning_rate = 1.0f;

/* The three of the paper; what it says of dropout and of smaller steps later is left out. */
const struct model_spec model_specs[] = {
    {"small", 300, 200, 20, 20, 10000, 5.0f, 0.1f},
    {"medium", 300, 650, 35, 20, 10000, 5.0f, 0.05f},
    {"large", 300, 1500, 35, 20, 10000, 10.0f, 0.04f},
    {"tiny", 300, 32, 8, 20, 500, 5.0f, 0.1f},
    {0},
};

const struct model_spec *
model_spec_find(const char *name)
{
    for (const struct model_spec *s = model_specs; s->name; s++)
        if (!strcmp(s->name, name))
            return s;
    return NULL;
}

void
texts_init(struct texts *texts, struct gpu *gpu, const uint16_t *words, uint32_t count,
           int batch)
{
    const size_t bytes = (size_t)count * sizeof *words;

    texts->length = (count - 1) / (uint32_t)batch;
    texts->words = gpu_alloc(gpu, bytes);
    gpu_write(gpu, texts->words, words, bytes);
}

void
texts_fini(struct texts *texts)
{
    gpu_release(&texts->words);
}

static int
parts_of(int len)
{
    return (len + SQUARES_PER_PART - 1) / SQUARES_PER_PART;
}

/* Parameters and their gradients; of the words' vectors only a batch has a gradient. */
static void
init_params(struct model *m)
{
    const int units = m->spec->units;
    int count = 0;

    m->vectors.len = m->vocabulary * units;
    m->vectors.value = gpu_alloc(m->gpu, (size_t)m->vectors.len * sizeof(cl_float));
    param_init(&m->weights, m->gpu, units * m->vocabulary);
    param_init(&m->biases, m->gpu, m->vocabulary);

    m->params[count++] = &m->vectors;
    for (int i = 0; i < MODEL_LAYERS; i++) {
        struct lstm *const l = &m->layers[i];

        lstm_init(l, m->gpu, units, m->spec->batch, m->spec->unroll);
        m->params[count++] = &l->inputs;
        m->params[count++] = &l->state;
        m->params[count++] = &l->biases;
    }
    m->params[count++] = &m->weights;
    m->params[count++] = &m->biases;
}

void
model_init(struct model *m, struct gpu *gpu, const struct model_spec *spec,
           uint32_t vocabulary)
{
    const size_t rows = (size_t)spec->unroll * (size_t)spec->batch;
    const size_t units = (size_t)spec->units, floats = sizeof(cl_float);
    const size_t widest = vocabulary > 4 * units ? vocabulary : 4 * units;
    int parts = 0;

    *m = (struct model){.spec = spec, .gpu = gpu, .vocabulary = (int)vocabulary};
    init_params(m);
    m->rows = gpu_alloc(gpu, rows * 4 * sizeof(cl_int));
    m->input = gpu_alloc(gpu, rows * units * floats);
    m->input_grad = gpu_alloc(gpu, rows * units * floats);
    m->logits = gpu_alloc(gpu, rows * vocabulary * floats);
    m->loss = gpu_alloc(gpu, rows * floats);
    m->transposed = gpu_alloc(gpu, widest * units * floats);
    for (int i = 1; i < MODEL_PARAMS; i++)
        parts += parts_of(m->params[i]->len);
    parts += parts_of((int)(rows * units));
    m->parts = gpu_alloc(gpu, (size_t)parts * floats);
    m->scale = gpu_alloc(gpu, floats);
}

void
model_fini(struct model *m)
{
    cl_mem *const buffers[] = {&m->rows,       &m->input, &m->input_grad, &m->logits,
                               &m->transposed, &m->parts, &m->scale,      &m->loss};

    param_fini(&m->vectors);
    param_fini(&m->weights);
    param_fini(&m->biases);
    for (int i = 0; i < MODEL_LAYERS; i++)
        lstm_fini(&m->layers[i]);
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        gpu_release(buffers[i]);
}

uint32_t
model_parameters(const struct model_spec *spec, uint32_t vocabulary)
{
    const uint32_t units = (uint32_t)spec->units;
    const uint32_t layer = (units + units + 1) * 4 * units;

    return vocabulary * units + MODEL_LAYERS * layer + (units + 1) * vocabulary;
}

void
model_reset(struct model *m, uint64_t seed)
{
    struct rng rng = {seed};

    for (int i = 0; i < MODEL_PARAMS; i++) {
        const int len = m->params[i]->len;
        float *const values = malloc((size_t)len * sizeof *values);

        if (!values) {
            failure_set(&m->gpu->failure, -ENOMEM, "out of memory");
            return;
        }
        for (int j = 0; j < len; j++)
            values[j] = rng_uniform(&rng, m->spec->spread);
        gpu_write(m->gpu, m->params[i]->value, values, (size_t)len * sizeof *values);
        free(values);
    }
    model_clear(m);
    gpu_finish(m->gpu);
}

void
model_clear(struct model *m)
{
    for (int i = 0; i < MODEL_LAYERS; i++)
        lstm_clear(&m->layers[i], m->gpu);
}

static struct pass
pass_of(const struct model *m, int steps)
{
    return (struct pass){.gpu = m->gpu,
                         .batch = m->spec->batch,
                         .steps = steps,
                         .transposed = m->transposed};
}

static void
read_words(struct model *m, const struct texts *texts, uint32_t at)
{
    const int units = m->spec->units;

    GPU_RUN(m->gpu, KERNEL_TAKE_WORDS, m->rows_done, ARG_MEM(texts->words),
            ARG_INT((cl_int)texts->length), ARG_INT((cl_int)at), ARG_INT(m->spec->batch),
            ARG_INT(m->rows_done), ARG_MEM(m->rows));
    GPU_RUN(m->gpu, KERNEL_EMBED, m->rows_done * units, ARG_MEM(m->vectors.value),
            ARG_MEM(m->rows), ARG_MEM(m->input), ARG_INT(m->rows_done), ARG_INT(units));
}

/* The output of the last layer, behind that of the step before the first. */
static const struct lstm *
top(const struct model *m)
{
    return &m->layers[MODEL_LAYERS - 1];
}

/* The loss is the mean over the texts and the sum over the steps, as in the paper. */
static void
softmax(struct model *m)
{
    const int items = kernels_softmax_items(m->gpu);

    gemm_run(m->gpu, &(struct gemm){.a = top(m)->out,
                                    .a_at = top(m)->len,
                                    .b = m->weights.value,
                                    .c = m->logits,
                                    .m = m->rows_done,
                                    .n = m->vocabulary,
                                    .k = m->spec->units,
                                    .bias = m->biases.value});
    GPU_RUN(m->gpu, KERNEL_SOFTMAX_LOSS, m->rows_done * items, ARG_MEM(m->logits),
            ARG_MEM(m->rows), ARG_MEM(m->loss), ARG_INT(m->vocabulary),
            ARG_REAL(1.0f / (float)m->spec->batch));
}

static void
forward(struct model *m, const struct pass *p, const struct texts *texts, uint32_t at)
{
    m->rows_done = p->steps * p->batch;
    read_words(m, texts, at);
    lstm_forward(&m->layers[0], p, m->input, 0);
    for (int i = 1; i < MODEL_LAYERS; i++)
        lstm_forward(&m->layers[i], p, m->layers[i - 1].out, m->layers[i - 1].len);
    softmax(m);
}

static void
softmax_grad(struct model *m)
{
    const int rows = m->rows_done, units = m->spec->units, words = m->vocabulary;

    gemm_tn_run(m->gpu, &(struct gemm_tn){.a = top(m)->out,
                                          .a_at = top(m)->len,
                                          .b = m->logits,
                                          .c = m->weights.grad,
                                          .m = units,
                                          .n = words,
                                          .k = rows,
                                          .chunk = rows});
    gemm_sum_columns(m->gpu, m->logits, m->biases.grad, rows, words, rows);
    gemm_transpose(m->gpu, m->weights.value, m->transposed, units, words);
    gemm_run(m->gpu, &(struct gemm){.a = m->logits,
                                    .b = m->transposed,
                                    .c = top(m)->out_grad,
                                    .c_at = top(m)->len,
                                    .m = rows,
                                    .n = units,
                                    .k = words});
}

static void
backward(struct model *m, const struct pass *p)
{
    softmax_grad(m);
    for (int i = MODEL_LAYERS - 1; i > 0; i--)
        lstm_backward(&m->layers[i], p, m->layers[i - 1].out, m->layers[i - 1].out_grad,
                      m->layers[i - 1].len);
    lstm_backward(&m->layers[0], p, m->input, m->input_grad, 0);
    GPU_RUN(m->gpu, KERNEL_EMBED_GRAD, m->rows_done * m->spec->units,
            ARG_MEM(m->input_grad), ARG_MEM(m->rows), ARG_INT(m->rows_done),
            ARG_INT(m->spec->units));
}

/* Returns how many parts there are, with those of this gradient. */
static int
sum_squares(struct model *m, cl_mem grad, int len, int parts)
{
    GPU_RUN(m->gpu, KERNEL_SUM_SQUARES, parts_of(len), ARG_MEM(grad), ARG_INT(len),
            ARG_INT(SQUARES_PER_PART), ARG_MEM(m->parts), ARG_INT(parts));
    return parts + parts_of(len);
}

static void
descend(struct model *m)
{
    const int batch_len = m->rows_done * m->spec->units;
    int parts = sum_squares(m, m->input_grad, batch_len, 0);

    for (int i = 1; i < MODEL_PARAMS; i++)
        parts = sum_squares(m, m->params[i]->grad, m->params[i]->len, parts);
    GPU_RUN(m->gpu, KERNEL_CLIP, 1, ARG_MEM(m->parts), ARG_INT(parts),
            ARG_REAL(m->spec->clip), ARG_MEM(m->scale));

    GPU_RUN(m->gpu, KERNEL_DESCEND_WORDS, batch_len, ARG_MEM(m->vectors.value),
            ARG_MEM(m->input_grad), ARG_MEM(m->rows), ARG_INT(m->rows_done),
            ARG_INT(m->spec->units), ARG_MEM(m->scale), ARG_REAL(learning_rate));
    for (int i = 1; i < MODEL_PARAMS; i++)
        GPU_RUN(m->gpu, KERNEL_DESCEND, m->params[i]->len, ARG_MEM(m->params[i]->value),
                ARG_MEM(m->params[i]->grad), ARG_INT(m->params[i]->len),
                ARG_MEM(m->scale), ARG_REAL(learning_rate));
}

static void
carry(struct model *m, const struct pass *p)
{
    for (int i = 0; i < MODEL_LAYERS; i++)
        lstm_carry(&m->layers[i], p);
}

void
model_train(struct model *m, const struct texts *texts, uint32_t at)
{
    const struct pass p = pass_of(m, m->spec->unroll);

    forward(m, &p, texts, at);
    backward(m, &p);
    descend(m);
    carry(m, &p);
}

void
model_test(struct model *m, const struct texts *texts, uint32_t at, int steps)
{
    const struct pass p = pass_of(m, steps);

    forward(m, &p, texts, at);
    carry(m, &p);
}

double
model_loss(struct model *m)
{
    const size_t rows = (size_t)m->rows_done;
    float *const losses = calloc(rows + !rows, sizeof *losses);
    double sum = 0.0;

    if (!losses) {
        failure_set(&m->gpu->failure, -ENOMEM, "out of memory");
        return NAN;
    }
    gpu_read(m->gpu, m->loss, losses, rows * sizeof *losses);
    for (size_t i = 0; i < rows; i++)
        sum += losses[i];
    free(losses);
    return sum / (double)rows;
}
