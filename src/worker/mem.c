/* SPDX-License-Identifier: MIT */
#include "worker/mem.h"

#include "api/opencl_request.h"
#include "base/checked.h"
#include "worker/scope.h"
#include "worker/transfer.h"

#include <errno.h>
#include <stdlib.h>

/* How long an ask waits for released buffers whose commands still run. */
#define DESTROY_WAIT_MS 60000
/* The guest may have to set a user event before they can end, and is waiting for us. */
#define DESTROY_WAIT_OPEN_MS 200
/*
 * The thread that completes a command lets go of its buffers only after it has told so (PoCL 3.1).
 * On a busy machine it may have to wait for a core in between, and nothing but its end tells when
 * that is over; what is waited for will come for certain.
 */
#define DESTROY_GRACE_MS 5000
#define DESTROY_STEP_MS 5

/* What can be given back of a file. */
#define HOLE_BYTES UINT64_C(4096)

/* Of one buffer: outlives the object until the driver says that its storage is free. */
struct charge {
    struct session *s;
    uint64_t bytes;
    uint64_t storage; /* heap offset, EXTENT_NONE: the driver's own memory */
    unsigned
        objects; /* of the guest that keep it: the buffer, its sub-buffers; dispatcher */
    bool mapped; /* one of them was released before it was unmapped; dispatcher */
    bool dying;  /* released: the driver destroys it when its commands have ended */
    bool seen_mapped; /* when mems_look_at_mappings() looked */
};

/* Dispatcher: one more object of the guest keeps the storage. */
static void
charge_keep(struct mem *m, struct charge *c)
{
    m->charge = c;
    if (c)
        c->objects++;
}

/*
 * Dispatcher: the object is about to be released. With the last one the storage is on its way back,
 * but not when one of them is still mapped: drivers may keep that for ever.
 */
static void
charge_let_go(struct mem *m)
{
    struct charge *c = m->charge;

    if (!c)
        return;
    c->mapped |= !list_empty(&m->mappings);
    c->objects--;
    if (c->objects > 0 || c->mapped)
        return;
    c->dying = true;
    memory_dying(&c->s->memory);
}

void
mem_share_charge(struct mem *m, const struct mem *parent)
{
    charge_keep(m, parent->charge);
}

static void
charge_over(struct charge *c)
{
    /* What was destroyed although that was not to be expected. */
    if (!c->dying)
        memory_dying(&c->s->memory);
    /* First: when nothing dies any more a paused session may be saved. */
    reply_reclaim(c->s, c->storage);
    memory_died(&c->s->memory, c->bytes);
    free(c);
}

/* Any thread. */
static void CL_CALLBACK
charge_destroyed(cl_mem mem, void *arg)
{
    (void)mem;
    charge_over(arg);
}

static struct mem *
mem_among(struct list *node)
{
    struct object *o = container_of(node, struct object, node);

    return o->kind == KIND_mem || o->kind == KIND_image ? mem_of(o) : NULL;
}

void
mems_look_at_mappings(struct session *s)
{
    for (struct list *l = s->objects.next; l != &s->objects; l = l->next) {
        struct mem *m = mem_among(l);

        if (m && m->charge)
            m->charge->seen_mapped = false;
    }
    for (struct list *l = s->objects.next; l != &s->objects; l = l->next) {
        struct mem *m = mem_among(l);

        if (m && m->charge)
            m->charge->seen_mapped |= !list_empty(&m->mappings);
    }
}

bool
mem_is_mapped(const struct mem *m)
{
    return m->charge && m->charge->seen_mapped;
}

bool
mem_storage(const struct mem *m, struct extent *ret)
{
    if (!m->charge || m->part || m->o.error != CL_SUCCESS ||
        m->charge->storage == EXTENT_NONE)
        return false;
    *ret = (struct extent){m->charge->storage, m->charge->bytes};
    return true;
}

bool
mem_hole(struct object *o, struct extent *ret)
{
    struct extent e;
    uint64_t end;

    if ((o->kind != KIND_mem && o->kind != KIND_image) || mem_is_mapped(mem_of(o)) ||
        !mem_storage(mem_of(o), &e))
        return false;
    ret->off = align_up(e.off, HOLE_BYTES);
    end = (e.off + e.len) & ~(HOLE_BYTES - 1);
    ret->len = end > ret->off ? end - ret->off : 0;
    return ret->len > 0;
}

struct mem *
mem_new(struct session *s, struct guest_id id, enum object_kind kind)
{
    struct mem *m = object_new(s, id, kind);

    if (m)
        list_init(&m->mappings);
    return m;
}

