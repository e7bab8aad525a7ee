/* SPDX-License-Identifier: MIT */
#include "guest/opencl/multi/command.h"

#include "guest/opencl/event.h"

#include <stdlib.h>

static cl_int
check_wait_list(const struct multi_queue *q, cl_uint n, const cl_event *waits)
{
    if ((n == 0) != (waits == NULL))
        return CL_INVALID_EVENT_WAIT_LIST;
    for (cl_uint i = 0; i < n; i++) {
        const struct multi_event *e = multi_event_of(waits[i]);

        if (object_is(waits[i], KIND_event) || (e && e->context != q->context))
            return CL_INVALID_CONTEXT;
        if (!e)
            return CL_INVALID_EVENT_WAIT_LIST;
    }
    return CL_SUCCESS;
}

/* Adds an event of the queue's vGPU to the wait list. */
static cl_int
command_wait(struct command *c, cl_event e)
{
    for (cl_uint i = 0; i < c->n_waits; i++) {
        if (c->waits[i] == e)
            return CL_SUCCESS;
    }
    if (c->n_waits == c->waits_cap) {
        cl_uint cap = c->waits_cap ? c->waits_cap * 2 : 8;
        cl_event *longer = realloc(c->waits, cap * sizeof *longer);

        if (!longer)
            return CL_OUT_OF_HOST_MEMORY;
        c->waits = longer;
        c->waits_cap = cap;
    }
    ordinary->clRetainEvent(e);
    c->waits[c->n_waits++] = e;
    return CL_SUCCESS;
}

static void
command_clean(struct command *c)
{
    command_unlock(c);
    for (cl_uint i = 0; i < c->n_waits; i++)
        ordinary->clReleaseEvent(c->waits[i]);
    free(c->waits);
    free(c->written);
    if (c->inner)
        ordinary->clReleaseEvent(c->inner);
    if (c->event)
        object_unhold(&c->event->o);
}

cl_int
command_begin(struct command *c, cl_command_queue queue, cl_command_type type,
              cl_uint n_waits, const cl_event *waits, cl_event *event)
{
    struct multi_queue *q = multi_queue_of(queue);
    cl_int rc;

    if (!q)
        return CL_INVALID_COMMAND_QUEUE;
    rc = check_wait_list(q, n_waits, waits);
    if (rc != CL_SUCCESS)
        return rc;
    *c = (struct command){.queue = q, .context = q->context};
    if (event) {
        c->event = multi_event_new(q->context, q, type);
        if (!c->event)
            return CL_OUT_OF_HOST_MEMORY;
    }
    rc = multi_lock(q->context);
    c->locked = rc == CL_SUCCESS;
    for (cl_uint i = 0; rc == CL_SUCCESS && i < n_waits; i++) {
        cl_event inner;

        rc = multi_event_on(multi_event_of(waits[i]), q->vgpu, &inner);
        if (rc == CL_SUCCESS)
            rc = command_wait(c, inner);
    }
    c->n_given = c->n_waits;
    if (rc != CL_SUCCESS)
        command_clean(c);
    return rc;
}

void
command_unlock(struct command *c)
{
    if (c->locked)
        multi_unlock(c->context);
    c->locked = false;
}

/* ---- memory ------------------------------------------------------------------------ */

/*
 * Waits for what is on its way here; nothing for what has come. Behind a command too: one that
 * fails did not wait for it.
 */
static cl_int
wait_for_moved(struct command *c, const struct range *g)
{
    const struct stamp *s = g->stamp[c->queue->vgpu];
    cl_int rc = CL_SUCCESS;

    for (cl_uint i = s && !s->moved; s && rc == CL_SUCCESS && i < s->n_events; i++) {
        cl_event e = s->event[i];

        if (atomic_load_explicit(&e->status, memory_order_acquire) != CL_COMPLETE)
            rc = command_wait(c, e);
    }
    return rc;
}

