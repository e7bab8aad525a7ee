/* SPDX-License-Identifier: MIT */
/* Images and samplers: OpenCL 3.0, sections 5.3 and 5.7. */
#include "order.h"
#include "say.h"

#include <string.h>

/* Of the formats that every device with images must have (section 5.3.2.1). */
static const struct format formats[] = {
    {{CL_RGBA, CL_UNORM_INT8}, 4, "rgba unorm8"},
    {{CL_RGBA, CL_UNSIGNED_INT8}, 4, "rgba u8"},
    {{CL_RGBA, CL_SIGNED_INT16}, 8, "rgba s16"},
    {{CL_RGBA, CL_UNSIGNED_INT32}, 16, "rgba u32"},
    {{CL_RGBA, CL_FLOAT}, 16, "rgba float"},
    {{CL_R, CL_UNSIGNED_INT8}, 1, "r u8"},
    {{CL_R, CL_FLOAT}, 4, "r float"},
    {{CL_R, CL_UNSIGNED_INT32}, 4, "r u32"},
    {{CL_BGRA, CL_UNORM_INT8}, 4, "bgra unorm8"},
    {{CL_RGBA, CL_HALF_FLOAT}, 8, "rgba half"},
};

static const struct {
    cl_mem_object_type type;
    const char *name;
} types[] = {
    {CL_MEM_OBJECT_IMAGE2D, "2D"},
    {CL_MEM_OBJECT_IMAGE2D, "2D"},
    {CL_MEM_OBJECT_IMAGE3D, "3D"},
    {CL_MEM_OBJECT_IMAGE1D, "1D"},
    {CL_MEM_OBJECT_IMAGE2D_ARRAY, "2D array"},
    {CL_MEM_OBJECT_IMAGE1D_ARRAY, "1D array"},
    {CL_MEM_OBJECT_IMAGE1D_BUFFER, "1D buffer"},
};

enum { WIDEST = 24 };

static void
describe(struct world *w, struct memory *m)
{
    cl_image_desc *d = &m->desc;
    size_t *x = m->extent;

    x[0] = d->image_width = 1 + below(w, WIDEST);
    x[1] = x[2] = 1;
    switch (d->image_type) {
    case CL_MEM_OBJECT_IMAGE3D:
        x[2] = d->image_depth = 1 + below(w, 5);
        x[1] = d->image_height = 1 + below(w, 8);
        break;
    case CL_MEM_OBJECT_IMAGE2D:
        x[1] = d->image_height = 1 + below(w, 12);
        break;
    case CL_MEM_OBJECT_IMAGE2D_ARRAY:
        x[1] = d->image_height = 1 + below(w, 8);
        x[2] = d->image_array_size = 1 + below(w, 4);
        break;
    case CL_MEM_OBJECT_IMAGE1D_ARRAY:
        x[1] = d->image_array_size = 1 + below(w, 6);
        break;
    default:
        break;
    }
    m->bytes = x[0] * x[1] * x[2] * m->format->bytes;
}

static bool
enqueue_write(struct world *w, const struct memory *m, const size_t *origin,
              const size_t *region)
{
    const bool blocking = chance(w, 50);
    const size_t bytes = region[0] * region[1] * region[2] * m->format->bytes;
    void *p = host_memory(w, bytes);
    struct enqueue e;

    enqueue_begin(w, &e, CL_COMMAND_WRITE_IMAGE);
    enqueue_use(&e, m, 0, m->bytes, true);
    if (!enqueue_order(w, &e, blocking))
        return false;
    step(w, "clEnqueueWriteImage", "m%u at %zu,%zu,%zu region %zux%zux%zu%s %s", m->id,
         origin[0], origin[1], origin[2], region[0], region[1], region[2],
         blocking ? ", blocking" : "", e.text);
    enqueue_end(
        w, &e,
        answer(w, clEnqueueWriteImage(e.queue->queue, m->mem, blocking, origin, region, 0,
                                      0, p, e.n, enqueue_waits(&e), enqueue_event(&e))),
        false);
    if (blocking)
        memset(p, 0xee, bytes); /* what was given may be used again */
    return true;
}

