/* SPDX-License-Identifier: MIT */
/* What a network gets to see of an image, and that there is something to learn in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/cifar.h"
#include "train/generated.h"
#include "train/kernels.h"
#include "train/model.h"

enum { TRAIN = 2000, TEST = 300, BATCH = 40, STEPS = 40, NO_DEVICE = 77 };
enum { SIDE = 24, INPUT = 3 * SIDE * SIDE, ROOM = CIFAR_SIDE - SIDE };

/* The layers of cifar10, narrow ones: enough for ten patterns. */
static const struct model_spec narrow = {
    .name = "narrow",
    .learning_rate = 2e-3f,
    .data = &dataset_cifar,
    .intake = INTAKE_CROP,
    .input = {SIDE, SIDE, 3},
    .layer_count = 7,
    .layers =
        {{.kind = LAYER_CONV, .units = 16, .kernel = 5, .relu = true, .stddev = 0.1f},
         {.kind = LAYER_POOL, .kernel = 3, .stride = 2},
         {.kind = LAYER_LRN, .radius = 4, .alpha = 1e-3f},
         {.kind = LAYER_CONV, .units = 16, .kernel = 5, .relu = true, .stddev = 0.07f},
         {.kind = LAYER_LRN, .radius = 4, .alpha = 1e-3f},
         {.kind = LAYER_POOL, .kernel = 3, .stride = 2},
         {.kind = LAYER_DENSE, .units = 10, .stddev = 0.05f}},
};

struct fixture {
    struct gpu gpu;
    struct model model;
    struct samples train, test;
    struct source train_source, test_source;
    cl_mem hits;
};

static cl_mem
upload(struct gpu *gpu, const void *bytes, size_t size)
{
    cl_mem buffer = gpu_alloc(gpu, size);

    gpu_write(gpu, buffer, bytes, size);
    return buffer;
}

static struct source
make_source(struct gpu *gpu, const struct samples *samples)
{
    uint32_t order[TRAIN];
    const size_t count = samples->count;

    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    return (struct source){.images =
                               upload(gpu, samples->images, count * CIFAR_IMAGE_BYTES),
                           .labels = upload(gpu, samples->labels, count),
                           .order = upload(gpu, order, count * sizeof *order),
                           .count = samples->count,
                           .image = dataset_cifar.image};
}

static int
setup(void **state)
{
    struct fixture *const f = calloc(1, sizeof *f);
    struct failure why = {0};
    struct gpu_entry entry;

    if (!f || gpu_find(&entry, NULL, &why) < 0 ||
        generated_samples(&f->train, TRAIN, 1, &why) < 0 ||
        generated_samples(&f->test, TEST, 2, &why) < 0)
        return -1;
    gpu_init(&f->gpu, &entry, &train_program);
    model_init(&f->model, &f->gpu, &narrow, BATCH);
    f->train_source = make_source(&f->gpu, &f->train);
    f->test_source = make_source(&f->gpu, &f->test);
    f->hits = gpu_alloc(&f->gpu, TEST);
    model_reset(&f->model, 1);
    *state = f;
    return 0;
}

static void
release(struct samples *samples, struct source *source)
{
    gpu_release(&source->images);
    gpu_release(&source->labels);
    gpu_release(&source->order);
    free(samples->owned[0]);
    free(samples->owned[1]);
}

static int
teardown(void **state)
{
    struct fixture *const f = *state;

    assert_string_equal(f->gpu.failure.text, "");
    release(&f->train, &f->train_source);
    release(&f->test, &f->test_source);
    model_fini(&f->model);
    gpu_release(&f->hits);
    gpu_fini(&f->gpu);
    free(f);
    return 0;
}

/* Whether the input is that image, cut at (y, x), flipped or not. */
static bool
is_cut(const float *input, const uint8_t *image, int y, int x, bool flip)
{
    for (int i = 0; i < INPUT; i++) {
        const int c = i % 3, col = i / 3 % SIDE, row = i / 3 / SIDE;
        const int from = x + (flip ? SIDE - 1 - col : col);
        const int pixel = image[(c * CIFAR_SIDE + y + row) * CIFAR_SIDE + from];

        if (input[i] != (float)(pixel - 128) / 64.0f)
            return false;
    }
    return true;
}

