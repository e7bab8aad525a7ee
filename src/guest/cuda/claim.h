/* SPDX-License-Identifier: MIT */
/*
 * What each call does that takes memory of a vGPU, or gives it back:
 *
 *     claim_*()        the bytes are taken from the account; without them the driver is not asked
 *     (the driver)
 *     CLAIM_SETTLE()   what it gave is entered in the ledger; what it did not is given back
 *
 *     claim_strike()   the entry is struck out: the address may be somebody else's right after
 *     (the driver)
 *     claim_struck()   what it freed is given back; what it did not is entered again
 */
#ifndef TESSERA_GUEST_CUDA_CLAIM_H
#define TESSERA_GUEST_CUDA_CLAIM_H

#include "guest/cuda/ledger.h"
#include "guest/cuda/results.h"
#include "guest/front/resolve.h"

#define REAL(type, name) ((type *)front_real(NR_##name))

/* Tessera's function of that name. */
#define OWN(name) int tessera_##name

struct claim {
    const struct vgpu *vgpu; /* NULL: nothing is limited */
    uint64_t bytes;
    void *pool;  /* NULL: it comes of none */
    bool pinned; /* of the host's memory */
};

/*
 * CUDA_SUCCESS or CUDA_ERROR_OUT_OF_MEMORY: of that vGPU; of the current context's; there of a
 * pool; of the host's memory, for the current context's or, without one, the first.
 */
int claim_of(struct claim *c, const struct vgpu *v, uint64_t bytes);
int claim_here(struct claim *c, uint64_t bytes);
int claim_of_pool(struct claim *c, void *pool, uint64_t bytes);
int claim_pinned(struct claim *c, uint64_t bytes);

/* result is the driver's, and is returned. */
int claim_settle(const struct claim *c, int result, enum ledger_kind kind, uint64_t key);
#define CLAIM_SETTLE(claim, result, kind, key)                                           \
    claim_settle(claim, result, kind, (result) == CUDA_SUCCESS ? (uint64_t)(key) : 0)

/* An entry of none where there is none. */
void claim_strike(struct ledger_entry *e, enum ledger_kind kind, uint64_t key);
int claim_struck(const struct ledger_entry *e, int result);

/* Gives back what an entry, which has been struck out, held. */
void claim_give(const struct ledger_entry *e);

#endif
