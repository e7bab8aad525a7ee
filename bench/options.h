/* SPDX-License-Identifier: MIT */
/* The command line of tessera-bench. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>

enum { KIND_SHARED = 1, KIND_DISCRETE = 2 };

struct options {
    const char *build, *output, *gpu; /* output: NULL = BUILD/bench */
    const char *only;                 /* "a,b": rows' names; NULL = all */
    unsigned rounds;
    unsigned kinds; /* of GPUs: one table each */
    bool quick, long_, pin, json;
};

/* Prints and exits for --help, --list, and for mistakes. */
void options_parse(struct options *ret, int argc, char **argv);

/* Is the row among those asked for? */
bool options_want(const struct options *o, const char *name, bool only_long);

#endif
