/* SPDX-License-Identifier: MIT */
/*
 * Blocks form a doubly linked list in order of address, without gaps; free blocks also
 * hang in the list of their class. Index 0 is "none".
 */
#include "guest/opencl/heap.h"

#include "base/checked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct heap_block {
    uint64_t start, size;   /* in granules */
    uint32_t before, after; /* neighbours by address */
    uint32_t prev, next;    /* in the list of the class, or of the spare blocks */
    bool free;
};

/*
 * Freed blocks of this many bytes are handed back to the system when much is idle
 * already.
 */
#define HEAP_RETURN_BYTES (8ull << 20)
#define HEAP_IDLE_BYTES (256ull << 20)

static unsigned
log2_of(uint64_t v)
{
    return 63u - (unsigned)__builtin_clzll(v);
}

/* The class that holds blocks of this size. */
static void
class_of(uint64_t size, unsigned *fl, unsigned *sl)
{
    unsigned top = log2_of(size);

    *fl = top;
    *sl = top >= 4 ? (unsigned)(size >> (top - 4)) & (HEAP_SL - 1)
                   : (unsigned)(size << (4 - top)) & (HEAP_SL - 1);
}

/* Rounds up, so that every block of the class found is large enough. */
static uint64_t
class_round_up(uint64_t size)
{
    unsigned top = log2_of(size);

    if (top < 4)
        return size;
    return (size + (1ull << (top - 4)) - 1) & ~((1ull << (top - 4)) - 1);
}

static void
class_add(struct heap *h, uint32_t i)
{
    struct heap_block *b = &h->blocks[i];
    unsigned fl, sl;

    class_of(b->size, &fl, &sl);
    b->free = true;
    b->prev = 0;
    b->next = h->free_list[fl][sl];
    if (b->next)
        h->blocks[b->next].prev = i;
    h->free_list[fl][sl] = i;
    h->fl_map |= 1ull << fl;
    h->sl_map[fl] = (uint16_t)(h->sl_map[fl] | 1u << sl);
}

static void
class_remove(struct heap *h, uint32_t i)
{
    struct heap_block *b = &h->blocks[i];
    unsigned fl, sl;

    class_of(b->size, &fl, &sl);
    b->free = false;
    if (b->next)
        h->blocks[b->next].prev = b->prev;
    if (b->prev)
        h->blocks[b->prev].next = b->next;
    else
        h->free_list[fl][sl] = b->next;
    if (h->free_list[fl][sl])
        return;
    h->sl_map[fl] = (uint16_t)(h->sl_map[fl] & ~(1u << sl));
    if (!h->sl_map[fl])
        h->fl_map &= ~(1ull << fl);
}

static uint32_t
block_new(struct heap *h)
{
    uint32_t i = h->spare;

    if (i) {
        h->spare = h->blocks[i].next;
        return i;
    }
    if (h->nblocks == h->cap_blocks) {
        uint32_t cap = h->cap_blocks * 2;
        struct heap_block *more = realloc(h->blocks, cap * sizeof *more);

        if (!more)
            return 0;
        h->blocks = more;
        h->cap_blocks = cap;
    }
    return h->nblocks++;
}

static void
block_spare(struct heap *h, uint32_t i)
{
    h->at[h->blocks[i].start] = 0;
    h->blocks[i].next = h->spare;
    h->spare = i;
}

