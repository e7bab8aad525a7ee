/* SPDX-License-Identifier: MIT */
#include "worker/save_log.h"

#include "api/opencl_request.h"
#include "worker/command_buffer.h"
#include "worker/context.h"
#include "worker/event.h"
#include "worker/kernel.h"
#include "worker/mem.h"
#include "worker/program.h"
#include "worker/queue.h"
#include "worker/restore.h"
#include "worker/saved.h"
#include "worker/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum what { MADE, CHANGED, BUILT, RECORDED, FINALIZED, HELD, RELEASED };

/* Something that happened, and is to happen again. */
struct happening {
    uint64_t moment;
    enum what what;
    union {
        struct object *object;
        const struct recipe *frame;
        const struct program_build *build;
        const struct command *command;
        const struct held *held;
    };
};

struct happenings {
    struct happening *all; /* owned */
    size_t n, cap;
    bool failed;
};

static void
happened(struct happenings *h, struct happening one)
{
    if (h->n == h->cap) {
        const size_t cap = h->cap ? 2 * h->cap : 256;
        struct happening *bigger = realloc(h->all, cap * sizeof *bigger);

        if (!bigger) {
            h->failed = true;
            return;
        }
        h->all = bigger;
        h->cap = cap;
    }
    h->all[h->n++] = one;
}

static int
by_moment(const void *a, const void *b)
{
    const struct happening *x = a, *y = b;

    return x->moment < y->moment ? -1 : x->moment > y->moment;
}

/* ---- gathering ---------------------------------------------------------------------------- */

static void
gather_program(struct happenings *h, struct program *p)
{
    for (size_t i = 0; i < p->n_constants; i++)
        happened(h, (struct happening){p->constants[i].moment, CHANGED,
                                       .frame = &p->constants[i].set});
    for (size_t i = 0; i < p->n_builds; i++)
        happened(h,
                 (struct happening){p->builds[i].moment, BUILT, .build = &p->builds[i]});
}

static void
gather_command_buffer(struct happenings *h, struct command_buffer *b)
{
    for (unsigned i = 0; i < b->n_commands; i++)
        happened(h, (struct happening){b->commands[i].moment, RECORDED,
                                       .command = &b->commands[i]});
    if (b->finalized)
        happened(h, (struct happening){b->finalized, FINALIZED, .object = &b->o});
}

static void
gather_queue(struct happenings *h, const struct queue *q)
{
    for (const struct list *l = q->held.next; l != &q->held; l = l->next) {
        const struct held *held = container_of(l, struct held, node);

        happened(h, (struct happening){held->number, HELD, .held = held});
    }
}

static void
gather(struct happenings *h, struct object *o)
{
    const bool of_held =
        o->kind == KIND_event && container_of(o, struct event, o)->held != NULL;

    /* The event of a held command is made with it. */
    if (!of_held)
        happened(h, (struct happening){o->serial, MADE, .object = o});
    if (o->released)
        happened(h, (struct happening){o->released, RELEASED, .object = o});
    if (o->error != CL_SUCCESS)
        return;
    if (o->kind == KIND_program)
        gather_program(h, program_of(o));
    if (o->kind == KIND_command_buffer)
        gather_command_buffer(h, container_of(o, struct command_buffer, o));
    if (o->kind == KIND_queue)
        gather_queue(h, container_of(o, struct queue, o));
}

/* ---- entries ------------------------------------------------------------------------------ */

static void
entry(struct bytes *log, enum saved_kind kind, uint64_t moment, struct bytes *body)
{
    bytes_u64(log, kind);
    bytes_u64(log, moment);
    bytes_string(log, body->data, body->len);
    log->failed |= body->failed;
    bytes_fini(body);
}

static void
put_recipe(struct bytes *b, const struct recipe *r)
{
    bytes_string(b, r->frame, r->frame_len);
    bytes_string(b, r->blob, r->blob ? r->blob_len : 0);
}

/* What messages on it are checked against before they fail. */
static void
put_shape(struct bytes *b, const struct mem *m)
{
    bytes_u64(b, m->image_type);
    bytes_u64(b, m->channel_order);
    bytes_u64(b, m->channel_type);
    bytes_u64(b, m->element);
    for (unsigned i = 0; i < 3; i++)
        bytes_u64(b, m->extent[i]);
}

