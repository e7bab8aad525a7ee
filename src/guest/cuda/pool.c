/* SPDX-License-Identifier: MIT */
#include "guest/cuda/pool.h"

#include "guest/cuda/results.h"
#include "guest/front/lock.h"
#include "guest/front/resolve.h"

#include <errno.h>
#include <string.h>

#define POOLS_MAX 64           /* of more than that the kept bytes are not known */
#define RESERVED_MEM_CURRENT 5 /* of CUmemPool_attribute */

struct pool {
    void *handle; /* NULL: none is here */
    const struct vgpu *vgpu;
    uint64_t used,
        kept; /* by the program; by the pool beside that. The account holds both */
};

static struct process_lock lock;
static struct pool pools[POOLS_MAX];
static int32_t of_process;

static void
pools_lock(void)
{
    const int32_t pid = (int32_t)getpid();

    process_lock(&lock);
    if (of_process != pid)
        memset(pools, 0, sizeof pools);
    of_process = pid;
}

/* Lock held. With a vGPU a new one, too; NULL: there is no room. */
static struct pool *
find(void *handle, const struct vgpu *v)
{
    struct pool *empty = NULL;

    for (struct pool *p = pools; handle && p < pools + POOLS_MAX; p++) {
        if (p->handle == handle)
            return p;
        if (!p->handle && !empty)
            empty = p;
    }
    if (!v || !empty)
        return NULL;
    *empty = (struct pool){.handle = handle, .vgpu = v};
    return empty;
}

void *
pool_current(void)
{
    typedef int pool_fn(void **, int);
    pool_fn *const pool_of = (pool_fn *)front_real(NR_cuDeviceGetMemPool);
    void *pool = NULL;
    int device;

    if (!pool_of || !current_device(&device) || pool_of(&pool, device) != CUDA_SUCCESS)
        return NULL;
    return pool;
}

/* Lock held. Without the driver's word it keeps nothing. */
static uint64_t
kept_by_the_driver(const struct pool *p)
{
    typedef int attribute_fn(void *, int, uint64_t *);
    attribute_fn *const get = (attribute_fn *)front_real(NR_cuMemPoolGetAttribute);
    uint64_t reserved = 0;

    if (!get || get(p->handle, RESERVED_MEM_CURRENT, &reserved) != CUDA_SUCCESS)
        return 0;
    return reserved > p->used ? reserved - p->used : 0;
}

/* Lock held. */
static void
trim(struct pool *p)
{
    typedef int trim_fn(void *, size_t);
    trim_fn *const let_go = (trim_fn *)front_real(NR_cuMemPoolTrimTo);

    if (let_go)
        let_go(p->handle, 0);
}

/* Lock held. false: the account has no room for what it keeps. */
static bool
note_kept(struct pool *p, uint64_t kept)
{
    if (kept > p->kept && vgpu_take(p->vgpu, kept - p->kept) < 0)
        return false;
    if (kept < p->kept)
        vgpu_give(p->vgpu, p->kept - kept);
    p->kept = kept;
    return true;
}

/* Lock held. What even then does not fit, the driver has and the account does not. */
static void
look(struct pool *p)
{
    if (note_kept(p, kept_by_the_driver(p)))
        return;
    trim(p);
    note_kept(p, kept_by_the_driver(p));
}

int
pool_take(void *handle, const struct vgpu *v, uint64_t bytes)
{
    struct pool *p;
    uint64_t of_kept = 0;
    int rc;

    pools_lock();
    p = find(handle, v);
    if (p)
        of_kept = p->kept < bytes ? p->kept : bytes;
    rc = bytes > of_kept ? vgpu_take(v, bytes - of_kept) : 0;
    if (rc == 0 && p) {
        p->kept -= of_kept;
        p->used += bytes;
    }
    process_unlock(&lock);
    return rc;
}

void
pool_give(void *handle, const struct vgpu *v, uint64_t bytes)
{
    struct pool *p;

    pools_lock();
    p = find(handle, NULL);
    if (p && p->used >= bytes) {
        p->used -= bytes;
        p->kept += bytes;
        look(p);
    } else {
        vgpu_give(v, bytes);
    }
    process_unlock(&lock);
}

void
pool_settle(void *handle)
{
    struct pool *p;

    pools_lock();
    p = find(handle, NULL);
    if (p)
        look(p);
    process_unlock(&lock);
}

bool
pools_trim(void)
{
    bool freed = false;

    pools_lock();
    for (struct pool *p = pools; p < pools + POOLS_MAX; p++) {
        const uint64_t before = p->kept;

        if (!p->handle || !before)
            continue;
        trim(p);
        look(p);
        freed |= p->kept < before;
    }
    process_unlock(&lock);
    return freed;
}

void
pool_forget(void *handle)
{
    struct pool *p;

    pools_lock();
    p = find(handle, NULL);
    if (p) {
        note_kept(p, 0);
        *p = (struct pool){0};
    }
    process_unlock(&lock);
}
