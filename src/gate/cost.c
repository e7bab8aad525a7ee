/* SPDX-License-Identifier: MIT */
#include "gate/cost.h"

#include <stddef.h>

/* How much a new measurement counts: a quarter. */
#define LEARN_SHIFT 2

/* A key has so many places; of what is there, what was met least gives way. */
#define PLACES 4u

#define LOAD(p) atomic_load_explicit(p, memory_order_relaxed)
#define STORE(p, v) atomic_store_explicit(p, v, memory_order_relaxed)

uint64_t
cost_key_text(const char *text)
{
    uint64_t key = 1;

    for (; *text; text++)
        key = cost_mix(key, (uint8_t)*text);
    return key | 1;
}

static struct cost *
cost_find(struct costs *c, uint64_t key)
{
    for (unsigned i = 0; i < PLACES; i++) {
        struct cost *s = &c->slot[(key + i) % COSTS];

        if (LOAD(&s->key) == key)
            return s;
    }
    return NULL;
}

bool
cost_known(struct costs *c, uint64_t key, uint64_t *ret_ns)
{
    struct cost *s = cost_find(c, key);

    if (!s || LOAD(&s->n) == 0)
        return false;
    *ret_ns = LOAD(&s->ns);
    return true;
}

static struct cost *
cost_place(struct costs *c, uint64_t key)
{
    struct cost *found = cost_find(c, key), *rarest = &c->slot[key % COSTS];

    if (found)
        return found;
    for (unsigned i = 1; i < PLACES; i++) {
        struct cost *s = &c->slot[(key + i) % COSTS];

        if (LOAD(&s->n) < LOAD(&rarest->n))
            rarest = s;
    }
    STORE(&rarest->n, 0);
    STORE(&rarest->key, key);
    return rarest;
}

void
cost_learn(struct costs *c, uint64_t key, uint64_t ns)
{
    struct cost *s = cost_place(c, key);
    const uint32_t n = LOAD(&s->n);
    const uint64_t old = LOAD(&s->ns);

    STORE(&s->ns,
          n == 0 ? ns : old + (uint64_t)(((int64_t)ns - (int64_t)old) >> LEARN_SHIFT));
    if (n < UINT32_MAX)
        STORE(&s->n, n + 1);
}

/* Where it stands, or should: a free place, or the last one. */
static _Atomic uint64_t *
compiled_place(struct costs *c, uint64_t key)
{
    _Atomic uint64_t *place = NULL;

    for (unsigned i = 0; i < PLACES; i++) {
        place = &c->compiled[(key + i) % COSTS];
        if (LOAD(place) == key || LOAD(place) == 0)
            break;
    }
    return place;
}

bool
cost_compiled(struct costs *c, uint64_t key)
{
    return LOAD(compiled_place(c, key)) == key;
}

void
cost_note_compiled(struct costs *c, uint64_t key)
{
    STORE(compiled_place(c, key), key);
}
