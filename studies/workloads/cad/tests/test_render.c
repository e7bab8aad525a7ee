/* SPDX-License-Identifier: MIT */
/*
 * The kernels against the plain C reference: where a pixel is not doubtful there
 * (reference.h), it is of the same triangle, and its colour differs by COLOUR_STEPS of 255
 * at most.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cad/assembly.h"
#include "cad/kernels.h"
#include "cad/obj.h"
#include "cad/picture.h"
#include "cad/tests/reference.h"

enum { NO_DEVICE = 77, COLOUR_STEPS = 2 };

struct fixture {
    struct gpu gpu;
    struct mesh gears, mesh;
    struct renderer renderer;
    struct scene scene;
    struct pose pose;
    struct reference ref;
};

static struct gpu_entry entry;

static int
set_up(void **state)
{
    struct fixture *const f = calloc(1, sizeof *f);
    struct failure why = {0};

    assert_non_null(f);
    gpu_init(&f->gpu, &entry, &cad_program);
    assert_int_equal(assembly_make(&f->gears, &why), 0);
    *state = f;
    return 0;
}

/* A CPU that draws as a GPU does, with few pixels an item. */
static int
set_up_as_gpu(void **state)
{
    static struct gpu_kernel kernels[KERNEL_COUNT];
    static struct gpu_program program;
    struct fixture *const f = calloc(1, sizeof *f);
    struct failure why = {0};

    assert_non_null(f);
    program = cad_program;
    program.kernels = kernels;
    program.cpu_options = cad_program.gpu_options;
    for (int i = 0; i < KERNEL_COUNT; i++) {
        kernels[i] = cad_program.kernels[i];
        kernels[i].cpu_local = kernels[i].gpu_local;
    }
    gpu_init(&f->gpu, &entry, &program);
    f->gpu.is_cpu = false;
    assert_int_equal(assembly_make(&f->gears, &why), 0);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *const f = *state;

    renderer_fini(&f->renderer);
    reference_fini(&f->ref);
    mesh_fini(&f->mesh);
    mesh_fini(&f->gears);
    gpu_fini(&f->gpu);
    free(f);
    return 0;
}

static uint64_t
draw(struct fixture *f, const struct mesh *mesh, uint32_t width, uint32_t height,
     uint64_t seed)
{
    renderer_fini(&f->renderer);
    renderer_init(&f->renderer, &f->gpu, mesh, width, height, true);
    scene_init(&f->scene, mesh, width, height, seed);
    scene_pose(&f->scene, 7, &f->pose);
    renderer_draw(&f->renderer, &f->pose);
    assert_string_equal(f->gpu.failure.text, "");
    return picture_checksum(&f->renderer.image);
}

static uint32_t
pixel_at(const struct fixture *f, uint32_t x, uint32_t y)
{
    return f->renderer.image.pixels[(size_t)y * f->renderer.image.stride + x];
}

static bool
same_colour(const uint8_t colour[3], uint32_t pixel)
{
    for (int i = 0; i < 3; i++)
        if (abs(colour[i] - (int)(pixel >> 8 * i & 0xff)) > COLOUR_STEPS)
            return false;
    return true;
}

/* Which triangle the device saw where. */
static cl_int *
seen_by(struct fixture *f)
{
    const size_t count = (size_t)f->renderer.tiles_x * f->renderer.tiles_y * TILE * TILE;
    cl_int *const seen = calloc(count, sizeof *seen);

    assert_non_null(seen);
    gpu_read(&f->gpu, f->renderer.seen, seen, count * sizeof *seen);
    return seen;
}

/* most: how many of a thousand pixels may be doubtful. */
static void
compare(struct fixture *f, const struct mesh *mesh, uint32_t width, uint32_t height,
        unsigned most)
{
    unsigned doubtful = 0, wrong_face = 0, wrong_colour = 0;
    cl_int *seen;

    draw(f, mesh, width, height, 3);
    seen = seen_by(f);
    reference_fini(&f->ref);
    reference_draw(&f->ref, mesh, &f->pose, width, height);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            const struct reference_pixel *const p = &f->ref.pixels[(size_t)y * width + x];

            doubtful += p->doubtful;
            if (p->doubtful)
                continue;
            wrong_face += p->face != seen[y * f->renderer.image.stride + x];
            wrong_colour += !same_colour(p->colour, pixel_at(f, x, y));
        }
    free(seen);
    print_message("%u x %u: %u doubtful\n", width, height, doubtful);
    assert_int_equal(wrong_face, 0);
    assert_int_equal(wrong_colour, 0);
    assert_in_range(doubtful, 0, (uint64_t)width * height * most / 1000);
}

static void
gears_are_the_reference(void **state)
{
    struct fixture *const f = *state;

    compare(f, &f->gears, 640, 368, 40);
}

