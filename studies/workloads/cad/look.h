/* SPDX-License-Identifier: MIT */
/* look.h - materials and lights. All are numbers of [0, 1], laid out as in pixels.cl. */
#ifndef CAD_LOOK_H
#define CAD_LOOK_H

enum material {
    MATERIAL_ALUMINIUM,
    MATERIAL_PAINT,
    MATERIAL_STEEL,
    MATERIAL_BRASS,
    MATERIAL_BRONZE,
    MATERIAL_BLUE,
    MATERIAL_RED,
    MATERIAL_BLACK,
    MATERIAL_COUNT,
};

struct look_material {
    float colour[3]; /* linear light */
    float specular;  /* strength of the highlight */
    float gloss;     /* 0 a wide highlight, 1 a narrow one */
    float unused[3];
};

/* Fixed to the camera: x right, y up, z towards the viewer. */
struct look_light {
    float direction[3]; /* towards the light, of length 1 */
    float strength;
};

enum { LOOK_LIGHTS = 3 };

extern const struct look_material look_materials[MATERIAL_COUNT];
extern const struct look_light look_lights[LOOK_LIGHTS];

#endif
