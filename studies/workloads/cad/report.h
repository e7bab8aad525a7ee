/* SPDX-License-Identifier: MIT */
/* report.h - what the program prints on stdout: lines for a person, or JSON lines. */
#ifndef CAD_REPORT_H
#define CAD_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "cad/pace.h"
#include "common/stats.h"

struct report {
    bool json, quiet, colour;
};

struct result {
    const char *mesh, *device, *platform;
    struct pace pace;
    double rate_reached;  /* frames drawn per second */
    struct stats frame_s; /* from its first command to its pixels */
    struct stats due_s;   /* from when it was due to its pixels */
    double compile_s, draw_s;
    uint32_t triangles, width, height;
    uint64_t seed, device_bytes, checksum, last_frame;
};

void report_init(struct report *r, bool json, bool quiet);

/* frame_s: the mean time of a frame since the last report. */
void report_frame(const struct report *r, uint64_t frame, double frame_s,
                  uint64_t missed);

void report_result(const struct report *r, const struct result *result);

#endif
