/* SPDX-License-Identifier: MIT */
#include "cad/plate.h"

#include <stdlib.h>

enum { SIDE_POINTS = 12 }; /* of each side of a cell; shared with the cell next to it */

static double
between(const double *lines, unsigned i, unsigned k)
{
    return k ? lines[i] + (lines[i + 1] - lines[i]) * k / SIDE_POINTS : lines[i];
}

/* The way around the cells from column x0 up to x1 and row y0 up to y1. */
static unsigned
around(const struct plate *p, const unsigned column[2], const unsigned row[2],
       struct vec *ret_loop)
{
    const double *const x = p->x_lines, *const y = p->y_lines;
    unsigned n = 0;

    for (unsigned i = column[0] * SIDE_POINTS; i < column[1] * SIDE_POINTS; i++)
        ret_loop[n++] =
            (struct vec){between(x, i / SIDE_POINTS, i % SIDE_POINTS), y[row[0]], p->z0};
    for (unsigned i = row[0] * SIDE_POINTS; i < row[1] * SIDE_POINTS; i++)
        ret_loop[n++] = (struct vec){x[column[1]],
                                     between(y, i / SIDE_POINTS, i % SIDE_POINTS), p->z0};
    for (unsigned i = column[1] * SIDE_POINTS; i > column[0] * SIDE_POINTS; i--)
        ret_loop[n++] =
            (struct vec){between(x, i / SIDE_POINTS, i % SIDE_POINTS), y[row[1]], p->z0};
    for (unsigned i = row[1] * SIDE_POINTS; i > row[0] * SIDE_POINTS; i--)
        ret_loop[n++] = (struct vec){x[column[0]],
                                     between(y, i / SIDE_POINTS, i % SIDE_POINTS), p->z0};
    return n;
}

static void
put_hole(const struct plate *p, struct cell *cell, unsigned i, unsigned k)
{
    const double *const x = p->x_lines + i, *const y = p->y_lines + k;

    cell->hole = 0.0;
    cell->centre = (struct vec){(x[0] + x[1]) / 2.0, (y[0] + y[1]) / 2.0, 0.0};
    for (const struct hole *h = p->holes; h < p->holes + p->hole_count; h++)
        if (h->x > x[0] && h->x < x[1] && h->y > y[0] && h->y < y[1]) {
            cell->hole = h->radius;
            cell->centre = (struct vec){h->x, h->y, 0.0};
        }
}

static void
make_walls(struct pen *pen, const struct plate *p)
{
    const unsigned columns[] = {0, p->x_count - 1}, rows[] = {0, p->y_count - 1};
    const unsigned count = around(p, columns, rows, pen->loops[0]);

    for (unsigned i = 0; i < count; i++) {
        pen->loops[1][i] = pen->loops[0][i];
        pen->loops[1][i].z = p->z1;
    }
    pen_band(pen, pen->loops[0], pen->loops[1], count);
}

void
plate_make(struct pen *pen, const struct plate *plate)
{
    const uint32_t top = mesh_surface_new(pen->mesh, pen->material);
    const uint32_t bottom = mesh_surface_new(pen->mesh, pen->material);
    struct cell *const cell = calloc(1, sizeof *cell);

    if (!cell) {
        pen->mesh->exhausted = true;
        return;
    }
    cell->z0 = plate->z0;
    cell->z1 = plate->z1;
    for (unsigned i = 0; i + 1 < plate->x_count; i++)
        for (unsigned k = 0; k + 1 < plate->y_count; k++) {
            cell->count = around(plate, (const unsigned[]){i, i + 1},
                                 (const unsigned[]){k, k + 1}, cell->rim);
            put_hole(plate, cell, i, k);
            pen_cell(pen, cell, top, bottom);
        }
    free(cell);
    make_walls(pen, plate);
}