static void
save_failed(struct bytes *log, struct object *o)
{
    struct bytes b = {0};

    bytes_u64(&b, o->serial);
    bytes_u64(&b, o->id.v);
    bytes_u64(&b, o->kind);
    bytes_u64(&b, (uint64_t)(int64_t)o->error);
    if (o->kind == KIND_image)
        put_shape(&b, mem_of(o));
    if (o->kind == KIND_command_buffer)
        bytes_u64(&b, container_of(o, struct command_buffer, o)->queue->o.serial);
    entry(log, ENTRY_FAILED, o->serial, &b);
}

static void
save_event(struct session *s, struct bytes *log, struct object *o)
{
    const struct event *e = container_of(o, struct event, o);
    uint64_t times[EVENT_TIMES];
    const bool timed = event_times(s, e, times) == CL_SUCCESS;
    struct bytes b = {0};

    bytes_u64(&b, o->serial);
    bytes_u64(&b, o->id.v);
    bytes_u64(&b, (uint64_t)(int64_t)event_object_status(s, o));
    bytes_u64(&b, e->queue ? e->queue->o.serial : 0);
    bytes_u64(&b, timed);
    for (unsigned i = 0; i < EVENT_TIMES; i++)
        bytes_u64(&b, times[i]);
    entry(log, ENTRY_EVENT, o->serial, &b);
}

static void
save_kernel(struct session *s, struct bytes *log, struct object *o)
{
    _cleanup_free_ char *name = NULL;
    struct bytes b = {0};
    size_t len = 0;

    s->cl->clGetKernelInfo(o->h.kernel, CL_KERNEL_FUNCTION_NAME, 0, NULL, &len);
    name = calloc(1, len + 1);
    if (name)
        s->cl->clGetKernelInfo(o->h.kernel, CL_KERNEL_FUNCTION_NAME, len, name, NULL);
    b.failed = !name;
    bytes_u64(&b, o->serial);
    bytes_u64(&b, o->id.v);
    bytes_u64(&b, kernel_of(o)->program->o.serial);
    bytes_string(&b, name ? name : "", name ? strlen(name) + 1 : 1);
    entry(log, ENTRY_KERNEL, o->serial, &b);
}

/* The serial of the last part that its message made: the ids of all are the message's end. */
static uint64_t
last_serial(const struct object *o)
{
    const size_t words = o->recipe.frame_len / sizeof(uint64_t);
    const uint64_t *ids = o->recipe.frame;
    size_t after = 0;

    while (after + 1 < words && ids[words - 1 - after] != o->id.v)
        after++;
    return o->serial + after;
}

/* Another message may have had the same ids. */
static bool
is_sibling(const struct session *s, const struct object *o, const struct list *node)
{
    const struct object *other = container_of(node, struct object, node);

    return node != &s->objects && other->kind == KIND_device &&
           last_serial(other) == last_serial(o);
}

/* Which parts of a device live of those that one message made: nothing was made between them. */
static void
save_devices(struct session *s, struct bytes *log, const struct object *o)
{
    struct bytes b = {0};

    if (is_sibling(s, o, o->node.prev))
        return;
    bytes_string(&b, o->recipe.frame, o->recipe.frame_len);
    for (const struct list *l = &o->node; is_sibling(s, o, l); l = l->next) {
        const struct object *other = container_of(l, struct object, node);

        bytes_u64(&b, other->id.v);
        bytes_u64(&b, other->serial);
    }
    entry(log, ENTRY_DEVICES, o->serial, &b);
}

static void
save_object(struct session *s, struct bytes *log, struct object *o)
{
    const bool open = o->kind == KIND_event && container_of(o, struct event, o)->open;
    struct bytes b = {0};

    if (o->kind == KIND_event && !open) {
        save_event(s, log, o);
    } else if (o->error != CL_SUCCESS) {
        save_failed(log, o);
    } else if (o->kind == KIND_kernel) {
        save_kernel(s, log, o);
    } else if (o->kind == KIND_device) {
        save_devices(s, log, o);
    } else {
        bytes_u64(&b, o->serial);
        bytes_u64(&b, o->id.v);
        bytes_u64(&b, o->kind);
        put_recipe(&b, &o->recipe);
        entry(log, ENTRY_OBJECT, o->serial, &b);
    }
}

static void
save_build(struct bytes *log, const struct program_build *build)
{
    struct bytes b = {0};

    bytes_u64(&b, build->program->o.serial);
    put_recipe(&b, &build->message);
    entry(log, ENTRY_BUILD, build->moment, &b);
}

