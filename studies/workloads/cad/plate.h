/* SPDX-License-Identifier: MIT */
/* plate.h - a rectangular plate with round holes. */
#ifndef CAD_PLATE_H
#define CAD_PLATE_H

#include "cad/solid.h"

struct hole {
    double x, y, radius;
};

/* Lines cut it into cells, of which each has a hole at most: that whose centre is in it. */
struct plate {
    const double *x_lines, *y_lines; /* ascending */
    unsigned x_count, y_count;
    const struct hole *holes;
    unsigned hole_count;
    double z0, z1;
};

void plate_make(struct pen *pen, const struct plate *plate);

#endif
