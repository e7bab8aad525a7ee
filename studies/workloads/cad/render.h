/* SPDX-License-Identifier: MIT */
/*
 * render.h - draws a mesh on a device. A frame is: the bodies' places to the device, the
 * kernels, the pixels back, all within renderer_draw. Failures are the gpu's.
 */
#ifndef CAD_RENDER_H
#define CAD_RENDER_H

#include "cad/scene.h"
#include "common/gpu.h"

/* Pixels as bytes red, green, blue, 255; stride of them from a row to the next. */
struct image {
    uint32_t width, height, stride;
    uint32_t *pixels; /* one more than stride * height */
};

struct renderer {
    struct gpu *gpu;         /* borrowed */
    const struct mesh *mesh; /* borrowed */
    bool edges;
    uint32_t tiles_x, tiles_y;
    uint32_t
        capacity; /* of entries, in which a triangle is once for each tile it touches */
    cl_mem vertices, triangles, bodies, materials, lights;
    cl_mem corners, faces, boxes, counts, first, next, entries, seen, surfaces, pixels;
    struct image image;
};

/* Sends the mesh. edges: lines where surfaces meet. Always to be followed by renderer_fini. */
void renderer_init(struct renderer *r, struct gpu *gpu, const struct mesh *mesh,
                   uint32_t width, uint32_t height, bool edges);
void renderer_fini(struct renderer *r);

/* Returns when the frame is in r->image. */
void renderer_draw(struct renderer *r, const struct pose *pose);

#endif
