/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, sections 5.3.3 to 5.3.6: commands on images. */
#include "api_use.h"

#define WIDTH 8
#define HEIGHT 4

static cl_mem image, other_image; /* WIDTH x HEIGHT of four bytes each */
static uint8_t room[WIDTH * HEIGHT * 4];
static const size_t zero[3] = {0, 0, 0}, all[3] = {WIDTH, HEIGHT, 1}, half[3] = {4, 4, 1},
                    right_half[3] = {4, 0, 0};

static cl_mem
image_of(struct use *u, cl_context c, cl_mem_flags flags)
{
    const cl_image_format f = {CL_RGBA, CL_UNSIGNED_INT8};
    const cl_image_desc d = {.image_type = CL_MEM_OBJECT_IMAGE2D,
                             .image_width = WIDTH,
                             .image_height = HEIGHT};
    cl_mem m = clCreateImage(c, flags, &f, &d, NULL, &u->rc);

    MUST(u->rc);
    return m;
}

/* ---- one right command of each ----------------------------------------------------- */

static cl_int
read_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    (void)u;
    return clEnqueueReadImage(q, image, CL_TRUE, zero, all, 0, 0, room, n, w, e);
}

static cl_int
write_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    (void)u;
    return clEnqueueWriteImage(q, image, CL_TRUE, zero, all, 0, 0, room, n, w, e);
}

static cl_int
fill_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    static const cl_uint color[4] = {1, 2, 3, 4};

    (void)u;
    return clEnqueueFillImage(q, image, color, zero, all, n, w, e);
}

static cl_int
copy_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    (void)u;
    return clEnqueueCopyImage(q, image, image, zero, right_half, half, n, w, e);
}

static cl_int
to_buffer_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w,
              cl_event *e)
{
    return clEnqueueCopyImageToBuffer(q, image, u->buffer, zero, all, 0, n, w, e);
}

static cl_int
from_buffer_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w,
                cl_event *e)
{
    return clEnqueueCopyBufferToImage(q, u->buffer, image, 0, zero, all, n, w, e);
}

static cl_int
map_cmd(struct use *u, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e)
{
    size_t row = 0;
    void *p = clEnqueueMapImage(q, image, CL_TRUE, CL_MAP_READ, zero, all, &row, NULL, n,
                                w, e, &u->rc);
    cl_int rc = use_new(u, p);

    if (p)
        MUST(clEnqueueUnmapMemObject(q, image, p, 0, NULL, NULL));
    return rc;
}

/* ---- right use: the bytes ---------------------------------------------------------- */

static void
room_fill(uint8_t first)
{
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = (uint8_t)(first + i);
}

static bool
pixels_come_back(struct use *u)
{
    uint8_t want[sizeof room];

    room_fill(3);
    memcpy(want, room, sizeof want);
    if (write_cmd(u, u->queue, 0, NULL, NULL) != CL_SUCCESS)
        return false;
    memset(room, 0, sizeof room);
    return read_cmd(u, u->queue, 0, NULL, NULL) == CL_SUCCESS &&
           memcmp(room, want, sizeof want) == 0;
}

static bool
fill_colors_all(struct use *u)
{
    bool good = fill_cmd(u, u->queue, 0, NULL, NULL) == CL_SUCCESS &&
                read_cmd(u, u->queue, 0, NULL, NULL) == CL_SUCCESS;

    for (size_t i = 0; i < sizeof room; i++)
        good &= room[i] == i % 4 + 1;
    return good;
}

static bool
copy_moves_half(struct use *u)
{
    bool good = pixels_come_back(u) &&
                copy_cmd(u, u->queue, 0, NULL, NULL) == CL_SUCCESS &&
                read_cmd(u, u->queue, 0, NULL, NULL) == CL_SUCCESS;

    return good && memcmp(room, room + 16, 16) == 0 && room[0] == 3;
}

static bool
buffer_round_trip(struct use *u)
{
    uint8_t want[sizeof room];
    bool good;

    buffer_fill(u, 9);
    good = from_buffer_cmd(u, u->queue, 0, NULL, NULL) == CL_SUCCESS &&
           read_cmd(u, u->queue, 0, NULL, NULL) == CL_SUCCESS && room[0] == 9 &&
           room[100] == 109;
    memcpy(want, room, sizeof want);
    buffer_fill(u, 0);
    return good && to_buffer_cmd(u, u->queue, 0, NULL, NULL) == CL_SUCCESS &&
           buffer_is(u, 0, want, sizeof want);
}

