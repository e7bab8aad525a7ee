/* SPDX-License-Identifier: MIT */
/* options.h - the command line. */
#ifndef CAD_OPTIONS_H
#define CAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *mesh_file; /* NULL: the program's own assembly */
    const char *png;       /* file for the last frame, or with %d each, or NULL */
    const char *device;    /* as gpu_find takes it; NULL: the first */
    const char *wait_for;  /* file to wait for before the measured frames, or NULL */
    const char *rate_file; /* file for a line a second, or NULL */
    double rate;           /* frames per second */
    uint64_t frames;       /* that become due */
    double duration_s;     /* what frames came from; 0: --frames */
    uint32_t width, height, report_every;
    uint64_t seed;
    bool list_devices, json, quiet, no_edges;
};

/* Fills in the defaults, too. Ends the process on --help and on misuse (status 64). */
void options_parse(struct options *ret_options, int argc, char **argv);

#endif
