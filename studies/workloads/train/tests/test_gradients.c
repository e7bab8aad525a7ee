/* SPDX-License-Identifier: MIT */
/*
 * The chain of trust: finite differences check the plain C reference, and the reference
 * checks the kernels. The networks are tiny, but no size in them is a multiple of a tile.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/average.h"
#include "train/kernels.h"
#include "train/model.h"
#include "train/tests/reference.h"

/* 11 images of 8 x 8: more rows than one work-item sums. */
enum { BATCH = 11, SAMPLES = 30, PIXELS = 8 * 8 * 2, NO_DEVICE = 77 };

static const struct model_spec tiny = {
    .name = "tiny",
    .learning_rate = 1e-3f,
    .input = {8, 8, 2},
    .layer_count = 7,
    .layers =
        {{.kind = LAYER_CONV,
          .units = 5,
          .kernel = 3,
          .relu = true,
          .stddev = 0.3f,
          .bias = 0.1f},
         {.kind = LAYER_POOL, .kernel = 2, .stride = 2},
         {.kind = LAYER_CONV,
          .units = 20,
          .kernel = 5,
          .relu = true,
          .stddev = 0.2f,
          .bias = 0.1f},
         {.kind = LAYER_POOL, .kernel = 2, .stride = 2},
         {.kind = LAYER_DENSE, .units = 33, .relu = true, .stddev = 0.2f, .bias = 0.1f},
         {.kind = LAYER_DROPOUT, .keep = 0.7f},
         {.kind = LAYER_DENSE, .units = 4, .stddev = 0.3f}},
};

/* Windows that overlap, padded at their ends and on both sides, and LRN. */
static const struct model_spec tiny_lrn = {
    .name = "tiny-lrn",
    .learning_rate = 1e-3f,
    .input = {8, 8, 2},
    .layer_count = 7,
    .layers = {{.kind = LAYER_CONV,
                .units = 5,
                .kernel = 3,
                .relu = true,
                .stddev = 0.5f,
                .bias = 0.1f},
               {.kind = LAYER_POOL, .kernel = 3, .stride = 2},
               {.kind = LAYER_LRN, .radius = 1, .alpha = 0.5f},
               {.kind = LAYER_CONV,
                .units = 11,
                .kernel = 5,
                .relu = true,
                .stddev = 0.3f,
                .bias = 0.1f},
               {.kind = LAYER_LRN, .radius = 4, .alpha = 0.1f},
               {.kind = LAYER_POOL, .kernel = 3, .stride = 1},
               {.kind = LAYER_DENSE, .units = 4, .stddev = 0.3f}},
};

struct fixture {
    const struct model_spec *spec;
    struct gpu gpu;
    struct model model;
    struct reference ref;
    struct source source;
    cl_mem hits;
    uint8_t images[SAMPLES * PIXELS], labels[SAMPLES];
    uint32_t order[SAMPLES];
};

static void
make_samples(struct fixture *f)
{
    struct rng rng = {7};

    for (int i = 0; i < SAMPLES * PIXELS; i++)
        f->images[i] = (uint8_t)rng_below(&rng, 256);
    for (int i = 0; i < SAMPLES; i++)
        f->labels[i] = (uint8_t)rng_below(&rng, 4);
    rng_permute(&rng, f->order, SAMPLES);
}

static cl_mem
upload(struct gpu *gpu, const void *bytes, size_t size)
{
    cl_mem buffer = gpu_alloc(gpu, size);

    gpu_write(gpu, buffer, bytes, size);
    return buffer;
}

/* Copies the device's parameters into the reference, or its gradients, by `grads`. */
static void
download(struct gpu *gpu, cl_mem from, double *to, int count)
{
    float *const floats = calloc((size_t)count + 1, sizeof *floats);

    if (!floats)
        abort();
    gpu_read(gpu, from, floats, (size_t)count * sizeof *floats);
    for (int i = 0; i < count; i++)
        to[i] = (double)floats[i];
    free(floats);
}

static void
fill_reference(struct fixture *f)
{
    for (int i = 0; i < BATCH; i++) {
        f->ref.labels[i] = f->labels[f->order[i]];
        for (int j = 0; j < PIXELS; j++)
            f->ref.input[i * PIXELS + j] =
                f->images[f->order[i] * PIXELS + (uint32_t)j] / 255.0;
    }
    for (int i = 0; i < f->spec->layer_count; i++) {
        struct layer *const l = &f->model.layers[i];

        if (!l->weights.len)
            continue;
        download(&f->gpu, l->weights.value, f->ref.layers[i].weights, l->weights.len);
        download(&f->gpu, l->biases.value, f->ref.layers[i].biases, l->biases.len);
    }
    f->ref.step_key = model_step_key(&f->model);
}

