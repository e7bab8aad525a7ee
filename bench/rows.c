/* SPDX-License-Identifier: MIT */
#include "rows.h"

#include "stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define GROWS_TOLERANCE 0.95 /* rates of few threads on a busy machine are not sharper */

#define KIB 1024.0
#define MIB (1024.0 * KIB)
#define GIB (1024.0 * MIB)

/* A copy that waits for no work should not cross to the worker at all. */
#define SMALL(id, words, size)                                                           \
    {                                                                                    \
        .name = (id), .what = (words), .benchmark = (id), .series = "time",              \
        .unit = ROW_TIME, .bytes = (size), .target = TARGET_AT_MOST, .aim = 0.5,         \
        .aim_discrete = 0.5                                                              \
    }
#define BULK(id, words, size, only)                                                      \
    {                                                                                    \
        .name = (id), .what = (words), .benchmark = (id), .series = "time",              \
        .unit = ROW_BANDWIDTH, .bytes = (size), .target = TARGET_AT_LEAST, .aim = 0.98,  \
        .aim_discrete = 0.9, .only_long = (only)                                         \
    }
#define TIME(id, words, bench, part, most)                                               \
    {                                                                                    \
        .name = (id), .what = (words), .benchmark = (bench), .series = (part),           \
        .unit = ROW_TIME, .target = TARGET_AT_MOST, .aim = (most),                       \
        .aim_discrete = (most)                                                           \
    }
#define GROWS(id, words, bench, from)                                                    \
    {                                                                                    \
        .name = (id), .what = (words), .benchmark = (bench), .series = "time",           \
        .source = (from), .unit = ROW_RATE, .target = TARGET_GROWS                       \
    }
#define TRAINING(id, words, model, only)                                                 \
    {                                                                                    \
        .name = (id), .what = (words), .benchmark = (model), .source = SOURCE_TRAINING,  \
        .unit = ROW_TIME, .target = TARGET_AT_MOST, .aim = 1.01, .aim_discrete = 1.01,   \
        .only_long = (only)                                                              \
    }

const struct row rows[] = {
    TIME("null-kernel", "null kernel, enqueue + finish", "null-kernel", "time", 1.0),
    TIME("enqueue-call", "set argument + enqueue, in the caller", "enqueue-batch", "call",
         1.0),
    TIME("enqueue-drain", "the same, all 2,000 done", "enqueue-batch", "drain", 1.1),
    SMALL("write-4", "blocking write of 4 B, idle queue", 4),
    SMALL("write-1k", "blocking write of 1 KiB, idle queue", KIB),
    SMALL("write-64k", "blocking write of 64 KiB, idle queue", 64 * KIB),
    SMALL("read-4", "blocking read of 4 B, idle queue", 4),
    SMALL("read-1k", "blocking read of 1 KiB, idle queue", KIB),
    SMALL("read-64k", "blocking read of 64 KiB, idle queue", 64 * KIB),
    BULK("write-1m", "blocking write of 1 MiB", MIB, false),
    BULK("write-64m", "blocking write of 64 MiB", 64 * MIB, false),
    BULK("write-256m", "blocking write of 256 MiB", 256 * MIB, false),
    BULK("write-1g", "blocking write of 1 GiB", GIB, true),
    BULK("read-1m", "blocking read of 1 MiB", MIB, false),
    BULK("read-64m", "blocking read of 64 MiB", 64 * MIB, false),
    BULK("read-256m", "blocking read of 256 MiB", 256 * MIB, false),
    BULK("read-1g", "blocking read of 1 GiB", GIB, true),
    BULK("map-fill-64m", "map + fill + unmap of 64 MiB", 64 * MIB, false),
    TIME("build-cold", "clBuildProgram, new source", "build-cold", "time", 1.05),
    TIME("build-warm", "clBuildProgram, in the driver's cache", "build-warm", "time",
         1.05),
    TIME("buffers", "buffer, create + release, in the caller", "buffers", "call", 1.0),
    TIME("buffers-done", "the same, all 1,000 gone", "buffers", "done", 1.0),
    TIME("kernels", "kernel, create + release, in the caller", "kernels", "call", 1.0),
    TIME("kernels-done", "the same, all 1,000 gone", "kernels", "done", 1.0),
    TIME("events", "user event, create + release, in the caller", "events", "call", 1.0),
    TIME("events-done", "the same, all 1,000 gone", "events", "done", 1.0),
    {.name = "threads-1",
     .what = "null kernels, 1 thread",
     .benchmark = "threads-1",
     .series = "time",
     .unit = ROW_RATE,
     .target = TARGET_AT_LEAST,
     .aim = 1.0,
     .aim_discrete = 1.0},
    GROWS("threads-4", "null kernels, 4 threads", "threads-4", SOURCE_CALLS),
    GROWS("threads-16", "null kernels, 16 threads", "threads-16", SOURCE_CALLS),
    GROWS("guests-4", "null kernels, 4 guests at once", "threads-1", SOURCE_GUESTS),
    TRAINING("train-small", "CNN training, a step of small", "small", false),
    TRAINING("train-mnist-deep", "CNN training, a step of mnist-deep", "mnist-deep",
             true),
    {.name = "idle-24",
     .what = "24 idle vGPUs, CPU of workers and manager",
     .source = SOURCE_IDLE,
     .unit = ROW_SHARE,
     .target = TARGET_BELOW,
     .aim = 1.0,
     .aim_discrete = 1.0},
    {.name = "start-200",
     .what = "create + null kernel, 200 vGPUs, 8 at a time",
     .source = SOURCE_START,
     .unit = ROW_TIME,
     .target = TARGET_ADDS,
     .aim = 1e8,
     .aim_discrete = 1e8},
    {0},
};

