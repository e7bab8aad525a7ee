/* SPDX-License-Identifier: MIT */
/*
 * All data goes to the device once; each epoch draws a new order, and a step takes the
 * next `batch` entries of it.
 */
#include "train/train.h"

#include <errno.h>
#include <stdlib.h>

#include "common/stop.h"
#include "common/training.h"
#include "train/dataset.h"
#include "train/kernels.h"
#include "train/model.h"

enum { EVAL_BATCHES_IN_FLIGHT = 8 }; /* a sign of life for the terminal now and then */

struct trainer {
    const struct options *options;
    struct dataset data;
    struct gpu *gpu; /* borrowed */
    struct model model;
    struct source train, test;
    cl_mem hits; /* a byte for each test image, and at least for a batch */
    uint32_t *order;
    struct rng shuffle;
};

static void
source_init(struct source *source, const struct trainer *t, const struct samples *samples)
{
    const struct shape image = t->options->model->data->image;
    const size_t count = samples->count, image_bytes = (size_t)shape_size(image);
    struct gpu *const gpu = t->gpu;

    source->count = samples->count;
    source->image = image;
    source->images = gpu_alloc(gpu, count * image_bytes);
    source->labels = gpu_alloc(gpu, count);
    source->order = gpu_alloc(gpu, count * sizeof *t->order);
    gpu_write(gpu, source->images, samples->images, count * image_bytes);
    gpu_write(gpu, source->labels, samples->labels, count);
    gpu_write(gpu, source->order, t->order, count * sizeof *t->order);
}

static void
source_fini(struct source *source)
{
    gpu_release(&source->images);
    gpu_release(&source->labels);
    gpu_release(&source->order);
}

static uint32_t
larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static int
trainer_load(void *data, struct failure *why)
{
    struct trainer *const t = data;
    uint32_t count;
    int r;

    r = dataset_load(&t->data, t->options->model->data, t->options->data_dir,
                     t->options->training.seed, why);
    if (r < 0)
        return r;
    if (t->options->batch > t->data.train.count)
        return failure_set(why, -EINVAL, "a batch of %u, but only %u training images",
                           t->options->batch, t->data.train.count);

    count = larger(t->data.train.count, t->data.test.count);
    t->order = malloc(count * sizeof *t->order);
    if (!t->order)
        return failure_set(why, -ENOMEM, "out of memory");
    for (uint32_t i = 0; i < count; i++)
        t->order[i] = i;
    return 0;
}

static uint32_t
trainer_open(void *data, struct gpu *gpu)
{
    struct trainer *const t = data;

    t->gpu = gpu;
    model_init(&t->model, gpu, t->options->model, (int)t->options->batch);
    source_init(&t->train, t, &t->data.train);
    source_init(&t->test, t, &t->data.test);
    t->hits = gpu_alloc(gpu, larger(t->test.count, t->options->batch));
    return model_parameters(&t->model);
}

static void
trainer_reset(void *data, uint64_t seed)
{
    struct trainer *const t = data;

    model_reset(&t->model, seed);
    t->shuffle.state = seed ^ 0x6f72646572; /* not the weights' stream */
}

static void
trainer_step(void *data, uint32_t number)
{
    struct trainer *const t = data;
    const uint32_t batch = t->options->batch, per_epoch = t->train.count / batch;
    const uint32_t place = number % per_epoch;

    if (!place) {
        rng_permute(&t->shuffle, t->order, t->train.count);
        gpu_write(t->gpu, t->train.order, t->order, t->train.count * sizeof *t->order);
    }
    model_train(&t->model, &t->train, place * batch, t->hits);
}

static double
trainer_loss(void *data)
{
    return model_loss(&((struct trainer *)data)->model);
}

static double
trainer_evaluate(void *data, struct progress *progress)
{
    struct trainer *const t = data;
    const uint32_t batch = t->options->batch, count = t->test.count;
    uint8_t *hits = calloc(count, 1);
    uint32_t sum = 0;

    if (!hits) {
        failure_set(&t->gpu->failure, -ENOMEM, "out of memory");
        return 0.0;
    }
    for (uint32_t at = 0; at < count && !stop; at += batch) {
        const uint32_t images = count - at < batch ? count - at : batch;

        model_test(&t->model, &t->test, at, (int)images, t->hits);
        if (at / batch % EVAL_BATCHES_IN_FLIGHT == 0)
            gpu_finish(t->gpu);
        progress_update(progress, at, count, "");
    }
    gpu_read(t->gpu, t->hits, hits, count);
    for (uint32_t i = 0; i < count; i++)
        sum += hits[i];
    free(hits);
    return (double)sum / count;
}

static void
trainer_fini(void *data)
{
    struct trainer *const t = data;

    model_fini(&t->model);
    source_fini(&t->train);
    source_fini(&t->test);
    gpu_release(&t->hits);
    dataset_fini(&t->data);
    free(t->order);
}

static const struct training_ops trainer_ops = {
    .program = &train_program,
    .words = {"images", "accuracy", "the test images", 4},
    .loading = "loading images",
    .load = trainer_load,
    .open = trainer_open,
    .reset = trainer_reset,
    .step = trainer_step,
    .loss = trainer_loss,
    .evaluate = trainer_evaluate,
    .fini = trainer_fini,
};

int
train_run(const struct options *options, struct failure *why)
{
    struct trainer trainer = {.options = options};
    const struct training_job job = {
        .ops = &trainer_ops,
        .data = &trainer,
        .options = &options->training,
        .model = options->model->name,
        .source = dataset_name(options->model->data, options->data_dir),
        .batch = options->batch,
        .units = options->batch};

    return training_run(&job, why);
}
