/* SPDX-License-Identifier: MIT */
/* options.h - the command line. */
#ifndef OFFICE_OPTIONS_H
#define OFFICE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
    uint32_t workers;
    uint32_t operations; /* of each worker; 0: until duration_s is over */
    double duration_s;
    double think_s; /* mean; 0: no pauses */
    uint64_t seed;
    const char *folder;    /* to make the files in; NULL: $TMPDIR or /tmp */
    const char *text_file; /* to search in, an absolute path; NULL: a text is made */
    const char *wait_for;  /* file to wait for before the start, or NULL */
    uint32_t report_every; /* 0: never */
    bool json, quiet;
};

/* Fills in the defaults, too. Ends the process on --help and on misuse (status 64). */
void options_parse(struct options *ret_options, int argc, char **argv);

#endif
