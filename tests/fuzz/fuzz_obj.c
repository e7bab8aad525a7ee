/* SPDX-License-Identifier: MIT */
/* The CAD program reads a mesh. */
#include "cad/obj.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the device relies on: corners that there are, and numbers in the unit sphere. */
static void
check(const struct mesh *mesh)
{
    if (!mesh->triangle_count || mesh->body_count != 1)
        abort();
    for (uint32_t i = 0; i < mesh->triangle_count; i++)
        for (int k = 0; k < 3; k++)
            if (mesh->triangles[i].corner[k] >= mesh->vertex_count)
                abort();
    for (uint32_t i = 0; i < mesh->vertex_count; i++) {
        const struct mesh_vertex *const v = &mesh->vertices[i];
        const struct vec p = {v->position[0], v->position[1], v->position[2]};
        const struct vec normal = {v->normal[0], v->normal[1], v->normal[2]};

        if (v->body || !(vec_length(vec_add(p, mesh->bodies[0].origin)) < 1.001) ||
            !(fabs(vec_length(normal) - 1.0) < 1e-3))
            abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct failure why = {{0}};
    struct mesh mesh;

    if (obj_parse((const char *)data, size, &mesh, &why) == 0)
        check(&mesh);
    else if (!why.text[0])
        abort();
    mesh_fini(&mesh);
    return 0;
}
