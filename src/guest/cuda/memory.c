/* SPDX-License-Identifier: MIT */
/*
 * What takes and frees memory of the device (CUDA driver API, 6.13 to 6.15): the bytes are taken
 * from the vGPU's account first, and without them the driver is not even asked.
 *
 * Trampolines and cuGetProcAddress lead here only where the driver has the function.
 */
#include "guest/cuda/memory.h"

#include "guest/cuda/pool.h"
#include "guest/cuda/results.h"
#include "guest/front/resolve.h"

#include <limits.h>
#include <stddef.h>

#define REAL(type, name) ((type *)front_real(NR_##name))

/* The form with a suffix is another function of the driver's, of the same arguments. */
#define OWN(name) int tessera_##name

struct claim {
    const struct vgpu *vgpu; /* NULL: nothing is limited */
    uint64_t bytes;
    void *pool; /* NULL: it comes of none */
};

void
memory_give(const struct ledger_entry *e)
{
    if (e->vgpu && e->kind == LEDGER_MEMORY && e->handle)
        pool_give((void *)(uintptr_t)e->handle, e->vgpu, e->bytes);
    else if (e->vgpu)
        vgpu_give(e->vgpu, e->bytes);
}

static int
take(const struct claim *c)
{
    return c->pool ? pool_take(c->pool, c->vgpu, c->bytes) : vgpu_take(c->vgpu, c->bytes);
}

/* What pools keep for nobody is the program's sooner than out of memory is. */
static int
claim(const struct claim *c)
{
    if (!c->vgpu || take(c) == 0)
        return CUDA_SUCCESS;
    if (pools_trim() && take(c) == 0)
        return CUDA_SUCCESS;
    return CUDA_ERROR_OUT_OF_MEMORY;
}

static int
claim_of(struct claim *c, const struct vgpu *v, uint64_t bytes)
{
    *c = (struct claim){bytes ? v : NULL, bytes, NULL};
    return claim(c);
}

static int
claim_here(struct claim *c, uint64_t bytes)
{
    return claim_of(c, vgpu_current(), bytes);
}

static int
claim_of_pool(struct claim *c, void *pool, uint64_t bytes)
{
    *c = (struct claim){bytes ? vgpu_current() : NULL, bytes, pool};
    return claim(c);
}

static const void *
current_context(void)
{
    typedef int current_fn(void **ret);
    current_fn *const get = REAL(current_fn, cuCtxGetCurrent);
    void *context = NULL;

    return get && get(&context) == CUDA_SUCCESS ? context : NULL;
}

/* The driver has answered: what it gave is entered, what it did not is given back. */
static int
settle(const struct claim *c, int result, enum ledger_kind kind, uint64_t key)
{
    struct ledger_entry e = {.key = key,
                             .bytes = c->bytes,
                             .vgpu = c->vgpu,
                             .handle = (uintptr_t)c->pool,
                             .kind = kind};

    if (!c->vgpu)
        return result;
    if (result != CUDA_SUCCESS) {
        memory_give(&e);
        return result;
    }
    if (kind != LEDGER_HANDLE)
        e.context = current_context();
    ledger_add(&e);
    if (c->pool)
        pool_settle(c->pool);
    return result;
}

#define SETTLE(claim, result, kind, key)                                                 \
    settle(claim, result, kind, (result) == CUDA_SUCCESS ? (uint64_t)(key) : 0)

/* Before the driver frees it. */
static void
strike(struct ledger_entry *e, enum ledger_kind kind, uint64_t key)
{
    if (!ledger_take(kind, key, e))
        *e = (struct ledger_entry){0};
}

/* It has, or it has not. */
static int
struck(const struct ledger_entry *e, int result)
{
    if (!e->vgpu)
        return result;
    if (result == CUDA_SUCCESS)
        memory_give(e);
    else
        ledger_add(e);
    return result;
}

/* ---- linear memory ----------------------------------------------------------------- */

#define ALLOCATE(name, pointer, size, parameters, arguments)                             \
    OWN(name)(pointer * ret, size bytes PARAMETERS parameters);                          \
    OWN(name)(pointer * ret, size bytes PARAMETERS parameters)                           \
    {                                                                                    \
        typedef int alloc_fn(pointer *, size PARAMETERS parameters);                     \
        struct claim c;                                                                  \
        int result = claim_here(&c, bytes);                                              \
                                                                                         \
        if (result != CUDA_SUCCESS)                                                      \
            return result;                                                               \
        result = REAL(alloc_fn, name)(ret, bytes PARAMETERS arguments);                  \
        return SETTLE(&c, result, LEDGER_MEMORY, *ret);                                  \
    }