static void
sizes_need_be_no_multiple_of_a_tile(void **state)
{
    struct fixture *const f = *state;

    compare(f, &f->gears, 331, 217, 60);
    compare(f, &f->gears, 17, 200, 60);
}

static void
same_seed_draws_the_same(void **state)
{
    struct fixture *const f = *state;
    const uint64_t one = draw(f, &f->gears, 320, 176, 5);

    assert_int_equal(draw(f, &f->gears, 320, 176, 5), one);
    assert_int_not_equal(draw(f, &f->gears, 320, 176, 6), one);
}

static void
parse(struct fixture *f, const char *text)
{
    struct failure why = {0};

    mesh_fini(&f->mesh);
    assert_int_equal(obj_parse(text, strlen(text), &f->mesh, &why), 0);
}

static void
both_sides_of_an_open_mesh_are_seen(void **state)
{
    static const char text[] = "v -1 -1 0\nv 1 -1 0\nv 0 1 0\nv 1 1 -0.5\n"
                               "f 1 2 3\ng back\nf 2 3 4\n";
    struct fixture *const f = *state;

    parse(f, text);
    compare(f, &f->mesh, 160, 128, 20);
}

/* Layers one behind another, each over the whole picture: far more than there is room for. */
static void
many_triangles_in_each_tile_find_room(void **state)
{
    enum { LAYERS = 150 };
    struct fixture *const f = *state;
    static char text[LAYERS * 128];
    size_t length = 0;

    for (int i = 0; i < LAYERS; i++)
        length += (size_t)snprintf(text + length, sizeof text - length,
                                   "v -9 -9 %g\nv 9 -9 %g\nv 0 9 %g\nf -3 -2 -1\n",
                                   i * 0.02, i * 0.02, i * 0.02);
    parse(f, text);
    f->mesh.fill = 1.8;
    compare(f, &f->mesh, 128, 128, 80);
    assert_true(f->renderer.capacity > LAYERS + 4 * 64);
}

/* A square of slivers around a point: no pixel of the background shines through. */
static void
neighbours_leave_no_crack(void **state)
{
    enum { SLIVERS = 90 };
    struct fixture *const f = *state;
    static char text[SLIVERS * 160];
    size_t length = (size_t)snprintf(text, sizeof text, "v 0.013 0.007 0\n");
    cl_int *seen;

    for (int i = 0; i < SLIVERS; i++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "v %.9f %.9f 0\n",
                             cos(2 * M_PI * i / SLIVERS), sin(2 * M_PI * i / SLIVERS));
    for (int i = 0; i < SLIVERS; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "f 1 %d %d\n",
                                   i + 2, (i + 1) % SLIVERS + 2);
    parse(f, text);
    draw(f, &f->mesh, 256, 256, 1);
    seen = seen_by(f);
    for (uint32_t y = 64; y < 192; y++)
        for (uint32_t x = 64; x < 192; x++)
            assert_int_not_equal(seen[y * 256 + x], -1);
    free(seen);
}

/* Sides and diagonal of a square that go through centres: each of these is of one triangle. */
static void
centres_on_an_edge_belong_to_one_side(void **state)
{
    static const double corners[][2] = {
        {-0.5, -0.5}, {0.5, -0.5}, {0.5, 0.5}, {-0.5, 0.5}};
    static const struct pose pose = {
        .bodies[0].row = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, -2}},
        .lens = {.focal = 128, .centre_x = 64.5f, .centre_y = 64.5f}};
    struct fixture *const f = *state;
    unsigned covered = 0;
    cl_int *seen;

    f->mesh.closed = true;
    mesh_body_new(&f->mesh, (struct vec){0}, 0.0, 0.0);
    for (int i = 0; i < 4; i++)
        mesh_vertex_add(&f->mesh, 0, (struct vec){corners[i][0], corners[i][1], 0.0},
                        (struct vec){0.0, 0.0, 1.0});
    mesh_triangle_add(&f->mesh, 0, 1, 2, 0);
    mesh_triangle_add(&f->mesh, 0, 2, 3, 0);
    renderer_init(&f->renderer, &f->gpu, &f->mesh, 128, 128, true);
    renderer_draw(&f->renderer, &pose);
    seen = seen_by(f);
    for (int i = 0; i < 128 * 128; i++)
        covered += seen[i] >= 0;
    free(seen);
    assert_int_equal(covered, 64 * 64);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gears_are_the_reference, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gears_are_the_reference, set_up_as_gpu,
                                        tear_down),
        cmocka_unit_test_setup_teardown(sizes_need_be_no_multiple_of_a_tile, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(same_seed_draws_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_sides_of_an_open_mesh_are_seen, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_triangles_in_each_tile_find_room, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(centres_on_an_edge_belong_to_one_side, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(neighbours_leave_no_crack, set_up, tear_down),
    };
    struct failure why = {0};

    if (gpu_find(&entry, NULL, &why) < 0) {
        print_message("skipped: %s\n", why.text);
        return NO_DEVICE;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
