/* SPDX-License-Identifier: MIT */
/*
 * The ids that the guest gives out: a slot that is used again, and how often it was
 * (docs/protocol.md).
 */
#include "guest/opencl/session.h"

#include "api/opencl_send.h"

#include <stdlib.h>

static bool
id_grow(struct session *s)
{
    uint32_t cap = s->id_cap ? s->id_cap * 2 : 256;
    uint32_t *generation, *spare;

    if (cap > (1u << 20))
        return false;
    generation = realloc(s->id_generation, cap * sizeof *generation);
    if (!generation)
        return false;
    s->id_generation = generation;
    spare = realloc(s->id_spare, cap * sizeof *spare);
    if (!spare)
        return false;
    s->id_spare = spare;
    s->id_cap = cap;
    return true;
}

struct guest_id
id_take(struct session *s)
{
    uint32_t slot = 0;
    struct guest_id id = {0};

    if (s->id_nspare > 0) {
        slot = s->id_spare[--s->id_nspare];
    } else if (s->id_slots + 1 < s->id_cap || id_grow(s)) {
        slot = ++s->id_slots; /* from 1 */
        s->id_generation[slot] = 0;
    }
    if (slot)
        id.v = (uint64_t)s->id_generation[slot] << 32 | slot;
    return id;
}

void
id_drop(struct session *s, struct guest_id id)
{
    uint32_t slot = (uint32_t)id.v;

    s->id_generation[slot]++;
    s->id_spare[s->id_nspare++] = slot;
}

struct guest_id
session_new_id(struct session *s)
{
    struct guest_id id;

    /* In a forked child the lock may be held for ever. The message that wants the id will fail. */
    if (session_is_dead(s))
        return (struct guest_id){1};
    pthread_mutex_lock(&s->tx_lock);
    id = id_take(s);
    pthread_mutex_unlock(&s->tx_lock);
    return id;
}

void
session_drop_id(struct session *s, struct guest_id id)
{
    if (id.v == 0 || session_is_dead(s))
        return;
    pthread_mutex_lock(&s->tx_lock);
    id_drop(s, id);
    pthread_mutex_unlock(&s->tx_lock);
}

void
session_release_id(struct session *s, struct guest_id id)
{
    /* The frame is in the ring before the slot can be used again: order keeps them apart. */
    if (!session_is_dead(s) && send_tessera_release(s, NULL, id) == CL_SUCCESS)
        session_drop_id(s, id);
}
