/* SPDX-License-Identifier: MIT */
#include "worker/request.h"

#include "base/checked.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

void
request_started(struct session *s, const void *frame, size_t len, bool recipe)
{
    struct request *q = &s->request;
    struct frame_header h;

    memcpy(&h, frame, sizeof h);
    free(q->blob);
    q->frame = frame;
    q->len = len;
    q->op = h.op;
    q->recipe = recipe;
    q->blob = NULL;
    q->blob_len = 0;
    q->error = CL_SUCCESS;
    q->why = NULL;
    q->n_named = 0;
    q->scratch_used = 0;
    log_debug("%s, %zu bytes%s", opencl_op_name(h.op), len,
              h.tag ? ", answer wanted" : "");
}

int
request_bad(struct session *s, unsigned op, const char *field)
{
    const char *why = s->request.why;

    return session_fail(s, "bad message: %s: %s: %s", opencl_op_name(op), field,
                        why ? why : "malformed");
}

int
request_bad_field(struct session *s, const char *field, const char *why)
{
    s->request.why = why;
    return request_bad(s, s->request.op, field);
}

void *
request_scratch(struct session *s, uint64_t n)
{
    struct request *q = &s->request;
    void *at = q->scratch + q->scratch_used;

    /*
     * Each id in a frame takes 8 bytes there and at most twice that here (object, handle), and
     * the scratch memory is twice the longest frame.
     */
    q->scratch_used += n * sizeof(void *);
    return at;
}

static void
dec_fail_why(struct session *s, struct dec *d, const char *field, const char *why)
{
    if (!d->bad)
        s->request.why = why;
    dec_fail(d, field);
}

static bool
request_names(struct request *q, struct object *o)
{
    if (q->n_named == q->cap_named) {
        const uint32_t cap = q->cap_named ? 2 * q->cap_named : 16;
        struct object **bigger = realloc(q->named, cap * sizeof(struct object *));

        if (!bigger)
            return false;
        q->named = bigger;
        q->cap_named = cap;
    }
    q->named[q->n_named++] = o;
    return true;
}

static struct object *
object_checked(struct session *s, struct dec *d, const char *field, unsigned kind,
               struct guest_id id)
{
    struct object *o = kind == KIND_device && id.v == ROOT_DEVICE_ID
                           ? &s->root_device
                           : table_find(&s->table, id);

    if (!o) {
        dec_fail_why(s, d, field, "no object has that id");
        return NULL;
    }
    if (kind != KIND_any && o->kind != kind) {
        dec_fail_why(s, d, field, "the id is of another kind of object");
        return NULL;
    }
    if (s->request.recipe && o != &s->root_device && !request_names(&s->request, o)) {
        dec_fail_why(s, d, field, "the worker has no memory for it");
        return NULL;
    }
    /* Failed events are for whoever waits to judge. */
    if (o->error != CL_SUCCESS && o->kind != KIND_event && s->request.error == CL_SUCCESS)
        s->request.error = o->error;
    return o;
}

struct object *
dec_object(struct session *s, struct dec *d, const char *field, unsigned kind)
{
    struct guest_id id = {dec_u64(d, field)};

    return d->bad ? NULL : object_checked(s, d, field, kind, id);
}

struct object *
dec_object_or_none(struct session *s, struct dec *d, const char *field, unsigned kind)
{
    struct guest_id id = {dec_u64(d, field)};

    return d->bad || id.v == 0 ? NULL : object_checked(s, d, field, kind, id);
}

struct object **
dec_objects(struct session *s, struct dec *d, const char *field, unsigned kind,
            uint64_t *ret_n)
{
    const uint64_t *ids = dec_array(d, field, ret_n);
    struct object **objects = request_scratch(s, *ret_n);

    for (uint64_t i = 0; i < *ret_n && !d->bad; i++)
        objects[i] = object_checked(s, d, field, kind, (struct guest_id){ids[i]});
    if (d->bad)
        *ret_n = 0;
    return objects;
}

static void
check_new(struct session *s, struct dec *d, const char *field, struct guest_id id)
{
    if (!d->bad && !table_is_free(&s->table, id))
        dec_fail_why(s, d, field,
                     "the id of a new object is taken, or its slot out of range");
}

