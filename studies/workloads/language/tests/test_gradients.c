/* SPDX-License-Identifier: MIT */
/*
 * The chain of trust: finite differences check the plain C reference, and the reference
 * checks the kernels. No size of the model is a multiple of a tile, its sums are longer
 * than what a CPU sums at once, and words come more than once in a batch.
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

#include "common/rng.h"
#include "language/kernels.h"
#include "language/tests/reference.h"

enum { UNITS = 131, UNROLL = 3, BATCH = 5, WORDS = 23, TEXT = 200, NO_DEVICE = 77 };

struct fixture {
    struct model_spec spec;
    struct gpu gpu;
    struct model model;
    struct reference ref;
    struct texts texts;
    uint16_t words[TEXT];
};

static int
setup(void **state)
{
    struct fixture *const f = calloc(1, sizeof *f);
    struct failure why = {0};
    struct gpu_entry entry;
    struct rng rng = {7};

    if (!f || gpu_find(&entry, NULL, &why) < 0)
        return -1;
    f->spec = (struct model_spec){.name = "test",
                                  .units = UNITS,
                                  .unroll = UNROLL,
                                  .batch = BATCH,
                                  .vocabulary = WORDS,
                                  .clip = 1e9f,
                                  .spread = 0.1f};
    for (int i = 0; i < TEXT; i++)
        f->words[i] = (uint16_t)rng_below(&rng, i % 2 ? WORDS : 4);
    gpu_init(&f->gpu, &entry, &language_program);
    model_init(&f->model, &f->gpu, &f->spec, WORDS);
    texts_init(&f->texts, &f->gpu, f->words, TEXT, BATCH);
    model_reset(&f->model, 3);
    reference_init(&f->ref, &f->spec, WORDS);
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
    texts_fini(&f->texts);
    gpu_fini(&f->gpu);
    free(f);
    return 0;
}

static void
download(struct gpu *gpu, cl_mem from, double *to, int count)
{
    float *const floats = calloc((size_t)count, sizeof *floats);

    if (!floats)
        abort();
    gpu_read(gpu, from, floats, (size_t)count * sizeof *floats);
    for (int i = 0; i < count; i++)
        to[i] = (double)floats[i];
    free(floats);
}

/* The reference gets parameters and state of the device, and the words at `at`. */
static void
fill_reference(struct fixture *f, uint32_t at)
{
    for (int i = 0; i < MODEL_PARAMS; i++)
        download(&f->gpu, f->model.params[i]->value, f->ref.values[i], f->ref.lens[i]);
    for (int i = 0; i < MODEL_LAYERS; i++) {
        download(&f->gpu, f->model.layers[i].out, f->ref.layers[i].out, BATCH * UNITS);
        download(&f->gpu, f->model.layers[i].cells, f->ref.layers[i].cells,
                 BATCH * UNITS);
    }
    for (uint32_t i = 0; i < (UNROLL + 1) * BATCH; i++)
        f->ref.words[i] = f->words[i % BATCH * f->texts.length + at + i / BATCH];
}

/* The device's gradient of a parameter; that of the vectors lies in a batch's rows. */
static void
download_grad(struct fixture *f, int param, double *ret_grad)
{
    static double by_row[UNROLL * BATCH * UNITS];
    cl_int rows[UNROLL * BATCH][4];

    if (param) {
        download(&f->gpu, f->model.params[param]->grad, ret_grad, f->ref.lens[param]);
        return;
    }
    memset(ret_grad, 0, (size_t)f->ref.lens[0] * sizeof *ret_grad);
    gpu_read(&f->gpu, f->model.rows, rows, sizeof rows);
    download(&f->gpu, f->model.input_grad, by_row, UNROLL * BATCH * UNITS);
    for (int row = 0; row < UNROLL * BATCH; row++)
        for (int u = 0; u < UNITS; u++)
            ret_grad[rows[row][0] * UNITS + u] += by_row[row * UNITS + u];
}

/* The slope of the loss along one parameter, by a step to each side. */
static double
slope(struct reference *ref, double *parameter)
{
    const double step = 1e-5, value = *parameter;
    double up, down;

    *parameter = value + step;
    up = reference_forward(ref);
    *parameter = value - step;
    down = reference_forward(ref);
    *parameter = value;
    return (up - down) / (2.0 * step);
}

