/* SPDX-License-Identifier: MIT */
#include "cad/render.h"

#include <stdlib.h>

#include "cad/kernels.h"
#include "cad/look.h"

static cl_mem
upload(struct gpu *gpu, const void *bytes, size_t size)
{
    const cl_mem buffer = gpu_alloc(gpu, size);

    gpu_write(gpu, buffer, bytes, size);
    return buffer;
}

static uint32_t
tile_count(const struct renderer *r)
{
    return r->tiles_x * r->tiles_y;
}

static size_t
word_count(const struct image *image)
{
    return (size_t)image->stride * image->height + 1;
}

static void
alloc_image(struct renderer *r, uint32_t width, uint32_t height)
{
    const size_t stride = (size_t)r->tiles_x * TILE, rows = (size_t)r->tiles_y * TILE;

    r->image =
        (struct image){.width = width, .height = height, .stride = (uint32_t)stride};
    r->image.pixels = calloc(word_count(&r->image), sizeof *r->image.pixels);
    if (!r->image.pixels)
        failure_set(&r->gpu->failure, -1, "out of memory");
    r->pixels = gpu_alloc(r->gpu, word_count(&r->image) * sizeof(cl_uint));
    r->seen = gpu_alloc(r->gpu, stride * rows * sizeof(cl_int));
    /* A row and a pixel more: shade looks at what is right of and below each pixel. */
    r->surfaces = gpu_alloc(r->gpu, (stride * (rows + 1) + 1) * sizeof(cl_uint));
}

static void
alloc_entries(struct renderer *r, uint32_t capacity)
{
    if (r->entries)
        r->gpu->allocated_bytes -= r->capacity * sizeof(cl_int4);
    gpu_release(&r->entries);
    r->capacity = capacity;
    r->entries = gpu_alloc(r->gpu, capacity * sizeof(cl_int4));
}

void
renderer_init(struct renderer *r, struct gpu *gpu, const struct mesh *mesh,
              uint32_t width, uint32_t height, bool edges)
{
    const size_t triangles = mesh->triangle_count, vertices = mesh->vertex_count;

    *r = (struct renderer){.gpu = gpu, .mesh = mesh, .edges = edges};
    r->tiles_x = (width + TILE - 1) / TILE;
    r->tiles_y = (height + TILE - 1) / TILE;

    r->vertices = upload(gpu, mesh->vertices, vertices * sizeof *mesh->vertices);
    r->triangles = upload(gpu, mesh->triangles, triangles * sizeof *mesh->triangles);
    r->materials = upload(gpu, look_materials, sizeof look_materials);
    r->lights = upload(gpu, look_lights, sizeof look_lights);
    r->bodies = gpu_alloc(gpu, mesh->body_count * sizeof(struct pose_body));
    r->corners = gpu_alloc(gpu, vertices * CORNER_BYTES);
    r->faces = gpu_alloc(gpu, triangles * FACE_BYTES);
    r->boxes = gpu_alloc(gpu, triangles * sizeof(cl_int4));
    r->counts = gpu_alloc(gpu, tile_count(r) * sizeof(cl_uint));
    r->first = gpu_alloc(gpu, (tile_count(r) + 1) * sizeof(cl_uint));
    r->next = gpu_alloc(gpu, tile_count(r) * sizeof(cl_uint));
    alloc_image(r, width, height);
    alloc_entries(r, mesh->triangle_count + 4 * tile_count(r));
}

void
renderer_fini(struct renderer *r)
{
    cl_mem *const buffers[] = {&r->vertices, &r->triangles, &r->bodies, &r->materials,
                               &r->lights,   &r->corners,   &r->faces,  &r->boxes,
                               &r->counts,   &r->first,     &r->next,   &r->entries,
                               &r->seen,     &r->surfaces,  &r->pixels};

    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        gpu_release(buffers[i]);
    free(r->image.pixels);
    r->image.pixels = NULL;
}

