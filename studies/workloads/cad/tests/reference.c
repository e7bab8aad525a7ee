/* SPDX-License-Identifier: MIT */
#include "cad/tests/reference.h"

#include <stdlib.h>

#include "cad/look.h"

struct seen {
    double x, y, nearness;
    struct vec normal;
};

static struct vec
row_of(const struct pose_body *body, int i)
{
    return (struct vec){body->row[i][0], body->row[i][1], body->row[i][2]};
}

static struct seen
see(const struct mesh *mesh, const struct pose *pose, uint32_t vertex)
{
    const struct mesh_vertex *const v = &mesh->vertices[vertex];
    const struct pose_body *const body = &pose->bodies[v->body];
    const struct vec p = {v->position[0], v->position[1], v->position[2]};
    const struct vec n = {v->normal[0], v->normal[1], v->normal[2]};
    const double nearness = -1.0 / (vec_dot(row_of(body, 2), p) + body->row[2][3]);

    return (struct seen){
        .x = pose->lens.centre_x + pose->lens.focal * nearness *
                                       (vec_dot(row_of(body, 0), p) + body->row[0][3]),
        .y = pose->lens.centre_y - pose->lens.focal * nearness *
                                       (vec_dot(row_of(body, 1), p) + body->row[1][3]),
        .nearness = nearness,
        .normal = {vec_dot(row_of(body, 0), n), vec_dot(row_of(body, 1), n),
                   vec_dot(row_of(body, 2), n)},
    };
}

/* How far (x, y) is to the left of the way from a to b, as seen with y down. */
static double
distance(const struct seen *a, const struct seen *b, double x, double y)
{
    const double dx = b->x - a->x, dy = b->y - a->y;
    const double length = hypot(dx, dy);

    return length > 0.0 ? ((x - a->x) * dy - (y - a->y) * dx) / length : 0.0;
}

static double
area(const struct seen corner[3])
{
    return (corner[1].y - corner[0].y) * (corner[2].x - corner[0].x) -
           (corner[1].x - corner[0].x) * (corner[2].y - corner[0].y);
}

/* Shares of the corners in a point of the screen. */
static void
shares(const struct seen corner[3], double x, double y, double ret_share[3])
{
    for (int i = 0; i < 3; i++) {
        struct seen other[3] = {corner[0], corner[1], corner[2]};

        other[i].x = x;
        other[i].y = y;
        ret_share[i] = area(other) / area(corner);
    }
}

static double
nearness_at(const struct seen corner[3], double x, double y)
{
    double share[3], sum = 0.0;

    shares(corner, x, y, share);
    for (int i = 0; i < 3; i++)
        sum += share[i] * corner[i].nearness;
    return sum;
}

static void
draw_pixel(struct reference_pixel *pixel, const struct seen corner[3], double x, double y,
           int64_t face)
{
    const double turn = area(corner) > 0.0 ? 1.0 : -1.0;
    double inside = INFINITY, nearness;

    for (int i = 0; i < 3; i++)
        inside = fmin(inside, turn * distance(&corner[i], &corner[(i + 1) % 3], x, y));
    if (!(inside > -REFERENCE_EDGE))
        return;
    nearness = nearness_at(corner, x, y);
    if (inside < REFERENCE_EDGE) {
        /* Its depth here is that of its edge, wherever the plane goes from there. */
        for (int i = 0; i < 3; i++)
            pixel->maybe = fmax(pixel->maybe, corner[i].nearness);
    } else if (nearness > pixel->nearest) {
        pixel->second = pixel->nearest;
        pixel->nearest = nearness;
        pixel->face = face;
    } else if (nearness > pixel->second) {
        pixel->second = nearness;
    }
}

/* From 0 to size, which is past the last. */
static long
pixel_of(double at, uint32_t size)
{
    return (long)fmin(fmax(floor(at), 0.0), size);
}

static void
draw_triangle(struct reference *ref, const struct mesh *mesh, const struct pose *pose,
              uint32_t number)
{
    const struct mesh_triangle *const t = &mesh->triangles[number];
    const struct seen corner[3] = {see(mesh, pose, t->corner[0]),
                                   see(mesh, pose, t->corner[1]),
                                   see(mesh, pose, t->corner[2])};
    const struct seen *const a = &corner[0], *const b = &corner[1], *const c = &corner[2];
    const long left = pixel_of(fmin(fmin(a->x, b->x), c->x) - 1.0, ref->width);
    const long right = pixel_of(fmax(fmax(a->x, b->x), c->x) + 1.0, ref->width);
    const long top = pixel_of(fmin(fmin(a->y, b->y), c->y) - 1.0, ref->height);
    const long bottom = pixel_of(fmax(fmax(a->y, b->y), c->y) + 1.0, ref->height);

    if (mesh->closed && area(corner) < 0.0)
        return;
    for (long y = top; y < bottom; y++)
        for (long x = left; x < right; x++)
            draw_pixel(&ref->pixels[y * (long)ref->width + x], corner, (double)x + 0.5,
                       (double)y + 0.5, number);
}

