/* SPDX-License-Identifier: MIT */
#include "worker/restore_log.h"

#include "api/opencl_request.h"
#include "base/log.h"
#include "worker/command_buffer.h"
#include "worker/content.h"
#include "worker/context.h"
#include "worker/held.h"
#include "worker/kernel.h"
#include "worker/mem.h"
#include "worker/program.h"
#include "worker/queue.h"
#include "worker/restored.h"
#include "worker/session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of one entry: a program of that size is larger than its limit. */
#define ENTRY_MAX_BYTES (1ull << 30)
/* So much memory at a time is taken on the snapshot's word. */
#define ENTRY_STEP_BYTES (16u << 20)
#define OPS_MAX_BYTES (1u << 16)
#define BUILD_LOOK_MS 1

int
restore_bad(struct restorer *r, const char *what)
{
    return err_set(r->e, -EBADMSG, "the snapshot's session is damaged: %s", what);
}

int
restore_progress(struct restorer *r, uint64_t bytes)
{
    int rc;

    r->done += bytes;
    rc = r->options->progress(r->options->ctx, r->done, 0);
    return rc < 0 ? err_set(r->e, rc, "cancelled") : 0;
}

/* ---- operations --------------------------------------------------------------------------- */

static unsigned
op_of_name(const char *name)
{
    unsigned op = 0;

    while (op < OPENCL_OPS && strcmp(opencl_op_name(op), name) != 0)
        op++;
    return op;
}

int
restore_ops(struct restorer *r)
{
    _cleanup_free_ uint8_t *buf = malloc(OPS_MAX_BYTES);
    const ssize_t len = buf ? snapshot_get(r->reader, buf, OPS_MAX_BYTES, r->e) : -ENOMEM;
    struct dec d;

    if (len < 0)
        return buf ? (int)len : err_set(r->e, -ENOMEM, "out of memory");
    r->ops = calloc((size_t)len / sizeof(uint64_t) + 1, sizeof *r->ops);
    if (!r->ops)
        return err_set(r->e, -ENOMEM, "out of memory");
    dec_init(&d, buf, (size_t)len);
    while (d.p < d.end && !d.bad)
        r->ops[r->n_ops++] = (uint16_t)op_of_name(dec_string(&d, "name"));
    return d.bad ? restore_bad(r, "names of operations") : 0;
}

/* A message of the snapshot, in r->s->frame, with our number of its operation. */
static int
frame_take(struct restorer *r, struct dec *d, struct frame_header *ret)
{
    uint64_t len;
    const uint8_t *bytes = dec_bytes(d, "frame", &len);

    if (d->bad || len < sizeof *ret || len > ring_max_frame(r->s->channel.rx.size))
        return restore_bad(r, "a message");
    memcpy(ret, bytes, sizeof *ret);
    if (ret->size != len || ret->op >= r->n_ops || r->ops[ret->op] >= OPENCL_OPS)
        return restore_bad(r, "a message of an unknown operation");
    ret->op = r->ops[ret->op];
    memcpy(r->s->frame, bytes, len);
    memcpy(r->s->frame, ret, sizeof *ret);
    return 0;
}

/* ---- objects ------------------------------------------------------------------------------ */

struct object *
restored_object(const struct restorer *r, uint64_t serial)
{
    size_t low = 0, high = r->n_made;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;

        if (r->made[mid].serial < serial)
            low = mid + 1;
        else
            high = mid;
    }
    return low < r->n_made && r->made[low].serial == serial ? r->made[low].object : NULL;
}

static struct object *
object_of_kind(const struct restorer *r, uint64_t serial, unsigned kind)
{
    struct object *o = restored_object(r, serial);

    return o && o->kind == kind ? o : NULL;
}

static uint64_t
last_serial(const struct restorer *r)
{
    return r->n_made > 0 ? r->made[r->n_made - 1].serial : 0;
}