/* PoCL 3.1 crashes where the image lies on a buffer: such a one is written. */
static bool
enqueue_fill(struct world *w, const struct memory *m, const size_t *origin,
             const size_t *region)
{
    const cl_channel_type type = m->format->format.image_channel_data_type;
    union {
        cl_float f[4];
        cl_uint u[4];
        cl_int i[4];
    } color;
    struct enqueue e;

    if (m->desc.image_type == CL_MEM_OBJECT_IMAGE1D_BUFFER)
        return enqueue_write(w, m, origin, region);
    for (int i = 0; i < 4; i++) {
        if (type == CL_SIGNED_INT16)
            color.i[i] = (cl_int)below(w, 60000) - 30000;
        else if (type == CL_UNSIGNED_INT8 || type == CL_UNSIGNED_INT16 ||
                 type == CL_UNSIGNED_INT32)
            color.u[i] = (cl_uint)below(w, 256);
        else
            color.f[i] = (cl_float)below(w, 2); /* the same in every rounding */
    }
    enqueue_begin(w, &e, CL_COMMAND_FILL_IMAGE);
    enqueue_use(&e, m, 0, m->bytes, true);
    if (!enqueue_order(w, &e, false))
        return false;
    step(w, "clEnqueueFillImage", "m%u at %zu,%zu,%zu region %zux%zux%zu %s", m->id,
         origin[0], origin[1], origin[2], region[0], region[1], region[2], e.text);
    enqueue_end(
        w, &e,
        answer(w, clEnqueueFillImage(e.queue->queue, m->mem, &color, origin, region, e.n,
                                     enqueue_waits(&e), enqueue_event(&e))),
        false);
    return true;
}

/* A buffer seen as pixels: released with it, so that nothing else uses its bytes. */
static cl_mem
image_on_buffer(struct world *w, struct memory *m, cl_int *rc)
{
    cl_mem image, buffer = clCreateBuffer(w->context, 0, m->bytes, NULL, rc);

    if (*rc != CL_SUCCESS)
        return NULL;
    m->desc.buffer = buffer;
    image = clCreateImage(w->context, m->flags, &m->format->format, &m->desc, NULL, rc);
    clReleaseMemObject(buffer);
    return image;
}

static void
create_image(struct world *w)
{
    static const cl_mem_flags flags[] = {
        CL_MEM_READ_WRITE,    CL_MEM_READ_WRITE,     0,
        CL_MEM_COPY_HOST_PTR, CL_MEM_ALLOC_HOST_PTR, CL_MEM_USE_HOST_PTR};
    struct memory *m = free_memory(w);
    const size_t type = below(w, sizeof types / sizeof types[0]);
    const bool on_buffer = types[type].type == CL_MEM_OBJECT_IMAGE1D_BUFFER;
    static const size_t zero[3];
    bool given;
    void *host;
    cl_int rc;
    cl_mem mem;

    if (!m)
        return;
    memset(m, 0, sizeof *m);
    m->format = &formats[below(w, sizeof formats / sizeof formats[0])];
    m->desc.image_type = types[type].type;
    m->flags = on_buffer ? 0 : flags[below(w, 6)];
    describe(w, m);
    m->id = ++w->ids;
    given = m->flags & (CL_MEM_COPY_HOST_PTR | CL_MEM_USE_HOST_PTR);
    host = given ? host_memory(w, m->bytes) : NULL;
    step(w, "clCreateImage", "%s %s flags %x size %zux%zux%zu -> m%u", types[type].name,
         m->format->name, (unsigned)m->flags, m->extent[0], m->extent[1], m->extent[2],
         m->id);
    mem = on_buffer ? image_on_buffer(w, m, &rc)
                    : clCreateImage(w->context, m->flags, &m->format->format, &m->desc,
                                    host, &rc);
    if (answer(w, rc) != CL_SUCCESS)
        return;
    m->mem = mem;
    m->root = ++w->roots;
    m->host = m->flags & CL_MEM_USE_HOST_PTR ? host : NULL;
    if (given)
        return;
    if (chance(w, 50))
        enqueue_write(w, m, zero, m->extent);
    else
        enqueue_fill(w, m, zero, m->extent);
}