/* Which cut of the image the input is: 0 to 161, odd ones flipped; -1: none. */
static int
find_cut(const float *input, const uint8_t *image)
{
    for (int i = 0; i < 2 * (ROOM + 1) * (ROOM + 1); i++)
        if (is_cut(input, image, i / 2 / (ROOM + 1), i / 2 % (ROOM + 1), i % 2))
            return i;
    return -1;
}

/* The cuts that a step on the first images makes. */
static void
train_and_find(struct fixture *f, int *ret_cuts)
{
    static float inputs[BATCH * INPUT];
    uint8_t labels[BATCH];

    model_train(&f->model, &f->train_source, 0, f->hits);
    gpu_read(&f->gpu, f->model.input, inputs, sizeof inputs);
    gpu_read(&f->gpu, f->model.labels, labels, sizeof labels);
    assert_memory_equal(labels, f->train.labels, BATCH);
    for (size_t i = 0; i < BATCH; i++) {
        ret_cuts[i] =
            find_cut(inputs + i * INPUT, f->train.images + i * CIFAR_IMAGE_BYTES);
        assert_true(ret_cuts[i] >= 0);
    }
}

/* 40 draws of 162: a place in each quarter, both ways round, and another time others. */
static void
training_sees_random_cuts_and_flips(void **state)
{
    int first[BATCH], second[BATCH], again[BATCH], quarters[8] = {0};
    struct fixture *const f = *state;

    train_and_find(f, first);
    train_and_find(f, second);
    model_reset(&f->model, 1);
    train_and_find(f, again);
    assert_memory_equal(first, again, sizeof first);
    assert_memory_not_equal(first, second, sizeof first);
    for (int i = 0; i < BATCH; i++) {
        const int y = first[i] / 2 / (ROOM + 1), x = first[i] / 2 % (ROOM + 1);

        quarters[(y > ROOM / 2) * 4 + (x > ROOM / 2) * 2 + first[i] % 2]++;
    }
    for (int i = 0; i < 8; i++)
        assert_true(quarters[i] > 0);
}

static void
test_sees_the_middle(void **state)
{
    static float inputs[2 * INPUT];
    struct fixture *const f = *state;

    model_test(&f->model, &f->test_source, 3, 2, f->hits);
    gpu_read(&f->gpu, f->model.input, inputs, sizeof inputs);
    for (size_t i = 0; i < 2; i++)
        assert_true(is_cut(inputs + i * INPUT,
                           f->test.images + (3 + i) * CIFAR_IMAGE_BYTES, ROOM / 2,
                           ROOM / 2, false));
}

static int
recognized(struct fixture *f)
{
    uint8_t hits[TEST];
    int sum = 0;

    for (int at = 0; at < TEST; at += BATCH)
        model_test(&f->model, &f->test_source, (uint32_t)at,
                   TEST - at < BATCH ? TEST - at : BATCH, f->hits);
    gpu_read(&f->gpu, f->hits, hits, sizeof hits);
    for (int i = 0; i < TEST; i++)
        sum += hits[i];
    return sum;
}

/* By chance it is a tenth of them. */
static void
generated_images_can_be_learnt(void **state)
{
    struct fixture *const f = *state;
    const int before = recognized(f);
    int after;

    for (uint32_t i = 0; i < STEPS; i++)
        model_train(&f->model, &f->train_source, i % (TRAIN / BATCH) * BATCH, f->hits);
    after = recognized(f);
    print_message("%d of %d before, %d after\n", before, TEST, after);
    assert_true(before < TEST * 2 / 10);
    assert_true(after > TEST * 4 / 10);
}

int
main(void)
{
#define DEVICE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        DEVICE_TEST(training_sees_random_cuts_and_flips),
        DEVICE_TEST(test_sees_the_middle),
        DEVICE_TEST(generated_images_can_be_learnt),
    };
    struct failure why = {0};
    struct gpu_entry entry;

    if (gpu_find(&entry, NULL, &why) < 0) {
        printf("skipped: %s\n", why.text);
        return NO_DEVICE;
    }
    return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