int
mem_check_content(struct session *s, uint64_t size, struct extent storage,
                  uint64_t content, struct extent initial)
{
    if (storage.off != EXTENT_NONE && !s->shared_storage)
        return request_bad_field(s, "storage",
                                 "this device's buffers are not in the heap");
    /* A driver that takes it as it is leaves kernels with elements that are not aligned. */
    if (storage.off != EXTENT_NONE && storage.off % HEAP_GRANULE != 0)
        return request_bad_field(s, "storage", "not aligned");
    if (storage.off != EXTENT_NONE && storage.len < size)
        return request_bad_field(s, "storage", "shorter than the buffer");
    if (content > CONTENT_INITIAL)
        return request_bad_field(s, "content", "no such value");
    if (content == CONTENT_IN_PLACE && storage.off == EXTENT_NONE)
        return request_bad_field(s, "content", "in place, without storage");
    if (content == CONTENT_INITIAL && initial.off == EXTENT_NONE)
        return request_bad_field(s, "initial", "missing");
    if (content == CONTENT_INITIAL && initial.len < size)
        return request_bad_field(s, "initial", "shorter than the buffer");
    return 0;
}

int
mem_charge(struct session *s, struct mem *m, uint64_t bytes, uint64_t storage)
{
    struct charge *c = malloc(sizeof *c);

    if (!c)
        return session_fail(s, "the worker has no memory for another buffer");
    *c = (struct charge){.s = s, .bytes = bytes, .storage = storage};
    charge_keep(m, c);
    m->in_heap = storage != EXTENT_NONE;
    return 0;
}

cl_int
mem_charged(struct session *s, struct mem *m, cl_int rc)
{
    if (rc == CL_SUCCESS && s->cl->clSetMemObjectDestructorCallback(
                                m->o.h.mem, charge_destroyed, m->charge) != CL_SUCCESS) {
        s->cl->clReleaseMemObject(m->o.h.mem);
        rc = CL_OUT_OF_RESOURCES;
    }
    if (rc != CL_SUCCESS) {
        /* The storage stays the guest's business until it releases the id. */
        memory_uncharge(&s->memory, m->charge->bytes);
        m->charge->bytes = 0;
    }
    return rc;
}

uint64_t
mem_driver_bytes(struct session *s, cl_mem mem)
{
    size_t bytes = 0;

    if (s->cl->clGetMemObjectInfo(mem, CL_MEM_SIZE, sizeof bytes, &bytes, NULL) !=
        CL_SUCCESS)
        return 0;
    return bytes;
}

static cl_mem
buffer_create(struct session *s, const struct req_clCreateBuffer *r, cl_int *ret_rc)
{
    cl_mem_flags flags = r->flags & DEVICE_FLAGS;
    uint8_t *heap = s->channel.heap, *host = NULL;

    if (r->storage.off != EXTENT_NONE) {
        flags |= CL_MEM_USE_HOST_PTR;
        host = heap + r->storage.off;
        if (r->content == CONTENT_INITIAL)
            memcpy(host, heap + r->initial.off, r->size);
    } else if (r->content == CONTENT_INITIAL) {
        flags |= CL_MEM_COPY_HOST_PTR;
        host = heap + r->initial.off;
    }
    return s->cl->clCreateBuffer(r->context->h.context, flags, r->size, host, ret_rc);
}

/* The bytes are used from now on, until the driver destroys the buffer. */
static cl_int
buffer_make(struct session *s, struct mem *m, const struct req_clCreateBuffer *r)
{
    cl_int rc = s->request.error;

    if (rc == CL_SUCCESS)
        m->o.h.mem = buffer_create(s, r, &rc);
    rc = mem_charged(s, m, rc);
    if (rc == CL_SUCCESS && r->content == CONTENT_INITIAL)
        gate_copied(&s->gate, r->size);
    return rc;
}

/* Made again, it gets its content from elsewhere: what was initial then is gone. */
static struct req_clCreateBuffer
without_content(const struct req_clCreateBuffer *r)
{
    struct req_clCreateBuffer bare = *r;

    bare.content = CONTENT_NONE;
    bare.initial = (struct extent){EXTENT_NONE, 0};
    return bare;
}

int
op_clCreateBuffer(struct session *s, const struct req_clCreateBuffer *r)
{
    const struct req_clCreateBuffer bare = without_content(r);
    struct mem *m;
    cl_int rc;

    if (s->restoring.active)
        r = &bare;
    if (mem_check_content(s, r->size, r->storage, r->content, r->initial) < 0)
        return -EPROTO;
    if (!memory_charge(&s->memory, r->size))
        return request_bad_field(s, "size", "more bytes than the session was given");
    m = mem_new(s, r->buffer, KIND_mem);
    if (!m || mem_charge(s, m, r->size, r->storage.off) < 0)
        return -ENOMEM;
    rc = buffer_make(s, m, r);
    reply_reclaim(s, r->initial.off);
    return object_made(s, &m->o, rc, r->tag);
}