/* It stays until all is read: what comes may name it, whoever let go of it meanwhile. */
static int
made_add(struct restorer *r, uint64_t serial, struct object *o)
{
    if (last_serial(r) >= serial)
        return restore_bad(r, "objects are not in order");
    if (r->n_made == r->cap_made) {
        const size_t cap = r->cap_made ? 2 * r->cap_made : 256;
        struct made *bigger = realloc(r->made, cap * sizeof *bigger);

        if (!bigger)
            return err_set(r->e, -ENOMEM, "out of memory");
        r->made = bigger;
        r->cap_made = cap;
    }
    o->serial = serial;
    object_ref(o);
    r->made[r->n_made++] = (struct made){serial, o};
    return 0;
}

void
restored_objects_free(struct restorer *r)
{
    for (size_t i = 0; i < r->n_made; i++)
        object_unref(r->s, r->made[i].object);
    free(r->made);
}

/* One that has just come into being, with the serial that it had. */
static int
made_now(struct restorer *r, uint64_t serial, struct object *o)
{
    if (o->serial != serial)
        return restore_bad(r, "an object's moment");
    return made_add(r, serial, o);
}

/* Runs the message that is in s->frame. A bad one is the snapshot's fault. */
static int
run_frame(struct restorer *r, const struct frame_header *h)
{
    struct session *s = r->s;

    s->restoring.held = NULL;
    if (opencl_dispatch_frame(s, s->frame, h->size) < 0)
        return restore_bad(r, s->reason[0] ? s->reason : opencl_op_name(h->op));
    return 0;
}

static int
blob_take(struct restorer *r, struct dec *d)
{
    uint64_t len;
    const uint8_t *bytes = dec_bytes(d, "blob", &len);

    free(take_ptr(r->s->restoring.blob));
    if (d->bad)
        return restore_bad(r, "a blob");
    if (len == 0)
        return 0;
    r->s->restoring.blob = malloc(len + 1);
    if (!r->s->restoring.blob)
        return err_set(r->e, -ENOMEM, "out of memory");
    memcpy(r->s->restoring.blob, bytes, len);
    r->s->restoring.blob_len = len;
    return 0;
}

static int
wait_for_builds(struct restorer *r)
{
    int rc = 0;

    while (rc == 0 && !jobs_idle(&r->s->builds)) {
        poll(NULL, 0, BUILD_LOOK_MS);
        rc = restore_progress(r, 0);
    }
    return rc;
}

/* Why an object could be made then and cannot now. */
static int
cannot_make(struct restorer *r, const struct object *o, unsigned op)
{
    char here[192];

    if (op == OP_clCreateProgramWithBinary) {
        saved_driver(r->s, here, sizeof here);
        return err_set(
            r->e, -EPROTO,
            "a program of '%s' came as a binary for %s: it cannot be used on %s "
            "(error %d)",
            r->head.program, r->head.driver, here, o->error);
    }
    return err_set(r->e, -EPROTO,
                   "'%s' cannot be had again on this GPU: %s fails with %d",
                   r->head.program, opencl_op_name(op), o->error);
}

static int
restore_object(struct restorer *r, struct dec *d)
{
    const uint64_t serial = dec_u64(d, "serial");
    const struct guest_id id = {dec_u64(d, "id")};
    const uint64_t kind = dec_u64(d, "kind");
    const struct list *last = r->s->objects.prev;
    struct frame_header h;
    struct object *o;
    int rc = frame_take(r, d, &h);

    if (rc == 0)
        rc = blob_take(r, d);
    if (rc == 0)
        rc = run_frame(r, &h);
    if (rc == 0)
        rc = wait_for_builds(r);
    if (rc < 0)
        return rc;
    o = table_find(&r->s->table, id);
    if (!o || o->kind != kind || o->node.prev != last || o->node.next != &r->s->objects)
        return restore_bad(r, "an object's message makes another object");
    if (o->error != CL_SUCCESS)
        return cannot_make(r, o, h.op);
    return made_now(r, serial, o);
}

/* An object of any kind, without the driver's. */
static struct object *
bare_object(struct session *s, struct guest_id id, uint64_t kind)
{
    struct program *p;
    struct queue *q;
    struct mem *m;

    switch (kind) {
    case KIND_queue:
        q = queue_new(s, id);
        return q ? &q->o : NULL;
    case KIND_program:
        p = program_new(s, id);
        return p ? &p->o : NULL;
    case KIND_mem:
    case KIND_image:
        m = mem_new(s, id, kind == KIND_mem ? KIND_mem : KIND_image);
        return m ? &m->o : NULL;
    case KIND_context:
    case KIND_kernel:
    case KIND_event:
    case KIND_command_buffer:
    case KIND_sampler:
        return object_new(s, id, (enum object_kind)kind);
    default:
        return NULL;
    }
}

