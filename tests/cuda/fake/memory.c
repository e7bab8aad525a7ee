/* SPDX-License-Identifier: MIT */
/* Memory of the devices, which is the host's, and copies. */
#include "tests/cuda/fake/fake.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 512, PITCH = 512, NS_PER_10_BYTES = 1 };

/* Where it comes of. */
enum source { DEVICE, POOL, HOST };

struct allocation {
    struct allocation *next;
    const struct CUctx_st *context;
    void *at;
    size_t bytes;
    enum source source;
};

static struct allocation *allocations;

bool
fake_take(struct fake_device *d, uint64_t bytes)
{
    if (bytes > d->total - d->used)
        return false;
    d->used += bytes;
    return true;
}

/* ---- pools: each device has one, which keeps what is freed ------------------------- */

enum { POOL_GROWS = 2 << 20 };

/* As the handle that programs have of it. */
struct CUmemPoolHandle_st {
    uint64_t reserved, used, threshold;
};

static struct CUmemPoolHandle_st pools[FAKE_DEVICES_MAX];
static struct CUmemPoolHandle_st host_pool;

static uint64_t
in_steps(uint64_t bytes)
{
    return (bytes + POOL_GROWS - 1) / POOL_GROWS * POOL_GROWS;
}

/* With fake_lock held. */
static bool
pool_take(CUdevice device, uint64_t bytes)
{
    struct CUmemPoolHandle_st *const p = &pools[device];
    const uint64_t more =
        p->used + bytes > p->reserved ? in_steps(p->used + bytes) - p->reserved : 0;

    if (more && !fake_take(&fake_devices[device], more))
        return false;
    p->reserved += more;
    p->used += bytes;
    return true;
}

/* With fake_lock held. */
static void
pool_trim(CUdevice device, uint64_t keep)
{
    struct CUmemPoolHandle_st *const p = &pools[device];
    const uint64_t least = in_steps(p->used > keep ? p->used : keep);

    if (p->reserved <= least)
        return;
    fake_devices[device].used -= p->reserved - least;
    p->reserved = least;
}

