/* SPDX-License-Identifier: MIT */
/* report.h - what the program prints on stdout: lines for a person, or JSON lines. */
#ifndef TRAIN_REPORT_H
#define TRAIN_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/stats.h"

struct report {
    bool json, quiet, colour;
};

struct result {
    const char *model, *device, *platform;
    uint32_t steps, batch, parameters;
    uint64_t seed, device_bytes;
    double loss;     /* of the last step's batch */
    double accuracy; /* on the test images; negative: not evaluated */
    struct stats step_s;
    double compile_s, train_s, eval_s;
};

void report_init(struct report *r, bool json, bool quiet);

/* step_s: the mean time of a step since the last report. */
void report_step(const struct report *r, uint32_t step, double loss, double step_s,
                 uint32_t batch);

void report_result(const struct report *r, const struct result *result);

#endif
