/* SPDX-License-Identifier: MIT */
/*
 * mesh.h - triangles of several bodies, as the device gets them.
 *
 * A body is what moves as one: it turns about the z axis through its origin, and its
 * vertices are relative to that. Triangles of one surface have no edge drawn between
 * them. Front faces are counter-clockwise.
 */
#ifndef CAD_MESH_H
#define CAD_MESH_H

#include <stdbool.h>
#include <stdint.h>

#include "cad/vec.h"
#include "common/failure.h"

enum {
    MESH_BODIES_MAX = 64,
    MESH_VERTICES_MAX = 3 << 21,
    MESH_TRIANGLES_MAX = 1 << 21,
};

/* Laid out as in geometry.cl. */
struct mesh_vertex {
    float position[3];
    uint32_t body;
    float normal[3]; /* of length 1 */
    uint32_t unused;
};

struct mesh_triangle {
    uint32_t corner[3];
    uint32_t surface; /* mesh_surface_new's */
};

struct mesh_body {
    struct vec origin;
    double speed, phase; /* radians per second, radians */
};

struct mesh {
    struct mesh_vertex *vertices;    /* owned */
    struct mesh_triangle *triangles; /* owned */
    uint32_t vertex_count, vertex_room, triangle_count, triangle_room;
    struct mesh_body bodies[MESH_BODIES_MAX];
    uint32_t body_count, surface_count;
    bool closed;    /* its back faces are never seen */
    double fill;    /* how near the camera comes: 1.0 shows the whole bounding sphere */
    bool exhausted; /* something did not fit; what was added since is lost */
};

/* Everything accepts what mesh_fini leaves, and that is all zero. */
void mesh_fini(struct mesh *mesh);

uint32_t mesh_body_new(struct mesh *mesh, struct vec origin, double speed, double phase);

/* A surface of that material (below 256): its number, with the material on top. */
uint32_t mesh_surface_new(struct mesh *mesh, uint32_t material);
#define MESH_MATERIAL_SHIFT 24

/* Returns the number of the vertex. */
uint32_t mesh_vertex_add(struct mesh *mesh, uint32_t body, struct vec position,
                         struct vec normal);
void mesh_triangle_add(struct mesh *mesh, uint32_t a, uint32_t b, uint32_t c,
                       uint32_t surface);

/*
 * Moves and scales all into the unit sphere. Returns 0, -ENOMEM when the mesh is
 * exhausted, or -EINVAL when it is empty or has no extent.
 */
int mesh_finish(struct mesh *mesh, struct failure *why);

#endif