static void
put_arguments(struct bytes *b, uint64_t kernel, const struct kernel_args *a)
{
    uint64_t set = 0;

    bytes_u64(b, kernel);
    bytes_u64(b, a ? (uint64_t)(int64_t)a->error : 0);
    for (cl_uint i = 0; a && i < a->n; i++)
        set += a->arg[i].frame != NULL;
    bytes_u64(b, set);
    for (cl_uint i = 0; a && i < a->n; i++) {
        const struct kernel_arg_copy *arg = &a->arg[i];

        if (!arg->frame)
            continue;
        bytes_u64(b, CL_SUCCESS);
        bytes_u64(b, arg->object ? arg->object->serial : 0);
        bytes_string(b, arg->frame, arg->frame_len);
    }
}

static void
save_recorded(struct bytes *log, const struct command *c)
{
    struct bytes b = {0};

    put_arguments(&b, c->launched ? c->launched->serial : 0, c->args);
    bytes_string(&b, c->recipe.frame, c->recipe.frame_len);
    entry(log, ENTRY_RECORD, c->moment, &b);
}

static void
save_finalized(struct bytes *log, const struct object *o, uint64_t moment)
{
    const struct {
        struct frame_header head;
        uint64_t buffer;
    } frame = {{.size = sizeof frame, .op = OP_clFinalizeCommandBufferKHR}, o->id.v};
    struct bytes b = {0};

    bytes_string(&b, &frame, sizeof frame);
    entry(log, ENTRY_FRAME, moment, &b);
}

/* The kernel of a launch is among what it uses; which one, its arguments tell. */
static uint64_t
kernel_of_held(const struct held *h)
{
    for (unsigned i = 0; i < h->n_uses; i++) {
        if (h->uses[i]->kind == KIND_kernel)
            return h->uses[i]->serial;
    }
    return 0;
}

/* The message with the tag that is still to be answered. */
static void
put_held_frame(struct bytes *b, const struct held *h)
{
    const uint64_t tag = h->question ? h->tag : *(const uint64_t *)h->request;
    struct frame_header head;
    const size_t at = b->len + sizeof(uint64_t);

    bytes_string(b, h->frame, h->frame_len);
    if (b->failed)
        return;
    memcpy(&head, b->data + at, sizeof head);
    head.tag = tag;
    memcpy(b->data + at, &head, sizeof head);
}

static void
save_held(struct bytes *log, const struct held *h)
{
    struct bytes b = {0};

    bytes_u64(&b, h->event ? h->event->o.serial : 0);
    put_arguments(&b, h->args ? kernel_of_held(h) : 0, h->args);
    put_held_frame(&b, h);
    entry(log, ENTRY_HELD, h->number, &b);
}

static void
save_happening(struct session *s, struct bytes *log, const struct happening *h)
{
    struct bytes b = {0};

    switch (h->what) {
    case MADE:
        save_object(s, log, h->object);
        break;
    case CHANGED:
        bytes_string(&b, h->frame->frame, h->frame->frame_len);
        entry(log, ENTRY_FRAME, h->moment, &b);
        break;
    case BUILT:
        save_build(log, h->build);
        break;
    case RECORDED:
        save_recorded(log, h->command);
        break;
    case FINALIZED:
        save_finalized(log, h->object, h->moment);
        break;
    case HELD:
        save_held(log, h->held);
        break;
    case RELEASED:
        bytes_u64(&b, h->object->id.v);
        entry(log, ENTRY_RELEASE, h->moment, &b);
        break;
    }
}

/* ---- how things are ----------------------------------------------------------------------- */

static void
save_kernel_arguments(struct bytes *log, const struct kernel *k)
{
    uint64_t set = 0;
    struct bytes b = {0};

    for (cl_uint i = 0; i < k->n_args; i++)
        set += k->args[i].set.frame_len > 0;
    bytes_u64(&b, k->o.serial);
    bytes_u64(&b, 0);
    bytes_u64(&b, set);
    for (cl_uint i = 0; i < k->n_args; i++) {
        const struct kernel_arg *arg = &k->args[i];

        if (arg->set.frame_len == 0)
            continue;
        bytes_u64(&b, (uint64_t)(int64_t)arg->error);
        bytes_u64(&b, arg->serial);
        bytes_string(&b, arg->set.frame, arg->set.frame_len);
    }
    entry(log, ENTRY_ARGUMENTS, 0, &b);
}

