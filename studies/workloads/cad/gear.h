/* SPDX-License-Identifier: MIT */
/* gear.h - spur gears with involute teeth. */
#ifndef CAD_GEAR_H
#define CAD_GEAR_H

#include "cad/solid.h"

struct gear {
    double module; /* the pitch radius is module * teeth / 2 */
    unsigned teeth;
    double width, bore; /* bore: a radius */
};

double gear_pitch_radius(const struct gear *gear);

/*
 * The middle of a tooth is at angle 0, the middle of the width at z = 0. Where there is
 * room, the web between rim and hub is thinner and has holes.
 */
void gear_make(struct pen *pen, const struct gear *gear);

/*
 * By how much `driven` is to be turned so that its teeth go between those of `driver`, when
 * that is turned by driver_phase and driven lies at angle `towards` of it.
 */
double gear_mesh_phase(const struct gear *driver, double driver_phase,
                       const struct gear *driven, double towards);

#endif
