/* SPDX-License-Identifier: MIT */
/*
 * Mappings: OpenCL 3.0, sections 5.2.4 (buffers) and 5.5 (unmap). A mapping holds its bytes
 * from the call until it is unmapped: read ones may overlap, one to write is alone.
 */
#include "order.h"
#include "say.h"

#include <string.h>

static struct mapping *
free_mapping(struct world *w)
{
    for (unsigned i = 0; i < MAPPINGS; i++) {
        if (!w->mapping[i].pointer)
            return &w->mapping[i];
    }
    return NULL;
}

static bool
may_map(const struct memory *m, cl_map_flags flags)
{
    cl_mem_flags against = CL_MEM_HOST_NO_ACCESS;

    if (flags & CL_MAP_READ)
        against |= CL_MEM_HOST_WRITE_ONLY;
    if (flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION))
        against |= CL_MEM_HOST_READ_ONLY;
    return !(m->flags & against);
}

static cl_map_flags
any_map_flags(struct world *w)
{
    static const cl_map_flags all[] = {CL_MAP_READ, CL_MAP_READ, CL_MAP_WRITE,
                                       CL_MAP_READ | CL_MAP_WRITE,
                                       CL_MAP_WRITE_INVALIDATE_REGION};

    return all[below(w, 5)];
}

/* What the host sees through a mapping, row by row where it is an image's. */
static void
show(struct world *w, const struct mapping *m)
{
    const uint8_t *p = m->pointer;
    uint8_t *to;
    size_t at = 0;

    if (m->invalidate)
        return;
    if (!m->image) {
        note_bytes(w, "mapped", p, m->region[0]);
        return;
    }
    to = host_memory(w, m->region[0] * m->region[1] * m->region[2]);
    for (size_t z = 0; z < m->region[2]; z++) {
        for (size_t y = 0; y < m->region[1]; y++, at += m->region[0])
            memcpy(to + at, p + z * m->slice + y * m->row, m->region[0]);
    }
    note_bytes(w, "mapped", to, at);
}

static void
change(struct world *w, const struct mapping *m)
{
    const uint8_t *from = host_memory(w, m->region[0] * m->region[1] * m->region[2]);
    uint8_t *p = m->pointer;

    for (size_t z = 0; z < m->region[2]; z++) {
        for (size_t y = 0; y < m->region[1]; y++, from += m->region[0])
            memcpy(p + z * m->slice + y * m->row, from, m->region[0]);
    }
}

static void
map_buffer(struct world *w)
{
    const struct memory *m = any_buffer(w);
    const cl_map_flags flags = any_map_flags(w);
    const bool blocking = chance(w, 60), write = flags != CL_MAP_READ;
    struct mapping *slot = free_mapping(w);
    struct enqueue e;
    size_t lo, bytes;
    void *p;
    cl_int rc;

    if (!m || !slot || !may_map(m, flags))
        return;
    lo = chance(w, 40) ? 0 : below(w, m->bytes);
    bytes = 1 + below(w, m->bytes - lo);
    enqueue_begin(w, &e, CL_COMMAND_MAP_BUFFER);
    enqueue_use(&e, m, lo, bytes, write);
    if (!enqueue_order(w, &e, blocking))
        return;
    step(w, "clEnqueueMapBuffer", "m%u flags %u, offset %zu, size %zu%s %s", m->id,
         (unsigned)flags, lo, bytes, blocking ? ", blocking" : "", e.text);
    p = clEnqueueMapBuffer(e.queue->queue, m->mem, blocking, flags, lo, bytes, e.n,
                           enqueue_waits(&e), enqueue_event(&e), &rc);
    if (answer(w, rc) != CL_SUCCESS)
        return;
    if (m->host)
        note(w, "inside the host's memory: %s", p == m->host + lo ? "yes" : "no");
    *slot = (struct mapping){.pointer = p,
                             .memory = (unsigned)(m - w->memory),
                             .access = e.command.access[0],
                             .invalidate = flags == CL_MAP_WRITE_INVALIDATE_REGION,
                             .region = {bytes, 1, 1}};
    slot->command = enqueue_end(w, &e, rc, blocking);
    if (blocking) {
        slot->command = -1;
        show(w, slot);
    }
}

static void
map_image(struct world *w)
{
    const struct memory *m = any_image(w);
    const cl_map_flags flags = any_map_flags(w);
    const bool blocking = chance(w, 60);
    struct mapping *slot = free_mapping(w);
    struct enqueue e;
    size_t origin[3], region[3], row = 0, slice = 0;
    void *p;
    cl_int rc;

    if (!m || !slot || !may_map(m, flags))
        return;
    for (int i = 0; i < 3; i++) {
        origin[i] = below(w, m->extent[i]);
        region[i] = 1 + below(w, m->extent[i] - origin[i]);
    }
    enqueue_begin(w, &e, CL_COMMAND_MAP_IMAGE);
    enqueue_use(&e, m, 0, m->bytes, flags != CL_MAP_READ);
    /* PoCL 3.1 waits for the wait list in the call itself, for ever behind a user event. */
    if (!enqueue_order(w, &e, true))
        return;
    step(w, "clEnqueueMapImage", "m%u flags %u, at %zu,%zu,%zu region %zux%zux%zu%s %s",
         m->id, (unsigned)flags, origin[0], origin[1], origin[2], region[0], region[1],
         region[2], blocking ? ", blocking" : "", e.text);
    p = clEnqueueMapImage(e.queue->queue, m->mem, blocking, flags, origin, region, &row,
                          &slice, e.n, enqueue_waits(&e), enqueue_event(&e), &rc);
    if (answer(w, rc) != CL_SUCCESS)
        return;
    *slot =
        (struct mapping){.pointer = p,
                         .memory = (unsigned)(m - w->memory),
                         .access = e.command.access[0],
                         .image = true,
                         .invalidate = flags == CL_MAP_WRITE_INVALIDATE_REGION,
                         .region = {region[0] * m->format->bytes, region[1], region[2]},
                         .row = row,
                         .slice = slice};
    /* Of a 1D array the slices are its lines. */
    if (m->desc.image_type == CL_MEM_OBJECT_IMAGE1D_ARRAY)
        slot->row = slice;
    slot->command = enqueue_end(w, &e, rc, blocking);
    if (blocking) {
        slot->command = -1;
        show(w, slot);
    }
}

void
mapping_end(struct world *w, struct mapping *m)
{
    const struct memory *memory = &w->memory[m->memory];
    struct mapping was;
    struct enqueue e;

    if (m->command >= 0) {
        host_wait(w, m->command);
        show(w, m);
    }
    if (m->access.write)
        change(w, m);
    was = *m;
    m->pointer = NULL;
    enqueue_begin(w, &e, CL_COMMAND_UNMAP_MEM_OBJECT);
    e.command.access[e.command.accesses++] = was.access;
    enqueue_order(w, &e, false);
    step(w, "clEnqueueUnmapMemObject", "m%u %s", memory->id, e.text);
    enqueue_end(
        w, &e,
        answer(w, clEnqueueUnmapMemObject(e.queue->queue, memory->mem, was.pointer, e.n,
                                          enqueue_waits(&e), enqueue_event(&e))),
        false);
}

static void
unmap(struct world *w)
{
    struct mapping *m = &w->mapping[below(w, MAPPINGS)];

    if (m->pointer)
        mapping_end(w, m);
}

const struct op map_ops[] = {
    {"map buffer", MEMORY, 9, map_buffer},
    {"map image", IMAGE, 8, map_image},
    {"unmap", 0, 14, unmap},
    {0},
};