/* Without a message: none is running. */
static struct object *
new_object(struct restorer *r, struct guest_id id, uint64_t kind)
{
    struct session *s = r->s;

    s->request.recipe = false;
    s->request.op = 0;
    s->request.error = CL_SUCCESS;
    return table_is_free(&s->table, id) ? bare_object(s, id, kind) : NULL;
}

static void
take_shape(struct mem *m, struct dec *d)
{
    const uint64_t *extent;

    m->image_type = dec_u64(d, "image_type");
    m->channel_order = dec_u64(d, "channel_order");
    m->channel_type = dec_u64(d, "channel_type");
    m->element = (uint32_t)dec_u64(d, "element");
    extent = dec_u64s(d, "extent", 3);
    memcpy(m->extent, extent, sizeof m->extent);
}

static bool
take_queue(const struct restorer *r, struct object *o, struct dec *d)
{
    struct object *q = object_of_kind(r, dec_u64(d, "queue"), KIND_queue);

    if (!q)
        return false;
    object_ref(q);
    container_of(o, struct command_buffer, o)->queue = container_of(q, struct queue, o);
    return true;
}

static int
restore_failed(struct restorer *r, struct dec *d)
{
    const uint64_t serial = dec_u64(d, "serial");
    const struct guest_id id = {dec_u64(d, "id")};
    const uint64_t kind = dec_u64(d, "kind");
    const cl_int error = (cl_int)dec_u64(d, "error");
    struct object *o;

    if (d->bad || error >= 0)
        return restore_bad(r, "a failed object");
    o = new_object(r, id, kind);
    if (!o)
        return restore_bad(r, "the id of a failed object");
    o->error = error;
    if (kind == KIND_image)
        take_shape(mem_of(o), d);
    if (kind == KIND_command_buffer && !take_queue(r, o, d))
        return restore_bad(r, "the queue of a failed command buffer");
    return d->bad ? restore_bad(r, "a failed object") : made_now(r, serial, o);
}

static int
restore_event(struct restorer *r, struct dec *d)
{
    const uint64_t serial = dec_u64(d, "serial");
    const struct guest_id id = {dec_u64(d, "id")};
    const cl_int status = (cl_int)dec_u64(d, "status");
    const uint64_t queue = dec_u64(d, "queue"), timed = dec_u64(d, "timed");
    const uint64_t *times = dec_u64s(d, "times", EVENT_TIMES);
    struct object *q = queue ? object_of_kind(r, queue, KIND_queue) : NULL, *o;
    struct event *e;

    if (d->bad || status > CL_COMPLETE || (queue && !q))
        return restore_bad(r, "an event");
    o = new_object(r, id, KIND_event);
    if (!o)
        return restore_bad(r, "the id of an event");
    e = container_of(o, struct event, o);
    o->error = status;
    if (q) {
        e->queue = container_of(q, struct queue, o);
        object_ref(q);
    }
    if (timed) {
        e->times = malloc(EVENT_TIMES * sizeof *e->times);
        if (!e->times)
            return err_set(r->e, -ENOMEM, "out of memory");
        memcpy(e->times, times, EVENT_TIMES * sizeof *e->times);
    }
    return made_now(r, serial, o);
}

static int
restore_kernel(struct restorer *r, struct dec *d)
{
    const uint64_t serial = dec_u64(d, "serial");
    const struct guest_id id = {dec_u64(d, "id")};
    struct object *p = object_of_kind(r, dec_u64(d, "program"), KIND_program), *o;
    const char *name = dec_string(d, "name");
    cl_int rc;

    if (d->bad || !p)
        return restore_bad(r, "a kernel");
    o = new_object(r, id, KIND_kernel);
    if (!o)
        return restore_bad(r, "the id of a kernel");
    rc = kernel_remake(r->s, kernel_of(o), program_of(p), name);
    if (rc != CL_SUCCESS) {
        o->h.any = NULL;
        return err_set(r->e, -EPROTO, "kernel %s of '%s' cannot be had again: error %d",
                       name, r->head.program, rc);
    }
    return made_now(r, serial, o);
}