struct guest_id
dec_new_or_none(struct session *s, struct dec *d, const char *field)
{
    struct guest_id id = {dec_u64(d, field)};

    if (id.v != 0)
        check_new(s, d, field, id);
    return d->bad ? (struct guest_id){0} : id;
}

struct guest_id
dec_new(struct session *s, struct dec *d, const char *field)
{
    struct guest_id id = dec_new_or_none(s, d, field);

    if (!d->bad && id.v == 0)
        dec_fail_why(s, d, field, "a new object needs an id");
    return id;
}

const struct guest_id *
dec_news(struct session *s, struct dec *d, const char *field, uint64_t *ret_n)
{
    const struct guest_id *ids = (const void *)dec_array(d, field, ret_n);

    for (uint64_t i = 0; i < *ret_n && !d->bad; i++)
        check_new(s, d, field, ids[i]);
    if (d->bad)
        *ret_n = 0;
    return ids;
}

struct extent
dec_extent_or_none(struct session *s, struct dec *d, const char *field)
{
    struct extent e = {.off = dec_u64(d, field)};

    e.len = dec_u64(d, field);
    if (!d->bad && e.off != EXTENT_NONE &&
        !range_inside(e.off, e.len, s->channel.heap_bytes))
        dec_fail_why(s, d, field, "the extent is outside the heap");
    return d->bad ? (struct extent){EXTENT_NONE, 0} : e;
}

struct extent
dec_extent(struct session *s, struct dec *d, const char *field)
{
    struct extent e = dec_extent_or_none(s, d, field);

    if (!d->bad && e.off == EXTENT_NONE)
        dec_fail_why(s, d, field, "the extent is missing");
    return e;
}

/*
 * What no program could keep is not even copied: the heap is larger than a worker's memory. The
 * request has an error then, and no bytes.
 */
static bool
blob_admit(struct session *s, uint64_t len)
{
    if (!allowance_take(s, LIMIT_PROGRAM_BYTES, len)) {
        if (s->request.error == CL_SUCCESS)
            s->request.error = CL_OUT_OF_HOST_MEMORY;
        return false;
    }
    allowance_give(s, LIMIT_PROGRAM_BYTES,
                   len); /* it is what the blob becomes that counts */
    return true;
}

static const uint8_t *
blob_copy_out(struct session *s, struct dec *d, const char *field, struct extent e)
{
    struct request *q = &s->request;

    if (q->blob) {
        dec_fail_why(s, d, field, "more than one blob");
        return (const uint8_t *)"";
    }
    if (!blob_admit(s, e.len)) {
        reply_reclaim(s, e.off);
        return (const uint8_t *)"";
    }
    q->blob = malloc(e.len + 1);
    if (!q->blob) {
        dec_fail_why(s, d, field, "the worker has no memory for it");
        return (const uint8_t *)"";
    }
    memcpy(q->blob, s->channel.heap + e.off, e.len);
    q->blob_len = e.len;
    reply_reclaim(s, e.off);
    return q->blob;
}

/* As it was copied out then. */
static const uint8_t *
blob_take_kept(struct session *s)
{
    struct request *q = &s->request;

    if (q->blob || !s->restoring.blob)
        return (const uint8_t *)"";
    q->blob = take_ptr(s->restoring.blob);
    q->blob_len = s->restoring.blob_len;
    return q->blob;
}

const uint8_t *
dec_blob(struct session *s, struct dec *d, const char *field, uint64_t *ret_len)
{
    struct extent e = dec_extent_or_none(s, d, field);
    const uint8_t *bytes;

    *ret_len = 0;
    if (d->bad)
        return (const uint8_t *)"";
    if (e.off == EXTENT_NONE)
        return dec_bytes(d, field, ret_len);
    bytes = s->restoring.active ? blob_take_kept(s) : blob_copy_out(s, d, field, e);
    *ret_len = s->request.blob_len;
    return bytes;
}

const cl_device_id *
handles_of_device(struct session *s, uint64_t n, struct object *const *objects)
{
    cl_device_id *handles = request_scratch(s, n);

    for (uint64_t i = 0; i < n; i++)
        handles[i] = objects[i]->h.device;
    return handles;
}

const cl_mem *
handles_of_mem(struct session *s, uint64_t n, struct object *const *objects)
{
    cl_mem *handles = request_scratch(s, n);

    for (uint64_t i = 0; i < n; i++)
        handles[i] = objects[i]->h.mem;
    return handles;
}
