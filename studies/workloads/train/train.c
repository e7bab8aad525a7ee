/* SPDX-License-Identifier: MIT */
/*
 * All data goes to each device once; each epoch draws a new order, and a step takes the
 * next `batch` entries of it for each device.
 */
#include "train/train.h"

#include <errno.h>
#include <stdlib.h>

#include "common/stop.h"
#include "common/training.h"
#include "train/average.h"
#include "train/dataset.h"
#include "train/kernels.h"
#include "train/model.h"

enum { EVAL_BATCHES_IN_FLIGHT = 8 }; /* a sign of life for the terminal now and then */

/* What each device has: all data, and the model, which is the same everywhere. */
struct replica {
    struct gpu *gpu; /* borrowed */
    struct model model;
    struct source train, test;
    cl_mem hits; /* a byte for each test image, and at least for a batch */
};

struct trainer {
    const struct options *options;
    struct dataset data;
    struct replica *replicas;
    unsigned replica_count;
    float *
        gradients; /* of each replica, one after the other; NULL when there is only one */
    uint32_t *order;
    struct rng shuffle;
};

static void
source_init(struct source *source, const struct trainer *t, struct gpu *gpu,
            const struct samples *samples)
{
    const struct shape image = t->options->model->data->image;
    const size_t count = samples->count, image_bytes = (size_t)shape_size(image);

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
trainer_load(void *data, unsigned gpus, struct failure *why)
{
    struct trainer *const t = data;
    const uint32_t images = t->options->batch * gpus;
    uint32_t count;
    int r;

    r = dataset_load(&t->data, t->options->model->data, t->options->data_dir,
                     t->options->training.run.seed, why);
    if (r < 0)
        return r;
    if (images > t->data.train.count)
        return failure_set(why, -EINVAL, "a batch of %u, but only %u training images",
                           images, t->data.train.count);

    count = larger(t->data.train.count, t->data.test.count);
    t->order = malloc(count * sizeof *t->order);
    t->replicas = calloc(gpus, sizeof *t->replicas);
    if (!t->order || !t->replicas)
        return failure_set(why, -ENOMEM, "out of memory");
    for (uint32_t i = 0; i < count; i++)
        t->order[i] = i;
    return 0;
}

/* When the second device is there: the mean needs room. */
static void
make_room(struct trainer *t, unsigned count)
{
    const size_t parameters = model_parameters(&t->replicas[0].model);
    float *const room = realloc(t->gradients, count * parameters * sizeof *room);

    if (!room)
        failure_set(&t->replicas[count - 1].gpu->failure, -ENOMEM, "out of memory");
    else
        t->gradients = room;
}

static uint32_t
trainer_open(void *data, struct gpu *gpu)
{
    struct trainer *const t = data;
    struct replica *const r = &t->replicas[t->replica_count];

    r->gpu = gpu;
    model_init(&r->model, gpu, t->options->model, (int)t->options->batch);
    r->model.replica = t->replica_count++;
    source_init(&r->train, t, gpu, &t->data.train);
    source_init(&r->test, t, gpu, &t->data.test);
    r->hits = gpu_alloc(gpu, larger(r->test.count, t->options->batch));
    if (t->replica_count > 1)
        make_room(t, t->replica_count);
    return model_parameters(&r->model);
}

static void
trainer_reset(void *data, uint64_t seed)
{
    struct trainer *const t = data;

    for (unsigned i = 0; i < t->replica_count; i++)
        model_reset(&t->replicas[i].model, seed);
    t->shuffle.state = seed ^ 0x6f72646572; /* not the weights' stream */
}

static void
shuffle(struct trainer *t)
{
    const uint32_t count = t->data.train.count;

    rng_permute(&t->shuffle, t->order, count);
    for (unsigned i = 0; i < t->replica_count; i++) {
        struct replica *const r = &t->replicas[i];

        gpu_write(r->gpu, r->train.order, t->order, count * sizeof *t->order);
    }
}

static void
trainer_step(void *data, uint32_t number)
{
    struct trainer *const t = data;
    const uint32_t batch = t->options->batch, images = batch * t->replica_count;
    const uint32_t place = number % (t->data.train.count / images);
    struct model *models[TRAINING_GPUS_MAX];

    if (!place)
        shuffle(t);
    for (unsigned i = 0; i < t->replica_count; i++) {
        struct replica *const r = &t->replicas[i];

        models[i] = &r->model;
        model_gradients(&r->model, &r->train, place * images + i * batch, r->hits);
    }
    if (t->replica_count > 1)
        average_gradients(models, t->replica_count, t->gradients);
    for (unsigned i = 0; i < t->replica_count; i++)
        model_update(models[i]);
}

static double
trainer_loss(void *data)
{
    struct trainer *const t = data;
    double sum = 0.0;

    for (unsigned i = 0; i < t->replica_count; i++)
        sum += model_loss(&t->replicas[i].model);
    return sum / t->replica_count;
}

/* On the first device. */
static double
trainer_evaluate(void *data, struct progress *progress)
{
    struct trainer *const t = data;
    struct replica *const r = &t->replicas[0];
    const uint32_t batch = t->options->batch, count = r->test.count;
    uint8_t *hits = calloc(count, 1);
    uint32_t sum = 0;

    if (!hits) {
        failure_set(&r->gpu->failure, -ENOMEM, "out of memory");
        return 0.0;
    }
    for (uint32_t at = 0; at < count && !stop; at += batch) {
        const uint32_t images = count - at < batch ? count - at : batch;

        model_test(&r->model, &r->test, at, (int)images, r->hits);
        if (at / batch % EVAL_BATCHES_IN_FLIGHT == 0)
            gpu_finish(r->gpu);
        progress_update(progress, at, count, "");
    }
    gpu_read(r->gpu, r->hits, hits, count);
    for (uint32_t i = 0; i < count; i++)
        sum += hits[i];
    free(hits);
    return (double)sum / count;
}

static void
trainer_fini(void *data)
{
    struct trainer *const t = data;

    for (unsigned i = 0; i < t->replica_count; i++) {
        struct replica *const r = &t->replicas[i];

        model_fini(&r->model);
        source_fini(&r->train);
        source_fini(&r->test);
        gpu_release(&r->hits);
    }
    dataset_fini(&t->data);
    free(t->gradients);
    free(t->order);
    free(t->replicas);
}

static const struct training_ops trainer_ops = {
    .program = &train_program,
    .words = {"images", "accuracy", "the test images", 4},
    .loading = "loading images",
    .gpus_max = TRAINING_GPUS_MAX,
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
