/* SPDX-License-Identifier: MIT */
#include "guest/cuda/claim.h"

#include "guest/cuda/calls.h"
#include "guest/cuda/changes.h"
#include "guest/cuda/implicit.h"
#include "guest/cuda/pool.h"

#include <stddef.h>

void
claim_give(const struct ledger_entry *e)
{
    if (!e->vgpu)
        return;
    if (e->pinned)
        vgpu_unpin(e->vgpu, e->bytes);
    else if (e->kind == LEDGER_MEMORY && e->handle)
        pool_give((void *)(uintptr_t)e->handle, e->vgpu, e->bytes);
    else
        vgpu_give(e->vgpu, e->bytes);
}

static int
take(const struct claim *c)
{
    if (c->pinned)
        return vgpu_pin(c->vgpu, c->bytes);
    return c->pool ? pool_take(c->pool, c->vgpu, c->bytes) : vgpu_take(c->vgpu, c->bytes);
}

_Atomic uint64_t changes_begun, changes_ended;

static bool
taken(const struct claim *c)
{
    change_begins();
    if (take(c) == 0)
        return true;
    change_ends();
    return false;
}

static bool
trimmed(void)
{
    bool any;

    change_begins();
    any = pools_trim();
    change_ends();
    return any;
}

/* Before it is out of memory: what pools keep for nobody, and what the driver has given back. */
static int
claim(const struct claim *c)
{
    if (!c->vgpu || taken(c))
        return CUDA_SUCCESS;
    if (c->pinned)
        return CUDA_ERROR_OUT_OF_MEMORY;
    if (trimmed() && taken(c))
        return CUDA_SUCCESS;
    implicit_reconcile(vgpu_device(c->vgpu));
    return taken(c) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

int
claim_of(struct claim *c, const struct vgpu *v, uint64_t bytes)
{
    *c = (struct claim){.vgpu = bytes ? v : NULL, .bytes = bytes};
    return claim(c);
}

int
claim_here(struct claim *c, uint64_t bytes)
{
    return claim_of(c, vgpu_current(), bytes);
}

int
claim_of_pool(struct claim *c, void *pool, uint64_t bytes)
{
    const struct vgpu *const owner = pool_vgpu(pool);
    struct ledger_entry e;

    if (ledger_find(LEDGER_HOST_POOL, (uintptr_t)pool, &e))
        return claim_pinned(c, bytes);
    *c = (struct claim){.bytes = bytes, .pool = pool};
    if (bytes)
        c->vgpu = owner ? owner : vgpu_current();
    return claim(c);
}

int
claim_pinned(struct claim *c, uint64_t bytes)
{
    const struct vgpu *const here = bytes ? vgpu_current() : NULL;

    *c = (struct claim){.bytes = bytes, .pinned = true};
    if (bytes)
        c->vgpu = here ? here : vgpu_of_device(0);
    return claim(c);
}

int
claim_settle(const struct claim *c, int result, enum ledger_kind kind, uint64_t key)
{
    struct ledger_entry e = {.key = key,
                             .bytes = c->bytes,
                             .vgpu = c->vgpu,
                             .handle = (uintptr_t)c->pool,
                             .pinned = c->pinned,
                             .kind = kind};

    if (!c->vgpu)
        return result;
    if (result != CUDA_SUCCESS) {
        claim_give(&e);
    } else {
        if (kind != LEDGER_HANDLE)
            e.context = call_current();
        ledger_add(&e);
        if (c->pool)
            pool_settle(c->pool);
    }
    change_ends();
    return result;
}

void
claim_strike(struct ledger_entry *e, enum ledger_kind kind, uint64_t key)
{
    change_begins();
    if (ledger_take(kind, key, e) && e->vgpu)
        return;
    *e = (struct ledger_entry){0};
    change_ends();
}

int
claim_struck(const struct ledger_entry *e, int result)
{
    if (!e->vgpu)
        return result;
    if (result == CUDA_SUCCESS)
        claim_give(e);
    else
        ledger_add(e);
    change_ends();
    return result;
}
