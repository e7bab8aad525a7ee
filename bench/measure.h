/* SPDX-License-Identifier: MIT */
/*
 * Rounds. Each starts a fresh program on the bare driver and one on a vGPU and lets them
 * take turns, benchmark by benchmark; who is first alternates with the rounds, so that a
 * drift of the machine hits both alike.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "base/err.h"
#include "host.h"
#include "rows.h"

struct measure {
    const struct host *host;
    unsigned rounds;
    bool quick;
    struct result *results; /* the caller's: one for each row that is wanted */
    unsigned nresults;
    /* Told what runs now: "round 2 of 5", "write-64m". May be NULL. */
    void (*progress)(const char *round, const char *what);
};

/*
 * Fills the results, but for those of fleet.h. A benchmark that fails says so in its
 * results' problem; only an interruption (-EINTR) ends the whole.
 */
int measure_run(const struct measure *m, struct err *e);

#endif