static bool
map_shows_pixels(struct use *u)
{
    size_t row = 0;
    uint8_t *p;
    bool good;

    if (!pixels_come_back(u))
        return false;
    p = clEnqueueMapImage(u->queue, image, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE,
                          right_half, half, &row, NULL, 0, NULL, NULL, &u->rc);
    good = p && u->rc == CL_SUCCESS && row >= 16 && p[0] == 3 + 16 && p[row] == 3 + 48;
    if (good)
        p[row] = 200;
    return good &&
           clEnqueueUnmapMemObject(u->queue, image, p, 0, NULL, NULL) == CL_SUCCESS &&
           read_cmd(u, u->queue, 0, NULL, NULL) == CL_SUCCESS && room[48] == 200;
}

/* ---- wrong use --------------------------------------------------------------------- */

/* One call's arguments; `right` with one of them changed. */
struct pixels {
    cl_mem image;
    const size_t *origin, *region;
    size_t row, slice, offset;
    void *host;
};

typedef cl_int (*pixels_fn)(struct use *u, const struct pixels *p);

static cl_int
read_it(struct use *u, const struct pixels *p)
{
    return clEnqueueReadImage(u->queue, p->image, CL_TRUE, p->origin, p->region, p->row,
                              p->slice, p->host, 0, NULL, NULL);
}

static cl_int
write_it(struct use *u, const struct pixels *p)
{
    return clEnqueueWriteImage(u->queue, p->image, CL_TRUE, p->origin, p->region, p->row,
                               p->slice, p->host, 0, NULL, NULL);
}

static cl_int
fill_it(struct use *u, const struct pixels *p)
{
    return clEnqueueFillImage(u->queue, p->image, p->host, p->origin, p->region, 0, NULL,
                              NULL);
}

static cl_int
copy_from_it(struct use *u, const struct pixels *p)
{
    return clEnqueueCopyImage(u->queue, p->image, image, p->origin, right_half, p->region,
                              0, NULL, NULL);
}

static cl_int
copy_onto_it(struct use *u, const struct pixels *p)
{
    return clEnqueueCopyImage(u->queue, image, p->image, right_half, p->origin, p->region,
                              0, NULL, NULL);
}

static cl_int
to_buffer(struct use *u, const struct pixels *p)
{
    return clEnqueueCopyImageToBuffer(u->queue, p->image, u->buffer, p->origin, p->region,
                                      p->offset, 0, NULL, NULL);
}

static cl_int
from_buffer(struct use *u, const struct pixels *p)
{
    return clEnqueueCopyBufferToImage(u->queue, u->buffer, p->image, p->offset, p->origin,
                                      p->region, 0, NULL, NULL);
}

static cl_int
map_it(struct use *u, const struct pixels *p)
{
    size_t row;

    return NEW(u, clEnqueueMapImage(u->queue, p->image, CL_TRUE, CL_MAP_READ, p->origin,
                                    p->region, &row, NULL, 0, NULL, NULL, &u->rc));
}

static struct pixels
right(void)
{
    return (struct pixels){.image = image, .origin = zero, .region = half, .host = room};
}

#define WITH(change) (p = right(), change, fn(u, &p))

