/* SPDX-License-Identifier: MIT */
#include "worker/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t
slot_of(struct guest_id id)
{
    return (uint32_t)id.v;
}

static struct table_entry *
table_entry(const struct table *t, struct guest_id id)
{
    uint32_t slot = slot_of(id);

    return slot > 0 && slot < t->cap ? &t->entries[slot] : NULL;
}

bool
table_is_free(const struct table *t, struct guest_id id)
{
    uint32_t slot = slot_of(id);

    if (slot == 0 || slot > TABLE_SLOTS)
        return false;
    return slot >= t->cap || !t->entries[slot].object;
}

static int
table_grow(struct table *t, uint32_t slot)
{
    uint32_t cap = t->cap ? t->cap : 256;
    struct table_entry *bigger;

    while (cap <= slot)
        cap *= 2;
    bigger = realloc(t->entries, cap * sizeof *bigger);
    if (!bigger)
        return -ENOMEM;
    memset(bigger + t->cap, 0, (cap - t->cap) * sizeof *bigger);
    t->entries = bigger;
    t->cap = cap;
    return 0;
}

int
table_put(struct table *t, struct guest_id id, void *object)
{
    uint32_t slot = slot_of(id);

    if (slot == 0 || slot > TABLE_SLOTS)
        return -ERANGE;
    if (!table_is_free(t, id))
        return -EEXIST;
    if (slot >= t->cap && table_grow(t, slot) < 0)
        return -ENOMEM;
    t->entries[slot] = (struct table_entry){id, object};
    t->live++;
    return 0;
}

void *
table_find(const struct table *t, struct guest_id id)
{
    const struct table_entry *e = table_entry(t, id);

    return e && e->id.v == id.v ? e->object : NULL;
}

void *
table_take(struct table *t, struct guest_id id)
{
    struct table_entry *e = table_entry(t, id);
    void *object = table_find(t, id);

    if (object) {
        *e = (struct table_entry){0};
        t->live--;
    }
    return object;
}

void
table_fini(struct table *t)
{
    free(t->entries);
    *t = (struct table){0};
}
