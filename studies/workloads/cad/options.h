/* SPDX-License-Identifier: MIT */
/* options.h - the command line. */
#ifndef CAD_OPTIONS_H
#define CAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/run_options.h"

struct options {
    struct run_options run; /* duration_s: what frames came from; report_every: frames */
    const char *mesh_file;  /* NULL: the program's own assembly */
    const char *png;        /* file for the last frame, or with %d each, or NULL */
    double rate;            /* frames per second */
    uint64_t frames;        /* that become due */
    uint32_t width, height;
    bool no_edges;
};

/* Fills in the defaults, too. Ends the process on --help and on misuse (status 64). */
void options_parse(struct options *ret_options, int argc, char **argv);

#endif
