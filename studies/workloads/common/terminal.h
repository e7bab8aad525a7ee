/* SPDX-License-Identifier: MIT */
/* terminal.h - the progress bar: on stderr, and only when that is a terminal. */
#ifndef WORKLOADS_TERMINAL_H
#define WORKLOADS_TERMINAL_H

#include <stdbool.h>

struct progress {
    bool on;
    double drawn_at; /* seconds of clock_seconds */
    double began_at;
    const char *phase;
};

/* Monotonic, in seconds. */
double clock_seconds(void);

void progress_init(struct progress *p, bool quiet);

/* A new phase, drawn at once. The text stays the caller's. */
void progress_phase(struct progress *p, const char *phase);

/* done of total; redraws at most ten times a second. note may be empty. */
void progress_update(struct progress *p, double done, double total, const char *note);

/* Takes the bar off the terminal, for other output or the end. */
void progress_clear(struct progress *p);

#endif
