/* SPDX-License-Identifier: MIT */
/* A table with open addressing; behind what is struck out it is closed up (Knuth, 6.4, R). */
#include "guest/cuda/ledger.h"

#include "guest/front/lock.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 256u

static struct process_lock lock;
static struct ledger_entry *table; /* refs 0: free */
static size_t capacity, count;     /* a power of two, more than 4/3 of count */
static int32_t of_process;

/* In a child of fork() none of it is ours: its parent's account holds those bytes. */
static void
ledger_lock(void)
{
    const int32_t pid = (int32_t)getpid();

    process_lock(&lock);
    if (of_process == pid)
        return;
    table = NULL; /* it may be half written: it is not freed */
    capacity = count = 0;
    of_process = pid;
}

static size_t
home_of(enum ledger_kind kind, uint64_t key)
{
    uint64_t x = (key ^ ((uint64_t)kind << 59)) * UINT64_C(0x9e3779b97f4a7c15);

    return (size_t)(x ^ (x >> 32)) & (capacity - 1);
}

/* Lock held. Where it is, or could be; there is always a free place. */
static struct ledger_entry *
place_of(enum ledger_kind kind, uint64_t key)
{
    size_t i = home_of(kind, key);

    while (table[i].refs && (table[i].kind != kind || table[i].key != key))
        i = (i + 1) & (capacity - 1);
    return &table[i];
}

/* Lock held. NULL: there is none. */
static struct ledger_entry *
find(enum ledger_kind kind, uint64_t key)
{
    struct ledger_entry *const e = capacity ? place_of(kind, key) : NULL;

    return e && e->refs ? e : NULL;
}

static bool
grow(void)
{
    struct ledger_entry *const old = table;
    const size_t before = capacity, after = before ? 2 * before : CAPACITY_MIN;
    struct ledger_entry *const bigger = calloc(after, sizeof *bigger);

    if (!bigger)
        return false;
    table = bigger;
    capacity = after;
    for (size_t i = 0; i < before; i++) {
        if (old[i].refs)
            *place_of(old[i].kind, old[i].key) = old[i];
    }
    free(old);
    return true;
}

void
ledger_add(const struct ledger_entry *e)
{
    ledger_lock();
    if (4 * (count + 1) <= 3 * capacity || grow()) {
        struct ledger_entry *const place = place_of(e->kind, e->key);

        count += place->refs == 0;
        *place = *e;
        place->refs = 1;
    }
    process_unlock(&lock);
}

/* Lock held. */
static void
strike_out(struct ledger_entry *e)
{
    size_t hole = (size_t)(e - table), i = hole;

    count--;
    for (;;) {
        size_t home;

        table[hole].refs = 0;
        do {
            i = (i + 1) & (capacity - 1);
            if (!table[i].refs)
                return;
            home = home_of(table[i].kind, table[i].key);
            /* May it not move: is its home behind the hole, up to where it is? */
        } while (((i - home) & (capacity - 1)) < ((i - hole) & (capacity - 1)));
        table[hole] = table[i];
        hole = i;
    }
}

bool
ledger_take(enum ledger_kind kind, uint64_t key, struct ledger_entry *ret)
{
    struct ledger_entry *e;

    ledger_lock();
    e = find(kind, key);
    if (e) {
        *ret = *e;
        strike_out(e);
    }
    process_unlock(&lock);
    return e != NULL;
}

bool
ledger_find(enum ledger_kind kind, uint64_t key, struct ledger_entry *ret)
{
    const struct ledger_entry *e;

    ledger_lock();
    e = find(kind, key);
    if (e)
        *ret = *e;
    process_unlock(&lock);
    return e != NULL;
}

bool
ledger_ref(uint64_t handle)
{
    struct ledger_entry *e;

    ledger_lock();
    e = find(LEDGER_HANDLE, handle);
    if (e)
        e->refs++;
    process_unlock(&lock);
    return e != NULL;
}

bool
ledger_unref(uint64_t handle, struct ledger_entry *ret)
{
    struct ledger_entry *e;
    bool last;

    ledger_lock();
    e = find(LEDGER_HANDLE, handle);
    last = e && e->refs == 1;
    if (last) {
        *ret = *e;
        strike_out(e);
    } else if (e) {
        e->refs--;
    }
    process_unlock(&lock);
    return last;
}

/* Lock held. */
static bool
take_place(struct ledger_entry *e, struct ledger_entry *ret)
{
    *ret = *e;
    strike_out(e);
    return true;
}

bool
ledger_take_mapping(uint64_t from, uint64_t bytes, struct ledger_entry *ret)
{
    bool found = false;

    ledger_lock();
    for (size_t i = 0; i < capacity && !found; i++) {
        struct ledger_entry *const e = &table[i];

        if (e->refs && e->kind == LEDGER_MAPPING && e->key - from < bytes)
            found = take_place(e, ret);
    }
    process_unlock(&lock);
    return found;
}

bool
ledger_take_of_context(const void *context, struct ledger_entry *ret)
{
    bool found = false;

    ledger_lock();
    for (size_t i = 0; i < capacity && context && !found; i++) {
        struct ledger_entry *const e = &table[i];

        if (e->refs && e->context == context)
            found = take_place(e, ret);
    }
    process_unlock(&lock);
    return found;
}