/* The serial of a part by its id, 0 when it is gone. */
static uint64_t
part_serial(const uint64_t *pairs, uint64_t n, uint64_t id)
{
    for (uint64_t i = 0; i + 1 < n; i += 2) {
        if (pairs[i] == id)
            return pairs[i + 1];
    }
    return 0;
}

/* The message made all parts, also those that the guest has released since. */
static int
restore_devices(struct restorer *r, struct dec *d)
{
    struct session *s = r->s;
    struct frame_header h;
    const uint64_t *pairs;
    struct list *last, *l, *next;
    int rc = frame_take(r, d, &h);
    uint64_t n;

    if (rc < 0)
        return rc;
    if (h.op != OP_clCreateSubDevices)
        return restore_bad(r, "parts of a device");
    n = (uint64_t)(d->end - d->p) / sizeof(uint64_t);
    pairs = dec_u64s(d, "parts", n);
    last = s->objects.prev;
    rc = run_frame(r, &h);
    for (l = last->next; rc == 0 && l != &s->objects; l = next) {
        struct object *o = container_of(l, struct object, node);
        const uint64_t serial = part_serial(pairs, n, o->id.v);

        next = l->next;
        if (serial && o->error != CL_SUCCESS)
            rc = cannot_make(r, o, h.op);
        else if (serial)
            rc = made_add(r, serial, o);
        else
            object_unref(s, table_take(&s->table, o->id));
    }
    return rc;
}

/* ---- what happened to them ---------------------------------------------------------------- */

static int
restore_frame(struct restorer *r, struct dec *d)
{
    struct frame_header h;
    int rc = frame_take(r, d, &h);

    if (rc == 0 && h.op != OP_clFinalizeCommandBufferKHR &&
        h.op != OP_clSetProgramSpecializationConstant)
        return restore_bad(r, "a change");
    return rc == 0 ? run_frame(r, &h) : rc;
}

static int
restore_build(struct restorer *r, struct dec *d)
{
    struct object *p = object_of_kind(r, dec_u64(d, "program"), KIND_program);
    struct frame_header h;
    int rc = frame_take(r, d, &h);

    if (rc == 0 && (!p || (h.op != OP_clBuildProgram && h.op != OP_clCompileProgram)))
        return restore_bad(r, "a build");
    if (rc == 0)
        rc = blob_take(r, d);
    if (rc == 0)
        rc = run_frame(r, &h);
    return rc == 0 ? wait_for_builds(r) : rc;
}

/*
 * Arguments as a message found them; alive: those that name objects whose id the guest has released
 * are kept, but name nothing that can be used.
 */
static int
restore_arguments(struct restorer *r, struct dec *d, bool alive, cl_int *ret_error)
{
    const uint64_t serial = dec_u64(d, "kernel");
    struct object *k = serial ? object_of_kind(r, serial, KIND_kernel) : NULL;
    uint64_t n;

    *ret_error = (cl_int)dec_u64(d, "error");
    n = dec_u64(d, "arguments");
    if (d->bad || (serial && !k) || (n > 0 && !k))
        return restore_bad(r, "arguments of no kernel");
    for (uint64_t i = 0; i < n && !d->bad; i++) {
        struct kernel_set set = {.error = (cl_int)dec_u64(d, "error")};
        struct frame_header h;
        cl_int rc;

        set.serial = dec_u64(d, "object");
        set.object = set.serial ? restored_object(r, set.serial) : NULL;
        if (set.object && !alive && set.object->released)
            set.object = NULL;
        if (frame_take(r, d, &h) < 0)
            return -EBADMSG;
        set.frame = r->s->frame;
        set.frame_len = h.size;
        if (kernel_set_again(r->s, kernel_of(k), &set, &rc) < 0)
            return restore_bad(r, "an argument");
        if (rc != CL_SUCCESS)
            return err_set(r->e, -EPROTO, "an argument cannot be set again: error %d",
                           rc);
    }
    return d->bad ? restore_bad(r, "arguments") : 0;
}

