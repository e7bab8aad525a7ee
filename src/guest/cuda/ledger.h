/* SPDX-License-Identifier: MIT */
/*
 * What this process holds of its vGPUs' framebuffers, by what the program frees it by. Bytes are
 * taken from the account before the driver is asked (vgpu.h), entered here once it has given them,
 * and struck out before it is told to free them: its address may be somebody else's right after.
 */
#ifndef TESSERA_GUEST_CUDA_LEDGER_H
#define TESSERA_GUEST_CUDA_LEDGER_H

#include "guest/cuda/vgpu.h"

enum ledger_kind {
    LEDGER_MEMORY, /* a device pointer */
    LEDGER_ARRAY,
    LEDGER_MIPMAPPED,
    LEDGER_HANDLE,    /* of cuMemCreate; lives while it or a mapping of it does */
    LEDGER_MAPPING,   /* an address at which one is mapped */
    LEDGER_PINNED,    /* a pointer of the host's */
    LEDGER_HOST_POOL, /* a pool of the host's memory: what comes of it is pinned */
    LEDGER_GRAPH, /* one to be launched, that takes memory then (graph.c): it holds none */
};

struct ledger_entry {
    uint64_t key; /* with the kind: one entry */
    uint64_t bytes;
    const struct vgpu *vgpu;
    const void *context; /* whose end frees it; NULL: it outlives contexts */
    uint64_t handle; /* LEDGER_MAPPING: what is mapped; LEDGER_MEMORY: its pool, or 0 */
    uint32_t kind;
    uint32_t
        refs; /* LEDGER_HANDLE: of the program's and of mappings; it goes with the last */
    /* LEDGER_GRAPH: where it takes memory, and the pool's age in which it has; 0: in none. */
    int32_t device;
    uint32_t age;
    bool pinned; /* the bytes are the host's */
};

/*
 * Enters it, in place of what is there. Without host memory for that, its bytes are held until
 * the process ends.
 */
void ledger_add(const struct ledger_entry *e);

/* Strikes it out. false: there is none. */
bool ledger_take(enum ledger_kind kind, uint64_t key, struct ledger_entry *ret);

/* What is entered there. false: nothing. */
bool ledger_find(enum ledger_kind kind, uint64_t key, struct ledger_entry *ret);

/* One reference more; false: there is no such handle. */
bool ledger_ref(uint64_t handle);

/* One less. true: that was the last; it is struck out, and is *ret. */
bool ledger_unref(uint64_t handle, struct ledger_entry *ret);

/* Strikes out one of the mappings that begin in the range; false: there is none left. */
bool ledger_take_mapping(uint64_t from, uint64_t bytes, struct ledger_entry *ret);

/* Strikes out one of those that go with the context; false: there is none left. */
bool ledger_take_of_context(const void *context, struct ledger_entry *ret);

#endif
