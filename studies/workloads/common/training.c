/* SPDX-License-Identifier: MIT */
#include "common/training.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/barrier.h"
#include "common/json.h"
#include "common/stop.h"
#include "common/times.h"

enum { WARM_UP_STEPS = 3, STEPS_OF_A_TURN_MAX = 1000000, LOOK_MS = 100 };

struct training {
    const struct training_job *job;
    const struct training_ops *ops;
    const struct training_options *options;
    struct gpu_entry entries[TRAINING_GPUS_MAX];
    struct gpu gpus[TRAINING_GPUS_MAX];
    unsigned gpu_count;
    struct times step_s; /* of each measured step */
    double train_began;
    FILE *rate_file;
    double rate_since;
    uint32_t rate_steps;
    uint32_t turn_steps, turn_left; /* with --turns: of the present one, and left of it */
    struct progress progress;
    struct report report;
    struct result result;
};

static uint32_t
steps_done(const struct training *t)
{
    return (uint32_t)t->step_s.count;
}

/* The first one that failed; NULL: none. */
static const struct gpu *
failed_gpu(const struct training *t)
{
    for (unsigned i = 0; i < t->gpu_count; i++)
        if (gpu_failed(&t->gpus[i]))
            return &t->gpus[i];
    return NULL;
}

static void
finish(struct training *t)
{
    for (unsigned i = 0; i < t->gpu_count; i++)
        gpu_flush(&t->gpus[i]);
    for (unsigned i = 0; i < t->gpu_count; i++)
        gpu_finish(&t->gpus[i]);
}

static void
open_devices(struct training *t)
{
    progress_phase(&t->progress, "compiling kernels");
    for (unsigned i = 0; i < t->gpu_count; i++) {
        gpu_init(&t->gpus[i], &t->entries[i], t->ops->program);
        t->result.parameters = t->ops->open(t->job->data, &t->gpus[i]);
    }
    finish(t);
}

static void
on_compiled(void *data, unsigned done, unsigned count)
{
    struct training *const t = data;
    char note[32];

    snprintf(note, sizeof note, "%u of %u", done, count);
    progress_update(&t->progress, done, count, note);
}

/* Makes every kernel ready, with steps that the reset afterwards forgets. */
static void
warm_up(struct training *t)
{
    struct gpu *const first = &t->gpus[0]; /* the others compile the same */

    first->on_compiled = on_compiled;
    first->on_compiled_data = t;
    t->ops->reset(t->job->data, t->options->run.seed);
    for (uint32_t i = 0; i < WARM_UP_STEPS && !stop; i++) {
        t->ops->step(t->job->data, i);
        finish(t);
        first->on_compiled = NULL;
    }
    t->ops->reset(t->job->data, t->options->run.seed);
}

static void
rate_write(struct training *t, double now)
{
    const double passed = now - t->rate_since;
    const uint32_t steps = steps_done(t) - t->rate_steps;

    if (!t->rate_file || passed < 1.0)
        return;
    fprintf(t->rate_file, "%.3f %u %.1f\n", now - t->train_began, steps,
            steps * t->result.units / passed);
    fflush(t->rate_file);
    t->rate_since = now;
    t->rate_steps = steps_done(t);
}

/* Returns the seconds that the step took. */
static double
one_step(struct training *t)
{
    const double began = clock_seconds();

    t->ops->step(t->job->data, steps_done(t));
    finish(t);
    return clock_seconds() - began;
}

static void
report_if_due(struct training *t)
{
    const uint32_t every = t->options->run.report_every;
    double sum = 0.0;

    if (!every || t->options->run.quiet || steps_done(t) % every)
        return;
    for (uint32_t i = steps_done(t) - every; i < steps_done(t); i++)
        sum += t->step_s.seconds[i] / every;
    t->result.loss = t->ops->loss(t->job->data);
    if (failed_gpu(t))
        return;
    progress_clear(&t->progress);
    report_step(&t->report, steps_done(t), t->result.loss, sum, t->result.units);
}

/*
 * A byte of standard input; EOF: there will be none, or a signal came. A read goes on after a
 * signal, so it begins only when there is something to read.
 */
static int
next_byte(void)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    unsigned char c;

    while (!stop) {
        if (poll(&in, 1, LOOK_MS) > 0)
            return read(STDIN_FILENO, &c, 1) == 1 ? c : EOF;
    }
    return EOF;
}

/* Waits for a line: how many steps it asks for, one if it is empty. 0: no more. */
static uint32_t
turn_comes(void)
{
    uint32_t steps = 0;
    int c;

    while ((c = next_byte()) != EOF && c != '\n')
        if (c >= '0' && c <= '9' && steps < STEPS_OF_A_TURN_MAX)
            steps = steps * 10 + (uint32_t)(c - '0');
    return c == EOF ? 0 : steps ? steps : 1;
}

static void
turn_over(const struct training *t)
{
    const size_t count = t->step_s.count;
    double seconds = 0.0;

    for (size_t i = count - t->turn_steps; i < count; i++)
        seconds += t->step_s.seconds[i];
    printf("{\"event\":\"turn\",\"step\":%u,\"steps\":%u", steps_done(t), t->turn_steps);
    json_number("seconds", seconds);
    fputs(",\"step_s\":[", stdout);
    for (size_t i = count - t->turn_steps; i < count; i++)
        printf("%s%.9g", i + t->turn_steps > count ? "," : "", t->step_s.seconds[i]);
    puts("]}");
    fflush(stdout);
}

