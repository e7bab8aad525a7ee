/* SPDX-License-Identifier: MIT */
/* training_options.h - the part of the command line that all trainings share. */
#ifndef WORKLOADS_TRAINING_OPTIONS_H
#define WORKLOADS_TRAINING_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

struct training_options {
    const char *device;    /* as gpu_find takes it; NULL: the first */
    const char *wait_for;  /* file to wait for before the measured steps, or NULL */
    const char *rate_file; /* file for a line a second, or NULL */
    uint32_t steps;        /* 0: until duration_s is over */
    double duration_s;     /* 0, as steps: the model's default steps, for the program */
    uint32_t report_every;
    uint64_t seed;
    bool list_devices, json, quiet, no_eval;
    bool turns; /* a step for each line on stdin */
};

/*
 * For argp's children: input is a struct training_options, which gets the defaults. Its
 * help comes in the groups 1 (what to train) to 4.
 */
extern const struct argp training_argp;

#endif
