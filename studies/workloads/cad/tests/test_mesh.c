/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cad/assembly.h"
#include "cad/gear.h"
#include "cad/obj.h"
#include "cad/pace.h"
#include "cad/picture.h"
#include "cad/plate.h"

/* Copied to an allocation of its own: reading past it shows under ASan. */
static int
parse_bytes(const char *bytes, size_t size, struct mesh *mesh, struct failure *why)
{
    char *const copy = malloc(size + !size);
    int r;

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    *why = (struct failure){0};
    r = obj_parse(copy, size, mesh, why);
    free(copy);
    return r;
}

static int
parse(const char *text, struct mesh *mesh, struct failure *why)
{
    return parse_bytes(text, strlen(text), mesh, why);
}

static void
assert_triangles(const char *text, uint32_t count)
{
    struct failure why;
    struct mesh mesh;

    assert_int_equal(parse(text, &mesh, &why), 0);
    assert_int_equal(mesh.triangle_count, count);
    assert_int_equal(mesh.vertex_count, 3 * count);
    mesh_fini(&mesh);
}

static void
assert_refused(const char *text, int code, const char *reason)
{
    struct failure why;
    struct mesh mesh;

    assert_int_equal(parse(text, &mesh, &why), code);
    assert_non_null(strstr(why.text, reason));
    mesh_fini(&mesh);
}

#define SQUARE "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvn 0 0 2\n"

static void
obj_polygons_become_triangles(void **state)
{
    (void)state;
    assert_triangles(SQUARE "f 1 2 3\n", 1);
    assert_triangles(SQUARE "f 1 2 3 4\n", 2);
    assert_triangles(SQUARE "f 1/9 2/9 3/9\nf 1//1 2//1 3//1\nf 1/9/1 2/9/1 3/9/1", 3);
    assert_triangles(SQUARE "f -4 -3 -2 -1\n", 2);
    assert_triangles(SQUARE "\r\n# f 1 2 3\nvt 0 0\ns 1\n\tf  1\t2 3 \r\n", 1);
}

static void
obj_with_bad_indices_is_refused(void **state)
{
    (void)state;
    assert_refused(SQUARE "f 1 2 5\n", -EBADMSG, "line 6: an index of nothing");
    assert_refused(SQUARE "f 0 1 2\n", -EBADMSG, "an index of nothing");
    assert_refused(SQUARE "f -5 1 2\n", -EBADMSG, "an index of nothing");
    assert_refused("f 1 2 3\n" SQUARE, -EBADMSG, "line 1: an index of nothing");
    assert_refused(SQUARE "f 1//2 2//1 3//1\n", -EBADMSG, "an index of nothing");
    assert_refused(SQUARE "f 99999999999999999999 2 3\n", -EBADMSG, "too large");
    assert_refused(SQUARE "f 1 2 x\n", -EBADMSG, "an index is needed");
    assert_refused(SQUARE "f 1 2 -\n", -EBADMSG, "an index is needed");
    assert_refused(SQUARE "f 1 2 3x\n", -EBADMSG, "a corner is");
    assert_refused(SQUARE "f 1//1 2//1 3//1/1\n", -EBADMSG, "a corner is");
}

static void
obj_with_bad_numbers_is_refused(void **state)
{
    (void)state;
    assert_refused("v 0 0\n", -EBADMSG, "three numbers");
    assert_refused("v 0 nan 0\n", -EBADMSG, "a number from");
    assert_refused("v 0 inf 0\n", -EBADMSG, "a number from");
    assert_refused("v 0 1e30 0\n", -EBADMSG, "a number from");
    assert_refused("v 0 0 1z\n", -EBADMSG, "a number from");
    assert_refused("vn 0 0 0000000000000000000000000000000000000000000000000000000000000"
                   "00000000000000000\n",
                   -EBADMSG, "too long");
}

static void
obj_with_nothing_to_draw_is_refused(void **state)
{
    (void)state;
    assert_refused("", -EINVAL, "no faces");
    assert_refused(SQUARE, -EINVAL, "no faces");
    assert_refused(SQUARE "f 1 2\n", -EBADMSG, "three corners");
    assert_refused(SQUARE "f\n", -EBADMSG, "three corners");
    assert_refused("v 1 1 1\nf 1 1 1\n", -EINVAL, "no triangles");
}

static void
obj_polygon_of_thousands_is_refused(void **state)
{
    enum { CORNERS = 5000 };
    static char text[sizeof SQUARE + (size_t)2 * CORNERS + 2] = SQUARE "f";

    (void)state;
    for (size_t i = 0; i < (size_t)2 * CORNERS; i++)
        text[sizeof SQUARE + i] = " 1"[i % 2];
    assert_refused(text, -EBADMSG, "too many corners");
}

