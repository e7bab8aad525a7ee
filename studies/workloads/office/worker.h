/* SPDX-License-Identifier: MIT */
/* worker.h - one knowledge worker, in a process of its own. */
#ifndef OFFICE_WORKER_H
#define OFFICE_WORKER_H

#include <stdint.h>

#include "office/options.h"

struct worker {
    const struct options *options;
    const char *folder; /* of all workers; this one makes its own in there */
    uint32_t number;
    uint64_t seed;
    int messages; /* to write to */
    int start;    /* its end of file is the signal to start */
};

/* Makes the files, waits for the start, works, and ends the process. */
_Noreturn void worker_run(const struct worker *w);

#endif
