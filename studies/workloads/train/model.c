/* SPDX-License-Identifier: MIT */
#include "train/model.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"
#include "train/kernels.h"

/* Not a layer's key: dropout has draws of its own. */
#define CROP_KEY 0x63726f70u

/* Conv, dense: the spread of the weights and the biases at the start. */
#define CONV(units_, stddev_, bias_)                                                     \
    {                                                                                    \
        .kind = LAYER_CONV, .units = (units_), .kernel = 5, .relu = true,                \
        .stddev = (stddev_), .bias = (bias_),                                            \
    }
#define DENSE(units_, relu_, stddev_, bias_)                                             \
    {                                                                                    \
        .kind = LAYER_DENSE, .units = (units_), .relu = (relu_), .stddev = (stddev_),    \
        .bias = (bias_),                                                                 \
    }
#define POOL(window_, stride_)                                                           \
    {                                                                                    \
        .kind = LAYER_POOL, .kernel = (window_), .stride = (stride_)                     \
    }
#define LRN                                                                              \
    {                                                                                    \
        .kind = LAYER_LRN, .radius = 4, .alpha = 0.001f / 9.0f                           \
    }
#define DROPOUT(keep_)                                                                   \
    {                                                                                    \
        .kind = LAYER_DROPOUT, .keep = (keep_)                                           \
    }

