/* SPDX-License-Identifier: MIT */
/* training_options.h - the part of the command line that all trainings share. */
#ifndef WORKLOADS_TRAINING_OPTIONS_H
#define WORKLOADS_TRAINING_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/run_options.h"

struct training_options {
    struct run_options run; /* report_every: steps */
    uint32_t
        steps; /* 0: until duration_s is over; as that 0: the model's, for the program */
    bool no_eval;
    bool turns; /* as many steps as each line on stdin says */
};

/*
 * For argp's children: input is a struct training_options, which gets the defaults. Its
 * help comes in the groups 1 (what to train) to 4.
 */
extern const struct argp training_argp;

#endif
