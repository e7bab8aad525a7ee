/* SPDX-License-Identifier: MIT */
/*
 * Millimetres; the plate's front is z = 0. Seen from the front, and from above:
 *
 *     F       D           ============================== plate
 *     A   B+C                 A   F   B                     first level of gears
 *               E                      C   D   E            second level
 *
 * A drives F and B; C is on B's shaft and drives D, which drives E.
 */
#include "cad/assembly.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cad/gear.h"
#include "cad/look.h"
#include "cad/plate.h"

#define MODULE 2.0
#define WIDTH 12.0
#define BORE 6.0
#define DRIVER_SPEED 0.9 /* radians per second */

enum { ROUND_POINTS = 32, BOLT_POINTS = 24 };

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct wheel {
    unsigned teeth;
    int driver;     /* its number; -1: none */
    double towards; /* degrees, from the driver */
    double level;   /* z of its middle */
    double boss;    /* how high the plate's boss below it is; 0: there is none */
    enum material material;
    bool same_shaft; /* as the driver's: turns with it */
};

static const struct wheel wheels[] = {
    {20, -1, 0.0, 12.0, 5.0, MATERIAL_STEEL, false},
    {38, 0, -10.0, 12.0, 5.0, MATERIAL_BRASS, false},
    {16, 1, 0.0, 27.0, 0.0, MATERIAL_STEEL, true},
    {44, 2, 32.0, 27.0, 19.0, MATERIAL_BLUE, false},
    {24, 3, -58.0, 27.0, 19.0, MATERIAL_BRONZE, false},
    {14, 0, 105.0, 12.0, 5.0, MATERIAL_RED, false},
};

struct placed_wheel {
    struct gear gear;
    struct vec centre;
    double speed, phase;
    uint32_t body;
};

struct builder {
    struct pen pen;
    struct outline round, bolt;
    struct placed_wheel wheels[COUNT(wheels)];
};

static void
place_wheel(struct builder *b, unsigned i)
{
    const struct wheel *const w = &wheels[i];
    struct placed_wheel *const p = &b->wheels[i];
    const struct placed_wheel *const driver =
        w->driver < 0 ? NULL : &b->wheels[w->driver];
    const double towards = w->towards * M_PI / 180.0;
    double distance;

    p->gear = (struct gear){MODULE, w->teeth, WIDTH, BORE};
    if (!driver) {
        p->centre = (struct vec){-60.0, 0.0, 0.0};
        p->speed = DRIVER_SPEED;
    } else if (w->same_shaft) {
        *p = *driver;
        p->gear.teeth = w->teeth;
        return;
    } else {
        distance = gear_pitch_radius(&driver->gear) + gear_pitch_radius(&p->gear);
        p->centre = vec_add(driver->centre, (struct vec){distance * cos(towards),
                                                         distance * sin(towards), 0.0});
        p->speed = -driver->speed * driver->gear.teeth / w->teeth;
        p->phase = gear_mesh_phase(&driver->gear, driver->phase, &p->gear, towards);
    }
    p->body = mesh_body_new(b->pen.mesh, p->centre, p->speed, p->phase);
}

static void
pen_to(struct builder *b, uint32_t body, enum material material, struct vec at)
{
    b->pen.body = body;
    b->pen.material = material;
    b->pen.at = at;
}

/* From the bottom z0 to the top, with a nut before the gear. */
static void
make_shaft(struct builder *b, uint32_t body, double gear_front)
{
    struct pen *const pen = &b->pen;
    const double top = gear_front + 10.0;

    pen_to(b, body, MATERIAL_STEEL, (struct vec){0});
    PEN_TURN(pen, &b->round, {SHAPE_ROUND, 0.0, -16.0}, {SHAPE_ROUND, BORE - 1.0, -16.0},
             {SHAPE_ROUND, BORE, -15.0}, {SHAPE_ROUND, BORE, top - 1.0},
             {SHAPE_ROUND, BORE - 1.0, top}, {SHAPE_ROUND, 0.0, top});
    pen->material = MATERIAL_BLACK;
    PEN_TURN(pen, &b->bolt, {SHAPE_ROUND, BORE * 1.6, gear_front},
             {SHAPE_ROUND, BORE * 1.6, gear_front + 1.0},
             {SHAPE_HEX, 8.4, gear_front + 1.0}, {SHAPE_HEX, 8.4, gear_front + 5.5},
             {SHAPE_ROUND, 7.6, gear_front + 6.3}, {SHAPE_ROUND, BORE, gear_front + 6.3});
}

/* The bearing's seat on the plate, and the bearing's ring in it. */
static void
make_boss(struct builder *b, struct vec at, double height)
{
    struct pen *const pen = &b->pen;

    pen_to(b, 0, MATERIAL_ALUMINIUM, at);
    PEN_TURN(pen, &b->round, {SHAPE_ROUND, BORE + 10.0, 0.0},
             {SHAPE_ROUND, BORE + 7.0, 3.0}, {SHAPE_ROUND, BORE + 7.0, height},
             {SHAPE_ROUND, BORE + 4.5, height}, {SHAPE_ROUND, BORE + 4.5, height - 2.0});
    pen->material = MATERIAL_STEEL;
    PEN_TURN(pen, &b->round, {SHAPE_ROUND, BORE + 4.5, height - 2.0},
             {SHAPE_ROUND, BORE + 4.5, height - 0.5}, {SHAPE_ROUND, BORE, height - 0.5});
}

