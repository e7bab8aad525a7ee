/* SPDX-License-Identifier: MIT */
#include "cad/mesh.h"

#include <errno.h>
#include <stdlib.h>

void
mesh_fini(struct mesh *mesh)
{
    free(mesh->vertices);
    free(mesh->triangles);
    *mesh = (struct mesh){0};
}

uint32_t
mesh_body_new(struct mesh *mesh, struct vec origin, double speed, double phase)
{
    if (mesh->body_count == MESH_BODIES_MAX) {
        mesh->exhausted = true;
        return 0;
    }
    mesh->bodies[mesh->body_count] =
        (struct mesh_body){.origin = origin, .speed = speed, .phase = phase};
    return mesh->body_count++;
}

uint32_t
mesh_surface_new(struct mesh *mesh, uint32_t material)
{
    const uint32_t number = mesh->surface_count++;

    return material << MESH_MATERIAL_SHIFT |
           (number & ((UINT32_C(1) << MESH_MATERIAL_SHIFT) - 1));
}

/* Room for one more; false when there is none. */
static bool
grow(struct mesh *mesh, void **array, uint32_t *room, uint32_t max, size_t item)
{
    const uint32_t more = *room ? *room * 2 : 4096;
    void *larger;

    if (*room >= max || mesh->exhausted || !(larger = realloc(*array, more * item))) {
        mesh->exhausted = true;
        return false;
    }
    *array = larger;
    *room = more;
    return true;
}

uint32_t
mesh_vertex_add(struct mesh *mesh, uint32_t body, struct vec position, struct vec normal)
{
    if (mesh->vertex_count == mesh->vertex_room &&
        !grow(mesh, (void **)&mesh->vertices, &mesh->vertex_room, MESH_VERTICES_MAX,
              sizeof *mesh->vertices))
        return 0;
    mesh->vertices[mesh->vertex_count] = (struct mesh_vertex){
        .position = {(float)position.x, (float)position.y, (float)position.z},
        .body = body,
        .normal = {(float)normal.x, (float)normal.y, (float)normal.z},
    };
    return mesh->vertex_count++;
}

void
mesh_triangle_add(struct mesh *mesh, uint32_t a, uint32_t b, uint32_t c, uint32_t surface)
{
    if (mesh->triangle_count == mesh->triangle_room &&
        !grow(mesh, (void **)&mesh->triangles, &mesh->triangle_room, MESH_TRIANGLES_MAX,
              sizeof *mesh->triangles))
        return;
    mesh->triangles[mesh->triangle_count++] =
        (struct mesh_triangle){.corner = {a, b, c}, .surface = surface};
}

static struct vec
placed(const struct mesh *mesh, const struct mesh_vertex *v)
{
    const struct vec local = {v->position[0], v->position[1], v->position[2]};

    return vec_add(local, mesh->bodies[v->body].origin);
}

static struct vec
centre_of(const struct mesh *mesh)
{
    struct vec low = placed(mesh, &mesh->vertices[0]), high = low;

    for (uint32_t i = 1; i < mesh->vertex_count; i++) {
        const struct vec p = placed(mesh, &mesh->vertices[i]);

        low = (struct vec){fmin(low.x, p.x), fmin(low.y, p.y), fmin(low.z, p.z)};
        high = (struct vec){fmax(high.x, p.x), fmax(high.y, p.y), fmax(high.z, p.z)};
    }
    return vec_scale(vec_add(low, high), 0.5);
}

int
mesh_finish(struct mesh *mesh, struct failure *why)
{
    double radius = 0.0;
    struct vec centre;

    if (mesh->exhausted)
        return failure_set(why, -ENOMEM, "out of memory, or more than %d triangles",
                           MESH_TRIANGLES_MAX);
    if (!mesh->triangle_count || !mesh->vertex_count)
        return failure_set(why, -EINVAL, "there are no triangles");

    centre = centre_of(mesh);
    for (uint32_t i = 0; i < mesh->vertex_count; i++)
        radius =
            fmax(radius, vec_length(vec_sub(placed(mesh, &mesh->vertices[i]), centre)));
    if (!(radius > 0.0) || !isfinite(radius))
        return failure_set(why, -EINVAL, "the mesh has no extent");

    for (uint32_t i = 0; i < mesh->vertex_count; i++)
        for (int k = 0; k < 3; k++)
            mesh->vertices[i].position[k] =
                (float)((double)mesh->vertices[i].position[k] / radius);
    for (uint32_t i = 0; i < mesh->body_count; i++)
        mesh->bodies[i].origin =
            vec_scale(vec_sub(mesh->bodies[i].origin, centre), 1.0 / radius);
    return 0;
}
