/* SPDX-License-Identifier: MIT */
/* options.h - the command line. */
#ifndef TRAIN_OPTIONS_H
#define TRAIN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "train/model.h"

struct options {
    const struct model_spec *model;
    const char *data_dir;
    const char *device;    /* as gpu_find takes it; NULL: the first */
    const char *wait_for;  /* file to wait for before the measured steps, or NULL */
    const char *rate_file; /* file for a line a second, or NULL */
    uint32_t steps;        /* 0: until duration_s is over */
    double duration_s;
    uint32_t batch, report_every;
    uint64_t seed;
    bool list_devices, json, quiet, no_eval;
};

/* Fills in the defaults, too. Ends the process on --help and on misuse (status 64). */
void options_parse(struct options *ret_options, int argc, char **argv);

#endif