int
heap_init_empty(struct heap *h, uint8_t *base, uint64_t bytes)
{
    memset(h, 0, sizeof *h);
    pthread_mutex_init(&h->lock, NULL);
    h->base = base;
    h->granules = bytes / HEAP_GRANULE;
    h->cap_blocks = 64;
    h->nblocks = 1;
    h->blocks = calloc(h->cap_blocks, sizeof *h->blocks);
    h->at = mmap(NULL, (h->granules + 1) * sizeof *h->at, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (h->at == MAP_FAILED)
        h->at = NULL;
    if (!h->blocks || !h->at) {
        heap_fini(h);
        return -ENOMEM;
    }
    return 0;
}

static int
part_note(struct heap *h, uint64_t start, uint64_t size)
{
    if (h->nparts == h->cap_parts) {
        const unsigned cap = h->cap_parts ? 2 * h->cap_parts : 4;
        struct heap_part *more = realloc(h->parts, cap * sizeof *more);

        if (!more)
            return -ENOMEM;
        h->parts = more;
        h->cap_parts = cap;
    }
    h->parts[h->nparts++] = (struct heap_part){start, size};
    return 0;
}

/* Lock held. */
static int
part_add(struct heap *h, uint64_t start, uint64_t size)
{
    const uint32_t i = block_new(h);
    int rc = i ? part_note(h, start, size) : -ENOMEM;

    if (rc < 0)
        return rc;
    h->blocks[i] = (struct heap_block){.start = start, .size = size};
    h->at[start] = i;
    h->owned += size;
    class_add(h, i);
    return 0;
}

int
heap_add(struct heap *h, uint64_t off, uint64_t len)
{
    int rc;

    if (off % HEAP_GRANULE != 0 || len < HEAP_GRANULE ||
        !range_inside(off, len, h->granules * HEAP_GRANULE))
        return -EINVAL;
    pthread_mutex_lock(&h->lock);
    rc = part_add(h, off / HEAP_GRANULE, len / HEAP_GRANULE);
    pthread_mutex_unlock(&h->lock);
    return rc;
}

/* Lock held. Nothing of it is used: its first block is all of it. */
static bool
part_is_idle(const struct heap *h, const struct heap_part *p)
{
    const struct heap_block *b = &h->blocks[h->at[p->start]];

    return b->free && b->size == p->size;
}

bool
heap_remove(struct heap *h, uint64_t keep, uint64_t *ret_off)
{
    bool found = false;

    pthread_mutex_lock(&h->lock);
    for (unsigned n = 0; n < h->nparts && !found; n++) {
        const struct heap_part p = h->parts[n];
        const uint64_t unused = h->owned * HEAP_GRANULE - h->used_bytes;

        if (!part_is_idle(h, &p) || unused - p.size * HEAP_GRANULE < keep)
            continue;
        class_remove(h, h->at[p.start]);
        block_spare(h, h->at[p.start]);
        h->owned -= p.size;
        h->parts[n] = h->parts[--h->nparts];
        *ret_off = p.start * HEAP_GRANULE;
        found = true;
    }
    pthread_mutex_unlock(&h->lock);
    return found;
}

int
heap_init(struct heap *h, uint8_t *base, uint64_t bytes)
{
    int rc = heap_init_empty(h, base, bytes);

    if (rc == 0 && h->granules > 0)
        rc = heap_add(h, 0, h->granules * HEAP_GRANULE);
    if (rc < 0)
        heap_fini(h);
    return rc;
}

void
heap_fini(struct heap *h)
{
    if (h->at)
        munmap(h->at, (h->granules + 1) * sizeof *h->at);
    free(h->blocks);
    free(h->parts);
    pthread_mutex_destroy(&h->lock);
    memset(h, 0, sizeof *h);
}

/* The smallest class with a block of at least size, its first block. */
static uint32_t
class_find(struct heap *h, uint64_t size)
{
    unsigned fl, sl;
    uint32_t sls;
    uint64_t fls;

    class_of(class_round_up(size), &fl, &sl);
    sls = (uint32_t)(h->sl_map[fl] & (0xffffu << sl));
    if (!sls) {
        fls = fl + 1 < 64 ? h->fl_map & (~0ull << (fl + 1)) : 0;
        if (!fls)
            return 0;
        fl = (unsigned)__builtin_ctzll(fls);
        sls = h->sl_map[fl];
    }
    return h->free_list[fl][__builtin_ctz(sls)];
}

/*
 * The rounding above can pass over a block that fits exactly (the last block of a full
 * heap), so the request's own class is searched before giving up.
 */
static uint32_t
class_find_exact(struct heap *h, uint64_t size)
{
    unsigned fl, sl;
    uint32_t i;

    class_of(size, &fl, &sl);
    for (i = h->free_list[fl][sl]; i; i = h->blocks[i].next) {
        if (h->blocks[i].size >= size)
            return i;
    }
    return 0;
}

/* Cuts block i to size; what is left becomes a free block after it. */
static void
block_split(struct heap *h, uint32_t i, uint64_t size)
{
    uint32_t rest = block_new(h);
    struct heap_block *b = &h->blocks[i], *r;

    if (!rest)
        return; /* no memory for book-keeping: the whole block is handed out */
    r = &h->blocks[rest];
    *r = (struct heap_block){
        .start = b->start + size, .size = b->size - size, .before = i, .after = b->after};
    if (r->after)
        h->blocks[r->after].before = rest;
    b->after = rest;
    b->size = size;
    h->at[r->start] = rest;
    class_add(h, rest);
}

/* So many granules more are used. */
static void
heap_count(struct heap *h, uint64_t granules)
{
    uint64_t used = atomic_load_explicit(&h->used_bytes, memory_order_relaxed);

    atomic_store_explicit(&h->used_bytes, used + granules * HEAP_GRANULE,
                          memory_order_relaxed);
}

bool
heap_is_crowded(const struct heap *h)
{
    return atomic_load_explicit(&h->used_bytes, memory_order_relaxed) / HEAP_GRANULE >
           h->owned / 2;
}

bool
heap_has(struct heap *h, uint64_t len)
{
    uint64_t size = len / HEAP_GRANULE + (len % HEAP_GRANULE != 0);
    bool found;

    if (size == 0 || size > h->granules)
        return false;
    pthread_mutex_lock(&h->lock);
    found = class_find(h, size) || class_find_exact(h, size);
    pthread_mutex_unlock(&h->lock);
    return found;
}

uint64_t
heap_alloc(struct heap *h, uint64_t len)
{
    uint64_t size = len / HEAP_GRANULE + (len % HEAP_GRANULE != 0), off = UINT64_MAX;
    uint32_t i = 0;

    if (size == 0 || size > h->granules)
        return UINT64_MAX;
    pthread_mutex_lock(&h->lock);
    i = class_find(h, size);
    if (!i)
        i = class_find_exact(h, size);
    if (i) {
        class_remove(h, i);
        if (h->blocks[i].size > size)
            block_split(h, i, size);
        off = h->blocks[i].start * HEAP_GRANULE;
        heap_count(h, h->blocks[i].size);
        h->idle_bytes -= h->idle_bytes < h->blocks[i].size * HEAP_GRANULE
                             ? h->idle_bytes
                             : h->blocks[i].size * HEAP_GRANULE;
    }
    pthread_mutex_unlock(&h->lock);
    return off;
}

/* Joins block i with the block after it; both are free and in no list. */
static void
block_join(struct heap *h, uint32_t i)
{
    struct heap_block *b = &h->blocks[i];
    uint32_t next = b->after;

    b->size += h->blocks[next].size;
    b->after = h->blocks[next].after;
    if (b->after)
        h->blocks[b->after].before = i;
    block_spare(h, next);
}

/*
 * Keeps the pages of a freed block for the next user, unless it is large and much is
 * idle.
 */
static void
block_return_pages(struct heap *h, const struct heap_block *b)
{
    uint64_t bytes = b->size * HEAP_GRANULE, start = b->start * HEAP_GRANULE;
    uint64_t first = (start + 4095) & ~4095ull, end = (start + bytes) & ~4095ull;

    if (bytes < HEAP_RETURN_BYTES || h->idle_bytes + bytes < HEAP_IDLE_BYTES ||
        !h->base) {
        h->idle_bytes += bytes;
        return;
    }
    madvise(h->base + first, end - first, MADV_REMOVE);
}

void
heap_free(struct heap *h, uint64_t off)
{
    uint64_t granule = off / HEAP_GRANULE;
    uint32_t i;

    pthread_mutex_lock(&h->lock);
    i = off % HEAP_GRANULE == 0 && granule < h->granules ? h->at[granule] : 0;
    if (i && !h->blocks[i].free) {
        heap_count(h, -h->blocks[i].size);
        block_return_pages(h, &h->blocks[i]);
        if (h->blocks[i].after && h->blocks[h->blocks[i].after].free) {
            class_remove(h, h->blocks[i].after);
            block_join(h, i);
        }
        if (h->blocks[i].before && h->blocks[h->blocks[i].before].free) {
            i = h->blocks[i].before;
            class_remove(h, i);
            block_join(h, i);
        }
        class_add(h, i);
    }
    pthread_mutex_unlock(&h->lock);
}
