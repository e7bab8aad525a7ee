/* SPDX-License-Identifier: MIT */
#include "cad/solid.h"

/* Of the angle between two neighbours: above it they meet in an edge. */
#define CREASE_COSINE 0.82

void
outline_round(struct outline *ret_outline, unsigned count)
{
    ret_outline->count = count;
    for (unsigned i = 0; i < count; i++)
        ret_outline->angle[i] = 2.0 * M_PI * i / count;
}

static uint32_t
add_vertex(const struct pen *pen, struct vec p, struct vec normal)
{
    if (pen->upright) {
        p = (struct vec){p.x, p.z, -p.y};
        normal = (struct vec){normal.x, normal.z, -normal.y};
    }
    return mesh_vertex_add(pen->mesh, pen->body, vec_add(p, pen->at), normal);
}

static bool
same(struct vec a, struct vec b)
{
    return a.x == b.x && a.y == b.y && a.z == b.z;
}

/* The direction of the quad over points i and i+1. */
static struct vec
quad_normal(const struct vec *a, const struct vec *b, unsigned i, unsigned next)
{
    return vec_unit(vec_cross(vec_sub(b[next], a[i]), vec_sub(b[i], a[next])));
}

struct pair {
    uint32_t a, b;
};

static struct pair
add_pair(const struct pen *pen, struct vec a, struct vec b, struct vec normal)
{
    const uint32_t first = add_vertex(pen, a, normal);

    return (struct pair){first, add_vertex(pen, b, normal)};
}

static bool
is_smooth(struct vec a, struct vec b)
{
    return vec_dot(a, b) > CREASE_COSINE;
}

static void
start_surface(struct pen *pen)
{
    if (!pen->one_surface)
        pen->surface = mesh_surface_new(pen->mesh, pen->material);
}

/* The corner that a loop's seam lies at, so that a smooth run is not cut in two. */
static unsigned
first_crease(const struct pen *pen, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!is_smooth(pen->normals[(i + count - 1) % count], pen->normals[i]))
            return i;
    return 0;
}

/*
 * Each quad has the pair of points at its beginning and at its end. Where it is smooth,
 * the next one begins with the same pair.
 */
void
pen_band(struct pen *pen, const struct vec *a, const struct vec *b, unsigned count)
{
    unsigned start;
    struct pair left = {0};
    bool fresh = true;

    for (unsigned i = 0; i < count; i++)
        pen->normals[i] = quad_normal(a, b, i, (i + 1) % count);
    start = first_crease(pen, count);

    start_surface(pen);
    for (unsigned k = 0; k < count; k++) {
        const unsigned i = (start + k) % count, next = (i + 1) % count;
        const struct vec before = pen->normals[(i + count - 1) % count];
        const struct vec here = pen->normals[i], after = pen->normals[next];
        const bool smooth = is_smooth(here, after);
        struct pair right;

        if (fresh)
            left = add_pair(pen, a[i], b[i],
                            is_smooth(before, here) ? vec_unit(vec_add(before, here))
                                                    : here);
        right = add_pair(pen, a[next], b[next],
                         smooth ? vec_unit(vec_add(here, after)) : here);
        if (!same(a[i], a[next]))
            mesh_triangle_add(pen->mesh, left.a, right.a, right.b, pen->surface);
        if (!same(b[i], b[next]))
            mesh_triangle_add(pen->mesh, left.a, right.b, left.b, pen->surface);
        fresh = !smooth;
        left = right;
        if (fresh && k + 1 < count)
            start_surface(pen);
    }
}

static double
station_radius(const struct outline *outline, const struct station *s, unsigned i)
{
    switch (s->shape) {
    case SHAPE_ROUND:
        return s->radius;
    case SHAPE_HEX:
        return s->radius / cos(fmod(outline->angle[i], M_PI / 3.0) - M_PI / 6.0);
    case SHAPE_OUTLINE:
        return outline->radius[i];
    }
    return 0.0;
}

static void
station_loop(const struct outline *outline, const struct station *s, struct vec *ret_loop)
{
    for (unsigned i = 0; i < outline->count; i++) {
        const double r = station_radius(outline, s, i);

        ret_loop[i] =
            (struct vec){r * cos(outline->angle[i]), r * sin(outline->angle[i]), s->z};
    }
}

void
pen_turn(struct pen *pen, const struct outline *outline, const struct station *stations,
         unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        station_loop(outline, &stations[i], pen->loops[i % 2]);
        if (i > 0)
            pen_band(pen, pen->loops[(i - 1) % 2], pen->loops[i % 2], outline->count);
    }
}

/* The rim at that height, and the hole's edge where the ways to the rim cross it. */
static void
cell_loops(const struct cell *cell, double z, struct vec *ret_rim, struct vec *ret_hole)
{
    for (unsigned i = 0; i < cell->count; i++) {
        const struct vec rim = {cell->rim[i].x, cell->rim[i].y, z};
        const struct vec centre = {cell->centre.x, cell->centre.y, z};
        const struct vec way = vec_unit(vec_sub(rim, centre));

        ret_rim[i] = rim;
        ret_hole[i] = vec_add(centre, vec_scale(way, cell->hole));
    }
}

void
pen_cell(struct pen *pen, const struct cell *cell, uint32_t top, uint32_t bottom)
{
    struct vec *const rim = pen->loops[0], *const hole = pen->loops[1];

    pen->one_surface = true;
    pen->surface = top;
    cell_loops(cell, cell->z1, rim, hole);
    pen_band(pen, rim, hole, cell->count);
    pen->surface = bottom;
    cell_loops(cell, cell->z0, rim, hole);
    pen_band(pen, hole, rim, cell->count);
    pen->one_surface = false;

    if (cell->hole > 0.0) {
        for (unsigned i = 0; i < cell->count; i++)
            rim[i] = (struct vec){hole[i].x, hole[i].y, cell->z1};
        pen_band(pen, rim, hole, cell->count);
    }
}