static void
wrong_pixels(struct use *u, const char *call, pixels_fn fn)
{
    static const size_t far[3] = {6, 0, 0}, low[3] = {0, 2, 0}, deep[3] = {0, 0, 1},
                        thin[3] = {0, 4, 1}, lined[3] = {4, 0, 1}, none[3] = {4, 4, 0},
                        thick[3] = {4, 4, 2};
    struct pixels p;

    WRONG(call, "no image", CL_INVALID_MEM_OBJECT, WITH(p.image = NULL));
    WRONG_KIND(call, "an image that is a queue", CL_INVALID_MEM_OBJECT,
               WITH(p.image = (cl_mem)u->queue));
    WRONG(call, "an image that is one of memory without pixels", CL_INVALID_MEM_OBJECT,
          WITH(p.image = u->buffer));
    WRONG(call, "an image of another context", CL_INVALID_CONTEXT,
          WITH(p.image = other_image));
    WRONG(call, "no origin", CL_INVALID_VALUE, WITH(p.origin = NULL));
    WRONG(call, "no region", CL_INVALID_VALUE, WITH(p.region = NULL));
    WRONG(call, "past the right edge", CL_INVALID_VALUE, WITH(p.origin = far));
    WRONG(call, "past the lower edge", CL_INVALID_VALUE, WITH(p.origin = low));
    WRONG(call, "an origin behind a flat image", CL_INVALID_VALUE, WITH(p.origin = deep));
    WRONG(call, "a region deeper than a flat image", CL_INVALID_VALUE,
          WITH(p.region = thick));
    WRONG_DIFFERS("image-region", CL_SUCCESS, call, "a region without width",
                  CL_INVALID_VALUE, WITH(p.region = thin));
    WRONG_DIFFERS("image-region", CL_SUCCESS, call, "a region without height",
                  CL_INVALID_VALUE, WITH(p.region = lined));
    WRONG_DIFFERS("image-region", CL_SUCCESS, call, "a region without depth",
                  CL_INVALID_VALUE, WITH(p.region = none));
}

static void
wrong_host_sides(struct use *u, const char *call, pixels_fn fn)
{
    struct pixels p;

    WRONG(call, "no host memory", CL_INVALID_VALUE, WITH(p.host = NULL));
    WRONG_DIFFERS("image-pitch", CL_SUCCESS, call, "rows shorter than the region",
                  CL_INVALID_VALUE, WITH(p.row = 8));
    /* The argument "must be 0"; no error of the list names it. */
    WRONG_OR(call, "a slice pitch for a flat image", CL_INVALID_VALUE, CL_SUCCESS,
             WITH(p.slice = 64));
}

static cl_int
with_flags(struct use *u, cl_mem_flags flags, pixels_fn fn)
{
    struct pixels p = right();
    cl_int rc;

    p.image = image_of(u, u->context, flags);
    rc = fn(u, &p);
    MUST(clReleaseMemObject(p.image));
    return rc;
}

static void
wrong_host_access(struct use *u, const char *call, pixels_fn fn, cl_mem_flags one_way)
{
    WRONG(call, "an image that the host may not touch", CL_INVALID_OPERATION,
          with_flags(u, CL_MEM_HOST_NO_ACCESS, fn));
    WRONG(call, "an image for the other way", CL_INVALID_OPERATION,
          with_flags(u, one_way, fn));
}

static cl_int
copy_to_other_format(struct use *u)
{
    const cl_image_format f = {CL_R, CL_FLOAT};
    const cl_image_desc d = {.image_type = CL_MEM_OBJECT_IMAGE2D,
                             .image_width = WIDTH,
                             .image_height = HEIGHT};
    cl_mem m = clCreateImage(u->context, 0, &f, &d, NULL, &u->rc);
    cl_int rc;

    MUST(u->rc);
    rc = clEnqueueCopyImage(u->queue, image, m, zero, zero, half, 0, NULL, NULL);
    MUST(clReleaseMemObject(m));
    return rc;
}

static cl_int
map_with(struct use *u, cl_map_flags flags, size_t *row)
{
    return NEW(u, clEnqueueMapImage(u->queue, image, CL_TRUE, flags, zero, half, row,
                                    NULL, 0, NULL, NULL, &u->rc));
}

