/* SPDX-License-Identifier: MIT */
#include "worker/object.h"

#include "api/opencl_request.h"
#include "worker/command_buffer.h"
#include "worker/context.h"
#include "worker/event.h"
#include "worker/kernel.h"
#include "worker/mem.h"
#include "worker/program.h"
#include "worker/queue.h"
#include "worker/sampler.h"
#include "worker/session.h"

#include <errno.h>
#include <stdlib.h>

static void
device_fini(struct session *s, struct object *o)
{
    if (o->h.device)
        s->cl->clReleaseDevice(o->h.device);
}

static const struct object_ops object_ops[OBJECT_KINDS] = {
    [KIND_context] = {sizeof(struct context), NULL, context_fini},
    [KIND_queue] = {sizeof(struct queue), queue_released, queue_fini},
    [KIND_mem] = {sizeof(struct mem), NULL, mem_fini},
    [KIND_program] = {sizeof(struct program), NULL, program_fini},
    [KIND_kernel] = {sizeof(struct kernel), NULL, kernel_fini},
    [KIND_event] = {sizeof(struct event), NULL, event_fini},
    [KIND_device] = {sizeof(struct object), NULL, device_fini},
    [KIND_command_buffer] = {sizeof(struct command_buffer), NULL, command_buffer_fini},
    [KIND_sampler] = {sizeof(struct object), NULL, sampler_fini},
    [KIND_image] = {sizeof(struct mem), NULL, mem_fini},
};

bool
recipe_set(struct recipe *r, const void *frame, size_t len)
{
    if (r->frame_cap < len) {
        void *bigger = realloc(r->frame, len);

        if (!bigger) {
            recipe_fini(r);
            return false;
        }
        r->frame = bigger;
        r->frame_cap = (uint32_t)len;
    }
    memcpy(r->frame, frame, len);
    r->frame_len = (uint32_t)len;
    return true;
}

void
recipe_fini(struct recipe *r)
{
    free(r->frame);
    free(r->blob);
    *r = (struct recipe){0};
}

uint64_t
recipe_bytes(const struct recipe *r)
{
    return r->frame_len + r->blob_len;
}

/* Programs keep what they are made of: beyond the limit they are failed objects without it. */
static void
object_charge_program(struct session *s, struct object *o)
{
    if (allowance_take(s, LIMIT_PROGRAM_BYTES, recipe_bytes(&o->recipe)))
        return;
    s->request.error = CL_OUT_OF_HOST_MEMORY;
    /* The request still reads the blob: it goes with it. */
    s->request.blob = take_ptr(o->recipe.blob);
    recipe_fini(&o->recipe);
}

static bool
object_take_recipe(struct session *s, struct object *o)
{
    struct request *q = &s->request;

    if (!q->recipe)
        return true;
    if (!recipe_set(&o->recipe, q->frame, q->len))
        return false;
    o->recipe.blob = take_ptr(q->blob);
    o->recipe.blob_len = q->blob_len;
    if (o->kind == KIND_program)
        object_charge_program(s, o);
    return true;
}

/* A command that is enqueued already has its event: only its id's slot bounds it. */
static void
object_count(struct session *s, struct object *o)
{
    o->counted = allowance_take(s, LIMIT_OBJECTS, 1);
    if (!o->counted && s->request.error == CL_SUCCESS &&
        (o->kind != KIND_event || s->request.op == OP_clCreateUserEvent))
        s->request.error = CL_OUT_OF_RESOURCES;
}

void *
object_new(struct session *s, struct guest_id id, enum object_kind kind)
{
    struct object *o = calloc(1, object_ops[kind].size);

    if (!o) {
        session_fail(s, "the worker has no memory for another object");
        return NULL;
    }
    o->id = id;
    o->serial = session_moment(s);
    o->kind = kind;
    object_count(s, o);
    atomic_init(&o->refs, 1);
    if (!object_take_recipe(s, o) || table_put(&s->table, id, o) < 0) {
        recipe_fini(&o->recipe);
        free(o);
        session_fail(s, "the worker has no memory for another object");
        return NULL;
    }
    list_add_tail(&s->objects, &o->node);
    return o;
}

int
object_made(struct session *s, struct object *o, cl_int rc, uint64_t tag)
{
    o->error = rc;
    if (rc != CL_SUCCESS)
        o->h.any = NULL;
    if (tag != 0)
        reply_status(s, tag, rc);
    return 0;
}

void
object_ref(struct object *o)
{
    atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
}

static void
object_free(struct session *s, struct object *o)
{
    list_del(&o->node);
    object_ops[o->kind].fini(s, o);
    if (o->counted)
        allowance_give(s, LIMIT_OBJECTS, 1);
    if (o->kind == KIND_program)
        allowance_give(s, LIMIT_PROGRAM_BYTES, recipe_bytes(&o->recipe));
    recipe_fini(&o->recipe);
    free(o);
}

static void
object_to_grave(struct session *s, struct object *o)
{
    struct object *first = atomic_load_explicit(&s->graves, memory_order_relaxed);

    do {
        o->next_grave = first;
        /* Pairs with the acquire exchange in objects_bury: the object is whole before. */
    } while (!atomic_compare_exchange_weak_explicit(
        &s->graves, &first, o, memory_order_release, memory_order_relaxed));
}

void
object_unref(struct session *s, struct object *o)
{
    /* Orders all uses by other holders before the destruction by the last. */
    if (!o || atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (session_is_dispatcher(s))
        object_free(s, o);
    else
        object_to_grave(s, o);
}

void
objects_bury(struct session *s)
{
    struct object *o;

    if (!atomic_load_explicit(&s->graves, memory_order_relaxed))
        return;
    o = atomic_exchange_explicit(&s->graves, NULL, memory_order_acquire);
    while (o) {
        struct object *next = o->next_grave;

        object_free(s, o);
        o = next;
    }
}

int
op_tessera_release(struct session *s, const struct req_tessera_release *r)
{
    struct object *o = table_take(&s->table, r->object->id);

    o->released = session_moment(s);
    if (object_ops[o->kind].released)
        object_ops[o->kind].released(s, o);
    object_unref(s, o);
    if (r->tag != 0)
        reply_status(s, r->tag, CL_SUCCESS);
    return 0;
}
