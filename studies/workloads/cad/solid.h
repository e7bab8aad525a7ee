/* SPDX-License-Identifier: MIT */
/*
 * solid.h - parts of a machine, made of bands between closed loops of points.
 *
 * A turned part is a row of stations, each a loop around the z axis at its height. It lies
 * to the left of the way from one to the next, when the radius points right and z up:
 *
 *     z ^
 *       |   3---2       1-2 is the outer wall, 2-3 the top, 3-4 the wall of the bore,
 *       |   |   |       4-1 the bottom
 *       |   4---1
 *       +-----------> radius
 *
 * Two neighbouring bands share their points, so there are no cracks between them.
 */
#ifndef CAD_SOLID_H
#define CAD_SOLID_H

#include "cad/mesh.h"

enum { LOOP_MAX = 640 };

/* What is made next belongs to that body and lies there. It is large: on the heap. */
struct pen {
    struct mesh *mesh;
    uint32_t body, material;
    struct vec at;    /* of the part's own origin in the body */
    bool upright;     /* the part's z axis is the body's y axis */
    bool one_surface; /* all bands are of surface; else each smooth run has its own */
    uint32_t surface;
    struct vec loops[2][LOOP_MAX], normals[LOOP_MAX]; /* to work with */
};

enum shape {
    SHAPE_ROUND,
    SHAPE_HEX,     /* the radius is the one that touches the sides */
    SHAPE_OUTLINE, /* as the outline says, and the radius is nothing */
};

/* The directions of a loop's points as seen from the axis, counter-clockwise. */
struct outline {
    unsigned count;
    double angle[LOOP_MAX], radius[LOOP_MAX];
};

struct station {
    enum shape shape;
    double radius, z;
};

/* count points with the first at angle 0. */
void outline_round(struct outline *ret_outline, unsigned count);

/* The band from loop a to loop b, of count points each; a point for a loop is fine. */
void pen_band(struct pen *pen, const struct vec *a, const struct vec *b, unsigned count);

void pen_turn(struct pen *pen, const struct outline *outline,
              const struct station *stations, unsigned count);

/* PEN_TURN(pen, outline, {shape, radius, z}, ...) */
#define PEN_TURN(pen, outline, ...)                                                      \
    pen_turn(pen, outline, (const struct station[]){__VA_ARGS__},                        \
             sizeof((const struct station[]){__VA_ARGS__}) / sizeof(struct station))

/*
 * A prism from z0 up to z1 around rim (whose z is ignored) with a round hole (radius 0:
 * none). Its outer wall is not made: the next cell begins there.
 */
struct cell {
    struct vec rim[LOOP_MAX]; /* counter-clockwise */
    unsigned count;
    struct vec centre;
    double hole, z0, z1;
};

/* top and bottom are the surfaces of the faces, that of other cells, too. */
void pen_cell(struct pen *pen, const struct cell *cell, uint32_t top, uint32_t bottom);

#endif
