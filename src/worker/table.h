/* SPDX-License-Identifier: MIT */
/*
 * Which object a guest means by an id: low 32 bits a slot (from 1, reused), high 32 bits a
 * generation, so that a stale id finds nothing. Pure book-keeping; the dispatcher alone uses it.
 */
#ifndef TESSERA_WORKER_TABLE_H
#define TESSERA_WORKER_TABLE_H

#include "wire/frame.h"

#include <stdbool.h>

/* Objects of one session: what docs/protocol.md promises, far above what programs use. */
#define TABLE_SLOTS (1u << 20)

struct table_entry {
    struct guest_id id;
    void *object;
};

struct table {
    struct table_entry *entries; /* by slot; owned */
    uint32_t cap;
    uint32_t live; /* objects in it */
};

/* Is there a slot of that number, and is it free? */
bool table_is_free(const struct table *t, struct guest_id id);

/* 0; -EEXIST when the slot is taken, -ERANGE when there is no such slot, -ENOMEM. */
int table_put(struct table *t, struct guest_id id, void *object);

/* The object of that id, NULL when there is none. */
void *table_find(const struct table *t, struct guest_id id);

/* The same, and its slot is free again. */
void *table_take(struct table *t, struct guest_id id);

void table_fini(struct table *t);

#endif
