/* SPDX-License-Identifier: MIT */
#include "guest/opencl/object.h"

#include "guest/opencl/hold.h"
#include "guest/opencl/session.h"

#include <string.h>

void
object_init(struct object *o, uint32_t kind, struct session *s,
            void (*destroy)(struct object *o))
{
    o->dispatch = &opencl_dispatch;
    o->magic = OBJECT_MAGIC + kind;
    o->kind = kind;
    o->session = s;
    o->destroy = destroy;
    if (s)
        session_hold(s);
    atomic_init(&o->refs, 1);
    atomic_init(&o->holds, 1);
}

void
object_retain(struct object *o)
{
    atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
}

void
object_hold(struct object *o)
{
    atomic_fetch_add_explicit(&o->holds, 1, memory_order_relaxed);
}

void
object_unhold(struct object *o)
{
    struct session *s = o->session;

    /* Whoever has the only one cannot meet another: no need to count down. */
    if (atomic_load_explicit(&o->holds, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&o->holds, 1, memory_order_acq_rel) != 1)
        return;
    o->magic = 0;
    o->destroy(o);
    if (s)
        session_unhold(s);
}

void
object_release(struct object *o)
{
    if (atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) != 1)
        return;
    o->never_sent = held_take_back(o);
    if (o->released)
        o->released(o);
    if (!o->never_sent && o->session && o->id.v != 0)
        session_release_id(o->session, o->id);
    object_unhold(o);
}

cl_int
object_retain_call(void *handle, uint32_t kind, cl_int error)
{
    if (!object_is(handle, kind))
        return error;
    object_retain(handle);
    return CL_SUCCESS;
}

cl_int
object_release_call(void *handle, uint32_t kind, cl_int error)
{
    struct object *o = handle;

    if (!object_is(handle, kind) || atomic_load(&o->refs) == 0)
        return error;
    object_release(o);
    return CL_SUCCESS;
}

cl_int
info_put(const void *data, size_t len, size_t cap, void *value, size_t *ret_len)
{
    if (value) {
        if (cap < len)
            return CL_INVALID_VALUE;
        if (len > 0)
            memcpy(value, data, len);
    }
    if (ret_len)
        *ret_len = len;
    return CL_SUCCESS;
}

cl_int
info_string(const char *s, size_t cap, void *value, size_t *ret_len)
{
    return info_put(s, strlen(s) + 1, cap, value, ret_len);
}