static void
wrong_copies(struct use *u)
{
    static const size_t near[3] = {1, 0, 0};
    pixels_fn fn;
    struct pixels p;
    size_t row;

    WRONG("clEnqueueCopyImage", "images of two formats", CL_IMAGE_FORMAT_MISMATCH,
          copy_to_other_format(u));
    WRONG("clEnqueueCopyImage", "regions that overlap", CL_MEM_COPY_OVERLAP,
          clEnqueueCopyImage(u->queue, image, image, zero, near, half, 0, NULL, NULL));
    fn = to_buffer;
    WRONG("clEnqueueCopyImageToBuffer", "past the buffer's end", CL_INVALID_VALUE,
          WITH(p.offset = USE_BYTES - 32));
    fn = from_buffer;
    WRONG("clEnqueueCopyBufferToImage", "past the buffer's end", CL_INVALID_VALUE,
          WITH(p.offset = USE_BYTES - 32));
    WRONG_CRASHES(
        "image-copy-without-buffer", "clEnqueueCopyImageToBuffer", "no buffer",
        CL_INVALID_MEM_OBJECT,
        clEnqueueCopyImageToBuffer(u->queue, image, NULL, zero, half, 0, 0, NULL, NULL));
    WRONG_CRASHES(
        "image-copy-without-buffer", "clEnqueueCopyBufferToImage", "no buffer",
        CL_INVALID_MEM_OBJECT,
        clEnqueueCopyBufferToImage(u->queue, NULL, image, 0, zero, half, 0, NULL, NULL));
    WRONG("clEnqueueMapImage", "nowhere to put the row pitch", CL_INVALID_VALUE,
          map_with(u, CL_MAP_READ, NULL));
    WRONG_DIFFERS("map-flags", CL_SUCCESS, "clEnqueueMapImage",
                  "a flag that there is not", CL_INVALID_VALUE,
                  map_with(u, 1 << 20, &row));
}

/* ---- all of them ------------------------------------------------------------------- */

static void
commands(struct use *u)
{
    static const struct {
        const char *entry;
        enqueue_fn enqueue;
        cl_command_type type;
        bool blocks;
        bool (*works)(struct use *u);
        pixels_fn fn;
    } list[] = {
        {"clEnqueueReadImage", read_cmd, CL_COMMAND_READ_IMAGE, true, pixels_come_back,
         read_it},
        {"clEnqueueWriteImage", write_cmd, CL_COMMAND_WRITE_IMAGE, true, pixels_come_back,
         write_it},
        {"clEnqueueFillImage", fill_cmd, CL_COMMAND_FILL_IMAGE, false, fill_colors_all,
         fill_it},
        {"clEnqueueCopyImage", copy_cmd, CL_COMMAND_COPY_IMAGE, false, copy_moves_half,
         copy_from_it},
        {"clEnqueueCopyImageToBuffer", to_buffer_cmd, CL_COMMAND_COPY_IMAGE_TO_BUFFER,
         false, buffer_round_trip, to_buffer},
        {"clEnqueueCopyBufferToImage", from_buffer_cmd, CL_COMMAND_COPY_BUFFER_TO_IMAGE,
         false, buffer_round_trip, from_buffer},
        {"clEnqueueMapImage", map_cmd, CL_COMMAND_MAP_IMAGE, true, map_shows_pixels,
         map_it},
    };

    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const struct enqueued e = {.entry = list[i].entry,
                                   .enqueue = list[i].enqueue,
                                   .type = list[i].type,
                                   .has_objects = true,
                                   .blocks = list[i].blocks};

        use_enqueue(u, &e);
        RIGHT(e.entry, "the pixels are where they belong", list[i].works(u));
        wrong_pixels(u, e.entry, list[i].fn);
    }
    wrong_pixels(u, "clEnqueueCopyImage", copy_onto_it);
}

void
api_pixels(struct use *u)
{
    image = image_of(u, u->context, 0);
    other_image = image_of(u, u->other, 0);
    commands(u);
    wrong_host_sides(u, "clEnqueueReadImage", read_it);
    wrong_host_sides(u, "clEnqueueWriteImage", write_it);
    wrong_host_access(u, "clEnqueueReadImage", read_it, CL_MEM_HOST_WRITE_ONLY);
    wrong_host_access(u, "clEnqueueWriteImage", write_it, CL_MEM_HOST_READ_ONLY);
    wrong_host_access(u, "clEnqueueMapImage", map_it, CL_MEM_HOST_WRITE_ONLY);
    wrong_copies(u);
    {
        pixels_fn fn = fill_it;
        struct pixels p;

        WRONG("clEnqueueFillImage", "no color", CL_INVALID_VALUE, WITH(p.host = NULL));
    }
    MUST(clFinish(u->queue));
    MUST(clReleaseMemObject(image));
    MUST(clReleaseMemObject(other_image));
}
