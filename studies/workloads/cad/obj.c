/* SPDX-License-Identifier: MIT */
/*
 * Two passes over what is read: the text gives positions, normals and corners; then, when
 * all positions are known, each triangle gets vertices of its own. Where the file has no
 * normal, it is the mean of the triangles around the position, or the triangle's own
 * where they differ so much that there must be an edge.
 */
#include "cad/obj.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cad/look.h"

enum { NO_NORMAL = UINT32_MAX, POLYGON_MAX = 4096 };

#define SMOOTH_COSINE 0.75  /* of a triangle's normal with the mean */
#define COORDINATE_MAX 1e18 /* so that products stay finite */

struct corner {
    uint32_t position, normal;
};

struct face {
    struct corner corners[3];
    uint32_t surface;
};

/* Growing arrays; the items' sizes are the callers'. */
struct list {
    void *items;
    size_t count, room;
};

struct obj {
    struct mesh *mesh;
    struct list positions, normals, faces; /* struct vec, struct vec, struct face */
    uint32_t surface;
    bool surface_is_used;
    struct vec *means; /* of the triangles around each position */
    size_t line;
    struct failure *why;
};

static void *
list_add(struct list *list, size_t item, struct obj *obj)
{
    const size_t room = list->room ? list->room * 2 : 1024;
    void *more;

    if (list->count == list->room) {
        if (list->count >= MESH_VERTICES_MAX ||
            !(more = realloc(list->items, room * item))) {
            failure_set(obj->why, -ENOMEM, "line %zu: out of memory, or too large",
                        obj->line);
            return NULL;
        }
        list->items = more;
        list->room = room;
    }
    return (char *)list->items + list->count++ * item;
}

