/* SPDX-License-Identifier: MIT */
/* The results as a table for people, as Markdown, as JSON and as a plot. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "base/err.h"
#include "rows.h"

#include <jansson.h>

/* All that was measured on one kind of GPU. */
struct report {
    const char *title; /* "software GPU, shared storage" */
    const char *key;   /* "shared": for file names and programs */
    bool discrete;
    struct result *results;
    unsigned n;
};

/* On stdout; colours only on a terminal. */
void report_table(const struct report *r);

/* Has the row reached what it should? */
bool report_met(const struct report *r, const struct result *result);

/* What is true of the whole run is added by the caller. */
json_t *report_json(const struct report *r);

/* Writes FOLDER/bench.md (all reports) with these words under its title. */
int report_markdown(const struct report *r, unsigned n, const char *words,
                    const char *folder, struct err *e);

/* Writes FOLDER/bench.svg, or bench-KEY.svg for all but the first; -ENOENT when there is
 * no gnuplot. */
int report_plot(const struct report *r, bool first, const char *folder, struct err *e);

#endif