static int
restore_held(struct restorer *r, struct dec *d)
{
    const uint64_t serial = dec_u64(d, "event");
    struct frame_header h;
    struct held *held;
    cl_int error;
    int rc = restore_arguments(r, d, true, &error);

    if (rc == 0)
        rc = frame_take(r, d, &h);
    if (rc == 0)
        rc = run_frame(r, &h);
    if (rc < 0)
        return rc;
    held = r->s->restoring.held;
    if (!held || (serial != 0) != (held->event != NULL))
        return restore_bad(r, "a command that was held back");
    if (held->args && error != CL_SUCCESS)
        held->args->error = error;
    return serial ? made_now(r, serial, &held->event->o) : 0;
}

static int
restore_record(struct restorer *r, struct dec *d)
{
    struct frame_header h;
    cl_int error;
    int rc = restore_arguments(r, d, true, &error);

    if (rc == 0)
        rc = frame_take(r, d, &h);
    if (rc == 0 && strncmp(opencl_op_name(h.op), "clCommand", 9) != 0)
        return restore_bad(r, "a command that is recorded");
    return rc == 0 ? run_frame(r, &h) : rc;
}

static int
restore_release(struct restorer *r, struct dec *d)
{
    struct req_tessera_release release = {.object = NULL};
    struct object *o = table_find(&r->s->table, (struct guest_id){dec_u64(d, "id")});

    if (d->bad || !o)
        return restore_bad(r, "a release");
    release.object = o;
    return op_tessera_release(r->s, &release);
}

/* ---- how things are ----------------------------------------------------------------------- */

static int
restore_program(struct restorer *r, struct dec *d)
{
    struct object *o = object_of_kind(r, dec_u64(d, "program"), KIND_program);
    const cl_int status = (cl_int)dec_u64(d, "status");
    const char *log = dec_string(d, "log");
    char here[192];

    if (d->bad || !o)
        return restore_bad(r, "a program's status");
    program_keep_log(program_of(o), log);
    if (status != CL_SUCCESS || program_of(o)->status == CL_SUCCESS)
        return 0;
    saved_driver(r->s, here, sizeof here);
    return err_set(r->e, -EPROTO,
                   "a program of '%s' was built for %s; on %s that fails with %d",
                   r->head.program, r->head.driver, here, program_of(o)->status);
}

static int
map_again(struct restorer *r, struct mem *m, struct mapping *map)
{
    struct session *s = r->s;
    struct content_io io;
    cl_command_queue queue;
    size_t row, slice;
    cl_int rc = CL_OUT_OF_RESOURCES;

    content_init(&io, s);
    queue = content_queue(&io, m);
    if (queue && m->o.kind == KIND_image)
        map->ptr =
            s->cl->clEnqueueMapImage(queue, m->o.h.mem, CL_TRUE, map->flags, map->origin,
                                     map->region, &row, &slice, 0, NULL, NULL, &rc);
    else if (queue)
        map->ptr =
            s->cl->clEnqueueMapBuffer(queue, m->o.h.mem, CL_TRUE, map->flags,
                                      map->origin[0], map->region[0], 0, NULL, NULL, &rc);
    content_fini(&io);
    return rc == CL_SUCCESS ? 0
                            : err_set(r->e, -EPROTO, "a map cannot be had again: %d", rc);
}

static bool
mapping_is_inside(struct session *s, const struct mem *m, const struct mapping *map)
{
    const uint64_t bytes = mem_driver_bytes(s, m->o.h.mem);

    if (m->o.kind == KIND_image) {
        for (unsigned i = 0; i < 3; i++) {
            if (map->region[i] == 0 || map->region[i] > m->extent[i] ||
                map->origin[i] > m->extent[i] - map->region[i])
                return false;
        }
        return true;
    }
    return map->origin[0] <= bytes && map->region[0] <= bytes - map->origin[0];
}

