/* SPDX-License-Identifier: MIT */
/* options.h - the command line. */
#ifndef LANGUAGE_OPTIONS_H
#define LANGUAGE_OPTIONS_H

#include "common/training_options.h"
#include "language/model.h"

/* The Jargon File, which is in the public domain, as the package jargon-text has it. */
extern const char options_default_text[];

struct options {
    struct training_options training;
    const struct model_spec *model;
    const char *text; /* options_default_text itself when none is given */
};

/* Fills in the defaults, too. Ends the process on --help and on misuse (status 64). */
void options_parse(struct options *ret_options, int argc, char **argv);

#endif