static void
run_geometry(struct renderer *r, const struct lens *lens)
{
    const struct image *const image = &r->image;
    const cl_int triangles = (cl_int)r->mesh->triangle_count;
    const cl_int vertices = (cl_int)r->mesh->vertex_count, tiles = (cl_int)tile_count(r);

    GPU_RUN(r->gpu, KERNEL_TRANSFORM, vertices, ARG_MEM(r->vertices), ARG_MEM(r->corners),
            ARG_MEM(r->bodies), ARG_REAL(lens->focal), ARG_REAL(lens->centre_x),
            ARG_REAL(lens->centre_y), ARG_INT(vertices));
    gpu_zero(r->gpu, r->counts, tile_count(r) * sizeof(cl_uint));
    GPU_RUN(r->gpu, KERNEL_SETUP, triangles, ARG_MEM(r->triangles), ARG_MEM(r->corners),
            ARG_MEM(r->faces), ARG_MEM(r->boxes), ARG_MEM(r->counts),
            ARG_INT((cl_int)image->width), ARG_INT((cl_int)image->height),
            ARG_INT((cl_int)r->tiles_x), ARG_INT(r->mesh->closed), ARG_INT(triangles));
    GPU_RUN(r->gpu, KERNEL_SCAN, SCAN_ITEMS, ARG_MEM(r->counts), ARG_MEM(r->first),
            ARG_MEM(r->next), ARG_MEM(r->pixels), ARG_INT((cl_int)word_count(image) - 1),
            ARG_INT(tiles));
    GPU_RUN(r->gpu, KERNEL_FILL, triangles, ARG_MEM(r->faces), ARG_MEM(r->boxes),
            ARG_MEM(r->next), ARG_MEM(r->entries), ARG_INT((cl_int)r->tiles_x),
            ARG_BITS(r->capacity), ARG_INT(triangles));
}

static void
run_pixels(struct renderer *r, const struct lens *lens)
{
    const struct image *const image = &r->image;
    const uint32_t lanes = cad_lanes(r->gpu);

    GPU_RUN(r->gpu, KERNEL_RASTER, tile_count(r) * cad_tile_items(r->gpu),
            ARG_MEM(r->faces), ARG_MEM(r->first), ARG_MEM(r->entries), ARG_MEM(r->seen),
            ARG_MEM(r->surfaces), ARG_INT((cl_int)r->tiles_x), ARG_BITS(r->capacity),
            ARG_INT((cl_int)tile_count(r)));
    GPU_RUN(r->gpu, KERNEL_SHADE, image->stride * image->height / lanes, ARG_MEM(r->seen),
            ARG_MEM(r->surfaces), ARG_MEM(r->faces), ARG_MEM(r->corners),
            ARG_MEM(r->materials), ARG_MEM(r->lights), ARG_INT(LOOK_LIGHTS),
            ARG_MEM(r->pixels), ARG_INT((cl_int)image->stride),
            ARG_INT((cl_int)image->width), ARG_INT((cl_int)image->height),
            ARG_REAL(lens->focal), ARG_REAL(lens->centre_x), ARG_REAL(lens->centre_y),
            ARG_INT(!r->mesh->closed), ARG_INT(r->edges));
}

/*
 * How many entries a frame has is known when it is drawn. When there was no room for
 * some, there is next time: it is drawn again.
 */
void
renderer_draw(struct renderer *r, const struct pose *pose)
{
    const size_t words = word_count(&r->image);
    uint32_t needed;

    gpu_write(r->gpu, r->bodies, pose->bodies,
              r->mesh->body_count * sizeof(struct pose_body));
    for (;;) {
        run_geometry(r, &pose->lens);
        run_pixels(r, &pose->lens);
        gpu_read(r->gpu, r->pixels, r->image.pixels, words * sizeof(cl_uint));
        if (gpu_failed(r->gpu))
            return;
        needed = r->image.pixels[words - 1];
        if (needed <= r->capacity)
            return;
        alloc_entries(r, needed + needed / 4);
    }
}