static void
obj_is_moved_into_the_unit_sphere(void **state)
{
    struct failure why;
    struct mesh mesh;

    (void)state;
    assert_int_equal(
        parse("v 1e15 0 0\nv 1.001e15 0 0\nv 1e15 1e12 0\nf 1 2 3\n", &mesh, &why), 0);
    for (uint32_t i = 0; i < mesh.vertex_count; i++) {
        const struct vec p = {mesh.vertices[i].position[0], mesh.vertices[i].position[1],
                              mesh.vertices[i].position[2]};

        assert_true(vec_length(vec_add(p, mesh.bodies[0].origin)) < 1.0001);
    }
    mesh_fini(&mesh);
}

static void
obj_without_normals_keeps_sharp_edges(void **state)
{
    /* Two squares at a right angle, and the same nearly flat. */
    static const char sharp[] = "v 0 0 0\nv 0 1 0\nv 1 0 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\n";
    static const char flat[] = "v 0 0 0\nv 0 1 0\nv 1 0 0\nv -1 0 .1\nf 1 3 2\nf 1 2 4\n";
    struct failure why;
    struct mesh mesh;

    (void)state;
    assert_int_equal(parse(sharp, &mesh, &why), 0);
    assert_true(mesh.vertices[0].normal[2] > 0.999f);
    mesh_fini(&mesh);
    assert_int_equal(parse(flat, &mesh, &why), 0);
    assert_memory_equal(mesh.vertices[0].normal, mesh.vertices[3].normal, 12);
    mesh_fini(&mesh);
}

/* Where a triangle's side goes, and whether it goes there or back. */
struct side {
    float from[3], to[3];
    int way;
};