static void
save_watched(struct bytes *log, const struct object *o, uint64_t tag)
{
    struct bytes b = {0};

    if (tag == 0)
        return;
    bytes_u64(&b, o->serial);
    bytes_u64(&b, tag);
    entry(log, ENTRY_WATCHED, 0, &b);
}

static void
save_mappings(struct bytes *log, struct mem *m)
{
    for (struct list *l = m->mappings.next; l != &m->mappings; l = l->next) {
        const struct mapping *map = container_of(l, struct mapping, node);
        struct bytes b = {0};

        bytes_u64(&b, m->o.serial);
        bytes_u64(&b, map->id);
        bytes_u64(&b, (uint64_t)(int64_t)map->error);
        bytes_u64(&b, map->flags);
        for (unsigned i = 0; i < 3; i++)
            bytes_u64(&b, map->origin[i]);
        for (unsigned i = 0; i < 3; i++)
            bytes_u64(&b, map->region[i]);
        entry(log, ENTRY_MAPPING, 0, &b);
    }
}

static void
save_queue_error(struct bytes *log, struct queue *q)
{
    const cl_int error = queue_take_error(q);
    struct bytes b = {0};

    if (error == CL_SUCCESS)
        return;
    queue_remember_error(q, error);
    bytes_u64(&b, q->o.serial);
    bytes_u64(&b, (uint64_t)(int64_t)error);
    entry(log, ENTRY_QUEUE_ERROR, 0, &b);
}

static void
save_program_status(struct session *s, struct bytes *log, struct program *p)
{
    _cleanup_free_ char *words = program_log(s, p);
    struct bytes b = {0};

    bytes_u64(&b, p->o.serial);
    bytes_u64(&b, (uint64_t)(int64_t)p->status);
    bytes_string(&b, words ? words : "", words ? strlen(words) + 1 : 1);
    entry(log, ENTRY_PROGRAM, 0, &b);
}

static void
save_state(struct session *s, struct bytes *log, struct object *o)
{
    if (o->error != CL_SUCCESS)
        return;
    if (o->kind == KIND_kernel)
        save_kernel_arguments(log, kernel_of(o));
    if (o->kind == KIND_queue)
        save_queue_error(log, container_of(o, struct queue, o));
    if (o->kind == KIND_program)
        save_program_status(s, log, program_of(o));
    if (o->kind == KIND_context)
        save_watched(log, o, container_of(o, struct context, o)->watch_tag);
    if (o->kind == KIND_mem || o->kind == KIND_image) {
        save_mappings(log, mem_of(o));
        save_watched(log, o, mem_of(o)->watch_tag);
    }
}

static void
save_question(void *log, const struct event_question *q)
{
    struct bytes b = {0};

    bytes_u64(&b, q->tag);
    if (q->callback)
        bytes_u64(&b, (uint64_t)q->type);
    bytes_u64(&b, q->failed);
    for (unsigned i = 0; i < q->n; i++)
        bytes_u64(&b, q->events[i]->serial);
    entry(log, q->callback ? ENTRY_CALLBACK : ENTRY_WAIT, 0, &b);
}

static void
save_ask(void *log, uint64_t tag, uint64_t bytes)
{
    struct bytes b = {0};

    bytes_u64(&b, tag);
    bytes_u64(&b, bytes);
    entry(log, ENTRY_ASK, 0, &b);
}

static void
save_reply(void *log, const void *frame, size_t len)
{
    struct bytes b = {0};

    bytes_string(&b, frame, len);
    entry(log, ENTRY_REPLY, 0, &b);
}

int
save_log(struct session *s, struct bytes *log)
{
    struct happenings h = {0};
    int rc = 0;

    for (struct list *l = s->objects.next; l != &s->objects; l = l->next)
        gather(&h, container_of(l, struct object, node));
    if (h.n > 0)
        qsort(h.all, h.n, sizeof *h.all, by_moment);
    for (size_t i = 0; i < h.n; i++)
        save_happening(s, log, &h.all[i]);
    for (struct list *l = s->objects.next; l != &s->objects; l = l->next)
        save_state(s, log, container_of(l, struct object, node));
    rc = event_questions(s, save_question, log);
    asks_each(s, save_ask, log);
    restored_questions_each(s, save_question, save_ask, log);
    replies_each(s, save_reply, log);
    free(h.all);
    return rc < 0 ? rc : log->failed || h.failed ? -ENOMEM : 0;
}