CUresult
cuDeviceGetMemPool(CUmemoryPool *ret, CUdevice device)
{
    FAKE_ENTER();
    if (!fake_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    *ret = &pools[device];
    return CUDA_SUCCESS;
}

/* Of the host's memory alone. */
CUresult
cuMemPoolCreate(CUmemoryPool *ret, const CUmemAllocationProp *p)
{
    enum { LOCATION_DEVICE = 1 };

    FAKE_ENTER();
    if (p->location_type == LOCATION_DEVICE)
        return CUDA_ERROR_NOT_SUPPORTED;
    *ret = &host_pool;
    return CUDA_SUCCESS;
}

CUresult
cuMemPoolDestroy(CUmemoryPool pool)
{
    FAKE_ENTER();
    return pool == &host_pool ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult
cuMemPoolGetAttribute(CUmemoryPool pool, int attribute, void *ret)
{
    FAKE_ENTER();
    if (attribute != CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)
        return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&fake_lock);
    *(uint64_t *)ret = pool->reserved;
    pthread_mutex_unlock(&fake_lock);
    return CUDA_SUCCESS;
}

CUresult
cuMemPoolSetAttribute(CUmemoryPool pool, int attribute, void *value)
{
    FAKE_ENTER();
    if (attribute != CU_MEMPOOL_ATTR_RELEASE_THRESHOLD)
        return CUDA_ERROR_INVALID_VALUE;
    pool->threshold = *(uint64_t *)value;
    return CUDA_SUCCESS;
}

CUresult
cuMemPoolTrimTo(CUmemoryPool pool, size_t keep)
{
    FAKE_ENTER();
    pthread_mutex_lock(&fake_lock);
    pool_trim((CUdevice)(pool - pools), keep);
    pthread_mutex_unlock(&fake_lock);
    return CUDA_SUCCESS;
}

/* ---- linear memory ----------------------------------------------------------------- */

/* With fake_lock held. */
static bool
take_of(CUdevice device, size_t bytes, enum source source)
{
    if (source == DEVICE)
        return fake_take(&fake_devices[device], bytes);
    return source == HOST || pool_take(device, bytes);
}

static CUresult
allocate_of(const struct CUctx_st *context, CUdeviceptr *ret, size_t bytes,
            enum source source)
{
    struct allocation *a;
    void *at;

    if (!bytes || !ret)
        return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&fake_lock);
    if (!take_of(context->device, bytes, source)) {
        pthread_mutex_unlock(&fake_lock);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    a = calloc(1, sizeof *a);
    if (!a || posix_memalign(&at, ALIGN, bytes) != 0)
        abort(); /* the host's memory, not the device's */
    *a = (struct allocation){allocations, context, at, bytes, source};
    allocations = a;
    pthread_mutex_unlock(&fake_lock);
    *ret = (CUdeviceptr)(uintptr_t)at;
    return CUDA_SUCCESS;
}

static CUresult
allocate(const struct CUctx_st *context, CUdeviceptr *ret, size_t bytes)
{
    return allocate_of(context, ret, bytes, DEVICE);
}

/* For the export of that name. */
static CUresult
allocate_here(const char *name, CUdeviceptr *ret, size_t bytes)
{
    struct CUctx_st *context;
    const CUresult entered = fake_enter_context(name, &context);

    return entered == CUDA_SUCCESS ? allocate(context, ret, bytes) : entered;
}

static CUresult
allocate_of_pool(const char *name, CUdeviceptr *ret, size_t bytes, CUstream stream,
                 enum source source)
{
    struct CUctx_st *context;
    const CUresult entered = fake_enter_context(name, &context);

    if (entered != CUDA_SUCCESS)
        return entered;
    if (fake_is_recorded(stream))
        return fake_record_allocation(stream, context->device, bytes, ret);
    return allocate_of(context, ret, bytes, source);
}

/* With fake_lock held. */
static void
drop(struct allocation **link)
{
    struct allocation *const a = *link;

    *link = a->next;
    if (a->source == POOL) {
        pools[a->context->device].used -= a->bytes;
        pool_trim(a->context->device, pools[a->context->device].threshold);
    } else if (a->source == DEVICE) {
        fake_devices[a->context->device].used -= a->bytes;
    }
    free(a->at);
    free(a);
}

static CUresult
give_back(CUdeviceptr at)
{
    CUresult result = at ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;

    pthread_mutex_lock(&fake_lock);
    for (struct allocation **link = &allocations; *link; link = &(*link)->next) {
        if ((CUdeviceptr)(uintptr_t)(*link)->at == at) {
            drop(link);
            result = CUDA_SUCCESS;
            break;
        }
    }
    pthread_mutex_unlock(&fake_lock);
    return result;
}

void
fake_free_all(const struct CUctx_st *context)
{
    struct allocation **link = &allocations;

    while (*link) {
        if ((*link)->context == context)
            drop(link);
        else
            link = &(*link)->next;
    }
}

bool
fake_owns(CUdeviceptr at, size_t bytes)
{
    bool found = false;

    pthread_mutex_lock(&fake_lock);
    for (const struct allocation *a = allocations; a && !found; a = a->next) {
        const CUdeviceptr begin = (CUdeviceptr)(uintptr_t)a->at;

        found = at >= begin && at - begin <= a->bytes && bytes <= a->bytes - (at - begin);
    }
    pthread_mutex_unlock(&fake_lock);
    return found;
}

CUresult
cuMemGetInfo_v2(size_t *ret_free, size_t *ret_total)
{
    struct CUctx_st *context;
    const struct fake_device *d;

    FAKE_ENTER_CONTEXT(context);
    d = &fake_devices[context->device];
    pthread_mutex_lock(&fake_lock);
    *ret_free = d->total - d->used;
    *ret_total = d->total;
    pthread_mutex_unlock(&fake_lock);
    return CUDA_SUCCESS;
}

CUresult
cuMemAlloc_v2(CUdeviceptr *ret, size_t bytes)
{
    return allocate_here(__func__, ret, bytes);
}

CUresult
cuMemAllocPitch_v2(CUdeviceptr *ret, size_t *ret_pitch, size_t width, size_t height,
                   unsigned element)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    if (element != 4 && element != 8 && element != 16)
        return CUDA_ERROR_INVALID_VALUE;
    *ret_pitch = (width + PITCH - 1) / PITCH * PITCH;
    return allocate(context, ret, *ret_pitch * height);
}

CUresult
cuMemAllocManaged(CUdeviceptr *ret, size_t bytes, unsigned flags)
{
    (void)flags;
    return allocate_here(__func__, ret, bytes);
}

CUresult
cuMemAllocAsync(CUdeviceptr *ret, size_t bytes, CUstream stream)
{
    return allocate_of_pool(__func__, ret, bytes, stream, POOL);
}

CUresult
cuMemAllocAsync_ptsz(CUdeviceptr *ret, size_t bytes, CUstream stream)
{
    return allocate_of_pool(__func__, ret, bytes, stream, POOL);
}

CUresult
cuMemAllocFromPoolAsync(CUdeviceptr *ret, size_t bytes, CUmemoryPool pool,
                        CUstream stream)
{
    return allocate_of_pool(__func__, ret, bytes, stream,
                            pool == &host_pool ? HOST : POOL);
}

CUresult
cuMemFree_v2(CUdeviceptr at)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    return give_back(at);
}

CUresult
cuMemFreeAsync(CUdeviceptr at, CUstream stream)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    if (fake_is_recorded(stream))
        return CUDA_SUCCESS;
    return give_back(at);
}

CUresult
cuMemFreeAsync_ptsz(CUdeviceptr at, CUstream stream)
{
    return cuMemFreeAsync(at, stream);
}

CUresult
cuMemHostAlloc(void **ret, size_t bytes, unsigned flags)
{
    struct CUctx_st *context;

    (void)flags;
    FAKE_ENTER_CONTEXT(context);
    if (!bytes)
        return CUDA_ERROR_INVALID_VALUE;
    return posix_memalign(ret, ALIGN, bytes) == 0 ? CUDA_SUCCESS
                                                  : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult
cuMemAllocHost_v2(void **ret, size_t bytes)
{
    return cuMemHostAlloc(ret, bytes, 0);
}

CUresult
cuMemFreeHost(void *at)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    free(at);
    return CUDA_SUCCESS;
}

