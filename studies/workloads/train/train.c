/* SPDX-License-Identifier: MIT */
/*
 * All data goes to the device once; each epoch draws a new order, and a step takes the
 * next `batch` entries of it. A step's time runs from before its first command to the
 * end of clFinish.
 *
 *   compile + warm-up | reset | [barrier] | step, step, ... | test images | result
 */
#include "train/train.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/barrier.h"
#include "common/gpu.h"
#include "common/stop.h"
#include "common/terminal.h"
#include "common/times.h"
#include "train/dataset.h"
#include "train/kernels.h"
#include "train/model.h"
#include "train/report.h"

enum {
    WARM_UP_STEPS = 3,
    EVAL_BATCHES_IN_FLIGHT = 8, /* a sign of life for the terminal now and then */
};

struct trainer {
    const struct options *options;
    struct dataset data;
    struct gpu gpu;
    struct model model;
    struct source train, test;
    cl_mem hits; /* a byte for each test image, and at least for a batch */
    uint32_t *order;
    struct rng shuffle;
    struct times step_s; /* of each measured step */
    double train_began;
    FILE *rate_file;
    double rate_since;
    uint32_t rate_steps;
    struct progress progress;
    struct report report;
    struct result result;
};

static void
source_init(struct source *source, struct gpu *gpu, const struct samples *samples,
            const uint32_t *order)
{
    const size_t count = samples->count;

    source->count = samples->count;
    source->images = gpu_alloc(gpu, count * IMAGE_PIXELS);
    source->labels = gpu_alloc(gpu, count);
    source->order = gpu_alloc(gpu, count * sizeof *order);
    gpu_write(gpu, source->images, samples->images, count * IMAGE_PIXELS);
    gpu_write(gpu, source->labels, samples->labels, count);
    gpu_write(gpu, source->order, order, count * sizeof *order);
}

static void
source_fini(struct source *source)
{
    gpu_release(&source->images);
    gpu_release(&source->labels);
    gpu_release(&source->order);
}

static uint32_t
steps_done(const struct trainer *t)
{
    return (uint32_t)t->step_s.count;
}