static void
any_part(struct world *w, const struct memory *m, size_t *origin, size_t *region)
{
    for (int i = 0; i < 3; i++) {
        origin[i] = below(w, m->extent[i]);
        region[i] = 1 + below(w, m->extent[i] - origin[i]);
    }
}

static void
write_image(struct world *w)
{
    const struct memory *m = any_image(w);
    size_t origin[3], region[3];

    if (!m)
        return;
    any_part(w, m, origin, region);
    if (chance(w, 50))
        enqueue_write(w, m, origin, region);
    else
        enqueue_fill(w, m, origin, region);
}

static void
read_image(struct world *w)
{
    const struct memory *m = any_image(w);
    size_t origin[3], region[3], row, slice, bytes;
    const bool blocking = chance(w, 50);
    struct enqueue e;
    void *p;
    cl_int rc;
    int command;

    if (!m)
        return;
    any_part(w, m, origin, region);
    row = region[0] * m->format->bytes + m->format->bytes * below(w, 3);
    slice = row * region[1];
    if (m->desc.image_type == CL_MEM_OBJECT_IMAGE1D_ARRAY)
        slice = row;
    bytes = row * region[1] * region[2];
    p = host_memory(w, bytes);
    enqueue_begin(w, &e, CL_COMMAND_READ_IMAGE);
    enqueue_use(&e, m, 0, m->bytes, false);
    if (!enqueue_order(w, &e, blocking))
        return;
    if (region[2] == 1 && m->desc.image_type != CL_MEM_OBJECT_IMAGE1D_ARRAY)
        slice = 0;
    step(w, "clEnqueueReadImage", "m%u at %zu,%zu,%zu region %zux%zux%zu pitch %zu%s %s",
         m->id, origin[0], origin[1], origin[2], region[0], region[1], region[2], row,
         blocking ? ", blocking" : "", e.text);
    rc = answer(w,
                clEnqueueReadImage(e.queue->queue, m->mem, blocking, origin, region, row,
                                   slice, p, e.n, enqueue_waits(&e), enqueue_event(&e)));
    command = enqueue_end(w, &e, rc, blocking);
    if (command >= 0 && blocking)
        note_bytes(w, "read", p, bytes);
    else if (command >= 0) {
        w->command[command].result = p;
        w->command[command].result_bytes = bytes;
        w->command[command].result_step = w->step;
    }
}

static bool
same_format(const struct memory *a, const struct memory *b)
{
    return memcmp(&a->format->format, &b->format->format, sizeof a->format->format) == 0;
}

/* Of an array only a whole 2D region has one meaning for both images: equal types. */
static void
copy_image(struct world *w)
{
    const struct memory *from = any_image(w), *to = NULL;
    size_t origin[3], region[3], at[3];
    struct enqueue e;

    for (unsigned i = 0; from && i < MEMORIES; i++) {
        const struct memory *m = &w->memory[i];

        /* PoCL 3.1 refuses some copies of images made of buffers. */
        if (from->desc.image_type != CL_MEM_OBJECT_IMAGE1D_BUFFER && m != from &&
            m->mem && m->format && same_format(from, m) &&
            m->desc.image_type == from->desc.image_type)
            to = m;
    }
    if (!to)
        return;
    for (int i = 0; i < 3; i++) {
        const size_t most =
            from->extent[i] < to->extent[i] ? from->extent[i] : to->extent[i];

        region[i] = 1 + below(w, most);
        origin[i] = below(w, from->extent[i] - region[i] + 1);
        at[i] = below(w, to->extent[i] - region[i] + 1);
    }
    enqueue_begin(w, &e, CL_COMMAND_COPY_IMAGE);
    enqueue_use(&e, from, 0, from->bytes, false);
    enqueue_use(&e, to, 0, to->bytes, true);
    if (!enqueue_order(w, &e, false))
        return;
    step(w, "clEnqueueCopyImage",
         "m%u at %zu,%zu,%zu to m%u at %zu,%zu,%zu region "
         "%zux%zux%zu %s",
         from->id, origin[0], origin[1], origin[2], to->id, at[0], at[1], at[2],
         region[0], region[1], region[2], e.text);
    enqueue_end(
        w, &e,
        answer(w, clEnqueueCopyImage(e.queue->queue, from->mem, to->mem, origin, at,
                                     region, e.n, enqueue_waits(&e), enqueue_event(&e))),
        false);
}

