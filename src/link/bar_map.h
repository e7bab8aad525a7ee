/* SPDX-License-Identifier: MIT */
/*
 * Which session of a vGPU has which chunks of the memory that a virtual machine shares with it
 * (wire/bar.h). The map is in the account, where the workers and the manager see it and the
 * guest does not. Extents are contiguous chunks; offsets and lengths are in bytes of the BAR.
 *
 * Without a lock: each chunk is a byte that is taken by a compare-and-swap.
 */
#ifndef TESSERA_LINK_BAR_MAP_H
#define TESSERA_LINK_BAR_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BAR_MAP_CHUNKS 4096u
#define BAR_MAP_FREE 0u
#define BAR_MAP_HOST 255u /* the header's */

struct bar_map {
    _Atomic uint8_t owner[BAR_MAP_CHUNKS]; /* slot + 1, or one of the above */
    _Atomic uint8_t first[BAR_MAP_CHUNKS]; /* 1: an extent begins here */
};

/* Nobody has anything, but the first chunk is the host's. */
void bar_map_clear(struct bar_map *m);

/*
 * An extent of at least `bytes` for a slot: *ret_off and *ret_bytes say which. 0, or -ENOSPC
 * when there are not so many free chunks in a row.
 */
int bar_map_take(struct bar_map *m, uint64_t chunk_bytes, unsigned slot, uint64_t bytes,
                 uint64_t *ret_off, uint64_t *ret_bytes);

/*
 * The slot's extent that begins at off: its length, so that its bytes can be cleared, or 0 when
 * the slot has none there. It stays the slot's until bar_map_give().
 */
uint64_t bar_map_extent(const struct bar_map *m, uint64_t chunk_bytes, unsigned slot,
                        uint64_t off);
void bar_map_give(struct bar_map *m, uint64_t chunk_bytes, uint64_t off, uint64_t bytes);

/* Has no slot anything? */
bool bar_map_is_free(const struct bar_map *m);

/* The slot's next extent at *off or after it; false: there is no more. */
bool bar_map_next(const struct bar_map *m, uint64_t chunk_bytes, unsigned slot,
                  uint64_t *off, uint64_t *ret_bytes);

#endif
