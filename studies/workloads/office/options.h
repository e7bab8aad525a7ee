/* SPDX-License-Identifier: MIT */
/* options.h - the command line. */
#ifndef OFFICE_OPTIONS_H
#define OFFICE_OPTIONS_H

#include <stdint.h>

#include "common/run_options.h"

struct options {
    struct run_options run; /* of these no devices and no rate file */
    uint32_t workers;
    uint32_t operations;   /* of each worker; 0: until duration_s is over */
    double think_s;        /* mean; 0: no pauses */
    const char *folder;    /* to make the files in; NULL: $TMPDIR or /tmp */
    const char *text_file; /* to search in, an absolute path; NULL: a text is made */
};

/* Fills in the defaults, too. Ends the process on --help and on misuse (status 64). */
void options_parse(struct options *ret_options, int argc, char **argv);

#endif
