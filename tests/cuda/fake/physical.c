/* SPDX-License-Identifier: MIT */
/* Memory that a program maps by itself, and arrays: what they take, without any content. */
#include "tests/cuda/fake/fake.h"

#include <stdlib.h>

enum { LOCATION_DEVICE = 1 };

/* Of one allocation, whether it is known by a handle or is an array. */
struct CUphysical {
    struct fake_device *device; /* NULL: it is the host's */
    uint64_t bytes;
    unsigned refs; /* of the handle and of mappings */
};

struct mapping {
    struct mapping *next;
    struct CUphysical *of;
    CUdeviceptr at;
    size_t bytes;
};

static struct mapping *mappings;

static CUresult
take(struct fake_device *d, uint64_t bytes, struct CUphysical **ret)
{
    struct CUphysical *const p = calloc(1, sizeof *p);
    bool taken;

    if (!p)
        abort(); /* the host's memory, not the device's */
    pthread_mutex_lock(&fake_lock);
    taken = !d || fake_take(d, bytes);
    pthread_mutex_unlock(&fake_lock);
    if (!taken) {
        free(p);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *p = (struct CUphysical){d, bytes, 1};
    *ret = p;
    return CUDA_SUCCESS;
}

/* With fake_lock held. */
static void
unref(struct CUphysical *p)
{
    if (--p->refs > 0)
        return;
    if (p->device)
        p->device->used -= p->bytes;
    free(p);
}

static CUresult
drop(struct CUphysical *p)
{
    if (!p)
        return CUDA_ERROR_INVALID_HANDLE;
    pthread_mutex_lock(&fake_lock);
    unref(p);
    pthread_mutex_unlock(&fake_lock);
    return CUDA_SUCCESS;
}

CUresult
cuMemCreate(uint64_t *ret, size_t bytes, const CUmemAllocationProp *p, uint64_t flags)
{
    struct CUphysical *made;
    CUresult result;

    FAKE_ENTER();
    if (!ret || !bytes || !p || flags ||
        (p->location_type == LOCATION_DEVICE && !fake_device(p->location_id)))
        return CUDA_ERROR_INVALID_VALUE;
    result =
        take(p->location_type == LOCATION_DEVICE ? fake_device(p->location_id) : NULL,
             bytes, &made);
    if (result == CUDA_SUCCESS)
        *ret = (uintptr_t)made;
    return result;
}

CUresult
cuMemRelease(uint64_t handle)
{
    FAKE_ENTER();
    return drop((struct CUphysical *)(uintptr_t)handle);
}

CUresult
cuMemMap(CUdeviceptr at, size_t bytes, size_t offset, uint64_t handle, uint64_t flags)
{
    struct CUphysical *const p = (struct CUphysical *)(uintptr_t)handle;
    struct mapping *m;

    FAKE_ENTER();
    if (!at || !p || offset || flags || bytes > p->bytes)
        return CUDA_ERROR_INVALID_VALUE;
    m = calloc(1, sizeof *m);
    if (!m)
        abort();
    pthread_mutex_lock(&fake_lock);
    *m = (struct mapping){mappings, p, at, bytes};
    mappings = m;
    p->refs++;
    pthread_mutex_unlock(&fake_lock);
    return CUDA_SUCCESS;
}

CUresult
cuMemUnmap(CUdeviceptr at, size_t bytes)
{
    struct mapping **link = &mappings;

    FAKE_ENTER();
    pthread_mutex_lock(&fake_lock);
    while (*link) {
        struct mapping *const m = *link;

        if (m->at - at >= bytes) {
            link = &m->next;
            continue;
        }
        *link = m->next;
        unref(m->of);
        free(m);
    }
    pthread_mutex_unlock(&fake_lock);
    return CUDA_SUCCESS;
}

CUresult
cuMemRetainAllocationHandle(uint64_t *ret, void *at)
{
    CUresult result = CUDA_ERROR_INVALID_VALUE;

    FAKE_ENTER();
    pthread_mutex_lock(&fake_lock);
    for (struct mapping *m = mappings; m && result != CUDA_SUCCESS; m = m->next) {
        if ((CUdeviceptr)(uintptr_t)at - m->at >= m->bytes)
            continue;
        m->of->refs++;
        *ret = (uintptr_t)m->of;
        result = CUDA_SUCCESS;
    }
    pthread_mutex_unlock(&fake_lock);
    return result;
}

static CUresult
make_array(const struct CUctx_st *context, uint64_t bytes, CUarray *ret)
{
    struct CUphysical *made;
    const CUresult result = take(&fake_devices[context->device], bytes, &made);

    if (result == CUDA_SUCCESS)
        *ret = (CUarray)made;
    return result;
}

static uint64_t
at_least_one(uint64_t n)
{
    return n ? n : 1;
}

/* Of 32 bits a channel: all that the tests make. */
static uint64_t
bytes_of(const CUDA_ARRAY3D_DESCRIPTOR *d)
{
    return d->Width * at_least_one(d->Height) * at_least_one(d->Depth) * d->NumChannels *
           4;
}

CUresult
cuArrayCreate_v2(CUarray *ret, const CUDA_ARRAY_DESCRIPTOR *d)
{
    const CUDA_ARRAY3D_DESCRIPTOR all = {d->Width,  d->Height,      0,
                                         d->Format, d->NumChannels, 0};
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    return make_array(context, bytes_of(&all), ret);
}

CUresult
cuArray3DCreate_v2(CUarray *ret, const CUDA_ARRAY3D_DESCRIPTOR *d)
{
    struct CUctx_st *context;

    FAKE_ENTER_CONTEXT(context);
    return make_array(context, bytes_of(d), ret);
}

CUresult
cuArrayDestroy(CUarray array)
{
    FAKE_ENTER();
    return drop((struct CUphysical *)array);
}

CUresult
cuMipmappedArrayCreate(CUarray *ret, const CUDA_ARRAY3D_DESCRIPTOR *d, unsigned levels)
{
    CUDA_ARRAY3D_DESCRIPTOR level = *d;
    struct CUctx_st *context;
    uint64_t bytes = 0;

    FAKE_ENTER_CONTEXT(context);
    for (unsigned i = 0; i < levels; i++) {
        bytes += bytes_of(&level);
        level.Width = at_least_one(level.Width / 2);
        level.Height /= 2;
        level.Depth /= 2;
    }
    return make_array(context, bytes, ret);
}

CUresult
cuMipmappedArrayDestroy(CUarray array)
{
    FAKE_ENTER();
    return drop((struct CUphysical *)array);
}