static uint32_t
larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static int
load_data(struct trainer *t, struct failure *why)
{
    uint32_t count;
    int r;

    progress_phase(&t->progress, "loading images");
    r = dataset_load(&t->data, t->options->data_dir, why);
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

static void
open_device(struct trainer *t, const struct gpu_entry *entry)
{
    const int batch = (int)t->options->batch;

    progress_phase(&t->progress, "compiling kernels");
    gpu_init(&t->gpu, entry, &train_program);
    model_init(&t->model, &t->gpu, t->options->model, batch);
    source_init(&t->train, &t->gpu, &t->data.train, t->order);
    source_init(&t->test, &t->gpu, &t->data.test, t->order);
    t->hits = gpu_alloc(&t->gpu, larger(t->test.count, t->options->batch));
    gpu_finish(&t->gpu);
}

static void
on_compiled(void *data, unsigned done, unsigned count)
{
    struct trainer *const t = data;
    char note[32];

    snprintf(note, sizeof note, "%u of %u", done, count);
    progress_update(&t->progress, done, count, note);
}

/* Makes every kernel ready, with steps that the reset afterwards forgets. */
static void
warm_up(struct trainer *t)
{
    t->gpu.on_compiled = on_compiled;
    t->gpu.on_compiled_data = t;
    model_reset(&t->model, t->options->seed);
    for (int i = 0; i < WARM_UP_STEPS && !stop; i++) {
        model_train(&t->model, &t->train, 0, t->hits);
        gpu_finish(&t->gpu);
        t->gpu.on_compiled = NULL;
    }
    model_reset(&t->model, t->options->seed);
}

static void
rate_write(struct trainer *t, double now)
{
    const double passed = now - t->rate_since;
    const uint32_t steps = steps_done(t) - t->rate_steps;

    if (!t->rate_file || passed < 1.0)
        return;
    fprintf(t->rate_file, "%.3f %u %.1f\n", now - t->train_began, steps,
            steps * t->options->batch / passed);
    fflush(t->rate_file);
    t->rate_since = now;
    t->rate_steps = steps_done(t);
}

/* Returns the seconds that the step took. */
static double
one_step(struct trainer *t)
{
    const double began = clock_seconds();
    const uint32_t batch = t->options->batch, per_epoch = t->train.count / batch;
    const uint32_t place = steps_done(t) % per_epoch;

    if (!place) {
        rng_permute(&t->shuffle, t->order, t->train.count);
        gpu_write(&t->gpu, t->train.order, t->order, t->train.count * sizeof *t->order);
    }
    model_train(&t->model, &t->train, place * batch, t->hits);
    gpu_finish(&t->gpu);
    return clock_seconds() - began;
}

static void
report_if_due(struct trainer *t)
{
    const uint32_t every = t->options->report_every;
    double sum = 0.0;

    if (!every || t->options->quiet || steps_done(t) % every)
        return;
    for (uint32_t i = steps_done(t) - every; i < steps_done(t); i++)
        sum += t->step_s.seconds[i] / every;
    t->result.loss = model_loss(&t->model);
    if (gpu_failed(&t->gpu))
        return;
    progress_clear(&t->progress);
    report_step(&t->report, steps_done(t), t->result.loss, sum, t->options->batch);
}

/* How much of the training is done, in steps or seconds. */
static double
train_done(const struct trainer *t, double *ret_total)
{
    *ret_total = t->options->steps ? t->options->steps : t->options->duration_s;
    return t->options->steps ? steps_done(t) : clock_seconds() - t->train_began;
}

static void
train(struct trainer *t)
{
    double done = 0.0, total = 1.0;
    char note[64];

    progress_phase(&t->progress, "training");
    t->shuffle.state = t->options->seed ^ 0x6f72646572; /* not the weights' stream */
    t->train_began = t->rate_since = clock_seconds();
    while (done < total && !stop) {
        const double seconds = one_step(t);

        if (gpu_failed(&t->gpu) || times_add(&t->step_s, seconds, &t->gpu.failure) < 0)
            break;
        rate_write(t, clock_seconds());
        report_if_due(t);
        done = train_done(t, &total);
        snprintf(note, sizeof note, "step %u, %.1f ms", steps_done(t), seconds * 1e3);
        progress_update(&t->progress, done, total, note);
    }
    t->result.train_s = clock_seconds() - t->train_began;
    if (steps_done(t))
        t->result.loss = model_loss(&t->model);
}

static void
evaluate(struct trainer *t)
{
    const uint32_t batch = t->options->batch, count = t->test.count;
    const double began = clock_seconds();
    uint8_t *hits = calloc(count, 1);
    uint32_t sum = 0;

    if (!hits) {
        failure_set(&t->gpu.failure, -ENOMEM, "out of memory");
        return;
    }
    progress_phase(&t->progress, "evaluating");
    for (uint32_t at = 0; at < count && !stop; at += batch) {
        const uint32_t images = count - at < batch ? count - at : batch;

        model_test(&t->model, &t->test, at, (int)images, t->hits);
        if (at / batch % EVAL_BATCHES_IN_FLIGHT == 0)
            gpu_finish(&t->gpu);
        progress_update(&t->progress, at, count, "");
    }
    gpu_read(&t->gpu, t->hits, hits, count);
    for (uint32_t i = 0; i < count; i++)
        sum += hits[i];
    free(hits);
    t->result.accuracy = (double)sum / count;
    t->result.eval_s = clock_seconds() - began;
}

static void
fill_result(struct trainer *t, const struct gpu_entry *entry)
{
    t->result.model = t->options->model->name;
    t->result.device = entry->device_name;
    t->result.platform = entry->platform_name;
    t->result.steps = steps_done(t);
    t->result.batch = t->options->batch;
    t->result.parameters = model_parameters(&t->model);
    t->result.seed = t->options->seed;
    t->result.device_bytes = t->gpu.allocated_bytes;
    t->result.step_s = stats_of(t->step_s.seconds, t->step_s.count);
}

/* What failed on the device, or that the user ended it. */
static int
check_device(const struct trainer *t, struct failure *why)
{
    if (gpu_failed(&t->gpu))
        return failure_set(why, -EIO, "%s", t->gpu.failure.text);
    return stop ? -EINTR : 0;
}

static int
run_phases(struct trainer *t, const struct gpu_entry *entry, struct failure *why)
{
    const double began = clock_seconds();
    int r;

    open_device(t, entry);
    warm_up(t);
    t->result.compile_s = clock_seconds() - began;
    r = check_device(t, why);
    if (r < 0)
        return r;

    if (t->options->wait_for) {
        progress_phase(&t->progress, "waiting for the start");
        r = barrier_wait(t->options->wait_for, &stop, why);
        if (r < 0)
            return r;
    }

    train(t);
    if (!t->options->no_eval && !gpu_failed(&t->gpu) && !stop)
        evaluate(t);
    r = check_device(t, why);
    if (r < 0)
        return r;
    progress_clear(&t->progress);
    fill_result(t, entry);
    report_result(&t->report, &t->result);
    return 0;
}

static void
trainer_fini(struct trainer *t)
{
    progress_clear(&t->progress);
    model_fini(&t->model);
    source_fini(&t->train);
    source_fini(&t->test);
    gpu_release(&t->hits);
    gpu_fini(&t->gpu);
    dataset_fini(&t->data);
    free(t->order);
    times_fini(&t->step_s);
    if (t->rate_file)
        fclose(t->rate_file);
}

int
train_run(const struct options *options, struct failure *why)
{
    struct trainer t = {.options = options, .result.accuracy = -1.0};
    struct gpu_entry entry;
    int r;

    r = gpu_find(&entry, options->device, why);
    if (r < 0)
        return r;
    if (options->rate_file && !(t.rate_file = fopen(options->rate_file, "we")))
        return failure_set(why, -errno, "%s: %s", options->rate_file, strerror(errno));

    progress_init(&t.progress, options->quiet);
    report_init(&t.report, options->json, options->quiet);
    stop_on_signals();
    r = load_data(&t, why);
    if (r >= 0)
        r = run_phases(&t, &entry, why);
    trainer_fini(&t);
    return r;
}
