/* SPDX-License-Identifier: MIT */
/*
 * The text goes to the device once: the last 5 % of its words for the evaluation, the
 * others to train with, cut into as many texts as a batch has. A step takes the next words
 * of each; at their end it starts anew, with nothing read.
 */
#include "language/language.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "common/stop.h"
#include "common/training.h"
#include "language/kernels.h"
#include "language/model.h"
#include "language/text.h"

enum { HELD_OUT = 20 }; /* one word in so many, at the end */

struct trainer {
    const struct options *options;
    const struct model_spec *spec;
    struct text text;
    struct gpu *gpu; /* borrowed */
    struct model model;
    struct texts train, test;
};

static uint32_t
held_out(const struct trainer *t)
{
    return t->text.count / HELD_OUT;
}

static int
check_length(const struct trainer *t, struct failure *why)
{
    const uint32_t batch = (uint32_t)t->spec->batch, unroll = (uint32_t)t->spec->unroll;

    if (held_out(t) > batch && t->text.count - held_out(t) > batch * unroll)
        return 0;
    return failure_set(why, -ENODATA,
                       "%s: %u words are too few: a step takes %u x %u of them, and one "
                       "in %d is kept for the evaluation",
                       t->options->text, t->text.count, batch, unroll, HELD_OUT);
}

static int
language_load(void *data, unsigned gpus, struct failure *why)
{
    struct trainer *const t = data;
    int r;

    (void)gpus;
    if (t->options->text == options_default_text && access(t->options->text, F_OK))
        return failure_set(why, -ENOENT,
                           "%s is not there: install the package jargon-text, or give "
                           "another text with --text",
                           t->options->text);
    r = text_load(t->options->text, (uint32_t)t->spec->vocabulary, &t->text, why);
    return r < 0 ? r : check_length(t, why);
}

static uint32_t
language_open(void *data, struct gpu *gpu)
{
    struct trainer *const t = data;
    const uint32_t count = t->text.count - held_out(t);

    t->gpu = gpu;
    model_init(&t->model, gpu, t->spec, t->text.vocabulary);
    texts_init(&t->train, gpu, t->text.words, count, t->spec->batch);
    texts_init(&t->test, gpu, t->text.words + count, held_out(t), t->spec->batch);
    return model_parameters(t->spec, t->text.vocabulary);
}

static void
language_reset(void *data, uint64_t seed)
{
    model_reset(&((struct trainer *)data)->model, seed);
}

static void
language_step(void *data, uint32_t number)
{
    struct trainer *const t = data;
    const uint32_t unroll = (uint32_t)t->spec->unroll;
    const uint32_t place = number % (t->train.length / unroll);

    if (!place)
        model_clear(&t->model);
    model_train(&t->model, &t->train, place * unroll);
}

static double
language_loss(void *data)
{
    return model_loss(&((struct trainer *)data)->model);
}

static double
language_evaluate(void *data, struct progress *progress)
{
    struct trainer *const t = data;
    const uint32_t length = t->test.length, unroll = (uint32_t)t->spec->unroll;
    double sum = 0.0;

    model_clear(&t->model);
    for (uint32_t at = 0; at < length && !stop && !gpu_failed(t->gpu); at += unroll) {
        const uint32_t steps = length - at < unroll ? length - at : unroll;

        model_test(&t->model, &t->test, at, (int)steps);
        sum += model_loss(&t->model) * steps;
        progress_update(progress, at, length, "");
    }
    return exp(sum / length);
}

static void
language_fini(void *data)
{
    struct trainer *const t = data;

    model_fini(&t->model);
    texts_fini(&t->train);
    texts_fini(&t->test);
    text_fini(&t->text);
}

static const struct training_ops language_ops = {
    .program = &language_program,
    .words = {"words", "perplexity", "the held-out words", 2},
    .loading = "reading the text",
    .gpus_max = 1,
    .load = language_load,
    .open = language_open,
    .reset = language_reset,
    .step = language_step,
    .loss = language_loss,
    .evaluate = language_evaluate,
    .fini = language_fini,
};

int
language_run(const struct options *options, struct failure *why)
{
    const struct model_spec *const spec = options->model;
    struct trainer trainer = {.options = options, .spec = spec};
    const struct training_job job = {.ops = &language_ops,
                                     .data = &trainer,
                                     .options = &options->training,
                                     .model = spec->name,
                                     .batch = (uint32_t)spec->batch,
                                     .units = (uint32_t)(spec->batch * spec->unroll)};

    return training_run(&job, why);
}
