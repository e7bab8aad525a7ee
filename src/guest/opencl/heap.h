/* SPDX-License-Identifier: MIT */
/*
 * Allocator of the shared heap: two-level segregated fit (Masmano et al., "TLSF: a new
 * dynamic memory allocator for real-time systems", ECRTS 2004), constant time, good fit.
 * Its book-keeping is in private memory; the heap itself holds nothing but the user's
 * bytes.
 */
#ifndef TESSERA_GUEST_OPENCL_HEAP_H
#define TESSERA_GUEST_OPENCL_HEAP_H

#include "wire/frame.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HEAP_FL 48 /* first-level classes: powers of two of granules */
#define HEAP_SL 16 /* second-level classes in each */

struct heap_block;

/* Of a heap that comes in parts: one that was added, in granules. */
struct heap_part {
    uint64_t start, size;
};

struct heap {
    pthread_mutex_t lock;
    uint8_t *base;          /* the mapping, to give pages back; may be NULL in tests */
    uint64_t granules;      /* of all of it */
    _Atomic uint64_t owned; /* of those that are ours; written under the lock */
    struct heap_part *parts;
    unsigned nparts, cap_parts;
    _Atomic uint64_t used_bytes; /* written under the lock */
    uint64_t idle_bytes;         /* freed and still backed by pages, estimated */
    struct heap_block *blocks;
    uint32_t nblocks, cap_blocks, spare; /* spare: list of unused blocks */
    uint32_t *at;                        /* granule -> the block that begins there */
    uint64_t fl_map;
    uint16_t sl_map[HEAP_FL];
    uint32_t free_list[HEAP_FL][HEAP_SL];
};

/* 0 or -ENOMEM. bytes is rounded down to granules. */
int heap_init(struct heap *h, uint8_t *base, uint64_t bytes);
void heap_fini(struct heap *h);

/*
 * The same for memory of which nothing is ours yet. heap_add() makes bytes of it ours, which
 * nobody has added; blocks do not reach from one such part into another. 0 or -ENOMEM.
 */
int heap_init_empty(struct heap *h, uint8_t *base, uint64_t bytes);
int heap_add(struct heap *h, uint64_t off, uint64_t len);

/*
 * Takes a part out of which nothing is used, as long as `keep` bytes stay that are not used.
 * false: there is none.
 */
bool heap_remove(struct heap *h, uint64_t keep, uint64_t *ret_off);

/* An offset for len bytes (len > 0), or UINT64_MAX when no block is large enough. */
uint64_t heap_alloc(struct heap *h, uint64_t len);

/* Is more than half of it used? */
bool heap_is_crowded(const struct heap *h);

/* Would heap_alloc() find as much now? */
bool heap_has(struct heap *h, uint64_t len);

/* Gives a block back. An offset that is not allocated is ignored. */
void heap_free(struct heap *h, uint64_t off);

#endif
