/* SPDX-License-Identifier: MIT */
/* The command line of bench-sched. */
#ifndef BENCH_SCHED_OPTIONS_H
#define BENCH_SCHED_OPTIONS_H

#include <stdbool.h>

enum { CORES_ALL = 1, CORES_PINNED = 2 };

struct sched_options {
    const char *build, *output; /* output: NULL = BUILD/bench */
    const char *only;           /* "a,b*"; NULL = all */
    unsigned rounds;
    unsigned
        cores; /* of CORES_*: with the software GPU on all cores, on one of its own */
    bool quick, add, report;
};

/* Prints and exits for --help, --list, and for mistakes. */
void sched_options_parse(struct sched_options *ret, int argc, char **argv);

/* Is the experiment among those asked for? */
struct experiment;
bool sched_options_want(const struct sched_options *o, const struct experiment *x);

#endif