static int
restore_mapping(struct restorer *r, struct dec *d)
{
    struct object *o = restored_object(r, dec_u64(d, "object"));
    const uint64_t id = dec_u64(d, "map");
    const cl_int error = (cl_int)dec_u64(d, "error");
    const uint64_t flags = dec_u64(d, "flags");
    const uint64_t *sizes = dec_u64s(d, "sizes", 6);
    struct mapping *map;

    if (d->bad || !o || (o->kind != KIND_mem && o->kind != KIND_image) ||
        o->error != CL_SUCCESS || !mem_of(o)->in_heap)
        return restore_bad(r, "a mapping");
    map = mapping_new(r->s, mem_of(o), id);
    if (!map)
        return restore_bad(r, "a mapping's id");
    map->error = error;
    map->flags = flags;
    memcpy(map->origin, sizes, sizeof map->origin);
    memcpy(map->region, sizes + 3, sizeof map->region);
    if (error != CL_SUCCESS)
        return 0;
    if (!mapping_is_inside(r->s, mem_of(o), map))
        return restore_bad(r, "a mapping's region");
    return map_again(r, mem_of(o), map);
}

static int
restore_question(struct restorer *r, struct dec *d, bool callback)
{
    struct event_question q = {.tag = dec_u64(d, "tag"), .callback = callback};
    struct object **events;
    uint64_t n;
    int rc;

    if (callback)
        q.type = (int64_t)dec_u64(d, "type");
    q.failed = dec_u64(d, "failed");
    n = (uint64_t)(d->end - d->p) / sizeof(uint64_t);
    if (d->bad || n == 0 || n > UINT32_MAX ||
        (callback && (n != 1 || q.type < CL_COMPLETE || q.type > CL_SUBMITTED)))
        return restore_bad(r, "a question");
    events = calloc(n, sizeof(struct object *));
    if (!events)
        return err_set(r->e, -ENOMEM, "out of memory");
    for (; q.n < n; q.n++) {
        events[q.n] = object_of_kind(r, dec_u64(d, "event"), KIND_event);
        if (!events[q.n]) {
            free(events);
            return restore_bad(r, "a question about no event");
        }
    }
    q.events = events;
    rc = restored_keep_question(r->s, &q);
    free(events);
    return rc < 0 ? err_set(r->e, rc, "out of memory") : 0;
}

static int
restore_ask(struct restorer *r, struct dec *d)
{
    const uint64_t tag = dec_u64(d, "tag"), bytes = dec_u64(d, "bytes");

    if (d->bad)
        return restore_bad(r, "a question for memory");
    return restored_keep_ask(r->s, tag, bytes) < 0
               ? err_set(r->e, -ENOMEM, "out of memory")
               : 0;
}

static int
restore_watched(struct restorer *r, struct dec *d)
{
    struct object *o = restored_object(r, dec_u64(d, "object"));
    const uint64_t tag = dec_u64(d, "tag");

    if (d->bad || !o || tag == 0 || o->error != CL_SUCCESS)
        return restore_bad(r, "a destructor");
    if (o->kind == KIND_context)
        return op_clSetContextDestructorCallback(
                   r->s, &(struct req_clSetContextDestructorCallback){tag, o}) < 0
                   ? restore_bad(r, "a destructor")
                   : 0;
    return op_clSetMemObjectDestructorCallback(
               r->s, &(struct req_clSetMemObjectDestructorCallback){tag, o}) < 0
               ? restore_bad(r, "a destructor")
               : 0;
}

static int
restore_queue_error(struct restorer *r, struct dec *d)
{
    struct object *o = object_of_kind(r, dec_u64(d, "queue"), KIND_queue);
    const cl_int error = (cl_int)dec_u64(d, "error");

    if (d->bad || !o || o->error != CL_SUCCESS || error >= 0)
        return restore_bad(r, "a queue's error");
    queue_remember_error(container_of(o, struct queue, o), error);
    return 0;
}

static int
restore_reply(struct restorer *r, struct dec *d)
{
    struct frame_header h;
    uint64_t len;
    const uint8_t *bytes = dec_bytes(d, "frame", &len);

    if (d->bad || len < sizeof h || len > ring_max_frame(r->s->channel.tx.size) ||
        len % FRAME_ALIGN != 0)
        return restore_bad(r, "a reply");
    memcpy(&h, bytes, sizeof h);
    if (h.size != len)
        return restore_bad(r, "a reply's length");
    return reply_again(r->s, bytes, (uint32_t)len) < 0
               ? restore_bad(r, "more replies than may wait")
               : 0;
}

/* ---- the log ------------------------------------------------------------------------------ */

