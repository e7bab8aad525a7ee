/* SPDX-License-Identifier: MIT */
#include "guest/cuda/pool.h"

#include "guest/cuda/results.h"
#include "guest/front/lock.h"
#include "guest/front/resolve.h"

#include <errno.h>
#include <string.h>

#define POOLS_MAX 64           /* of more than that the kept bytes are not known */
#define RESERVED_MEM_CURRENT 5 /* of CUmemPool_attribute */
#define DEVICES_MAX 64
#define GRAPH_MEM_RESERVED_CURRENT 2 /* of CUgraphMem_attribute */

struct pool {
    void *handle; /* NULL: none is here */
    const struct vgpu *vgpu;
    /* The account holds all of it: by the program; by the pool beside that; by launches to come. */
    uint64_t used, kept, expected;
    unsigned age; /* of graphs: counted up when it has let go of something */
};

static struct process_lock lock;
static struct pool pools[POOLS_MAX];
static struct pool
    of_graphs[DEVICES_MAX]; /* by their devices; their handles lead to themselves */
static int32_t of_process;

static void
pools_lock(void)
{
    const int32_t pid = (int32_t)getpid();

    /* Sooner than with the lock. */
    vgpus_wait_while_held();
    process_lock(&lock);
    if (of_process != pid) {
        memset(pools, 0, sizeof pools);
        memset(of_graphs, 0, sizeof of_graphs);
    }
    of_process = pid;
}

static bool
is_of_graphs(const struct pool *p)
{
    return p >= of_graphs && p < of_graphs + DEVICES_MAX;
}

void *
pool_of_graphs(int device)
{
    return device >= 0 && device < DEVICES_MAX ? &of_graphs[device] : NULL;
}

/* Lock held. */
static struct pool *
find_of_graphs(struct pool *p, const struct vgpu *v)
{
    if (!p->handle && v)
        *p = (struct pool){.handle = p, .vgpu = v, .age = 1};
    return p->handle ? p : NULL;
}

/* Lock held. With a vGPU a new one, too; NULL: there is no room. */
static struct pool *
find(void *handle, const struct vgpu *v)
{
    struct pool *empty = NULL;

    if (is_of_graphs(handle))
        return find_of_graphs(handle, v);
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

/* Lock held. Without the driver's word it has nothing. */
static uint64_t
reserved_by_the_driver(const struct pool *p)
{
    typedef int attribute_fn(void *, int, uint64_t *);
    typedef int graph_attribute_fn(int, int, uint64_t *);
    attribute_fn *const get = (attribute_fn *)front_real(NR_cuMemPoolGetAttribute);
    graph_attribute_fn *const get_of_graphs =
        (graph_attribute_fn *)front_real(NR_cuDeviceGetGraphMemAttribute);
    uint64_t reserved = 0;
    int result = CUDA_ERROR_NOT_SUPPORTED;

    if (!is_of_graphs(p) && get)
        result = get(p->handle, RESERVED_MEM_CURRENT, &reserved);
    else if (is_of_graphs(p) && get_of_graphs)
        result =
            get_of_graphs((int)(p - of_graphs), GRAPH_MEM_RESERVED_CURRENT, &reserved);
    return result == CUDA_SUCCESS ? reserved : 0;
}

/* Lock held. Of what has come meanwhile as much as is expected is held already. */
static uint64_t
kept_by_the_driver(const struct pool *p)
{
    const uint64_t reserved = reserved_by_the_driver(p);
    const uint64_t kept = reserved > p->used ? reserved - p->used : 0;
    const uint64_t more = kept > p->kept ? kept - p->kept : 0;

    return kept - (more < p->expected ? more : p->expected);
}

/* Lock held. What is left in it is in use, by whomever. */
static int
trim_graphs(struct pool *p)
{
    typedef int trim_fn(int);
    trim_fn *const let_go = (trim_fn *)front_real(NR_cuDeviceGraphMemTrim);
    const uint64_t before = reserved_by_the_driver(p);
    const int result = let_go ? let_go((int)(p - of_graphs)) : CUDA_ERROR_NOT_SUPPORTED;
    const uint64_t after = reserved_by_the_driver(p);

    if (after < before)
        p->age++;
    return result;
}

/* Lock held. */
static void
trim(struct pool *p)
{
    typedef int trim_fn(void *, size_t);
    trim_fn *const let_go = (trim_fn *)front_real(NR_cuMemPoolTrimTo);

    if (is_of_graphs(p))
        trim_graphs(p);
    else if (let_go)
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

void
pool_begins(void *handle, const struct vgpu *v)
{
    pools_lock();
    find(handle, v);
    process_unlock(&lock);
}

const struct vgpu *
pool_vgpu(void *handle)
{
    const struct pool *p;

    pools_lock();
    p = find(handle, NULL);
    process_unlock(&lock);
    return p ? p->vgpu : NULL;
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

int
pool_launch_begins(struct pool_launch *l, void *handle, const struct vgpu *v,
                   uint64_t bytes, unsigned age)
{
    struct pool *p;
    int rc = 0;

    *l = (struct pool_launch){0};
    pools_lock();
    p = find(handle, v);
    if (p) {
        *l = (struct pool_launch){handle, 0, p->age};
        rc = p->age != age ? vgpu_take(v, bytes) : 0;
        if (rc == 0 && p->age != age)
            p->expected += l->bytes = bytes;
    }
    process_unlock(&lock);
    return rc;
}

void
pool_launch_ended(const struct pool_launch *l)
{
    struct pool *p;

    if (!l->pool)
        return;
    pools_lock();
    p = find(l->pool, NULL);
    if (p) {
        p->expected -= l->bytes;
        p->kept += l->bytes;
        look(p);
    }
    process_unlock(&lock);
}

bool
pool_keeps(void *handle, uint64_t bytes)
{
    const struct pool *p;
    bool keeps;

    pools_lock();
    p = find(handle, NULL);
    keeps = p && p->kept >= bytes;
    process_unlock(&lock);
    return keeps;
}

int
pool_trim_graphs(int device)
{
    struct pool *const p = &of_graphs[device];
    int result;

    pools_lock();
    result = trim_graphs(p);
    if (p->handle)
        look(p);
    process_unlock(&lock);
    return result;
}

void
pools_settle_graphs(void)
{
    pools_lock();
    for (struct pool *p = of_graphs; p < of_graphs + DEVICES_MAX; p++) {
        if (p->handle)
            look(p);
    }
    process_unlock(&lock);
}

/* Lock held. true: it had something to let go. */
static bool
lets_go(struct pool *p)
{
    const uint64_t before = p->kept;

    if (!p->handle || !before)
        return false;
    trim(p);
    look(p);
    return p->kept < before;
}

bool
pools_keep_nothing(void)
{
    bool nothing = true;

    if (!process_trylock(&lock))
        return false;
    for (const struct pool *p = pools; p < pools + POOLS_MAX; p++)
        nothing &= p->kept == 0;
    process_unlock(&lock);
    return nothing;
}

bool
pools_trim(void)
{
    bool freed = false;

    pools_lock();
    for (struct pool *p = pools; p < pools + POOLS_MAX; p++)
        freed |= lets_go(p);
    for (struct pool *p = of_graphs; p < of_graphs + DEVICES_MAX; p++)
        freed |= lets_go(p);
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
