/* SPDX-License-Identifier: MIT */
#include "guest/opencl/hold.h"

void
held_add_locked(struct session *s, struct object *o)
{
    list_add_tail(&s->held, &o->held);
    atomic_store_explicit(&o->is_held, true, memory_order_relaxed);
}

cl_int
held_add(struct object *o)
{
    struct session *s = o->session;

    if (session_is_dead(s))
        return CL_OUT_OF_RESOURCES;
    pthread_mutex_lock(&s->tx_lock);
    held_add_locked(s, o);
    pthread_mutex_unlock(&s->tx_lock);
    return CL_SUCCESS;
}

bool
held_send_all(struct session *s)
{
    struct pending p = {.flushes = true};

    while (!list_empty(&s->held)) {
        struct object *o = container_of(s->held.next, struct object, held);

        if (o->make(o, &p) != CL_SUCCESS)
            return false;
        list_del(&o->held);
        /* Its partner is in held_take_back(), after which the object may be gone. */
        atomic_store_explicit(&o->is_held, false, memory_order_release);
    }
    return true;
}

bool
held_take_back(struct object *o)
{
    struct session *s = o->session;
    bool was_held;

    /*
     * In a forked child the lock may be held for ever. Where the session has died otherwise,
     * a thread that found it alive may still be about to send what is held.
     */
    if (!atomic_load_explicit(&o->is_held, memory_order_acquire) ||
        session_is_inherited(s))
        return false;
    pthread_mutex_lock(&s->tx_lock);
    was_held = atomic_load_explicit(&o->is_held, memory_order_relaxed);
    if (was_held) {
        list_del(&o->held);
        atomic_store_explicit(&o->is_held, false, memory_order_relaxed);
        id_drop(s, o->id);
    }
    pthread_mutex_unlock(&s->tx_lock);
    return was_held;
}