#define PARAMETERS

/* Version 1 is of the days of 32 bits. */
ALLOCATE(cuMemAlloc, unsigned, unsigned, , )
ALLOCATE(cuMemAlloc_v2, uint64_t, size_t, , )
#undef PARAMETERS
#define PARAMETERS ,
ALLOCATE(cuMemAllocManaged, uint64_t, size_t, unsigned flags, flags)
#undef PARAMETERS

#define ALLOCATE_ASYNC(name)                                                             \
    OWN(name)(uint64_t * ret, size_t bytes, void *stream);                               \
    OWN(name)(uint64_t * ret, size_t bytes, void *stream)                                \
    {                                                                                    \
        typedef int alloc_fn(uint64_t *, size_t, void *);                                \
        struct claim c;                                                                  \
        int result = claim_of_pool(&c, pool_current(), bytes);                           \
                                                                                         \
        if (result != CUDA_SUCCESS)                                                      \
            return result;                                                               \
        result = REAL(alloc_fn, name)(ret, bytes, stream);                               \
        return SETTLE(&c, result, LEDGER_MEMORY, *ret);                                  \
    }

ALLOCATE_ASYNC(cuMemAllocAsync)
ALLOCATE_ASYNC(cuMemAllocAsync_ptsz)

#define ALLOCATE_FROM_POOL(name)                                                         \
    OWN(name)(uint64_t * ret, size_t bytes, void *pool, void *stream);                   \
    OWN(name)(uint64_t * ret, size_t bytes, void *pool, void *stream)                    \
    {                                                                                    \
        typedef int alloc_fn(uint64_t *, size_t, void *, void *);                        \
        struct claim c;                                                                  \
        int result = claim_of_pool(&c, pool, bytes);                                     \
                                                                                         \
        if (result != CUDA_SUCCESS)                                                      \
            return result;                                                               \
        result = REAL(alloc_fn, name)(ret, bytes, pool, stream);                         \
        return SETTLE(&c, result, LEDGER_MEMORY, *ret);                                  \
    }

ALLOCATE_FROM_POOL(cuMemAllocFromPoolAsync)
ALLOCATE_FROM_POOL(cuMemAllocFromPoolAsync_ptsz)

OWN(cuMemPoolTrimTo)(void *pool, size_t keep);
OWN(cuMemPoolTrimTo)(void *pool, size_t keep)
{
    typedef int trim_fn(void *, size_t);
    const int result = REAL(trim_fn, cuMemPoolTrimTo)(pool, keep);

    pool_settle(pool);
    return result;
}

OWN(cuMemPoolDestroy)(void *pool);
OWN(cuMemPoolDestroy)(void *pool)
{
    typedef int destroy_fn(void *);
    const int result = REAL(destroy_fn, cuMemPoolDestroy)(pool);

    if (result == CUDA_SUCCESS)
        pool_forget(pool);
    return result;
}

static uint64_t
product(uint64_t a, uint64_t b)
{
    uint64_t r;

    return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX : r;
}

