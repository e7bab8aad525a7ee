/* SPDX-License-Identifier: MIT */
#include "guest/opencl/hold.h"

#include "guest/opencl/submit.h"

#include <string.h>

cl_int
held_add(struct session *s, struct held *h)
{
    if (session_is_dead(s))
        return CL_OUT_OF_RESOURCES;
    pthread_mutex_lock(&s->tx_lock);
    list_add_tail(&s->held, &h->node);
    atomic_store_explicit(&h->object->held, h, memory_order_relaxed);
    pthread_mutex_unlock(&s->tx_lock);
    return CL_SUCCESS;
}

bool
held_flush(struct session *s)
{
    while (!list_empty(&s->held)) {
        struct held *h = container_of(s->held.next, struct held, node);
        void *at = submit_room(s, h->size);

        if (!at)
            return false;
        memcpy(at, h->frame, h->size);
        s->tx_wake |= ring_commit(&s->channel.tx, h->size);
        list_del(&h->node);
        atomic_store_explicit(&h->object->held, NULL, memory_order_relaxed);
    }
    return true;
}

bool
held_take_back(struct object *o)
{
    struct session *s = o->session;
    struct held *h;

    /*
     * In a forked child the lock may be held for ever. Where the session has died otherwise,
     * a thread that found it alive may still be about to send what is held.
     */
    if (!atomic_load_explicit(&o->held, memory_order_relaxed) || session_is_inherited(s))
        return false;
    pthread_mutex_lock(&s->tx_lock);
    h = atomic_load_explicit(&o->held, memory_order_relaxed);
    if (h)
        list_del(&h->node);
    atomic_store_explicit(&o->held, NULL, memory_order_relaxed);
    pthread_mutex_unlock(&s->tx_lock);
    return h != NULL;
}