static void
copy_with_buffer(struct world *w)
{
    const struct memory *image = any_image(w), *buffer = any_buffer(w);
    const bool to_image = chance(w, 50);
    size_t origin[3], region[3], bytes, offset;
    struct enqueue e;
    cl_int rc;

    /* PoCL 3.1 crashes where one of them lies on another buffer. */
    if (!image || !buffer || buffer->sub ||
        image->desc.image_type == CL_MEM_OBJECT_IMAGE1D_BUFFER)
        return;
    any_part(w, image, origin, region);
    bytes = region[0] * region[1] * region[2] * image->format->bytes;
    if (bytes > buffer->bytes)
        return;
    offset = below(w, (buffer->bytes - bytes) / 16 + 1) * 16;
    enqueue_begin(w, &e,
                  to_image ? CL_COMMAND_COPY_BUFFER_TO_IMAGE
                           : CL_COMMAND_COPY_IMAGE_TO_BUFFER);
    enqueue_use(&e, image, 0, image->bytes, to_image);
    enqueue_use(&e, buffer, offset, bytes, !to_image);
    if (!enqueue_order(w, &e, false))
        return;
    step(w, to_image ? "clEnqueueCopyBufferToImage" : "clEnqueueCopyImageToBuffer",
         "m%u at %zu,%zu,%zu region %zux%zux%zu, m%u offset %zu %s", image->id, origin[0],
         origin[1], origin[2], region[0], region[1], region[2], buffer->id, offset,
         e.text);
    rc = to_image ? clEnqueueCopyBufferToImage(e.queue->queue, buffer->mem, image->mem,
                                               offset, origin, region, e.n,
                                               enqueue_waits(&e), enqueue_event(&e))
                  : clEnqueueCopyImageToBuffer(e.queue->queue, image->mem, buffer->mem,
                                               origin, region, offset, e.n,
                                               enqueue_waits(&e), enqueue_event(&e));
    enqueue_end(w, &e, answer(w, rc), false);
}

static void
image_info(struct world *w)
{
    static const struct {
        cl_image_info info;
        const char *name;
    } infos[] = {
        {CL_IMAGE_ELEMENT_SIZE, "ELEMENT_SIZE"},
        {CL_IMAGE_WIDTH, "WIDTH"},
        {CL_IMAGE_HEIGHT, "HEIGHT"},
        {CL_IMAGE_DEPTH, "DEPTH"},
        {CL_IMAGE_ARRAY_SIZE, "ARRAY_SIZE"},
        {CL_IMAGE_NUM_MIP_LEVELS, "NUM_MIP_LEVELS"},
        {CL_IMAGE_NUM_SAMPLES, "NUM_SAMPLES"},
        {CL_IMAGE_FORMAT, "FORMAT"},
    };
    const struct memory *m = any_image(w);
    const size_t i = below(w, sizeof infos / sizeof infos[0]);
    size_t value = 0, bytes = 0;

    if (!m)
        return;
    step(w, "clGetImageInfo", "m%u %s", m->id, infos[i].name);
    if (answer(w, clGetImageInfo(m->mem, infos[i].info, sizeof value, &value, &bytes)) ==
        CL_SUCCESS)
        note(w, "%zu in %zu bytes", value, bytes);
}