static int
compare_points(const float a[3], const float b[3])
{
    for (int i = 0; i < 3; i++)
        if (a[i] < b[i] || a[i] > b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

static int
compare_sides(const void *a, const void *b)
{
    const struct side *const one = a, *const two = b;
    const int from = compare_points(one->from, two->from);

    return from ? from : compare_points(one->to, two->to);
}

static struct side
side_of(const struct mesh *mesh, uint32_t from, uint32_t to)
{
    const float *const p = mesh->vertices[from].position;
    const float *const q = mesh->vertices[to].position;
    const bool there = compare_points(p, q) < 0;
    struct side s = {.way = there ? 1 : -1};

    memcpy(s.from, there ? p : q, sizeof s.from);
    memcpy(s.to, there ? q : p, sizeof s.to);
    return s;
}

/* Each side of a triangle is that of another one, in the other direction. */
static void
assert_closed(const struct mesh *mesh)
{
    const size_t count = (size_t)mesh->triangle_count * 3;
    struct side *const sides = calloc(count, sizeof *sides);
    size_t next;

    assert_non_null(sides);
    for (size_t i = 0; i < count; i++) {
        const uint32_t *const corner = mesh->triangles[i / 3].corner;

        sides[i] = side_of(mesh, corner[i % 3], corner[(i + 1) % 3]);
    }
    qsort(sides, count, sizeof *sides, compare_sides);
    for (size_t i = 0; i < count; i = next) {
        int sum = 0;

        for (next = i; next < count && !compare_sides(&sides[i], &sides[next]); next++)
            sum += sides[next].way;
        assert_int_equal(sum, 0);
    }
    free(sides);
}

static void
parts_are_closed(void **state)
{
    static const double lines[] = {-3.0, -1.0, 2.0};
    static const struct hole hole = {0.5, 0.0, 0.7};
    const struct plate plate = {lines, lines, 3, 3, &hole, 1, 0.0, 1.0};
    struct pen *const pen = calloc(1, sizeof *pen);
    struct mesh mesh = {0};

    (void)state;
    assert_non_null(pen);
    pen->mesh = &mesh;
    for (unsigned teeth = 14; teeth <= 50; teeth += 12) {
        gear_make(pen, &(struct gear){2.0, teeth, 12.0, 6.0});
        assert_closed(&mesh);
        mesh_fini(&mesh);
    }
    plate_make(pen, &plate);
    assert_closed(&mesh);
    mesh_fini(&mesh);
    free(pen);
}

static void
assembly_has_tens_of_thousands_of_triangles(void **state)
{
    struct failure why = {0};
    struct mesh mesh;

    (void)state;
    assert_int_equal(assembly_make(&mesh, &why), 0);
    assert_in_range(mesh.triangle_count, 20000, 100000);
    for (uint32_t i = 0; i < mesh.triangle_count; i++)
        for (int k = 0; k < 3; k++)
            assert_true(mesh.triangles[i].corner[k] < mesh.vertex_count);
    mesh_fini(&mesh);
}

/* Along the line where they meet, the teeth of one are half a pitch from those of the other. */
static void
gears_mesh(void **state)
{
    const struct gear one = {2.0, 20, 12.0, 6.0}, two = {2.0, 38, 12.0, 6.0};
    const double towards = 0.7, pitch = 2.0 * M_PI;

    (void)state;
    for (int i = 0; i < 8; i++) {
        const double phase = i * 0.13;
        const double driven = gear_mesh_phase(&one, phase, &two, towards);
        const double here = gear_pitch_radius(&one) * (phase - towards);
        const double there = -gear_pitch_radius(&two) * (driven - towards - M_PI);

        assert_true(fabs(fabs(remainder(here - there, pitch)) - pitch / 2.0) < 1e-9);
    }
}

static void
frames_in_time_miss_nothing(void **state)
{
    struct pace p;

    (void)state;
    pace_init(&p, 100.0, 10.0, 3);
    for (int i = 0; i < 3; i++) {
        assert_false(pace_is_over(&p));
        assert_true(fabs(pace_due(&p) - (100.0 + i / 10.0)) < 1e-9);
        pace_end_frame(&p, 100.05 + i / 10.0);
    }
    assert_true(pace_is_over(&p));
    assert_int_equal(p.drawn, 3);
    assert_int_equal(p.missed + p.late, 0);
}

static void
frames_due_meanwhile_are_missed(void **state)
{
    struct pace p;

    (void)state;
    pace_init(&p, 0.0, 10.0, 100);
    pace_end_frame(&p, 0.25);
    assert_int_equal(p.number, 3);
    assert_int_equal(p.missed, 2);
    assert_int_equal(p.late, 1);
    pace_end_frame(&p, 0.39);
    assert_int_equal(p.number, 4);
    assert_int_equal(p.missed, 2);
}

static void
last_frame_is_drawn_in_any_case(void **state)
{
    struct pace p;

    (void)state;
    pace_init(&p, 0.0, 10.0, 5);
    pace_end_frame(&p, 1e9);
    assert_int_equal(p.number, 4);
    assert_int_equal(p.missed, 3);
    pace_end_frame(&p, 2e9);
    assert_true(pace_is_over(&p));
    assert_int_equal(p.drawn + p.missed, 5);
}

static void
png_has_the_pixels(void **state)
{
    uint32_t pixels[2 * 4] = {0xff000001, 0xff000200, 0xff030000, 0,
                              0xff040404, 0xffffffff, 0xff000000, 0};
    const struct image image = {.width = 3, .height = 2, .stride = 4, .pixels = pixels};
    char path[] = "/tmp/cad-png-XXXXXX";
    png_image png = {.version = PNG_IMAGE_VERSION};
    struct failure why = {0};
    uint8_t read[3 * 2 * 4];

    (void)state;
    close(mkstemp(path));
    assert_int_equal(picture_write_png(&image, path, &why), 0);
    assert_true(png_image_begin_read_from_file(&png, path));
    assert_int_equal(png.width, 3);
    assert_int_equal(png.height, 2);
    png.format = PNG_FORMAT_RGBA;
    assert_true(png_image_finish_read(&png, NULL, read, 0, NULL));
    assert_memory_equal(read, pixels, 12);
    assert_memory_equal(read + 12, pixels + 4, 12);
    unlink(path);
}

static void
picture_names_are_numbered(void **state)
{
    struct failure why = {0};
    char path[16];

    (void)state;
    assert_int_equal(picture_path("a-%d.png", 42, path, sizeof path, &why), 0);
    assert_string_equal(path, "a-00042.png");
    assert_int_equal(picture_path("%s%n", 42, path, sizeof path, &why), 0);
    assert_string_equal(path, "%s%n");
    assert_int_equal(picture_path("%d-and-longer", 42, path, sizeof path, &why),
                     -ENAMETOOLONG);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(obj_polygons_become_triangles),
        cmocka_unit_test(obj_with_bad_indices_is_refused),
        cmocka_unit_test(obj_with_bad_numbers_is_refused),
        cmocka_unit_test(obj_with_nothing_to_draw_is_refused),
        cmocka_unit_test(obj_polygon_of_thousands_is_refused),
        cmocka_unit_test(obj_is_moved_into_the_unit_sphere),
        cmocka_unit_test(obj_without_normals_keeps_sharp_edges),
        cmocka_unit_test(parts_are_closed),
        cmocka_unit_test(assembly_has_tens_of_thousands_of_triangles),
        cmocka_unit_test(gears_mesh),
        cmocka_unit_test(frames_in_time_miss_nothing),
        cmocka_unit_test(frames_due_meanwhile_are_missed),
        cmocka_unit_test(last_frame_is_drawn_in_any_case),
        cmocka_unit_test(png_has_the_pixels),
        cmocka_unit_test(picture_names_are_numbered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