/* The rest of a line. */
struct words {
    const char *at, *end;
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word, without its NUL; false at the end of the line. */
static bool
next_word(struct words *words, struct words *ret_word)
{
    while (words->at < words->end && is_blank(*words->at))
        words->at++;
    ret_word->at = words->at;
    while (words->at < words->end && !is_blank(*words->at))
        words->at++;
    ret_word->end = words->at;
    return ret_word->at < ret_word->end;
}

static int
refuse(const struct obj *obj, const char *what)
{
    return failure_set(obj->why, -EBADMSG, "line %zu: %s", obj->line, what);
}

static int
read_number(const struct obj *obj, struct words *words, double *ret_number)
{
    struct words word;
    char text[64], *end;
    size_t length;

    if (!next_word(words, &word))
        return refuse(obj, "three numbers are needed");
    length = (size_t)(word.end - word.at);
    if (length >= sizeof text)
        return refuse(obj, "a number is too long");
    memcpy(text, word.at, length);
    text[length] = '\0';
    *ret_number = strtod(text, &end);
    if (end != text + length || !(fabs(*ret_number) <= COORDINATE_MAX))
        return refuse(obj, "a number from -1e18 to 1e18 is needed");
    return 0;
}

static int
read_vector(struct obj *obj, struct words *words, struct list *list)
{
    double number[3] = {0};
    struct vec *v;

    for (int i = 0; i < 3; i++) {
        const int r = read_number(obj, words, &number[i]);

        if (r < 0)
            return r;
    }
    v = list_add(list, sizeof *v, obj);
    if (!v)
        return -ENOMEM;
    *v = (struct vec){number[0], number[1], number[2]};
    return 0;
}

/* A number that counts from 1, or back from the last with a minus; leaves at after it. */
static int
read_index(const struct obj *obj, struct words *word, size_t count, uint32_t *ret_index)
{
    const bool back = word->at < word->end && *word->at == '-';
    const char *const digits = word->at + back;
    uint64_t value = 0;

    for (word->at = digits; word->at < word->end && *word->at >= '0' && *word->at <= '9';
         word->at++) {
        value = value * 10 + (uint64_t)(*word->at - '0');
        if (value > UINT32_MAX)
            return refuse(obj, "an index is too large");
    }
    if (word->at == digits)
        return refuse(obj, "an index is needed");
    if (value < 1 || value > count)
        return refuse(obj, "an index of nothing before it");
    *ret_index = (uint32_t)(back ? count - value : value - 1);
    return 0;
}

/* p, p/t, p//n or p/t/n; t is not looked at. */
static int
read_corner(const struct obj *obj, struct words word, struct corner *ret_corner)
{
    int r = read_index(obj, &word, obj->positions.count, &ret_corner->position);
    const char *second;

    ret_corner->normal = NO_NORMAL;
    if (r < 0 || word.at == word.end)
        return r;
    if (*word.at != '/')
        return refuse(obj, "a corner is p, p/t, p//n or p/t/n");
    second = memchr(word.at + 1, '/', (size_t)(word.end - word.at - 1));
    if (!second || second + 1 == word.end)
        return 0;
    word.at = second + 1;
    r = read_index(obj, &word, obj->normals.count, &ret_corner->normal);
    if (r >= 0 && word.at < word.end)
        return refuse(obj, "a corner is p, p/t, p//n or p/t/n");
    return r;
}

static int
add_face(struct obj *obj, const struct corner corners[3])
{
    struct face *face;

    if (obj->faces.count >= MESH_TRIANGLES_MAX)
        return failure_set(obj->why, -ENOMEM, "line %zu: more than %d triangles",
                           obj->line, MESH_TRIANGLES_MAX);
    face = list_add(&obj->faces, sizeof *face, obj);
    if (!face)
        return -ENOMEM;
    memcpy(face->corners, corners, sizeof face->corners);
    face->surface = obj->surface;
    obj->surface_is_used = true;
    return 0;
}

/* A polygon becomes a fan around its first corner. */
static int
read_face(struct obj *obj, struct words *words)
{
    struct corner fan[3];
    struct words word;
    int count = 0, r;

    while (next_word(words, &word)) {
        if (count == POLYGON_MAX)
            return refuse(obj, "a face has too many corners");
        r = read_corner(obj, word, &fan[count < 3 ? count : 2]);
        if (r >= 0 && ++count >= 3) {
            r = add_face(obj, fan);
            fan[1] = fan[2];
        }
        if (r < 0)
            return r;
    }
    return count < 3 ? refuse(obj, "a face has three corners or more") : 0;
}

/* Each with the next material: what the file says of them is in another file. */
static void
start_surface(struct obj *obj)
{
    if (!obj->surface_is_used)
        return;
    obj->surface = mesh_surface_new(obj->mesh, obj->mesh->surface_count % MATERIAL_COUNT);
    obj->surface_is_used = false;
}

static bool
is_word(struct words word, const char *text)
{
    const size_t length = strlen(text);

    return (size_t)(word.end - word.at) == length && !memcmp(word.at, text, length);
}

static int
read_line(struct obj *obj, struct words line)
{
    struct words key;

    if (!next_word(&line, &key))
        return 0;
    if (is_word(key, "v"))
        return read_vector(obj, &line, &obj->positions);
    if (is_word(key, "vn"))
        return read_vector(obj, &line, &obj->normals);
    if (is_word(key, "f"))
        return read_face(obj, &line);
    if (is_word(key, "g") || is_word(key, "o") || is_word(key, "usemtl"))
        start_surface(obj);
    return 0;
}

static int
read_text(struct obj *obj, const char *text, size_t size)
{
    const char *const end = text + size;

    while (text < end) {
        const char *const newline = memchr(text, '\n', (size_t)(end - text));
        const char *const stop = newline ? newline : end;
        int r;

        obj->line++;
        r = read_line(obj, (struct words){text, stop});
        if (r < 0)
            return r;
        text = newline ? stop + 1 : end;
    }
    return 0;
}

static struct vec
position_of(const struct obj *obj, struct corner corner)
{
    return ((const struct vec *)obj->positions.items)[corner.position];
}

/* As long as twice the triangle's area: large ones weigh more in a mean. */
static struct vec
face_normal(const struct obj *obj, const struct face *face)
{
    const struct vec a = position_of(obj, face->corners[0]);

    return vec_cross(vec_sub(position_of(obj, face->corners[1]), a),
                     vec_sub(position_of(obj, face->corners[2]), a));
}

static int
sum_normals(struct obj *obj)
{
    const struct face *const faces = obj->faces.items;

    obj->means = calloc(obj->positions.count, sizeof *obj->means);
    if (!obj->means)
        return failure_set(obj->why, -ENOMEM, "out of memory");
    for (size_t i = 0; i < obj->faces.count; i++)
        for (int k = 0; k < 3; k++) {
            struct vec *const mean = &obj->means[faces[i].corners[k].position];

            *mean = vec_add(*mean, face_normal(obj, &faces[i]));
        }
    return 0;
}

static struct vec
corner_normal(const struct obj *obj, struct corner corner, struct vec face_unit)
{
    struct vec normal = {0};

    if (corner.normal != NO_NORMAL)
        normal = vec_unit(((const struct vec *)obj->normals.items)[corner.normal]);
    if (vec_length(normal) > 0.0)
        return normal;
    normal = vec_unit(obj->means[corner.position]);
    return vec_dot(normal, face_unit) > SMOOTH_COSINE ? normal : face_unit;
}

static void
emit_face(const struct obj *obj, const struct face *face, struct vec origin)
{
    const struct vec unit = vec_unit(face_normal(obj, face));
    uint32_t corner[3];

    if (vec_length(unit) == 0.0)
        return; /* it has no area */
    for (int k = 0; k < 3; k++)
        corner[k] = mesh_vertex_add(obj->mesh, 0,
                                    vec_sub(position_of(obj, face->corners[k]), origin),
                                    corner_normal(obj, face->corners[k], unit));
    mesh_triangle_add(obj->mesh, corner[0], corner[1], corner[2], face->surface);
}

/* The body lies at the first position, so that large coordinates keep their last bits. */
static int
build(struct obj *obj)
{
    const struct face *const faces = obj->faces.items;
    const int r = obj->faces.count ? sum_normals(obj) : 0;
    struct vec origin;

    if (r < 0 || !obj->faces.count)
        return r < 0 ? r : failure_set(obj->why, -EINVAL, "there are no faces");
    origin = position_of(obj, faces[0].corners[0]);
    mesh_body_new(obj->mesh, origin, 0.0, 0.0);
    for (size_t i = 0; i < obj->faces.count; i++)
        emit_face(obj, &faces[i], origin);
    return mesh_finish(obj->mesh, obj->why);
}

int
obj_parse(const char *text, size_t size, struct mesh *ret_mesh, struct failure *why)
{
    struct obj obj = {.mesh = ret_mesh, .why = why, .surface_is_used = true};
    int r;

    *ret_mesh = (struct mesh){.fill = 1.0};
    start_surface(&obj);
    r = read_text(&obj, text, size);
    if (r >= 0)
        r = build(&obj);
    free(obj.positions.items);
    free(obj.normals.items);
    free(obj.faces.items);
    free(obj.means);
    return r;
}