/* Rows are padded as the driver likes: the rest is taken when that is known. */
#define ALLOCATE_PITCH(name, pointer, size)                                              \
    OWN(name)(pointer * ret, size * ret_pitch, size width, size height, unsigned item);  \
    OWN(name)(pointer * ret, size * ret_pitch, size width, size height, unsigned item)   \
    {                                                                                    \
        typedef int alloc_fn(pointer *, size *, size, size, unsigned);                   \
        typedef int free_fn(pointer);                                                    \
        struct claim c, padding;                                                         \
        int result = claim_here(&c, product(width, height));                             \
                                                                                         \
        if (result != CUDA_SUCCESS)                                                      \
            return result;                                                               \
        result = REAL(alloc_fn, name)(ret, ret_pitch, width, height, item);              \
        if (result != CUDA_SUCCESS)                                                      \
            return SETTLE(&c, result, LEDGER_MEMORY, 0);                                 \
        if (claim_of(&padding, c.vgpu, product(*ret_pitch - width, height)) !=           \
            CUDA_SUCCESS) {                                                              \
            REAL(free_fn, FREE_OF_##name)(*ret);                                         \
            *ret = 0;                                                                    \
            return SETTLE(&c, CUDA_ERROR_OUT_OF_MEMORY, LEDGER_MEMORY, 0);               \
        }                                                                                \
        c.bytes += padding.bytes;                                                        \
        return SETTLE(&c, result, LEDGER_MEMORY, *ret);                                  \
    }
#define NR_FREE_OF_cuMemAllocPitch NR_cuMemFree
#define NR_FREE_OF_cuMemAllocPitch_v2 NR_cuMemFree_v2

ALLOCATE_PITCH(cuMemAllocPitch, unsigned, unsigned)
ALLOCATE_PITCH(cuMemAllocPitch_v2, uint64_t, size_t)

#define FREE(name, pointer)                                                              \
    OWN(name)(pointer at);                                                               \
    OWN(name)(pointer at)                                                                \
    {                                                                                    \
        typedef int free_fn(pointer);                                                    \
        struct ledger_entry e;                                                           \
                                                                                         \
        strike(&e, LEDGER_MEMORY, at);                                                   \
        return struck(&e, REAL(free_fn, name)(at));                                      \
    }
#define FREE_ON_STREAM(name)                                                             \
    OWN(name)(uint64_t at, void *stream);                                                \
    OWN(name)(uint64_t at, void *stream)                                                 \
    {                                                                                    \
        typedef int free_fn(uint64_t, void *);                                           \
        struct ledger_entry e;                                                           \
                                                                                         \
        strike(&e, LEDGER_MEMORY, at);                                                   \
        return struck(&e, REAL(free_fn, name)(at, stream));                              \
    }

FREE(cuMemFree, unsigned)
FREE(cuMemFree_v2, uint64_t)
FREE_ON_STREAM(cuMemFreeAsync)
FREE_ON_STREAM(cuMemFreeAsync_ptsz)

/* ---- physical memory, mapped by the program (6.14) ---------------------------------- */

/* CUmemAllocationProp, as far as it matters here. */
struct allocation_properties {
    int type, handle_types;
    int location_type, location_id;
};

#define LOCATION_DEVICE 1

OWN(cuMemCreate)
(uint64_t *ret, size_t bytes, const struct allocation_properties *p, uint64_t flags);
OWN(cuMemCreate)
(uint64_t *ret, size_t bytes, const struct allocation_properties *p, uint64_t flags)
{
    typedef int create_fn(uint64_t *, size_t, const struct allocation_properties *,
                          uint64_t);
    const bool on_device = p && p->location_type == LOCATION_DEVICE;
    struct claim c;
    int result = claim_of(&c, on_device ? vgpu_of_device(p->location_id) : NULL, bytes);

    if (result != CUDA_SUCCESS)
        return result;
    result = REAL(create_fn, cuMemCreate)(ret, bytes, p, flags);
    return SETTLE(&c, result, LEDGER_HANDLE, *ret);
}

static void
handle_unref(uint64_t handle)
{
    struct ledger_entry e;

    if (ledger_unref(handle, &e))
        memory_give(&e);
}

OWN(cuMemRelease)(uint64_t handle);
OWN(cuMemRelease)(uint64_t handle)
{
    typedef int release_fn(uint64_t);
    const int result = REAL(release_fn, cuMemRelease)(handle);

    if (result == CUDA_SUCCESS)
        handle_unref(handle);
    return result;
}

OWN(cuMemRetainAllocationHandle)(uint64_t *ret, void *at);
OWN(cuMemRetainAllocationHandle)(uint64_t *ret, void *at)
{
    typedef int retain_fn(uint64_t *, void *);
    const int result = REAL(retain_fn, cuMemRetainAllocationHandle)(ret, at);

    if (result == CUDA_SUCCESS)
        ledger_ref(*ret);
    return result;
}

/* What is mapped stays, though its handle be released. */
OWN(cuMemMap)
(uint64_t at, size_t bytes, size_t offset, uint64_t handle, uint64_t flags);
OWN(cuMemMap)(uint64_t at, size_t bytes, size_t offset, uint64_t handle, uint64_t flags)
{
    typedef int map_fn(uint64_t, size_t, size_t, uint64_t, uint64_t);
    const struct ledger_entry mapping = {
        .key = at, .bytes = bytes, .handle = handle, .kind = LEDGER_MAPPING};
    const bool ours = ledger_ref(handle);
    const int result = REAL(map_fn, cuMemMap)(at, bytes, offset, handle, flags);

    if (ours && result == CUDA_SUCCESS)
        ledger_add(&mapping);
    else if (ours)
        handle_unref(handle);
    return result;
}

OWN(cuMemUnmap)(uint64_t at, size_t bytes);
OWN(cuMemUnmap)(uint64_t at, size_t bytes)
{
    typedef int unmap_fn(uint64_t, size_t);
    const int result = REAL(unmap_fn, cuMemUnmap)(at, bytes);
    struct ledger_entry e;

    while (result == CUDA_SUCCESS && ledger_take_mapping(at, bytes, &e))
        handle_unref(e.handle);
    return result;
}

/* ---- arrays (6.13) ------------------------------------------------------------------ */

/* CUDA_ARRAY_DESCRIPTOR and CUDA_ARRAY3D_DESCRIPTOR, and version 1 of both. */
struct array_2d {
    size_t width, height;
    int format;
    unsigned channels;
};
struct array_2d_v1 {
    unsigned width, height;
    int format;
    unsigned channels;
};
struct array_3d {
    size_t width, height, depth;
    int format;
    unsigned channels, flags;
};
struct array_3d_v1 {
    unsigned width, height, depth;
    int format;
    unsigned channels, flags;
};

/* CUarray_format: bytes of one channel. What is not known here is taken for four. */
static uint64_t
channel_bytes(int format)
{
    switch (format) {
    case 0x01: /* UNSIGNED_INT8 */
    case 0x08: /* SIGNED_INT8 */
        return 1;
    case 0x02: /* UNSIGNED_INT16 */
    case 0x09: /* SIGNED_INT16 */
    case 0x10: /* HALF */
        return 2;
    default: /* 32 bits, FLOAT, and others */
        return 4;
    }
}

static uint64_t
at_least_one(uint64_t n)
{
    return n ? n : 1;
}

static uint64_t
array_bytes(const struct array_3d *d)
{
    const uint64_t texel = product(channel_bytes(d->format), d->channels);
    const uint64_t row = product(d->width, texel);

    return product(row, product(at_least_one(d->height), at_least_one(d->depth)));
}

/* Each level is half as large each way. */
static uint64_t
mipmapped_bytes(struct array_3d d, unsigned levels)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < levels && i < CHAR_BIT * sizeof(size_t); i++) {
        const uint64_t bytes = array_bytes(&d);

        if (__builtin_add_overflow(sum, bytes, &sum))
            return UINT64_MAX;
        d.width = at_least_one(d.width / 2);
        d.height /= 2;
        d.depth /= 2;
    }
    return sum;
}

