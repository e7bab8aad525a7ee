/* SPDX-License-Identifier: MIT */
#include "guest/cuda/claim.h"

#include "guest/cuda/calls.h"
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

/* What pools keep for nobody is the program's sooner than out of memory is. */
static int
claim(const struct claim *c)
{
    if (!c->vgpu || take(c) == 0)
        return CUDA_SUCCESS;
    if (!c->pinned && pools_trim() && take(c) == 0)
        return CUDA_SUCCESS;
    return CUDA_ERROR_OUT_OF_MEMORY;
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
        return result;
    }
    if (kind != LEDGER_HANDLE)
        e.context = call_current();
    ledger_add(&e);
    if (c->pool)
        pool_settle(c->pool);
    return result;
}

void
claim_strike(struct ledger_entry *e, enum ledger_kind kind, uint64_t key)
{
    if (!ledger_take(kind, key, e))
        *e = (struct ledger_entry){0};
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
    return result;
}