/* With --turns: waits, if that is due, for the next one. False: there is none. */
static bool
turn_begins(struct training *t)
{
    if (!t->options->turns || t->turn_left)
        return true;
    t->turn_steps = t->turn_left = turn_comes();
    return t->turn_left > 0;
}

static void
turn_goes_on(struct training *t)
{
    if (t->options->turns && --t->turn_left == 0)
        turn_over(t);
}

/* How much of the training is done, in steps or seconds. */
static double
train_done(const struct training *t, double *ret_total)
{
    const double limit_s = t->options->run.duration_s;

    if (t->options->steps)
        *ret_total = t->options->steps;
    else
        *ret_total =
            limit_s > 0.0 ? limit_s : INFINITY; /* turns: who gives them ends it */
    return t->options->steps ? steps_done(t) : clock_seconds() - t->train_began;
}

static void
train(struct training *t)
{
    double done = 0.0, total = 1.0;
    char note[64];

    progress_phase(&t->progress, "training");
    t->train_began = t->rate_since = clock_seconds();
    while (done < total && !stop) {
        double seconds;

        if (!turn_begins(t))
            break;
        seconds = one_step(t);
        if (failed_gpu(t) || times_add(&t->step_s, seconds, &t->gpus[0].failure) < 0)
            break;
        rate_write(t, clock_seconds());
        turn_goes_on(t);
        report_if_due(t);
        done = train_done(t, &total);
        snprintf(note, sizeof note, "step %u, %.1f ms", steps_done(t), seconds * 1e3);
        progress_update(&t->progress, done, total, note);
    }
    t->result.train_s = clock_seconds() - t->train_began;
    if (steps_done(t))
        t->result.loss = t->ops->loss(t->job->data);
}

static void
evaluate(struct training *t)
{
    const double began = clock_seconds();

    progress_phase(&t->progress, "evaluating");
    t->result.score = t->ops->evaluate(t->job->data, &t->progress);
    t->result.eval_s = clock_seconds() - began;
}

static void
fill_result(struct training *t)
{
    const struct gpu_entry *const entry = &t->entries[0];

    t->result.model = t->job->model;
    t->result.source = t->job->source;
    t->result.device = entry->device_name;
    t->result.platform = entry->platform_name;
    t->result.steps = steps_done(t);
    t->result.batch = t->job->batch;
    t->result.seed = t->options->run.seed;
    t->result.devices = t->gpu_count;
    for (unsigned i = 0; i < t->gpu_count; i++)
        t->result.device_bytes += t->gpus[i].allocated_bytes;
    t->result.step_s = stats_of(t->step_s.seconds, t->step_s.count);
}

/* What failed on the device, or that the user ended it. */
static int
check_device(const struct training *t, struct failure *why)
{
    const struct gpu *const failed = failed_gpu(t);

    if (failed)
        return failure_set(why, -EIO, "%s", failed->failure.text);
    return stop ? -EINTR : 0;
}

static int
run_phases(struct training *t, struct failure *why)
{
    const double began = clock_seconds();
    int r;

    open_devices(t);
    warm_up(t);
    t->result.compile_s = clock_seconds() - began;
    r = check_device(t, why);
    if (r < 0)
        return r;

    if (t->options->run.wait_for) {
        progress_phase(&t->progress, "waiting for the start");
        r = barrier_wait(t->options->run.wait_for, &stop, why);
        if (r < 0)
            return r;
    }

    train(t);
    if (!t->options->no_eval && !failed_gpu(t) && !stop)
        evaluate(t);
    r = check_device(t, why);
    if (r < 0)
        return r;
    progress_clear(&t->progress);
    fill_result(t);
    report_result(&t->report, &t->result);
    return 0;
}

static int
load(struct training *t, struct failure *why)
{
    const char *const file = t->options->run.rate_file;

    if (file && !(t->rate_file = fopen(file, "we")))
        return failure_set(why, -errno, "%s: %s", file, strerror(errno));
    progress_phase(&t->progress, t->ops->loading);
    return t->ops->load(t->job->data, t->gpu_count, why);
}

static int
run(struct training *t, struct failure *why)
{
    const struct training_job *const job = t->job;
    int r;

    r = gpu_find_all(t->entries, (int)job->ops->gpus_max, job->options->run.device, why);
    if (r < 0)
        return r;
    t->gpu_count = (unsigned)r;
    t->result.units = job->units * t->gpu_count;

    progress_init(&t->progress, job->options->run.quiet);
    report_init(&t->report, &job->ops->words, job->options->run.json,
                job->options->run.quiet);
    stop_on_signals();
    r = load(t, why);
    if (r >= 0)
        r = run_phases(t, why);

    progress_clear(&t->progress);
    job->ops->fini(job->data);
    for (unsigned i = 0; i < t->gpu_count; i++)
        gpu_fini(&t->gpus[i]);
    times_fini(&t->step_s);
    if (t->rate_file)
        fclose(t->rate_file);
    return r;
}

int
training_run(const struct training_job *job, struct failure *why)
{
    struct training *const t = calloc(1, sizeof *t); /* too large for the stack */
    int r;

    if (!t)
        return failure_set(why, -ENOMEM, "out of memory");
    t->job = job;
    t->ops = job->ops;
    t->options = job->options;
    t->result.score = -1.0;
    r = run(t, why);
    free(t);
    return r;
}