#define CREATE_ARRAY(name, descriptor, depth_of)                                         \
    OWN(name)(void **ret, const descriptor *d);                                          \
    OWN(name)(void **ret, const descriptor *d)                                           \
    {                                                                                    \
        typedef int create_fn(void **, const descriptor *);                              \
        struct array_3d all = {0};                                                       \
        struct claim c;                                                                  \
        int result;                                                                      \
                                                                                         \
        if (d)                                                                           \
            all = (struct array_3d){d->width,  d->height,   depth_of,                    \
                                    d->format, d->channels, 0};                          \
        result = claim_here(&c, array_bytes(&all));                                      \
        if (result != CUDA_SUCCESS)                                                      \
            return result;                                                               \
        result = REAL(create_fn, name)(ret, d);                                          \
        return SETTLE(&c, result, LEDGER_ARRAY, (uintptr_t)*ret);                        \
    }

CREATE_ARRAY(cuArrayCreate, struct array_2d_v1, 0)
CREATE_ARRAY(cuArrayCreate_v2, struct array_2d, 0)
CREATE_ARRAY(cuArray3DCreate, struct array_3d_v1, d->depth)
CREATE_ARRAY(cuArray3DCreate_v2, struct array_3d, d->depth)

OWN(cuMipmappedArrayCreate)
(void **ret, const struct array_3d *d, unsigned levels);
OWN(cuMipmappedArrayCreate)(void **ret, const struct array_3d *d, unsigned levels)
{
    typedef int create_fn(void **, const struct array_3d *, unsigned);
    struct claim c;
    int result = claim_here(&c, d ? mipmapped_bytes(*d, levels) : 0);

    if (result != CUDA_SUCCESS)
        return result;
    result = REAL(create_fn, cuMipmappedArrayCreate)(ret, d, levels);
    return SETTLE(&c, result, LEDGER_MIPMAPPED, (uintptr_t)*ret);
}

#define DESTROY_ARRAY(name, kind)                                                        \
    OWN(name)(void *array);                                                              \
    OWN(name)(void *array)                                                               \
    {                                                                                    \
        typedef int destroy_fn(void *);                                                  \
        struct ledger_entry e;                                                           \
                                                                                         \
        strike(&e, kind, (uintptr_t)array);                                              \
        return struck(&e, REAL(destroy_fn, name)(array));                                \
    }

DESTROY_ARRAY(cuArrayDestroy, LEDGER_ARRAY)
DESTROY_ARRAY(cuMipmappedArrayDestroy, LEDGER_MIPMAPPED)