static int
setup(void **state)
{
    struct fixture *const f = calloc(1, sizeof *f);
    struct failure why = {0};
    struct gpu_entry entry;

    if (!f || gpu_find(&entry, NULL, &why) < 0)
        return -1;
    f->spec = *state;
    make_samples(f);
    gpu_init(&f->gpu, &entry, &train_program);
    model_init(&f->model, &f->gpu, f->spec, BATCH);
    f->source = (struct source){.images = upload(&f->gpu, f->images, sizeof f->images),
                                .labels = upload(&f->gpu, f->labels, sizeof f->labels),
                                .order = upload(&f->gpu, f->order, sizeof f->order),
                                .count = SAMPLES};
    f->hits = gpu_alloc(&f->gpu, SAMPLES);
    model_reset(&f->model, 3);
    reference_init(&f->ref, f->spec, BATCH);
    fill_reference(f);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *const f = *state;

    assert_string_equal(f->gpu.failure.text, "");
    reference_fini(&f->ref);
    model_fini(&f->model);
    gpu_release(&f->source.images);
    gpu_release(&f->source.labels);
    gpu_release(&f->source.order);
    gpu_release(&f->hits);
    gpu_fini(&f->gpu);
    free(f);
    return 0;
}

/* The slope of the loss along one parameter, by a step to each side. */
static double
slope(struct reference *ref, double *parameter)
{
    const double step = 1e-6, value = *parameter;
    double up, down;

    *parameter = value + step;
    up = reference_forward(ref);
    *parameter = value - step;
    down = reference_forward(ref);
    *parameter = value;
    return (up - down) / (2.0 * step);
}

static void
check_slopes(struct reference *ref, double *values, const double *grads, int count)
{
    const int stride = count / 12 + 1;

    for (int i = 0; i < count; i += stride)
        assert_true(fabs(slope(ref, &values[i]) - grads[i]) < 1e-7);
}

static void
reference_gradients_are_the_slopes_of_the_loss(void **state)
{
    struct fixture *const f = *state;

    reference_forward(&f->ref);
    reference_backward(&f->ref);
    for (int i = 0; i < f->spec->layer_count; i++) {
        struct reference_layer *const l = &f->ref.layers[i];

        check_slopes(&f->ref, l->weights, l->weights_grad, l->weight_count);
        if (l->weight_count)
            check_slopes(&f->ref, l->biases, l->biases_grad, f->spec->layers[i].units);
    }
}

/* Equal but for single precision, measured against the largest one. */
static void
assert_close(const double *expected, const double *got, int count)
{
    double largest = 0.0;

    for (int i = 0; i < count; i++)
        largest = fmax(largest, fabs(expected[i]));
    assert_true(largest > 0.0);
    for (int i = 0; i < count; i++)
        assert_true(fabs(expected[i] - got[i]) < 2e-5 * largest);
}

static void
check_param(struct gpu *gpu, const struct param *param, const double *grads)
{
    double *const got = calloc((size_t)param->len, sizeof *got);

    if (!got)
        abort();
    download(gpu, param->grad, got, param->len);
    assert_close(grads, got, param->len);
    free(got);
}

static void
device_gradients_are_those_of_the_reference(void **state)
{
    struct fixture *const f = *state;
    const double loss = reference_forward(&f->ref);

    reference_backward(&f->ref);
    model_train(&f->model, &f->source, 0, f->hits);

    assert_true(fabs((double)model_loss(&f->model) - loss) < 1e-5 * loss);
    for (int i = 0; i < f->spec->layer_count; i++) {
        if (!f->ref.layers[i].weight_count)
            continue;
        check_param(&f->gpu, &f->model.layers[i].weights, f->ref.layers[i].weights_grad);
        check_param(&f->gpu, &f->model.layers[i].biases, f->ref.layers[i].biases_grad);
    }
}

/* Adam's first step is the learning rate, against the sign of the gradient. */
static void
first_adam_step_is_the_learning_rate(void **state)
{
    struct fixture *const f = *state;
    struct param *const param = &f->model.layers[6].weights;
    double *const before = f->ref.layers[6].weights, after[33 * 4] = {0},
                  grads[33 * 4] = {0};

    model_train(&f->model, &f->source, 0, f->hits);
    download(&f->gpu, param->value, after, param->len);
    download(&f->gpu, param->grad, grads, param->len);
    for (int i = 0; i < param->len; i++)
        if (fabs(grads[i]) > 1e-4)
            assert_true(fabs(after[i] - before[i] + copysign(1e-3, grads[i])) < 2e-6);
}

static void
train_some(struct fixture *f, uint64_t seed, float *ret_weights)
{
    const struct param *const weights = &f->model.layers[4].weights;

    model_reset(&f->model, seed);
    for (int i = 0; i < 4; i++)
        model_train(&f->model, &f->source, i % 2 ? BATCH : 0, f->hits);
    gpu_read(&f->gpu, weights->value, ret_weights,
             (size_t)weights->len * sizeof *ret_weights);
}

static void
same_seed_gives_the_same_bits(void **state)
{
    static float first[80 * 33], second[80 * 33], other[80 * 33];
    struct fixture *const f = *state;

    assert_int_equal(f->model.layers[4].weights.len, 80 * 33);
    train_some(f, 5, first);
    train_some(f, 6, other);
    train_some(f, 5, second);
    assert_memory_equal(first, second, sizeof first);
    assert_memory_not_equal(first, other, sizeof first);
}

