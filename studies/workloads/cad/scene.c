/* SPDX-License-Identifier: MIT */
#include "cad/scene.h"

#include "common/rng.h"

#define FRAMES_PER_SECOND 30.0
#define DEGREE (M_PI / 180.0)
#define HALF_FIELD (13.0 * DEGREE) /* of view, of the shorter side */

static double
drawn(struct rng *rng, double low, double high)
{
    return low + (high - low) * rng_below(rng, 1000001) / 1e6;
}

void
scene_init(struct scene *scene, const struct mesh *mesh, uint32_t width, uint32_t height,
           uint64_t seed)
{
    struct rng rng = {seed};

    *scene = (struct scene){.mesh = mesh, .width = width, .height = height};
    scene->azimuth = drawn(&rng, -20.0 * DEGREE, 20.0 * DEGREE);
    scene->azimuth_swing = drawn(&rng, 15.0 * DEGREE, 25.0 * DEGREE);
    scene->azimuth_speed = drawn(&rng, 0.3, 0.6);
    scene->elevation = drawn(&rng, 18.0 * DEGREE, 26.0 * DEGREE);
    scene->elevation_swing = drawn(&rng, 3.0 * DEGREE, 8.0 * DEGREE);
    scene->elevation_speed = drawn(&rng, 0.2, 0.4);
}

struct camera {
    struct vec right, up, back; /* axes in the world */
    double distance;
};

static struct camera
camera_at(const struct scene *s, double seconds)
{
    const double a = s->azimuth + s->azimuth_swing * sin(s->azimuth_speed * seconds);
    const double e =
        s->elevation + s->elevation_swing * sin(s->elevation_speed * seconds);

    return (struct camera){
        .right = {cos(a), 0.0, -sin(a)},
        .up = {-sin(a) * sin(e), cos(e), -cos(a) * sin(e)},
        .back = {sin(a) * cos(e), sin(e), cos(a) * cos(e)},
        .distance = 1.0 / sin(HALF_FIELD) / s->mesh->fill,
    };
}

/* One row of a body's matrix: its axes, turned, and its origin, along an axis of the camera. */
static void
fill_row(float row[4], struct vec axis, const struct mesh_body *body, double angle,
         double shift)
{
    row[0] = (float)(cos(angle) * axis.x + sin(angle) * axis.y);
    row[1] = (float)(cos(angle) * axis.y - sin(angle) * axis.x);
    row[2] = (float)axis.z;
    row[3] = (float)(vec_dot(body->origin, axis) + shift);
}

void
scene_pose(const struct scene *scene, uint64_t frame, struct pose *ret_pose)
{
    const double seconds = (double)frame / FRAMES_PER_SECOND;
    const struct camera camera = camera_at(scene, seconds);
    const double width = scene->width, height = scene->height;

    for (uint32_t i = 0; i < scene->mesh->body_count; i++) {
        const struct mesh_body *const body = &scene->mesh->bodies[i];
        const double angle = fmod(body->phase + body->speed * seconds, 2.0 * M_PI);

        fill_row(ret_pose->bodies[i].row[0], camera.right, body, angle, 0.0);
        fill_row(ret_pose->bodies[i].row[1], camera.up, body, angle, 0.0);
        fill_row(ret_pose->bodies[i].row[2], camera.back, body, angle, -camera.distance);
    }
    ret_pose->lens = (struct lens){
        .focal = (float)(fmin(width, height) / 2.0 / tan(HALF_FIELD)),
        .centre_x = (float)(width / 2.0),
        .centre_y = (float)(height / 2.0),
    };
}
