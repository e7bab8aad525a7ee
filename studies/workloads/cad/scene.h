/* SPDX-License-Identifier: MIT */
/* scene.h - where bodies and camera are in a frame. */
#ifndef CAD_SCENE_H
#define CAD_SCENE_H

#include "cad/mesh.h"

/* From a body's vertices to the camera's space: x right, y up, z towards the viewer. */
struct pose_body {
    float row[3][4];
};

/* A point p of the camera's space is seen at centre + focal * (p.x, -p.y) / -p.z. */
struct lens {
    float focal, centre_x, centre_y;
};

struct pose {
    struct pose_body bodies[MESH_BODIES_MAX];
    struct lens lens;
};

/* Which way the camera goes around the mesh; drawn from the seed. */
struct scene {
    const struct mesh *mesh; /* borrowed */
    uint32_t width, height;
    double azimuth, azimuth_swing, elevation, elevation_swing; /* radians */
    double azimuth_speed, elevation_speed;                     /* radians per second */
};

void scene_init(struct scene *scene, const struct mesh *mesh, uint32_t width,
                uint32_t height, uint64_t seed);

/* Of that frame; thirty of them are a second of motion, at whatever rate they are drawn. */
void scene_pose(const struct scene *scene, uint64_t frame, struct pose *ret_pose);

#endif