int
op_clCreateSubBuffer(struct session *s, const struct req_clCreateSubBuffer *r)
{
    const cl_buffer_region region = {r->origin, r->size};
    struct mem *m = mem_new(s, r->sub_buffer, KIND_mem);
    cl_int rc = s->request.error;

    if (!m)
        return -ENOMEM;
    m->in_heap = mem_of(r->buffer)->in_heap;
    m->part = true;
    if (rc == CL_SUCCESS)
        m->o.h.mem = s->cl->clCreateSubBuffer(r->buffer->h.mem, r->flags & DEVICE_FLAGS,
                                              CL_BUFFER_CREATE_TYPE_REGION, &region, &rc);
    if (rc == CL_SUCCESS)
        mem_share_charge(m, mem_of(r->buffer));
    return object_made(s, &m->o, rc, r->tag);
}

/* ---- credit ------------------------------------------------------------------------ */

struct ask {
    struct job job;
    struct list node; /* in the session's parked asks */
    struct session *s;
    uint64_t tag, bytes;
};

/* Paused sessions keep theirs for later. */
static bool
ask_is_parked(struct ask *a)
{
    struct session *s = a->s;
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&s->asks_lock);

    if (!atomic_load(&s->runner.paused))
        return false;
    list_add_tail(&s->parked_asks, &a->node);
    return true;
}

/* Waits until more than `destroyed` buffers are. false: that will not happen by waiting. */
static bool
ask_wait_destroyed(struct session *s, uint64_t destroyed, unsigned *left_ms)
{
    while (queues_busy(s) && !atomic_load(&s->runner.paused)) {
        if (memory_wait_destroyed(&s->memory, destroyed, DESTROY_STEP_MS))
            return true;
        if (*left_ms < DESTROY_STEP_MS)
            return false;
        *left_ms -= DESTROY_STEP_MS;
    }
    for (unsigned ms = 0; ms < DESTROY_GRACE_MS; ms += DESTROY_STEP_MS) {
        if (memory_wait_destroyed(&s->memory, destroyed, DESTROY_STEP_MS))
            return true;
        if (atomic_load(&s->runner.paused))
            return false;
    }
    return false;
}

static void
ask_run(struct job *j)
{
    struct ask *a = container_of(j, struct ask, job);
    struct session *s = a->s;
    unsigned left_ms =
        atomic_load(&s->open_user_events) > 0 ? DESTROY_WAIT_OPEN_MS : DESTROY_WAIT_MS;
    uint64_t destroyed, dying;
    bool granted;

    do {
        /* Counted before the try: what is destroyed after it is worth another one. */
        memory_counts(&s->memory, &destroyed, &dying);
        granted =
            memory_ask(&s->memory, a->bytes) || memory_ask_all(&s->memory, a->bytes);
    } while (!granted && dying > 0 && ask_wait_destroyed(s, destroyed, &left_ms));
    if (!granted && ask_is_parked(a))
        return;
    reply_status(s, a->tag, granted ? CL_SUCCESS : CL_MEM_OBJECT_ALLOCATION_FAILURE);
    free(a);
}

void
ask_start(struct session *s, uint64_t tag, uint64_t bytes)
{
    struct ask *a = malloc(sizeof *a);

    if (a) {
        *a = (struct ask){.job.run = ask_run, .s = s, .tag = tag, .bytes = bytes};
        queues_flush(s);
    }
    if (!a || jobs_start(&s->asks, &a->job) < 0) {
        reply_status(s, tag, CL_OUT_OF_HOST_MEMORY);
        free(a);
    }
}

int
op_tessera_credit(struct session *s, const struct req_tessera_credit *r)
{
    if (r->size > s->account->limit_bytes) {
        reply_status(s, r->tag, CL_MEM_OBJECT_ALLOCATION_FAILURE);
        return 0;
    }
    if (memory_ask(&s->memory, r->size)) {
        reply_status(s, r->tag, CL_SUCCESS);
        return 0;
    }
    ask_start(s, r->tag, r->size);
    return 0;
}

void
asks_resume(struct session *s)
{
    for (;;) {
        struct ask *a = NULL;

        pthread_mutex_lock(&s->asks_lock);
        if (!list_empty(&s->parked_asks)) {
            a = container_of(s->parked_asks.next, struct ask, node);
            list_del(&a->node);
        }
        pthread_mutex_unlock(&s->asks_lock);
        if (!a)
            return;
        ask_start(s, a->tag, a->bytes);
        free(a);
    }
}

void
asks_each(struct session *s, void (*each)(void *ctx, uint64_t tag, uint64_t bytes),
          void *ctx)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&s->asks_lock);

    for (struct list *l = s->parked_asks.next; l != &s->parked_asks; l = l->next) {
        const struct ask *a = container_of(l, struct ask, node);

        each(ctx, a->tag, a->bytes);
    }
}

