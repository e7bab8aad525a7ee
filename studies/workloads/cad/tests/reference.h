/* SPDX-License-Identifier: MIT */
/*
 * reference.h - the same picture in plain C and double precision, written to be seen
 * through: every triangle against every pixel of its box, nothing shared with the kernels.
 *
 * The device has corners in 1/256 of a pixel and depth in float. A pixel is doubtful where
 * that may matter: its centre is within REFERENCE_EDGE of an edge of a triangle that could
 * be the nearest there, or two triangles are as near as REFERENCE_DEPTH.
 */
#ifndef CAD_REFERENCE_H
#define CAD_REFERENCE_H

#include "cad/scene.h"

#define REFERENCE_EDGE (1.0 / 200.0) /* pixels; the corners' error is below 1/256 */
#define REFERENCE_DEPTH 1e-4         /* of the distance */

struct reference_pixel {
    int64_t face;                  /* the triangle; -1: none */
    double nearest, second, maybe; /* 1 / distance: seen, behind it, and at an edge */
    bool doubtful;
    uint8_t colour[3];
};

struct reference {
    uint32_t width, height;
    struct reference_pixel *pixels; /* owned, row by row */
};

void reference_draw(struct reference *ref, const struct mesh *mesh,
                    const struct pose *pose, uint32_t width, uint32_t height);
void reference_fini(struct reference *ref);

#endif