void
result_add(struct result *r, struct figure native, struct figure vgpu)
{
    if (r->rounds >= ROUNDS_MAX)
        return;
    r->native[r->rounds] = native;
    r->vgpu[r->rounds] = vgpu;
    r->rounds++;
}

double
result_ratio(const struct result *r, unsigned round)
{
    const double native = r->native[round].median, vgpu = r->vgpu[round].median;

    return r->row->unit == ROW_TIME ? vgpu / native : native / vgpu;
}

static double
result_score(const struct result *r, unsigned round)
{
    if (r->row->target == TARGET_BELOW)
        return r->vgpu[round].median;
    if (r->row->target == TARGET_ADDS)
        return r->vgpu[round].median - r->native[round].median;
    return result_ratio(r, round);
}

struct summary
result_summary(const struct result *r)
{
    double native[ROUNDS_MAX], vgpu[ROUNDS_MAX], ratios[ROUNDS_MAX], scores[ROUNDS_MAX];

    for (unsigned i = 0; i < r->rounds; i++) {
        native[i] = r->native[i].median;
        vgpu[i] = r->vgpu[i].median;
        ratios[i] = result_ratio(r, i);
        scores[i] = result_score(r, i);
    }
    return (struct summary){
        .native_ns = stats_median(native, r->rounds),
        .vgpu_ns = stats_median(vgpu, r->rounds),
        .ratio = stats_median(ratios, r->rounds),
        .least = stats_quantile(ratios, r->rounds, 0.0),
        .most = stats_quantile(ratios, r->rounds, 1.0),
        .score = stats_median(scores, r->rounds),
        .score_least = stats_quantile(scores, r->rounds, 0.0),
        .score_most = stats_quantile(scores, r->rounds, 1.0),
    };
}

static double
row_aim(const struct row *row, bool discrete)
{
    return discrete ? row->aim_discrete : row->aim;
}

bool
row_is_ratio(const struct row *row)
{
    return row->target != TARGET_BELOW && row->target != TARGET_ADDS;
}

bool
row_has_native(const struct row *row)
{
    return row->unit != ROW_SHARE;
}

void
row_target_words(const struct row *row, bool discrete, char *buf, size_t cap)
{
    if (row->target == TARGET_GROWS)
        snprintf(buf, cap, "grows");
    else if (row->target == TARGET_BELOW)
        snprintf(buf, cap, "< %.4g %%", row_aim(row, discrete));
    else if (row->target == TARGET_ADDS)
        snprintf(buf, cap, "< +%.4g ms", row_aim(row, discrete) / 1e6);
    else
        snprintf(buf, cap, "%s %.4g",
                 row->target == TARGET_AT_MOST ? "<=" : ">=", row_aim(row, discrete));
}

bool
row_met(const struct row *row, bool discrete, double score, double single)
{
    const double aim = row_aim(row, discrete);

    if (isnan(score))
        return false;
    switch (row->target) {
    case TARGET_AT_MOST:
        return score <= aim;
    case TARGET_AT_LEAST:
        return score >= aim;
    case TARGET_GROWS:
        return score >= GROWS_TOLERANCE * (single < 1.0 ? single : 1.0);
    case TARGET_BELOW:
    case TARGET_ADDS:
        return score < aim;
    }
    return false;
}

void
row_score_words(const struct row *row, double score, char *buf, size_t cap)
{
    if (isnan(score) || row->target == TARGET_BELOW)
        snprintf(buf, cap, "-");
    else if (row->target == TARGET_ADDS)
        snprintf(buf, cap, "%+.3g ms", score / 1e6);
    else
        snprintf(buf, cap, "%.3f", score);
}

/* With three digits and the unit that keeps the number between 1 and 1000. */
static void
scaled_words(double v, const char *const units[4], char *buf, size_t cap)
{
    int i = 0;

    while (i < 3 && fabs(v) >= 999.5) {
        v /= 1000.0;
        i++;
    }
    snprintf(buf, cap, "%.*f %s", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v, units[i]);
}

void
row_value_words(const struct row *row, double ns, char *buf, size_t cap)
{
    static const char *const times[] = {"ns", "us", "ms", "s"};
    static const char *const rates[] = {"/s", "k/s", "M/s", "G/s"};

    if (isnan(ns))
        snprintf(buf, cap, "-");
    else if (row->unit == ROW_TIME)
        scaled_words(ns, times, buf, cap);
    else if (row->unit == ROW_SHARE)
        snprintf(buf, cap, "%.2f %%", ns);
    else if (row->unit == ROW_RATE)
        scaled_words(1e9 / ns, rates, buf, cap);
    else
        snprintf(buf, cap, "%.2f GB/s", row->bytes / ns);
}

double
row_speed(const struct row *row, double ratio)
{
    return row->unit == ROW_TIME ? 1.0 / ratio : ratio;
}
