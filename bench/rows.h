/* SPDX-License-Identifier: MIT */
/*
 * What is measured, what it should reach, and what came out. The unit is the ratio of the
 * vGPU to the bare driver, of the medians within one round; a row's figure is the median
 * of its rounds' ratios. Few rows have another measure: a share of a core, which has no
 * native side, and the time that a vGPU adds. Pure: no processes, no output.
 */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#define ROUNDS_MAX 100
#define ROWS_MAX 40

/* How nanoseconds per operation are told, and which way the ratio goes. */
enum row_unit {
    ROW_TIME,      /* time of one; ratio of times, less is better */
    ROW_BANDWIDTH, /* bytes a second; more is better */
    ROW_RATE,      /* operations a second; more is better */
    ROW_SHARE,     /* percent of one core instead of nanoseconds; the vGPU's alone */
};

enum row_target {
    TARGET_AT_MOST,
    TARGET_AT_LEAST,
    TARGET_GROWS, /* keeps up with native, or with its own ratio at one thread */
    TARGET_BELOW, /* the vGPU's own figure is less than the aim */
    TARGET_ADDS,  /* the vGPU adds fewer nanoseconds to native's than the aim */
};

enum row_source {
    SOURCE_CALLS,    /* a benchmark of bench-calls */
    SOURCE_GUESTS,   /* the same in GUESTS programs at once */
    SOURCE_TRAINING, /* tessera-train; benchmark is the model */
    SOURCE_IDLE,     /* many guests that do nothing (fleet.h) */
    SOURCE_START,    /* many vGPUs, each used once (fleet.h) */
};

#define GUESTS 4

struct row {
    const char *name, *what;
    const char *benchmark, *series;
    enum row_source source;
    enum row_unit unit;
    enum row_target target;
    bool only_long; /* left out unless asked for */
    double bytes;   /* ROW_BANDWIDTH: of one operation */
    double aim, aim_discrete;
};

/* One side of one round; nanoseconds per operation. */
struct figure {
    double median, p99;
};

struct result {
    const struct row *row;
    unsigned rounds;
    struct figure native[ROUNDS_MAX], vgpu[ROUNDS_MAX];
    char problem[200]; /* why there are no (more) figures; "" = none */
};

struct summary {
    double native_ns, vgpu_ns; /* medians of the rounds */
    double ratio, least, most; /* of the rounds' ratios; NAN without a round */
    /* What the target is about, and its range: the ratio, or a row's other measure. */
    double score, score_least, score_most;
};

/* The table, ended by a row without a name. */
extern const struct row rows[];

void result_add(struct result *r, struct figure native, struct figure vgpu);

/* The ratio of one round, as the row's unit tells. */
double result_ratio(const struct result *r, unsigned round);
struct summary result_summary(const struct result *r);

/* What the row should reach on this kind of GPU: "<= 1.0", "grows". */
void row_target_words(const struct row *row, bool discrete, char *buf, size_t cap);

/*
 * Did it, with this score? single is the ratio of the row threads-1 (NAN = not measured),
 * for TARGET_GROWS. False without a figure.
 */
bool row_met(const struct row *row, bool discrete, double score, double single);

/* A score: "0.982", "+41.0 ms"; "-" where the vGPU's own figure says all. */
void row_score_words(const struct row *row, double score, char *buf, size_t cap);

/* Is the score the ratio? */
bool row_is_ratio(const struct row *row);

/* Is there a native side? */
bool row_has_native(const struct row *row);

/* "63.1 us", "7.42 GB/s", "16.0 k/s", "0.12 %". */
void row_value_words(const struct row *row, double ns, char *buf, size_t cap);

/* The vGPU's speed, 1 = native's, from the row's ratio: more is faster for each row. */
double row_speed(const struct row *row, double ratio);

#endif