const struct model_spec model_specs[] = {
    {
        .name = "small",
        .default_steps = 300,
        .default_batch = 50,
        .learning_rate = 1e-3f,
        .data = &dataset_mnist,
        .input = {28, 28, 1},
        .layer_count = 6,
        /* The spreads are He's: sqrt(2 / inputs). */
        .layers =
            {
                CONV(16, 0.28f, 0.0f),
                POOL(2, 2),
                CONV(32, 0.07f, 0.0f),
                POOL(2, 2),
                DENSE(128, true, 0.036f, 0.0f),
                DENSE(CLASSES, false, 0.12f, 0.0f),
            },
    },
    {
        /* The deep-MNIST tutorial's, to the letter: 3,274,634 parameters. */
        .name = "mnist-deep",
        .default_steps = 20000,
        .default_batch = 50,
        .learning_rate = 1e-4f,
        .data = &dataset_mnist,
        .input = {28, 28, 1},
        .layer_count = 7,
        .layers =
            {
                CONV(32, 0.1f, 0.1f),
                POOL(2, 2),
                CONV(64, 0.1f, 0.1f),
                POOL(2, 2),
                DENSE(1024, true, 0.1f, 0.1f),
                DROPOUT(0.5f),
                DENSE(CLASSES, false, 0.1f, 0.1f),
            },
    },
    {
        /* The CIFAR-10 tutorial's layers and weights: 1,068,298 parameters. */
        .name = "cifar10",
        .default_steps = 2000,
        .default_batch = 128,
        .learning_rate = 1e-3f,
        .data = &dataset_cifar,
        .intake = INTAKE_CROP,
        .input = {24, 24, 3},
        .layer_count = 9,
        .layers =
            {
                CONV(64, 0.05f, 0.0f),
                POOL(3, 2),
                LRN,
                CONV(64, 0.05f, 0.1f),
                LRN,
                POOL(3, 2),
                DENSE(384, true, 0.04f, 0.1f),
                DENSE(192, true, 0.04f, 0.1f),
                DENSE(CLASSES, false, 1.0f / 192.0f, 0.0f),
            },
    },
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

static size_t
max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void
scratch_init(struct model *m)
{
    struct scratch_need need = {1, 1, 1};

    for (int i = 0; i < m->spec->layer_count; i++) {
        const struct scratch_need one = layer_scratch_need(&m->layers[i], m->batch);

        /* The first layer passes no gradient on: it needs no room for that. */
        if (i > 0)
            need.patches_grad = max_size(need.patches_grad, one.patches_grad);
        need.transposed = max_size(need.transposed, one.transposed);
        need.parts = max_size(need.parts, one.parts);
    }
    m->scratch.patches_grad = gpu_alloc(m->gpu, need.patches_grad * sizeof(cl_float));
    m->scratch.transposed = gpu_alloc(m->gpu, need.transposed * sizeof(cl_float));
    m->scratch.parts = gpu_alloc(m->gpu, need.parts * sizeof(cl_float));
}

void
model_init(struct model *m, struct gpu *gpu, const struct model_spec *spec, int batch)
{
    struct shape shape = spec->input;

    *m = (struct model){.spec = spec, .gpu = gpu, .batch = batch};
    for (int i = 0; i < spec->layer_count; i++) {
        layer_init(&m->layers[i], gpu, &spec->layers[i], shape, batch);
        m->layers[i].index = i;
        shape = m->layers[i].out;
    }
    scratch_init(m);
    m->input = gpu_alloc(gpu, (size_t)batch * (size_t)shape_size(spec->input) *
                                  sizeof(cl_float));
    m->labels = gpu_alloc(gpu, (size_t)batch);
    m->loss = gpu_alloc(gpu, (size_t)batch * sizeof(cl_float));
}

void
model_fini(struct model *m)
{
    for (int i = 0; m->spec && i < m->spec->layer_count; i++)
        layer_fini(&m->layers[i]);
    gpu_release(&m->scratch.patches_grad);
    gpu_release(&m->scratch.transposed);
    gpu_release(&m->scratch.parts);
    gpu_release(&m->input);
    gpu_release(&m->labels);
    gpu_release(&m->loss);
}

uint32_t
model_parameters(const struct model *m)
{
    uint32_t sum = 0;

    for (int i = 0; i < m->spec->layer_count; i++)
        sum += (uint32_t)(m->layers[i].weights.len + m->layers[i].biases.len);
    return sum;
}

void
model_reset(struct model *m, uint64_t seed)
{
    struct rng rng = {seed};

    m->seed = seed;
    m->steps_done = 0;
    for (int i = 0; i < m->spec->layer_count; i++)
        layer_reset(&m->layers[i], m->gpu, &rng);
    gpu_finish(m->gpu);
}

uint32_t
model_step_key(const struct model *m)
{
    struct rng rng = {m->seed ^ (uint64_t)m->steps_done << 32 ^
                      m->replica * UINT64_C(0x9e3779b97f4a7c15)};

    return (uint32_t)rng_next(&rng);
}

static struct pass
pass_of(struct model *m, int images, bool training)
{
    return (struct pass){.gpu = m->gpu,
                         .scratch = &m->scratch,
                         .images = images,
                         .training = training,
                         .step_key = model_step_key(m)};
}

static cl_mem
input_of(const struct model *m, int layer)
{
    return layer ? m->layers[layer - 1].output : m->input;
}

static void
crop(struct model *m, const struct source *source, uint32_t first,
     const struct pass *pass)
{
    const struct shape in = m->spec->input;

    GPU_RUN(m->gpu, KERNEL_CROP, pass->images * shape_size(in), ARG_MEM(source->images),
            ARG_MEM(source->labels), ARG_MEM(source->order), ARG_INT((cl_int)first),
            ARG_INT(pass->images), ARG_INT(source->image.h), ARG_INT(source->image.w),
            ARG_INT(in.h), ARG_INT(in.w), ARG_INT(in.c), ARG_INT(pass->training),
            ARG_BITS(pass->step_key ^ CROP_KEY), ARG_MEM(m->input), ARG_MEM(m->labels));
}

static void
gather(struct model *m, const struct source *source, uint32_t first, int count)
{
    const int pixels = shape_size(m->spec->input);

    GPU_RUN(m->gpu, KERNEL_GATHER, count * pixels, ARG_MEM(source->images),
            ARG_MEM(source->labels), ARG_MEM(source->order), ARG_INT((cl_int)first),
            ARG_INT(count), ARG_INT(pixels), ARG_MEM(m->input), ARG_MEM(m->labels));
}

static void
take_in(struct model *m, const struct source *source, uint32_t first,
        const struct pass *pass)
{
    if (m->spec->intake == INTAKE_CROP)
        crop(m, source, first, pass);
    else
        gather(m, source, first, pass->images);
}

static void
forward(struct model *m, const struct pass *pass, cl_mem hits, uint32_t first_hit)
{
    struct layer *const last = &m->layers[m->spec->layer_count - 1];

    for (int i = 0; i < m->spec->layer_count; i++)
        m->layers[i].ops->forward(&m->layers[i], pass, input_of(m, i));
    GPU_RUN(m->gpu, KERNEL_SOFTMAX_LOSS, pass->images, ARG_MEM(last->output),
            ARG_MEM(m->labels), ARG_MEM(last->output_grad), ARG_MEM(m->loss),
            ARG_MEM(hits), ARG_INT((cl_int)first_hit), ARG_INT(pass->images),
            ARG_INT(last->out.c));
}

static void
update(struct model *m, const struct param *param, float rate)
{
    if (param->len)
        GPU_RUN(m->gpu, KERNEL_ADAM, param->len, ARG_MEM(param->value),
                ARG_MEM(param->grad), ARG_MEM(param->mean), ARG_MEM(param->var),
                ARG_INT(param->len), ARG_REAL(rate));
}

void
model_gradients(struct model *m, const struct source *source, uint32_t first, cl_mem hits)
{
    const struct pass pass = pass_of(m, m->batch, true);

    take_in(m, source, first, &pass);
    forward(m, &pass, hits, 0);
    for (int i = m->spec->layer_count - 1; i >= 0; i--)
        m->layers[i].ops->backward(&m->layers[i], &pass, input_of(m, i),
                                   i ? m->layers[i - 1].output_grad : NULL);
}

void
model_update(struct model *m)
{
    const double step = ++m->steps_done;
    const double rate =
        m->spec->learning_rate * sqrt(1.0 - pow(0.999, step)) / (1.0 - pow(0.9, step));

    for (int i = 0; i < m->spec->layer_count; i++) {
        update(m, &m->layers[i].weights, (float)rate);
        update(m, &m->layers[i].biases, (float)rate);
    }
}

void
model_train(struct model *m, const struct source *source, uint32_t first, cl_mem hits)
{
    model_gradients(m, source, first, hits);
    model_update(m);
}

/* One of the two of each layer. */
static const struct param *
param_of(const struct model *m, int number)
{
    const struct layer *const l = &m->layers[number / 2];

    return number % 2 ? &l->biases : &l->weights;
}

void
model_gradients_read(struct model *m, float *ret_gradients)
{
    for (int i = 0; i < 2 * m->spec->layer_count; i++) {
        const struct param *const p = param_of(m, i);
        const size_t len = (size_t)p->len;

        if (len)
            gpu_begin_read(m->gpu, p->grad, ret_gradients, len * sizeof *ret_gradients);
        ret_gradients += len;
    }
}

void
model_gradients_write(struct model *m, const float *gradients)
{
    for (int i = 0; i < 2 * m->spec->layer_count; i++) {
        const struct param *const p = param_of(m, i);
        const size_t len = (size_t)p->len;

        if (len)
            gpu_begin_write(m->gpu, p->grad, gradients, len * sizeof *gradients);
        gradients += len;
    }
}

void
model_test(struct model *m, const struct source *source, uint32_t first, int count,
           cl_mem hits)
{
    const struct pass pass = pass_of(m, count, false);

    take_in(m, source, first, &pass);
    forward(m, &pass, hits, first);
}

float
model_loss(struct model *m)
{
    float *const losses = calloc((size_t)m->batch, sizeof *losses);
    double sum = 0.0;

    if (!losses) {
        failure_set(&m->gpu->failure, -ENOMEM, "out of memory");
        return NAN;
    }
    gpu_read(m->gpu, m->loss, losses, (size_t)m->batch * sizeof *losses);
    for (int i = 0; i < m->batch; i++)
        sum += losses[i];
    free(losses);
    return (float)(sum / m->batch);
}
