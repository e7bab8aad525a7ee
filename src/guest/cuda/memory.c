/* SPDX-License-Identifier: MIT */
/*
 * What takes and frees memory of the device (CUDA driver API, 6.13 to 6.15): the bytes are taken
 * from the vGPU's account first, and without them the driver is not even asked.
 *
 * Trampolines and cuGetProcAddress lead here only where the driver has the function.
 */
#include "guest/cuda/calls.h"
#include "guest/cuda/changes.h"
#include "guest/cuda/claim.h"
#include "guest/cuda/pool.h"
#include "guest/cuda/recordings.h"
#include "guest/cuda/results.h"
#include "guest/front/resolve.h"

#include <limits.h>
#include <stddef.h>

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
        return CLAIM_SETTLE(&c, result, LEDGER_MEMORY, *ret);                            \
    }
#define PARAMETERS

/* Version 1 is of the days of 32 bits. */
ALLOCATE(cuMemAlloc, unsigned, unsigned, , )
ALLOCATE(cuMemAlloc_v2, uint64_t, size_t, , )
#undef PARAMETERS
#define PARAMETERS ,
ALLOCATE(cuMemAllocManaged, uint64_t, size_t, unsigned flags, flags)
#undef PARAMETERS

/* What is recorded into a graph takes nothing before that is launched (graph.c). */
#define ALLOCATE_ASYNC(name, none)                                                       \
    OWN(name)(uint64_t * ret, size_t bytes, void *stream);                               \
    OWN(name)(uint64_t * ret, size_t bytes, void *stream)                                \
    {                                                                                    \
        typedef int alloc_fn(uint64_t *, size_t, void *);                                \
        struct claim c;                                                                  \
        int result;                                                                      \
                                                                                         \
        if (recordings_has(stream ? stream : none))                                      \
            return REAL(alloc_fn, name)(ret, bytes, stream);                             \
        result = claim_of_pool(&c, pool_current(), bytes);                               \
        if (result != CUDA_SUCCESS)                                                      \
            return result;                                                               \
        result = REAL(alloc_fn, name)(ret, bytes, stream);                               \
        return CLAIM_SETTLE(&c, result, LEDGER_MEMORY, *ret);                            \
    }

ALLOCATE_ASYNC(cuMemAllocAsync, CALL_STREAM_LEGACY)
ALLOCATE_ASYNC(cuMemAllocAsync_ptsz, CALL_STREAM_PER_THREAD)

#define ALLOCATE_FROM_POOL(name, none)                                                   \
    OWN(name)(uint64_t * ret, size_t bytes, void *pool, void *stream);                   \
    OWN(name)(uint64_t * ret, size_t bytes, void *pool, void *stream)                    \
    {                                                                                    \
        typedef int alloc_fn(uint64_t *, size_t, void *, void *);                        \
        struct claim c;                                                                  \
        int result;                                                                      \
                                                                                         \
        if (recordings_has(stream ? stream : none))                                      \
            return REAL(alloc_fn, name)(ret, bytes, pool, stream);                       \
        result = claim_of_pool(&c, pool, bytes);                                         \
        if (result != CUDA_SUCCESS)                                                      \
            return result;                                                               \
        result = REAL(alloc_fn, name)(ret, bytes, pool, stream);                         \
        return CLAIM_SETTLE(&c, result, LEDGER_MEMORY, *ret);                            \
    }

ALLOCATE_FROM_POOL(cuMemAllocFromPoolAsync, CALL_STREAM_LEGACY)
ALLOCATE_FROM_POOL(cuMemAllocFromPoolAsync_ptsz, CALL_STREAM_PER_THREAD)

/* CUmemLocationType. */
enum {
    LOCATION_DEVICE = 1,
    LOCATION_HOST = 2,
    LOCATION_HOST_NUMA_CURRENT = 4,
};

static bool
is_on_host(int location)
{
    return location >= LOCATION_HOST && location <= LOCATION_HOST_NUMA_CURRENT;
}

/* CUmemAllocationProp and CUmemPoolProps, as far as they matter here. */
struct allocation_properties {
    int type, handle_types;
    int location_type, location_id;
};

struct location {
    int type, id;
};

static void
pool_is_there(void *pool, int location_type, int location_id)
{
    if (is_on_host(location_type))
        ledger_add(
            &(struct ledger_entry){.key = (uintptr_t)pool, .kind = LEDGER_HOST_POOL});
    else if (vgpu_of_device(location_id))
        pool_begins(pool, vgpu_of_device(location_id));
}

OWN(cuMemPoolCreate)(void **ret, const struct allocation_properties *p);
OWN(cuMemPoolCreate)(void **ret, const struct allocation_properties *p)
{
    typedef int create_fn(void **, const struct allocation_properties *);
    const int result = REAL(create_fn, cuMemPoolCreate)(ret, p);

    if (result == CUDA_SUCCESS)
        pool_is_there(*ret, p->location_type, p->location_id);
    return result;
}

/* The usual ones: of devices, and since CUDA 13 of the host. */
#define POOL_OF_LOCATION(name)                                                           \
    OWN(name)(void **ret, const struct location *l, int type);                           \
    OWN(name)(void **ret, const struct location *l, int type)                            \
    {                                                                                    \
        typedef int pool_fn(void **, const struct location *, int);                      \
        const int result = REAL(pool_fn, name)(ret, l, type);                            \
                                                                                         \
        if (result == CUDA_SUCCESS && l)                                                 \
            pool_is_there(*ret, l->type, l->id);                                         \
        return result;                                                                   \
    }