/* The last batch of a test set is a short one; nothing beyond it may be touched. */
static void
short_batch_is_tested_alone(void **state)
{
    struct fixture *const f = *state;
    uint8_t whole[SAMPLES], hits[SAMPLES];

    for (uint32_t i = 0; i < SAMPLES; i += 10)
        model_test(&f->model, &f->source, i, 10, f->hits);
    gpu_read(&f->gpu, f->hits, whole, SAMPLES);
    memset(hits, 9, SAMPLES);
    gpu_write(&f->gpu, f->hits, hits, SAMPLES);
    model_test(&f->model, &f->source, 22, 3, f->hits);
    gpu_read(&f->gpu, f->hits, hits, SAMPLES);

    assert_memory_equal(hits + 22, whole + 22, 3);
    assert_int_equal(hits[21], 9);
    assert_int_equal(hits[25], 9);
}

static void
compare_grads(const struct fixture *f, struct model *model, const struct model *expected)
{
    for (int i = 0; i < f->spec->layer_count; i++) {
        const struct param *const params[] = {&expected->layers[i].weights,
                                              &expected->layers[i].biases};
        const struct param *const got[] = {&model->layers[i].weights,
                                           &model->layers[i].biases};

        for (int j = 0; j < 2 && params[j]->len; j++) {
            double *const grads = calloc((size_t)params[j]->len, sizeof *grads);

            if (!grads)
                abort();
            download(expected->gpu, params[j]->grad, grads, params[j]->len);
            check_param(model->gpu, got[j], grads);
            free(grads);
        }
    }
}

/* Two replicas with a batch each are one with both batches. (The model draws nothing.) */
static void
mean_of_two_is_one_with_both_batches(void **state)
{
    struct fixture *const f = *state;
    struct model other, both;
    struct model *const models[] = {&f->model, &other};
    float *const room = calloc(2 * model_parameters(&f->model), sizeof *room);

    assert_non_null(room);
    model_init(&other, &f->gpu, f->spec, BATCH);
    model_init(&both, &f->gpu, f->spec, 2 * BATCH);
    model_reset(&other, 3);
    model_reset(&both, 3);
    model_gradients(&f->model, &f->source, 0, f->hits);
    model_gradients(&other, &f->source, BATCH, f->hits);
    model_gradients(&both, &f->source, 0, f->hits);
    average_gradients(models, 2, room);

    compare_grads(f, &f->model, &both);
    compare_grads(f, &other, &both);
    model_fini(&other);
    model_fini(&both);
    free(room);
}

static void
replicas_draw_differently(void **state)
{
    struct fixture *const f = *state;
    const uint32_t first = model_step_key(&f->model);

    f->model.replica = 1;
    assert_int_not_equal(model_step_key(&f->model), first);
}

static void
refused_call_is_named_and_sticks(void **state)
{
    struct gpu *const gpu = &((struct fixture *)*state)->gpu;

    gpu_check(gpu, "clEnqueueWriteBuffer", CL_INVALID_MEM_OBJECT);
    gpu_check(gpu, "clFinish", CL_OUT_OF_RESOURCES);
    assert_true(gpu_failed(gpu));
    assert_null(gpu_alloc(gpu, 4));
    assert_string_equal(gpu->failure.text, "clEnqueueWriteBuffer: CL_INVALID_MEM_OBJECT");
    gpu->failure.text[0] = '\0';
}

int
main(void)
{
#define SPEC_TEST(name, spec)                                                            \
    {                                                                                    \
#name " (" #spec ")", name, setup, teardown, (void *)&(spec)                     \
    }
#define DEVICE_TEST(name) SPEC_TEST(name, tiny)
    const struct CMUnitTest tests[] = {
        DEVICE_TEST(reference_gradients_are_the_slopes_of_the_loss),
        DEVICE_TEST(device_gradients_are_those_of_the_reference),
        SPEC_TEST(reference_gradients_are_the_slopes_of_the_loss, tiny_lrn),
        SPEC_TEST(device_gradients_are_those_of_the_reference, tiny_lrn),
        DEVICE_TEST(first_adam_step_is_the_learning_rate),
        DEVICE_TEST(same_seed_gives_the_same_bits),
        SPEC_TEST(mean_of_two_is_one_with_both_batches, tiny_lrn),
        DEVICE_TEST(replicas_draw_differently),
        DEVICE_TEST(short_batch_is_tested_alone),
        DEVICE_TEST(refused_call_is_named_and_sticks),
    };
    struct failure why = {0};
    struct gpu_entry entry;

    if (gpu_find(&entry, NULL, &why) < 0) {
        printf("skipped: %s\n", why.text);
        return NO_DEVICE;
    }
    return cmocka_run_group_tests_name("gradients", tests, NULL, NULL);
}
