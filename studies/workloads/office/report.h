/* SPDX-License-Identifier: MIT */
/* report.h - what the program prints on stdout: lines for a person, or JSON lines. */
#ifndef OFFICE_REPORT_H
#define OFFICE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/stats.h"
#include "office/desk.h"
#include "office/message.h"

struct report {
    bool json, quiet, colour;
};

/* Latencies of operations, and how many there were. */
struct latency {
    size_t count;
    struct stats s;
};

struct result {
    uint32_t workers;
    uint64_t seed, failed;
    struct latency kinds[OPERATIONS], all;
    struct latency late; /* how late workers woke up from thinking */
    double run_s;        /* from the start to the last worker's end */
    double cpu_s;        /* user and system time of all workers in it */
};

void report_init(struct report *r, bool json, bool quiet);
void report_operation(const struct report *r, const struct message *m);
void report_result(const struct report *r, const struct result *result);

#endif
