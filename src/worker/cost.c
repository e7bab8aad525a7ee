/* SPDX-License-Identifier: MIT */
#include "worker/cost.h"

#include "worker/scope.h"

#include <stddef.h>

/* How much a new measurement counts: a quarter. */
#define LEARN_SHIFT 2

/* A key has two places: what was there first gives way only to what is met more often. */
#define PLACES 2u

uint64_t
cost_key_text(const char *text)
{
    uint64_t key = 1;

    for (; *text; text++)
        key = cost_mix(key, (uint8_t)*text);
    return key | 1;
}

void
costs_init(struct costs *c)
{
    pthread_mutex_init(&c->lock, NULL);
}

/* Lock held, as for all below that are no part of the header. */
static struct cost *
cost_find(struct costs *c, uint64_t key)
{
    for (unsigned i = 0; i < PLACES; i++) {
        struct cost *s = &c->slot[(key + i) % COSTS];

        if (s->key == key)
            return s;
    }
    return NULL;
}

bool
cost_known(struct costs *c, uint64_t key, uint64_t *ret_ns)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&c->lock);
    const struct cost *s = cost_find(c, key);

    if (!s || s->n == 0)
        return false;
    *ret_ns = s->ns;
    return true;
}

static struct cost *
cost_place(struct costs *c, uint64_t key)
{
    struct cost *found = cost_find(c, key), *rarest = NULL;

    for (unsigned i = 0; !found && i < PLACES; i++) {
        struct cost *s = &c->slot[(key + i) % COSTS];

        if (!rarest || s->n < rarest->n)
            rarest = s;
    }
    if (found)
        return found;
    *rarest = (struct cost){.key = key};
    return rarest;
}

void
cost_learn(struct costs *c, uint64_t key, uint64_t ns)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&c->lock);
    struct cost *s = cost_place(c, key);

    if (s->n == 0)
        s->ns = ns;
    else
        s->ns += (uint64_t)(((int64_t)ns - (int64_t)s->ns) >> LEARN_SHIFT);
    if (s->n < UINT32_MAX)
        s->n++;
}

bool
cost_compiled(struct costs *c, uint64_t key)
{
    _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&c->lock);
    uint64_t *at = &c->compiled[key % COSTS];

    if (*at == key)
        return true;
    *at = key;
    return false;
}