POOL_OF_LOCATION(cuMemGetDefaultMemPool)
POOL_OF_LOCATION(cuMemGetMemPool)

OWN(cuMemPoolTrimTo)(void *pool, size_t keep);
OWN(cuMemPoolTrimTo)(void *pool, size_t keep)
{
    typedef int trim_fn(void *, size_t);
    int result;

    change_begins();
    result = REAL(trim_fn, cuMemPoolTrimTo)(pool, keep);
    pool_settle(pool);
    change_ends();
    return result;
}

OWN(cuMemPoolDestroy)(void *pool);
OWN(cuMemPoolDestroy)(void *pool)
{
    typedef int destroy_fn(void *);
    struct ledger_entry e;
    const bool on_host = ledger_take(LEDGER_HOST_POOL, (uintptr_t)pool, &e);
    int result;

    change_begins();
    result = REAL(destroy_fn, cuMemPoolDestroy)(pool);
    if (result == CUDA_SUCCESS)
        pool_forget(pool);
    else if (on_host)
        ledger_add(&e);
    change_ends();
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
            return CLAIM_SETTLE(&c, result, LEDGER_MEMORY, 0);                           \
        if (claim_of(&padding, c.vgpu, product(*ret_pitch - width, height)) !=           \
            CUDA_SUCCESS) {                                                              \
            REAL(free_fn, FREE_OF_##name)(*ret);                                         \
            *ret = 0;                                                                    \
            return CLAIM_SETTLE(&c, CUDA_ERROR_OUT_OF_MEMORY, LEDGER_MEMORY, 0);         \
        }                                                                                \
        c.bytes += padding.bytes;                                                        \
        if (padding.vgpu)                                                                \
            change_ends(); /* it is part of the other claim */                           \
        return CLAIM_SETTLE(&c, result, LEDGER_MEMORY, *ret);                            \
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
        claim_strike(&e, LEDGER_MEMORY, at);                                             \
        return claim_struck(&e, REAL(free_fn, name)(at));                                \
    }
#define FREE_ON_STREAM(name, none)                                                       \
    OWN(name)(uint64_t at, void *stream);                                                \
    OWN(name)(uint64_t at, void *stream)                                                 \
    {                                                                                    \
        typedef int free_fn(uint64_t, void *);                                           \
        struct ledger_entry e;                                                           \
                                                                                         \
        if (recordings_has(stream ? stream : none))                                      \
            return REAL(free_fn, name)(at, stream);                                      \
        claim_strike(&e, LEDGER_MEMORY, at);                                             \
        return claim_struck(&e, REAL(free_fn, name)(at, stream));                        \
    }

FREE(cuMemFree, unsigned)
FREE(cuMemFree_v2, uint64_t)
FREE_ON_STREAM(cuMemFreeAsync, CALL_STREAM_LEGACY)
FREE_ON_STREAM(cuMemFreeAsync_ptsz, CALL_STREAM_PER_THREAD)

/* ---- physical memory, mapped by the program (6.14) ---------------------------------- */

OWN(cuMemCreate)
(uint64_t *ret, size_t bytes, const struct allocation_properties *p, uint64_t flags);
OWN(cuMemCreate)
(uint64_t *ret, size_t bytes, const struct allocation_properties *p, uint64_t flags)
{
    typedef int create_fn(uint64_t *, size_t, const struct allocation_properties *,
                          uint64_t);
    const int where = p ? p->location_type : 0;
    struct claim c = {0};
    int result = CUDA_SUCCESS;

    if (where == LOCATION_DEVICE)
        result = claim_of(&c, vgpu_of_device(p->location_id), bytes);
    else if (is_on_host(where))
        result = claim_pinned(&c, bytes);
    if (result != CUDA_SUCCESS)
        return result;
    result = REAL(create_fn, cuMemCreate)(ret, bytes, p, flags);
    return CLAIM_SETTLE(&c, result, LEDGER_HANDLE, *ret);
}

static void
handle_unref(uint64_t handle)
{
    struct ledger_entry e;

    if (ledger_unref(handle, &e))
        claim_give(&e);
}

OWN(cuMemRelease)(uint64_t handle);
OWN(cuMemRelease)(uint64_t handle)
{
    typedef int release_fn(uint64_t);
    int result;

    change_begins();
    result = REAL(release_fn, cuMemRelease)(handle);
    if (result == CUDA_SUCCESS)
        handle_unref(handle);
    change_ends();
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
    struct ledger_entry e;
    int result;

    change_begins();
    result = REAL(unmap_fn, cuMemUnmap)(at, bytes);
    while (result == CUDA_SUCCESS && ledger_take_mapping(at, bytes, &e))
        handle_unref(e.handle);
    change_ends();
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
        return CLAIM_SETTLE(&c, result, LEDGER_ARRAY, (uintptr_t)*ret);                  \
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
    return CLAIM_SETTLE(&c, result, LEDGER_MIPMAPPED, (uintptr_t)*ret);
}

#define DESTROY_ARRAY(name, kind)                                                        \
    OWN(name)(void *array);                                                              \
    OWN(name)(void *array)                                                               \
    {                                                                                    \
        typedef int destroy_fn(void *);                                                  \
        struct ledger_entry e;                                                           \
                                                                                         \
        claim_strike(&e, kind, (uintptr_t)array);                                        \
        return claim_struck(&e, REAL(destroy_fn, name)(array));                          \
    }

DESTROY_ARRAY(cuArrayDestroy, LEDGER_ARRAY)
DESTROY_ARRAY(cuMipmappedArrayDestroy, LEDGER_MIPMAPPED)