static void
reference_gradients_are_the_slopes_of_the_loss(void **state)
{
    struct fixture *const f = *state;

    model_train(&f->model, &f->texts, 0);
    fill_reference(f, UNROLL);
    reference_forward(&f->ref);
    reference_backward(&f->ref);
    for (int i = 0; i < MODEL_PARAMS; i++)
        for (int j = 0; j < f->ref.lens[i]; j += f->ref.lens[i] / 6 + 1)
            assert_true(fabs(slope(&f->ref, &f->ref.values[i][j]) - f->ref.grads[i][j]) <
                        1e-8);
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

/* The second step of a text: it begins with what the first one left. */
static void
device_gradients_are_those_of_the_reference(void **state)
{
    static double got[UNITS * 4 * UNITS];
    struct fixture *const f = *state;
    double loss;

    model_train(&f->model, &f->texts, 0);
    fill_reference(f, UNROLL);
    loss = reference_forward(&f->ref) / UNROLL;
    reference_backward(&f->ref);
    model_train(&f->model, &f->texts, UNROLL);

    assert_true(fabs(model_loss(&f->model) - loss) < 1e-5 * loss);
    for (int i = 0; i < MODEL_PARAMS; i++) {
        download_grad(f, i, got);
        assert_close(f->ref.grads[i], got, f->ref.lens[i]);
    }
}

/* Fills grads of the reference with those of the device; returns their norm. */
static double
norm_of_grads(struct fixture *f)
{
    double sum = 0.0;

    for (int i = 0; i < MODEL_PARAMS; i++) {
        download_grad(f, i, f->ref.grads[i]);
        for (int j = 0; j < f->ref.lens[i]; j++)
            sum += f->ref.grads[i][j] * f->ref.grads[i][j];
    }
    return sqrt(sum);
}

/* Every parameter went down its gradient, times scale, and none went elsewhere. */
static void
assert_descended(struct fixture *f, double scale)
{
    static double after[UNITS * 4 * UNITS];

    for (int i = 0; i < MODEL_PARAMS; i++) {
        download(&f->gpu, f->model.params[i]->value, after, f->ref.lens[i]);
        for (int j = 0; j < f->ref.lens[i]; j++)
            assert_true(
                fabs(f->ref.values[i][j] - scale * f->ref.grads[i][j] - after[j]) < 1e-6);
    }
}

static void
small_gradients_are_gone_down_as_they_are(void **state)
{
    struct fixture *const f = *state;

    fill_reference(f, 0);
    model_train(&f->model, &f->texts, 0);
    norm_of_grads(f);
    assert_descended(f, 1.0);
}

static void
large_gradients_are_clipped_by_their_global_norm(void **state)
{
    struct fixture *const f = *state;

    f->spec.clip = 0.5f;
    fill_reference(f, 0);
    model_train(&f->model, &f->texts, 0);
    assert_descended(f, 0.5 / norm_of_grads(f));
}

/* What is read is remembered: it does not matter where a batch ends. */
static void
reading_in_pieces_is_reading_at_once(void **state)
{
    struct fixture *const f = *state;
    double at_once, sum = 0.0;

    model_test(&f->model, &f->texts, 4, UNROLL);
    at_once = model_loss(&f->model);
    model_clear(&f->model);
    for (uint32_t i = 0; i < UNROLL; i++) {
        model_test(&f->model, &f->texts, 4 + i, 1);
        sum += model_loss(&f->model);
    }
    assert_true(fabs(sum / UNROLL - at_once) < 1e-6);
    model_test(&f->model, &f->texts, 4, UNROLL);
    assert_true(fabs(model_loss(&f->model) - at_once) > 1e-6);
}

static void
train_some(struct fixture *f, uint64_t seed, float *ret_weights)
{
    const struct param *const state = &f->model.layers[0].state;

    model_reset(&f->model, seed);
    for (uint32_t i = 0; i < 4; i++)
        model_train(&f->model, &f->texts, i * UNROLL);
    gpu_read(&f->gpu, state->value, ret_weights,
             (size_t)state->len * sizeof *ret_weights);
}

static void
same_seed_gives_the_same_bits(void **state)
{
    static float first[UNITS * 4 * UNITS], second[UNITS * 4 * UNITS],
        other[UNITS * 4 * UNITS];
    struct fixture *const f = *state;

    train_some(f, 5, first);
    train_some(f, 6, other);
    train_some(f, 5, second);
    assert_memory_equal(first, second, sizeof first);
    assert_memory_not_equal(first, other, sizeof first);
}

int
main(void)
{
#define DEVICE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        DEVICE_TEST(reference_gradients_are_the_slopes_of_the_loss),
        DEVICE_TEST(device_gradients_are_those_of_the_reference),
        DEVICE_TEST(small_gradients_are_gone_down_as_they_are),
        DEVICE_TEST(large_gradients_are_clipped_by_their_global_norm),
        DEVICE_TEST(reading_in_pieces_is_reading_at_once),
        DEVICE_TEST(same_seed_gives_the_same_bits),
    };
    struct failure why = {0};
    struct gpu_entry entry;

    if (gpu_find(&entry, NULL, &why) < 0) {
        printf("skipped: %s\n", why.text);
        return NO_DEVICE;
    }
    return cmocka_run_group_tests_name("gradients", tests, NULL, NULL);
}