/* Which formats there are, whatever their order. */
static void
supported_formats(struct world *w)
{
    const size_t type = below(w, sizeof types / sizeof types[0]);
    static cl_image_format list[512];
    cl_uint n = 0;
    uint64_t sum = 0;
    cl_int rc;

    step(w, "clGetSupportedImageFormats", "%s", types[type].name);
    rc = clGetSupportedImageFormats(w->context, CL_MEM_READ_WRITE, types[type].type, 512,
                                    list, &n);
    for (cl_uint i = 0; rc == CL_SUCCESS && i < n; i++)
        sum += (uint64_t)list[i].image_channel_order * list[i].image_channel_data_type;
    if (answer(w, rc) == CL_SUCCESS)
        note(w, "%u formats, sum %llx", n, (unsigned long long)sum);
}

static void
create_sampler(struct world *w)
{
    static const cl_addressing_mode modes[] = {CL_ADDRESS_NONE, CL_ADDRESS_CLAMP,
                                               CL_ADDRESS_CLAMP_TO_EDGE};
    struct sampler *s = &w->sampler[below(w, SAMPLERS)];
    const cl_addressing_mode mode = modes[below(w, 3)];
    const cl_sampler_properties properties[] = {CL_SAMPLER_NORMALIZED_COORDS,
                                                CL_FALSE,
                                                CL_SAMPLER_ADDRESSING_MODE,
                                                mode,
                                                CL_SAMPLER_FILTER_MODE,
                                                CL_FILTER_NEAREST,
                                                0};
    cl_int rc;

    if (s->sampler) {
        step(w, "clReleaseSampler", "s%u", s->id);
        answer(w, clReleaseSampler(s->sampler));
        s->sampler = NULL;
        return;
    }
    s->id = ++w->ids;
    step(w, "clCreateSampler", "mode %x -> s%u", (unsigned)mode, s->id);
    s->sampler = chance(w, 50)
                     ? clCreateSampler(w->context, CL_FALSE, mode, CL_FILTER_NEAREST, &rc)
                     : clCreateSamplerWithProperties(w->context, properties, &rc);
    if (answer(w, rc) != CL_SUCCESS)
        s->sampler = NULL;
}

static void
sampler_info(struct world *w)
{
    const struct sampler *s = any_sampler(w);
    cl_bool normalized = 7;
    cl_addressing_mode mode = 0;
    cl_filter_mode filter = 0;
    cl_int rc;

    if (!s)
        return;
    step(w, "clGetSamplerInfo", "s%u", s->id);
    rc = clGetSamplerInfo(s->sampler, CL_SAMPLER_NORMALIZED_COORDS, sizeof normalized,
                          &normalized, NULL);
    if (rc == CL_SUCCESS)
        rc = clGetSamplerInfo(s->sampler, CL_SAMPLER_ADDRESSING_MODE, sizeof mode, &mode,
                              NULL);
    if (rc == CL_SUCCESS)
        rc = clGetSamplerInfo(s->sampler, CL_SAMPLER_FILTER_MODE, sizeof filter, &filter,
                              NULL);
    answer(w, rc);
    note(w, "normalized %u, mode %x, filter %x", normalized, mode, filter);
}

const struct op image_ops[] = {
    {"create image", IMAGE, 10, create_image},
    {"write image", IMAGE, 9, write_image},
    {"read image", IMAGE, 8, read_image},
    {"copy image", IMAGE, 5, copy_image},
    {"copy with buffer", IMAGE | MEMORY, 7, copy_with_buffer},
    {"image info", IMAGE | QUERY, 4, image_info},
    {"formats", IMAGE | QUERY, 1, supported_formats},
    {"sampler", SAMPLER, 2, create_sampler},
    {"sampler info", SAMPLER | QUERY, 1, sampler_info},
    {0},
};