static double
lit(const struct look_light *light, const struct look_material *m, struct vec normal,
    struct vec eye, double *ret_highlight)
{
    const struct vec l = {light->direction[0], light->direction[1], light->direction[2]};
    const double cosine = vec_dot(normal, l);
    const struct vec mirror = vec_sub(vec_scale(normal, 2.0 * cosine), l);
    const double spot = fmin(1.0, fmax(0.0, vec_dot(mirror, eye)));

    *ret_highlight =
        cosine > 0.0
            ? light->strength * m->specular *
                  ((1.0 - m->gloss) * pow(spot, 8.0) + m->gloss * pow(spot, 32.0))
            : 0.0;
    return light->strength * fmax(0.0, cosine);
}

static void
to_bytes(uint8_t ret_colour[3], const double light[3])
{
    for (int i = 0; i < 3; i++)
        ret_colour[i] = (uint8_t)lround(sqrt(fmin(1.0, fmax(0.0, light[i]))) * 255.0);
}

static void
shade_face(const struct reference *ref, const struct mesh *mesh, const struct pose *pose,
           uint32_t x, uint32_t y, double ret_light[3])
{
    const int64_t face = ref->pixels[(size_t)y * ref->width + x].face;
    const struct mesh_triangle *const t = &mesh->triangles[face];
    const struct look_material *const m = &look_materials[t->surface >> 24];
    const struct vec eye =
        vec_unit((struct vec){pose->lens.centre_x - (x + 0.5),
                              (y + 0.5) - pose->lens.centre_y, pose->lens.focal});
    struct seen corner[3];
    struct vec normal = {0};
    double share[3], diffuse, highlight = 0.0;

    for (int i = 0; i < 3; i++)
        corner[i] = see(mesh, pose, t->corner[i]);
    shares(corner, x + 0.5, y + 0.5, share);
    for (int i = 0; i < 3; i++)
        normal =
            vec_add(normal, vec_scale(corner[i].normal, share[i] * corner[i].nearness));
    normal = vec_unit(normal);
    if (!mesh->closed && vec_dot(normal, eye) < 0.0)
        normal = vec_scale(normal, -1.0);

    diffuse = 0.14 + 0.09 * normal.y;
    for (int i = 0; i < LOOK_LIGHTS; i++) {
        double spot;

        diffuse += lit(&look_lights[i], m, normal, eye, &spot);
        highlight += spot;
    }
    for (int i = 0; i < 3; i++)
        ret_light[i] = m->colour[i] * diffuse + highlight;
}

static uint32_t
surface_of(const struct reference *ref, const struct mesh *mesh, uint32_t x, uint32_t y)
{
    const int64_t face = ref->pixels[(size_t)y * ref->width + x].face;

    return face < 0 ? UINT32_MAX : mesh->triangles[face].surface;
}

/* Where a neighbour is doubtful, so is whether there is an edge. */
static bool
has_edge(const struct reference *ref, const struct mesh *mesh, uint32_t x, uint32_t y,
         bool *doubtful)
{
    const struct reference_pixel *const pixel = &ref->pixels[(size_t)y * ref->width + x];
    const uint32_t here = surface_of(ref, mesh, x, y);
    bool edge = false;

    if (x + 1 < ref->width) {
        edge = here != surface_of(ref, mesh, x + 1, y);
        *doubtful |= pixel[1].doubtful;
    }
    if (y + 1 < ref->height) {
        edge |= here != surface_of(ref, mesh, x, y + 1);
        *doubtful |= pixel[ref->width].doubtful;
    }
    return edge;
}

/* Goes right and down, so that the neighbours' doubts are still their own. */
static void
shade_all(struct reference *ref, const struct mesh *mesh, const struct pose *pose)
{
    for (uint32_t y = 0; y < ref->height; y++)
        for (uint32_t x = 0; x < ref->width; x++) {
            struct reference_pixel *const pixel =
                &ref->pixels[(size_t)y * ref->width + x];
            const double up = 1.0 - (y + 0.5) / ref->height;
            double light[3] = {0.30 + 0.40 * up, 0.38 + 0.40 * up, 0.48 + 0.40 * up};

            if (pixel->face >= 0)
                shade_face(ref, mesh, pose, x, y, light);
            if (has_edge(ref, mesh, x, y, &pixel->doubtful))
                for (int i = 0; i < 3; i++)
                    light[i] *= 0.12;
            to_bytes(pixel->colour, light);
        }
}

void
reference_draw(struct reference *ref, const struct mesh *mesh, const struct pose *pose,
               uint32_t width, uint32_t height)
{
    const size_t count = (size_t)width * height;

    *ref = (struct reference){.width = width, .height = height};
    ref->pixels = calloc(count, sizeof *ref->pixels);
    if (!ref->pixels)
        abort();
    for (size_t i = 0; i < count; i++)
        ref->pixels[i].face = -1;
    for (uint32_t i = 0; i < mesh->triangle_count; i++)
        draw_triangle(ref, mesh, pose, i);
    for (size_t i = 0; i < count; i++) {
        struct reference_pixel *const p = &ref->pixels[i];

        p->doubtful = fmax(p->second, p->maybe) > 0.0 &&
                      fmax(p->second, p->maybe) >= p->nearest * (1.0 - REFERENCE_DEPTH);
    }
    shade_all(ref, mesh, pose);
}

void
reference_fini(struct reference *ref)
{
    free(ref->pixels);
    ref->pixels = NULL;
}
