/* SPDX-License-Identifier: MIT */
/*
 * A tooth, and where its points are (mirrored on its other side):
 *
 *          3--4       1 the middle of the gap before it
 *         /    \      2 a little away from the flank, at the root
 *        /      \     flank points up to 3, at the addendum circle
 *   1---2        -    4 the middle of the tooth
 *
 * The angles of the points only grow, so that every point has the others of its angle
 * straight below it, and the rings inside take the same angles.
 */
#include "cad/gear.h"

#include <stdlib.h>

enum {
    FLANK_POINTS = 3,
    TOOTH_POINTS = 2 * FLANK_POINTS + 4,
    WEB_CELLS = 6,
    SPOKE_POINTS = 6, /* along the side of a cell */
    HUB_POINTS = 6,   /* of each cell */
};

#define PRESSURE_ANGLE (20.0 * M_PI / 180.0)

double
gear_pitch_radius(const struct gear *gear)
{
    return gear->module * gear->teeth / 2.0;
}

static double
involute(double angle)
{
    return tan(angle) - angle;
}

/* Half of a tooth's angle at that radius. */
static double
half_tooth(const struct gear *gear, double radius)
{
    const double pitch = gear_pitch_radius(gear), base = pitch * cos(PRESSURE_ANGLE);
    const double backlash = 0.03 * gear->module / pitch;

    return M_PI / 2.0 / gear->teeth - backlash + involute(PRESSURE_ANGLE) -
           involute(acos(fmin(1.0, base / radius)));
}

static double
root_radius(const struct gear *gear)
{
    return gear_pitch_radius(gear) - 1.25 * gear->module;
}

static void
outline_point(struct outline *outline, double angle, double radius)
{
    outline->angle[outline->count] = angle;
    outline->radius[outline->count++] = radius;
}

static void
add_tooth(struct outline *outline, const struct gear *gear, double middle)
{
    const double pitch = gear_pitch_radius(gear), root = root_radius(gear);
    const double tip = pitch + gear->module;
    const double foot = fmax(root, pitch * cos(PRESSURE_ANGLE));
    const double fillet = half_tooth(gear, foot) + 0.25 * gear->module / root;
    double angle[FLANK_POINTS], radius[FLANK_POINTS];

    for (int i = 0; i < FLANK_POINTS; i++) {
        radius[i] = foot + (tip - foot) * i / (FLANK_POINTS - 1);
        angle[i] = half_tooth(gear, radius[i]);
    }
    outline_point(outline, middle - M_PI / gear->teeth, root);
    outline_point(outline, middle - fillet, root);
    for (int i = 0; i < FLANK_POINTS; i++)
        outline_point(outline, middle - angle[i], radius[i]);
    outline_point(outline, middle, tip);
    for (int i = FLANK_POINTS - 1; i >= 0; i--)
        outline_point(outline, middle + angle[i], radius[i]);
    outline_point(outline, middle + fillet, root);
}

static struct vec
at_angle(double angle, double radius)
{
    return (struct vec){radius * cos(angle), radius * sin(angle), 0.0};
}

/* The tooth point at which that cell of the web begins; that of the first again for the last. */
static unsigned
cell_begin(const struct outline *teeth, unsigned number)
{
    return teeth->count * number / WEB_CELLS;
}

static double
cell_angle(const struct outline *teeth, unsigned number)
{
    return number < WEB_CELLS ? teeth->angle[cell_begin(teeth, number)]
                              : teeth->angle[0] + 2.0 * M_PI;
}

/* The hub needs few points: the same number for each cell. */
static void
outline_hub(struct outline *hub, const struct outline *teeth)
{
    for (unsigned i = 0; i < WEB_CELLS; i++) {
        const double from = cell_angle(teeth, i), to = cell_angle(teeth, i + 1);

        for (unsigned k = 0; k < HUB_POINTS; k++)
            outline_point(hub, from + (to - from) * k / HUB_POINTS, 0.0);
    }
}

/*
 * One of the cells of the web: along the outer rim, down a spoke's middle, back along the
 * hub, and up again.
 */
