/* SPDX-License-Identifier: MIT */
#include "link/bar_map.h"

#include <errno.h>

void
bar_map_clear(struct bar_map *m)
{
    for (unsigned i = 0; i < BAR_MAP_CHUNKS; i++) {
        atomic_store(&m->first[i], 0);
        atomic_store(&m->owner[i], i == 0 ? BAR_MAP_HOST : BAR_MAP_FREE);
    }
}

static uint8_t
owner_of(const struct bar_map *m, unsigned i)
{
    return atomic_load_explicit(&m->owner[i], memory_order_acquire);
}

/* Takes n chunks from i on; returns how many it got before one that is somebody's. */
static unsigned
take_run(struct bar_map *m, unsigned i, unsigned n, uint8_t owner)
{
    unsigned got = 0;

    for (; got < n; got++) {
        uint8_t was = BAR_MAP_FREE;

        if (!atomic_compare_exchange_strong(&m->owner[i + got], &was, owner))
            break;
    }
    return got;
}

static void
give_run(struct bar_map *m, unsigned i, unsigned n)
{
    for (unsigned k = i; k < i + n; k++) {
        atomic_store(&m->first[k], 0);
        atomic_store_explicit(&m->owner[k], BAR_MAP_FREE, memory_order_release);
    }
}

int
bar_map_take(struct bar_map *m, uint64_t chunk_bytes, unsigned slot, uint64_t bytes,
             uint64_t *ret_off, uint64_t *ret_bytes)
{
    const uint64_t chunks = bytes / chunk_bytes + (bytes % chunk_bytes != 0);
    unsigned i = 0, n;

    if (chunks == 0 || chunks >= BAR_MAP_CHUNKS)
        return -ENOSPC;
    n = (unsigned)chunks;
    while (i + n <= BAR_MAP_CHUNKS) {
        unsigned got = take_run(m, i, n, (uint8_t)(slot + 1));

        if (got == n) {
            atomic_store(&m->first[i], 1);
            *ret_off = i * chunk_bytes;
            *ret_bytes = n * chunk_bytes;
            return 0;
        }
        if (got > 0)
            give_run(m, i, got);
        i += got + 1;
    }
    return -ENOSPC;
}

/* The chunks of the extent that begins at chunk i, if it is the owner's. */
static unsigned
extent_chunks(const struct bar_map *m, unsigned i, uint8_t owner)
{
    unsigned n = 0;

    if (!atomic_load(&m->first[i]))
        return 0;
    while (i + n < BAR_MAP_CHUNKS && owner_of(m, i + n) == owner &&
           (n == 0 || !atomic_load(&m->first[i + n])))
        n++;
    return n;
}

uint64_t
bar_map_extent(const struct bar_map *m, uint64_t chunk_bytes, unsigned slot, uint64_t off)
{
    const uint64_t i = off / chunk_bytes;

    if (off % chunk_bytes != 0 || i >= BAR_MAP_CHUNKS)
        return 0;
    return extent_chunks(m, (unsigned)i, (uint8_t)(slot + 1)) * chunk_bytes;
}

void
bar_map_give(struct bar_map *m, uint64_t chunk_bytes, uint64_t off, uint64_t bytes)
{
    give_run(m, (unsigned)(off / chunk_bytes), (unsigned)(bytes / chunk_bytes));
}

bool
bar_map_is_free(const struct bar_map *m)
{
    for (unsigned i = 0; i < BAR_MAP_CHUNKS; i++) {
        const uint8_t owner = owner_of(m, i);

        if (owner != BAR_MAP_FREE && owner != BAR_MAP_HOST)
            return false;
    }
    return true;
}

bool
bar_map_next(const struct bar_map *m, uint64_t chunk_bytes, unsigned slot, uint64_t *off,
             uint64_t *ret_bytes)
{
    for (uint64_t i = *off / chunk_bytes; i < BAR_MAP_CHUNKS; i++) {
        if (owner_of(m, (unsigned)i) != slot + 1)
            continue;
        *off = i * chunk_bytes;
        *ret_bytes = chunk_bytes;
        while (i + 1 < BAR_MAP_CHUNKS && owner_of(m, (unsigned)i + 1) == slot + 1) {
            *ret_bytes += chunk_bytes;
            i++;
        }
        return true;
    }
    return false;
}
