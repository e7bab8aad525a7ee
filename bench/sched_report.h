/* SPDX-License-Identifier: MIT */
/* What bench-sched found out, as a table for people, as Markdown and as plots. */
#ifndef BENCH_SCHED_REPORT_H
#define BENCH_SCHED_REPORT_H

#include "base/err.h"
#include "sched_figures.h"

/* On stdout; colours only on a terminal. */
void sched_report_table(const struct figures *f);

/* Writes FOLDER/sched.md. */
int sched_report_markdown(const struct figures *f, const char *folder, struct err *e);

/* Writes FOLDER/sched-*.svg; -ENOENT when there is no gnuplot. */
int sched_plot_all(const struct figures *f, const char *folder, struct err *e);

#endif