static void
make_wheels(struct builder *b)
{
    for (unsigned i = 0; i < COUNT(wheels); i++) {
        const struct placed_wheel *p = &b->wheels[i];
        const bool has_front =
            i + 1 < COUNT(wheels) && wheels[i + 1].same_shaft; /* another one on it */

        place_wheel(b, i);
        pen_to(b, p->body, wheels[i].material, (struct vec){0.0, 0.0, wheels[i].level});
        gear_make(&b->pen, &p->gear);
        if (!has_front)
            make_shaft(b, p->body, wheels[i].level + WIDTH / 2.0);
        if (wheels[i].boss > 0.0)
            make_boss(b, p->centre, wheels[i].boss);
    }
}

/* A washer and a hexagonal head that stand on z = 0. */
static void
make_bolt(struct builder *b, struct vec at)
{
    pen_to(b, 0, MATERIAL_BLACK, at);
    PEN_TURN(&b->pen, &b->bolt, {SHAPE_ROUND, 7.0, 0.0}, {SHAPE_ROUND, 7.0, 1.2},
             {SHAPE_HEX, 5.0, 1.2}, {SHAPE_HEX, 5.0, 4.8}, {SHAPE_ROUND, 4.4, 5.6},
             {SHAPE_ROUND, 0.0, 5.6});
}

static void
make_pillar(struct builder *b, double x, double y)
{
    const double height = 42.0;

    pen_to(b, 0, MATERIAL_STEEL, (struct vec){x, y, 0.0});
    PEN_TURN(&b->pen, &b->bolt, {SHAPE_ROUND, 9.0, 0.0}, {SHAPE_ROUND, 9.0, 3.0},
             {SHAPE_HEX, 7.0, 3.0}, {SHAPE_HEX, 7.0, height - 3.0},
             {SHAPE_ROUND, 9.0, height - 3.0}, {SHAPE_ROUND, 9.0, height},
             {SHAPE_ROUND, 0.0, height});
    make_bolt(b, (struct vec){x, y, height});
}

static void
make_plate(struct builder *b)
{
    static const double x_lines[] = {-125.0, -100.0, -35.0, 25.0, 70.0, 103.0, 125.0};
    static const double y_lines[] = {-75.0, -55.0, -24.0, 11.0, 52.0, 75.0};
    static const struct hole open_holes[] = {
        {-113.0, 31.0, 6.0},  {-113.0, -6.0, 6.0}, {-113.0, -40.0, 6.0},
        {-68.0, -40.0, 11.0}, {86.0, 31.0, 12.0},  {114.0, 31.0, 6.0},
        {114.0, -6.0, 6.0},   {114.0, -40.0, 6.0}, {86.0, -6.0, 10.0}};
    struct hole holes[COUNT(open_holes) + COUNT(wheels)];

    memcpy(holes, open_holes, sizeof open_holes);
    for (unsigned i = 0; i < COUNT(wheels); i++)
        holes[COUNT(open_holes) + i] =
            (struct hole){b->wheels[i].centre.x, b->wheels[i].centre.y, BORE + 3.0};
    pen_to(b, 0, MATERIAL_ALUMINIUM, (struct vec){0});
    plate_make(&b->pen, &(struct plate){x_lines, y_lines, COUNT(x_lines), COUNT(y_lines),
                                        holes, COUNT(holes), -10.0, 0.0});
}

/* Lies below the plate: its own y is depth, backwards. */
static void
make_base(struct builder *b)
{
    static const double x_lines[] = {-140.0, -90.0, -30.0, 30.0, 90.0, 140.0};
    static const double y_lines[] = {-75.0, -40.0, -12.0, 40.0};
    static const struct hole holes[] = {
        {-60.0, -26.0, 8.0}, {0.0, -26.0, 8.0}, {60.0, -26.0, 8.0}};

    b->pen.upright = true;
    pen_to(b, 0, MATERIAL_PAINT, (struct vec){0.0, -75.0, 0.0});
    plate_make(&b->pen, &(struct plate){x_lines, y_lines, COUNT(x_lines), COUNT(y_lines),
                                        holes, COUNT(holes), -12.0, 0.0});
    for (int i = -1; i <= 1; i += 2) {
        make_bolt(b, (struct vec){i * 125.0, -75.0, 60.0});
        make_bolt(b, (struct vec){i * 125.0, -75.0, -28.0});
    }
    b->pen.upright = false;
}

static void
make_fixed(struct builder *b)
{
    make_plate(b);
    make_base(b);
    for (int i = -1; i <= 1; i += 2) {
        make_pillar(b, i * 113.0, 64.0);
        make_pillar(b, i * 113.0, -62.0);
        make_bolt(b, (struct vec){-5.0, i * 64.0, 0.0});
        make_bolt(b, (struct vec){-67.0 + (i + 1) * 7.0, i * 64.0, 0.0});
        make_bolt(b, (struct vec){50.0 + (i - 1) * 10.0, i * -64.0, 0.0});
    }
}

int
assembly_make(struct mesh *mesh, struct failure *why)
{
    struct builder *const b = calloc(1, sizeof *b);

    if (!b)
        return failure_set(why, -ENOMEM, "out of memory");
    *mesh = (struct mesh){.closed = true, .fill = 1.35};
    b->pen.mesh = mesh;
    outline_round(&b->round, ROUND_POINTS);
    outline_round(&b->bolt, BOLT_POINTS);
    mesh_body_new(mesh, (struct vec){0}, 0.0, 0.0);
    make_wheels(b);
    make_fixed(b);
    free(b);
    return mesh_finish(mesh, why);
}