/* ---- mappings ---------------------------------------------------------------------- */

static struct mapping *
mapping_find(struct mem *m, uint64_t id)
{
    struct list *node, *tmp;

    list_for_each_safe(node, tmp, &m->mappings)
    {
        struct mapping *map = container_of(node, struct mapping, node);

        if (map->id == id)
            return map;
    }
    return NULL;
}

static void
mapping_free(struct session *s, struct mapping *map)
{
    list_del(&map->node);
    free(map);
    s->mappings--;
}

struct mapping *
mapping_new(struct session *s, struct mem *m, uint64_t id)
{
    struct mapping *map = NULL;

    if (mapping_find(m, id)) {
        request_bad_field(s, "map_id", "taken");
        return NULL;
    }
    if (s->mappings < MAPPINGS_MAX)
        map = calloc(1, sizeof *map);
    if (!map) {
        request_bad_field(s, "map_id", "too many mappings");
        return NULL;
    }
    map->id = id;
    list_add_tail(&m->mappings, &map->node);
    s->mappings++;
    return map;
}

int
op_clEnqueueMapBuffer(struct session *s, const struct req_clEnqueueMapBuffer *r)
{
    struct mem *m = mem_of(r->buffer);
    struct submission sub;
    struct mapping *map;
    cl_int rc;

    if (!m->in_heap)
        return request_bad_field(s, "buffer", "not in the heap");
    map = mapping_new(s, m, r->map_id);
    if (!map)
        return -EPROTO;
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    if (rc == CL_SUCCESS)
        map->ptr = s->cl->clEnqueueMapBuffer(r->command_queue->h.queue, m->o.h.mem,
                                             CL_FALSE, r->map_flags, r->offset, r->size,
                                             sub.n_waits, sub.waits, &sub.event, &rc);
    map->error = rc;
    map->flags = r->map_flags;
    map->origin[0] = r->offset;
    map->region[0] = r->size;
    return transfer_end(s, &sub, rc,
                        &(struct transfer){.tag = r->tag, .reclaim = EXTENT_NONE});
}

int
op_clEnqueueUnmapMemObject(struct session *s, const struct req_clEnqueueUnmapMemObject *r)
{
    struct submission sub;
    struct mapping *map;
    struct mem *m;
    cl_int rc;

    if (r->memobj->kind != KIND_mem && r->memobj->kind != KIND_image)
        return request_bad_field(s, "memobj", "no memory object");
    m = mem_of(r->memobj);
    map = mapping_find(m, r->map_id);
    /* Its map may be held back for a user event, by a program that does not wait for it. */
    if (!map && s->held.total == 0 && !s->held.running)
        return request_bad_field(s, "map_id", "no such mapping");
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    if (rc == CL_SUCCESS)
        rc = map ? map->error : CL_INVALID_VALUE;
    if (rc == CL_SUCCESS)
        rc = s->cl->clEnqueueUnmapMemObject(r->command_queue->h.queue, m->o.h.mem,
                                            map->ptr, sub.n_waits, sub.waits, &sub.event);
    if (map && (rc == CL_SUCCESS || map->error != CL_SUCCESS))
        mapping_free(s, map);
    return submission_end(s, &sub, rc, r->tag);
}

int
op_clEnqueueMigrateMemObjects(struct session *s,
                              const struct req_clEnqueueMigrateMemObjects *r)
{
    struct submission sub;
    cl_int rc;

    for (uint64_t i = 0; i < r->n_mem_objects; i++) {
        unsigned kind = r->mem_objects[i]->kind;

        if (kind != KIND_mem && kind != KIND_image)
            return request_bad_field(s, "mem_objects", "no memory object");
    }
    rc = submission_begin(s, &sub, r->command_queue, r->n_event_wait_list,
                          r->event_wait_list, r->event);
    if (rc == CL_SUCCESS)
        rc = s->cl->clEnqueueMigrateMemObjects(
            r->command_queue->h.queue, (cl_uint)r->n_mem_objects,
            handles_of_mem(s, r->n_mem_objects, r->mem_objects), r->flags, sub.n_waits,
            sub.waits, &sub.event);
    return submission_end(s, &sub, rc, r->tag);
}

void
mem_fini(struct session *s, struct object *o)
{
    struct mem *m = mem_of(o);
    struct list *node, *tmp;

    charge_let_go(m);
    list_for_each_safe(node, tmp, &m->mappings)
        mapping_free(s, container_of(node, struct mapping, node));
    if (o->h.mem)
        s->cl->clReleaseMemObject(o->h.mem);
    else if (m->charge)
        charge_over(m->charge);
}