static int
restore_entry(struct restorer *r, uint64_t kind, struct dec *d)
{
    cl_int error;

    switch (kind) {
    case ENTRY_OBJECT:
        return restore_object(r, d);
    case ENTRY_DEVICES:
        return restore_devices(r, d);
    case ENTRY_FAILED:
        return restore_failed(r, d);
    case ENTRY_EVENT:
        return restore_event(r, d);
    case ENTRY_KERNEL:
        return restore_kernel(r, d);
    case ENTRY_FRAME:
        return restore_frame(r, d);
    case ENTRY_BUILD:
        return restore_build(r, d);
    case ENTRY_HELD:
        return restore_held(r, d);
    case ENTRY_RECORD:
        return restore_record(r, d);
    case ENTRY_RELEASE:
        return restore_release(r, d);
    case ENTRY_PROGRAM:
        return restore_program(r, d);
    case ENTRY_ARGUMENTS:
        return restore_arguments(r, d, false, &error);
    case ENTRY_MAPPING:
        return restore_mapping(r, d);
    case ENTRY_WAIT:
    case ENTRY_CALLBACK:
        return restore_question(r, d, kind == ENTRY_CALLBACK);
    case ENTRY_ASK:
        return restore_ask(r, d);
    case ENTRY_WATCHED:
        return restore_watched(r, d);
    case ENTRY_QUEUE_ERROR:
        return restore_queue_error(r, d);
    case ENTRY_REPLY:
        return restore_reply(r, d);
    default:
        return restore_bad(r, "an entry of an unknown kind");
    }
}

/*
 * Each moment is later than those before, and what happens in it happens: else something is lost
 * that the guest counts on, for want of memory or since the message failed.
 */
static int
restore_moment(struct restorer *r, uint64_t kind, uint64_t moment, struct dec *d)
{
    struct session *s = r->s;
    int rc;

    if (moment <= r->last_moment)
        return restore_bad(r, "moments are not in order");
    /* What is numbered now gets the numbers that it had. */
    s->moments = moment - 1;
    rc = restore_entry(r, kind, d);
    if (rc < 0)
        return rc;
    if (s->moments < moment)
        return err_set(r->e, -EPROTO, "what '%s' had cannot be had again",
                       r->head.program);
    r->last_moment = kind == ENTRY_DEVICES ? last_serial(r) : s->moments;
    return r->last_moment < moment || r->last_moment > r->head.moments
               ? restore_bad(r, "moments are not in order")
               : 0;
}

/* Memory grows with what is there, not with what is said to be. */
static int
entry_read(struct restorer *r, uint64_t len, uint8_t **buf, size_t *cap)
{
    uint64_t have = 0;

    while (have < len) {
        const uint64_t step =
            len - have < ENTRY_STEP_BYTES ? len - have : ENTRY_STEP_BYTES;
        int rc;

        if (have + step > *cap) {
            uint8_t *bigger = realloc(*buf, have + step);

            if (!bigger)
                return err_set(r->e, -ENOMEM, "out of memory");
            *buf = bigger;
            *cap = have + step;
        }
        rc = snapshot_get_exact(r->reader, *buf + have, step, r->e);
        if (rc < 0)
            return rc;
        have += step;
    }
    return 0;
}

int
restore_log(struct restorer *r)
{
    _cleanup_free_ uint8_t *buf = NULL;
    uint64_t head[3];
    size_t cap = 0;
    ssize_t n;

    while ((n = snapshot_get(r->reader, head, sizeof head, r->e)) > 0) {
        struct dec d;
        int rc;

        if (n != (ssize_t)sizeof head || head[2] > ENTRY_MAX_BYTES)
            return restore_bad(r, "an entry of the log");
        rc = entry_read(r, (head[2] + 7) & ~UINT64_C(7), &buf, &cap);
        if (rc < 0)
            return rc;
        dec_init(&d, buf ? buf : (const uint8_t *)"", head[2]);
        rc = head[0] <= ENTRY_RELEASE ? restore_moment(r, head[0], head[1], &d)
                                      : restore_entry(r, head[0], &d);
        if (rc == 0)
            rc = restore_progress(r, sizeof head + head[2]);
        if (rc < 0)
            return rc;
    }
    return (int)n;
}