CUresult
cuMemHostRegister_v2(void *at, size_t bytes, unsigned flags)
{
    struct CUctx_st *context;

    (void)flags;
    FAKE_ENTER_CONTEXT(context);
    return at && bytes ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult
cuMemHostUnregister(void *at)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    return at ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Either pointer is the device's where it says so. */
static CUresult
copy(struct CUctx_st *context, CUstream stream, CUdeviceptr to, bool to_device,
     CUdeviceptr from, bool from_device, size_t bytes)
{
    if (fake_is_recorded(stream))
        return CUDA_ERROR_NOT_SUPPORTED;
    if ((to_device && !fake_owns(to, bytes)) || (from_device && !fake_owns(from, bytes)))
        return CUDA_ERROR_INVALID_VALUE;
    memmove((void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes);
    fake_submit(context, stream, bytes * NS_PER_10_BYTES / 10);
    return CUDA_SUCCESS;
}

#define HOST(pointer) (CUdeviceptr)(uintptr_t)(pointer)

/* What copies from or to the host, and takes no stream, returns when that is done. */
static CUresult
finished(struct CUctx_st *context, CUresult result)
{
    if (result == CUDA_SUCCESS)
        fake_finish(context, NULL);
    return result;
}

#define COPY(name, to_type, to_device, from_type, from_device, waits)                    \
    CUresult name(to_type to, from_type from, size_t bytes)                              \
    {                                                                                    \
        struct CUctx_st *context;                                                        \
        CUresult result;                                                                 \
                                                                                         \
        FAKE_ENTER_CONTEXT(context);                                                     \
        result = copy(context, NULL, (CUdeviceptr)(uintptr_t)(to), to_device,            \
                      (CUdeviceptr)(uintptr_t)(from), from_device, bytes);               \
        return waits ? finished(context, result) : result;                               \
    }
#define COPY_ASYNC(name, to_type, to_device, from_type, from_device)                     \
    CUresult name(to_type to, from_type from, size_t bytes, CUstream stream)             \
    {                                                                                    \
        struct CUctx_st *context;                                                        \
                                                                                         \
        FAKE_ENTER_CONTEXT(context);                                                     \
        return copy(context, stream, (CUdeviceptr)(uintptr_t)(to), to_device,            \
                    (CUdeviceptr)(uintptr_t)(from), from_device, bytes);                 \
    }

COPY(cuMemcpyHtoD_v2, CUdeviceptr, true, const void *, false, true)
COPY(cuMemcpyHtoD_v2_ptds, CUdeviceptr, true, const void *, false, true)
COPY(cuMemcpyDtoH_v2, void *, false, CUdeviceptr, true, true)
COPY(cuMemcpyDtoH_v2_ptds, void *, false, CUdeviceptr, true, true)
COPY(cuMemcpyDtoD_v2, CUdeviceptr, true, CUdeviceptr, true, false)
COPY(cuMemcpyDtoD_v2_ptds, CUdeviceptr, true, CUdeviceptr, true, false)
COPY_ASYNC(cuMemcpyHtoDAsync_v2, CUdeviceptr, true, const void *, false)
COPY_ASYNC(cuMemcpyHtoDAsync_v2_ptsz, CUdeviceptr, true, const void *, false)
COPY_ASYNC(cuMemcpyDtoHAsync_v2, void *, false, CUdeviceptr, true)
COPY_ASYNC(cuMemcpyDtoHAsync_v2_ptsz, void *, false, CUdeviceptr, true)

static CUresult
fill8(struct CUctx_st *context, CUstream stream, CUdeviceptr to, unsigned char value,
      size_t n)
{
    if (!fake_owns(to, n))
        return CUDA_ERROR_INVALID_VALUE;
    memset((void *)(uintptr_t)to, value, n);
    fake_submit(context, stream, n * NS_PER_10_BYTES / 10);
    return CUDA_SUCCESS;
}

static CUresult
fill32(struct CUctx_st *context, CUstream stream, CUdeviceptr to, unsigned value,
       size_t n)
{
    unsigned *const at = (unsigned *)(uintptr_t)to;

    if (n > SIZE_MAX / sizeof *at || !fake_owns(to, n * sizeof *at) || to % sizeof *at)
        return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < n; i++)
        at[i] = value;
    fake_submit(context, stream, n * sizeof *at * NS_PER_10_BYTES / 10);
    return CUDA_SUCCESS;
}

CUresult
cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t n)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    return fill8(context, NULL, to, value, n);
}

CUresult
cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t n, CUstream stream)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    return fill8(context, stream, to, value, n);
}

CUresult
cuMemsetD32_v2(CUdeviceptr to, unsigned value, size_t n)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    return fill32(context, NULL, to, value, n);
}

CUresult
cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t n, CUstream stream)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    return fill32(context, stream, to, value, n);
}
