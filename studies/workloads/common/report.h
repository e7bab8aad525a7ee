/* SPDX-License-Identifier: MIT */
/* report.h - what a training prints on stdout: lines for a person, or JSON lines. */
#ifndef WORKLOADS_REPORT_H
#define WORKLOADS_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/stats.h"

/* What a workload counts, and what it is judged by in the end. */
struct report_words {
    const char *unit;      /* of its speed: "images" */
    const char *score;     /* "accuracy" */
    const char *judged_on; /* "the test images" */
    int digits;            /* of the score, after the point */
};

struct report {
    const struct report_words *words; /* borrowed */
    bool json, quiet, colour;
};

struct result {
    const char *model, *device, *platform;
    const char *source; /* of the data; NULL: not told */
    uint32_t steps, batch, parameters;
    uint32_t devices;            /* each with a batch of its own */
    uint32_t units;              /* of a step, on all of them */
    uint64_t seed, device_bytes; /* of all devices */
    double loss;                 /* of the last step's batch */
    double score;                /* negative: not evaluated */
    struct stats step_s;
    double compile_s, train_s, eval_s;
};

void report_init(struct report *r, const struct report_words *words, bool json,
                 bool quiet);

/* step_s: the mean time of a step since the last report. */
void report_step(const struct report *r, uint32_t step, double loss, double step_s,
                 uint32_t units);

void report_result(const struct report *r, const struct result *result);

#endif
