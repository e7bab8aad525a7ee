/* SPDX-License-Identifier: MIT */
/* options.h - the command line. */
#ifndef TRAIN_OPTIONS_H
#define TRAIN_OPTIONS_H

#include "common/training_options.h"
#include "train/model.h"

struct options {
    struct training_options training;
    const struct model_spec *model;
    const char *data_dir; /* NULL: generated images */
    uint32_t batch;
};

/* Fills in the defaults, too. Ends the process on --help and on misuse (status 64). */
void options_parse(struct options *ret_options, int argc, char **argv);

#endif