static void
web_cell(struct cell *cell, const struct outline *teeth, const struct outline *hub,
         unsigned number, double inner, double outer)
{
    const unsigned from = cell_begin(teeth, number), to = cell_begin(teeth, number + 1);
    const double first = teeth->angle[from], last = teeth->angle[to % teeth->count];
    const double middle = (first + cell_angle(teeth, number + 1)) / 2.0;
    unsigned n = 0;

    for (unsigned i = from; i < to; i++)
        cell->rim[n++] = at_angle(teeth->angle[i], outer);
    for (unsigned i = 0; i < SPOKE_POINTS; i++)
        cell->rim[n++] = at_angle(last, outer + (inner - outer) * i / SPOKE_POINTS);
    for (unsigned i = HUB_POINTS; i > 0; i--)
        cell->rim[n++] =
            at_angle(hub->angle[(number * HUB_POINTS + i) % hub->count], inner);
    for (unsigned i = SPOKE_POINTS; i > 0; i--)
        cell->rim[n++] = at_angle(first, outer + (inner - outer) * i / SPOKE_POINTS);
    cell->count = n;
    cell->centre = at_angle(middle, inner + (outer - inner) * 0.5);
    cell->hole = (outer - inner) * 0.34;
}

static void
make_web(struct pen *pen, const struct outline *teeth, const struct outline *hub,
         double inner, double outer, double thickness)
{
    const uint32_t top = mesh_surface_new(pen->mesh, pen->material);
    const uint32_t bottom = mesh_surface_new(pen->mesh, pen->material);
    struct cell *const cell = calloc(1, sizeof *cell);

    if (!cell) {
        pen->mesh->exhausted = true;
        return;
    }
    cell->z0 = -thickness / 2.0;
    cell->z1 = thickness / 2.0;
    for (unsigned i = 0; i < WEB_CELLS; i++) {
        web_cell(cell, teeth, hub, i, inner, outer);
        pen_cell(pen, cell, top, bottom);
    }
    free(cell);
}

static void
make_body(struct pen *pen, const struct gear *gear, const struct outline *teeth)
{
    const double half = gear->width / 2.0, hub = gear->bore * 1.8, web = half * 0.45;
    const double rim = root_radius(gear) - 1.6 * gear->module;
    struct outline *hub_outline;

    if (rim - hub < 4.0 * gear->module) {
        PEN_TURN(pen, teeth, {SHAPE_OUTLINE, 0.0, -half}, {SHAPE_OUTLINE, 0.0, half},
                 {SHAPE_ROUND, gear->bore, half}, {SHAPE_ROUND, gear->bore, -half},
                 {SHAPE_OUTLINE, 0.0, -half});
        return;
    }
    hub_outline = calloc(1, sizeof *hub_outline);
    if (!hub_outline) {
        pen->mesh->exhausted = true;
        return;
    }
    outline_hub(hub_outline, teeth);
    PEN_TURN(pen, teeth, {SHAPE_ROUND, rim, -web}, {SHAPE_ROUND, rim, -half},
             {SHAPE_OUTLINE, 0.0, -half}, {SHAPE_OUTLINE, 0.0, half},
             {SHAPE_ROUND, rim, half}, {SHAPE_ROUND, rim, web});
    PEN_TURN(pen, hub_outline, {SHAPE_ROUND, hub, web}, {SHAPE_ROUND, hub, half},
             {SHAPE_ROUND, gear->bore, half}, {SHAPE_ROUND, gear->bore, -half},
             {SHAPE_ROUND, hub, -half}, {SHAPE_ROUND, hub, -web});
    make_web(pen, teeth, hub_outline, hub, rim, 2.0 * web);
    free(hub_outline);
}

void
gear_make(struct pen *pen, const struct gear *gear)
{
    struct outline *const outline = calloc(1, sizeof *outline);

    if (!outline || !gear->teeth || gear->teeth * TOOTH_POINTS > LOOP_MAX) {
        pen->mesh->exhausted = true;
        free(outline);
        return;
    }
    for (unsigned i = 0; i < gear->teeth; i++)
        add_tooth(outline, gear, 2.0 * M_PI * i / gear->teeth);
    make_body(pen, gear, outline);
    free(outline);
}

/*
 * Seen along the pitch line, the driver's tooth is r1 (phase1 - towards) ahead, the
 * driven one's r2 (towards + pi - phase2); half a pitch is between the two.
 */
double
gear_mesh_phase(const struct gear *driver, double driver_phase, const struct gear *driven,
                double towards)
{
    const double ratio = (double)driver->teeth / driven->teeth;

    return towards + M_PI - ratio * (driver_phase - towards) + M_PI / driven->teeth;
}
