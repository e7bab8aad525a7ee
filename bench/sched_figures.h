/* SPDX-License-Identifier: MIT */
/*
 * What bench-sched finds out: figures with a value per round, what they should reach, and series
 * for the plots. They are kept as JSON too, so that a later run can renew some, or add rounds.
 */
#ifndef BENCH_SCHED_FIGURES_H
#define BENCH_SCHED_FIGURES_H

#include <jansson.h>
#include <stdbool.h>

#define FIGURES_MAX 400
#define FIGURE_ROUNDS_MAX 64

enum figure_unit {
    FIGURE_POINTS, /* of the GPU's time: 0.01 is one hundredth of all of it */
    FIGURE_SHARE,  /* a part, told in percent */
    FIGURE_RATIO,
    FIGURE_TIME, /* ns */
    FIGURE_COUNT,
};

enum figure_aim { AIM_NONE, AIM_AT_MOST, AIM_AT_LEAST };

/* What a figure is. The words are literals. */
struct figure_id {
    const char *experiment; /* as --only names it */
    bool pinned;            /* the software GPU on a core of its own */
    const char *policy;     /* "" where it is about none */
    const char *what;       /* unique with the three above */
    enum figure_unit unit;
    enum figure_aim aim;
    double target;
};

struct figure {
    char experiment[24], policy[24], what[112];
    bool pinned;
    enum figure_unit unit;
    enum figure_aim aim;
    double target;
    double values[FIGURE_ROUNDS_MAX];
    unsigned n;
};

struct figures {
    struct figure list[FIGURES_MAX];
    unsigned n;
    json_t *series;   /* name: what a plot needs; owned */
    json_t *problems; /* "experiment (pinned)": why it has no (more) figures; owned */
};

/* -ENOMEM. */
int figures_init(struct figures *f);
void figures_fini(struct figures *f);

/* One more round's value; the figure is made by its first. NAN is left out. */
void figure_add(struct figures *f, const struct figure_id *id, double value);

double figure_median(const struct figure *f);
double
figure_worst(const struct figure *f); /* of the rounds; the median without an aim */

/* Has the median, or with `worst` each round, reached the target? true without one. */
bool figure_met(const struct figure *f, bool worst);

/* "0.42 pt", "12.5 %", "0.998", "1.24 ms", "3". */
#define FIGURE_WORDS_BYTES 32
void figure_words(const struct figure *f, double value, char *buf, size_t cap);
void figure_target_words(const struct figure *f, char *buf, size_t cap);

/* The figure of that name; NULL: there is none. */
const struct figure *figure_find(const struct figures *f, const char *experiment,
                                 bool pinned, const char *policy, const char *what);

/* Leaves out all that belongs to an experiment, to measure it anew. */
void figures_drop(struct figures *f, const char *experiment, bool pinned);

json_t *figures_json(const struct figures *f);

/* Takes over what figures_json() made; members that are none are left out. */
void figures_load(struct figures *f, const json_t *o);

#endif