static cl_int
make_valid(struct command *c, struct multi_mem *root, size_t begin, size_t end, bool move)
{
    const unsigned vgpu = c->queue->vgpu;
    cl_int rc = CL_SUCCESS;

    for (size_t at = begin; rc == CL_SUCCESS && at < end;) {
        const struct range *g = ranges_at(&root->ranges, at);
        const size_t from = at, to = g->end < end ? g->end : end;

        at = to;
        if (!range_valid_at(g, vgpu) && move) {
            if (!ranges_cut(&root->ranges, from, to))
                return CL_OUT_OF_HOST_MEMORY;
            g = ranges_at(&root->ranges, from);
            rc = move_start(root, from, to, range_source(g), vgpu);
            g = ranges_at(&root->ranges, from);
        }
        if (rc == CL_SUCCESS)
            rc = wait_for_moved(c, g);
    }
    return rc;
}

static cl_int
note_written(struct command *c, struct multi_mem *root, size_t begin, size_t end)
{
    if (c->n_written == c->written_cap) {
        unsigned cap = c->written_cap ? c->written_cap * 2 : 8;
        struct written *longer = realloc(c->written, cap * sizeof *longer);

        if (!longer)
            return CL_OUT_OF_HOST_MEMORY;
        c->written = longer;
        c->written_cap = cap;
    }
    if (!ranges_cut(&root->ranges, begin, end))
        return CL_OUT_OF_HOST_MEMORY;
    c->written[c->n_written++] = (struct written){root, begin, end};
    return CL_SUCCESS;
}

cl_int
command_use(struct command *c, cl_mem memobj, size_t offset, size_t size, enum use use,
            cl_mem *ret)
{
    struct multi_mem *m = multi_mem_of(memobj), *root;
    size_t begin = 0;
    cl_int rc;

    if (object_is(memobj, KIND_mem) || (m && m->context != c->context))
        return CL_INVALID_CONTEXT;
    if (!m)
        return CL_INVALID_MEM_OBJECT;
    rc = mem_replica(m, c->queue->vgpu, ret);
    /* Larger than this device takes, though another of the context would. */
    if (rc == CL_INVALID_BUFFER_SIZE || rc == CL_INVALID_IMAGE_SIZE)
        rc = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    if (rc != CL_SUCCESS || size == 0 || offset > m->size || size > m->size - offset)
        return rc;
    begin = offset;
    for (root = m; root->parent; root = root->parent)
        begin += root->origin;
    rc = make_valid(c, root, begin, begin + size, use != USE_OVERWRITE);
    if (rc == CL_SUCCESS && use != USE_READ)
        rc = note_written(c, root, begin, begin + size);
    return rc;
}

cl_int
command_use_all(struct command *c, cl_mem memobj, enum use use, cl_mem *ret)
{
    const struct multi_mem *m = multi_mem_of(memobj);

    return command_use(c, memobj, 0, m ? m->size : 0, use, ret);
}

/* ---- the end ----------------------------------------------------------------------- */

struct stamp *
command_stamp(const struct command *c, cl_event e)
{
    return stamp_new(false, e, c->n_waits - c->n_given, c->waits + c->n_given);
}

static void
stamp_written(struct command *c)
{
    struct stamp *s = c->n_written ? command_stamp(c, c->inner) : NULL;

    /* Without memory for a stamp the command is waited for instead. */
    if (c->n_written && !s)
        ordinary->clWaitForEvents(1, &c->inner);
    for (unsigned i = 0; i < c->n_written; i++) {
        struct written *w = &c->written[i];

        /* A later use of the same command may have joined what was cut. */
        if (ranges_cut(&w->root->ranges, w->begin, w->end))
            ranges_written(&w->root->ranges, w->begin, w->end, c->queue->vgpu, s);
    }
    stamp_drop(s);
}

cl_int
command_end(struct command *c, cl_int rc, cl_event *event)
{
    if (rc == CL_SUCCESS && c->inner)
        stamp_written(c);
    if (rc == CL_SUCCESS && c->event) {
        c->event->inner = c->inner;
        c->inner = NULL;
        *event = (cl_event)c->event;
        c->event = NULL;
    }
    command_clean(c);
    return rc;
}

cl_int
command_end_blocking(struct command *c, cl_int rc, cl_event *event)
{
    cl_event inner = c->inner;

    if (rc != CL_SUCCESS)
        return command_end(c, rc, event);
    ordinary->clRetainEvent(inner);
    rc = command_end(c, rc, event);
    if (atomic_load_explicit(&inner->status, memory_order_acquire) != CL_COMPLETE)
        rc = ordinary->clWaitForEvents(1, &inner);
    ordinary->clReleaseEvent(inner);
    return rc;
}
