/* SPDX-License-Identifier: MIT */
/* Devices, faults, and what the driver says of itself. */
#include "tests/cuda/fake/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
struct fake_device fake_devices[FAKE_DEVICES_MAX];
int fake_device_count;
static unsigned fault_calls;

static uint64_t
setting(const char *name, uint64_t otherwise)
{
    const char *const text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

/* Does FAKECUDA_FAULT want this call? Its code: a number, or "hang". */
static const char *
fault_of(const char *name)
{
    const char *const text = getenv("FAKECUDA_FAULT");
    const size_t len = strlen(name);
    char *end;

    if (!text || strncmp(text, name, len) != 0 || text[len] != ':')
        return NULL;
    if (__atomic_add_fetch(&fault_calls, 1, __ATOMIC_RELAXED) !=
        strtoul(text + len + 1, &end, 10))
        return NULL;
    return *end == ':' ? end + 1 : "999";
}

static CUresult
fault(const char *name)
{
    const char *const code = fault_of(name);

    if (!code)
        return CUDA_SUCCESS;
    while (strcmp(code, "hang") == 0)
        pause();
    return (CUresult)atoi(code);
}

CUresult
fake_enter(const char *name)
{
    if (!fake_device_count)
        return CUDA_ERROR_NOT_INITIALIZED;
    fake_wait_while_locked();
    return fault(name);
}

CUresult
fake_enter_context(const char *name, struct CUctx_st **ret)
{
    CUresult result = fake_enter(name);

    if (result == CUDA_ERROR_NOT_INITIALIZED)
        return result;
    if (cuCtxGetCurrent(ret) != CUDA_SUCCESS || !*ret)
        return CUDA_ERROR_INVALID_CONTEXT;
    if (result == CUDA_ERROR_ILLEGAL_ADDRESS)
        (*ret)->dead = result;
    return (*ret)->dead ? (*ret)->dead : result;
}

struct fake_device *
fake_device(CUdevice device)
{
    return device >= 0 && device < fake_device_count ? &fake_devices[device] : NULL;
}

CUresult
cuInit(unsigned flags)
{
    const uint64_t count = setting("FAKECUDA_DEVICES", 1);

    if (flags)
        return CUDA_ERROR_INVALID_VALUE;
    if (count < 1 || count > FAKE_DEVICES_MAX)
        return CUDA_ERROR_NO_DEVICE;
    pthread_mutex_lock(&fake_lock);
    for (uint64_t i = 0; !fake_device_count && i < count; i++)
        fake_devices[i].total = setting("FAKECUDA_MEMORY", UINT64_C(1) << 30);
    fake_device_count = (int)count;
    pthread_mutex_unlock(&fake_lock);
    return fault("cuInit");
}

CUresult
cuDriverGetVersion(int *ret)
{
    *ret = FAKE_VERSION;
    return CUDA_SUCCESS;
}

static const struct {
    CUresult code;
    const char *name, *words;
} errors[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS",
     "an illegal memory access was encountered"},
    {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
};

CUresult
cuGetErrorName(CUresult error, const char **ret)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (errors[i].code == error) {
            *ret = errors[i].name;
            return CUDA_SUCCESS;
        }
    }
    *ret = NULL;
    return CUDA_ERROR_INVALID_VALUE;
}

CUresult
cuGetErrorString(CUresult error, const char **ret)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (errors[i].code == error) {
            *ret = errors[i].words;
            return CUDA_SUCCESS;
        }
    }
    *ret = NULL;
    return CUDA_ERROR_INVALID_VALUE;
}

/* A private table: whoever asks has to get this very one. */
CUresult
cuGetExportTable(const void **ret, const CUuuid *id)
{
    static const void *const table[2] = {(const void *)sizeof table,
                                         (const void *)cuInit};

    if (!id)
        return CUDA_ERROR_INVALID_VALUE;
    *ret = table;
    return CUDA_SUCCESS;
}

CUresult
cuDeviceGet(CUdevice *ret, int ordinal)
{
    FAKE_ENTER();
    if (!fake_device(ordinal))
        return CUDA_ERROR_INVALID_DEVICE;
    *ret = ordinal;
    return CUDA_SUCCESS;
}

CUresult
cuDeviceGetCount(int *ret)
{
    FAKE_ENTER();
    *ret = fake_device_count;
    return CUDA_SUCCESS;
}

CUresult
cuDeviceGetName(char *ret, int len, CUdevice device)
{
    FAKE_ENTER();
    if (!fake_device(device) || len < 1)
        return CUDA_ERROR_INVALID_VALUE;
    snprintf(ret, (size_t)len, "Fake GPU %d", device);
    return CUDA_SUCCESS;
}

CUresult
cuDeviceGetUuid(CUuuid *ret, CUdevice device)
{
    FAKE_ENTER();
    if (!fake_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    memset(ret, 0x5a, sizeof *ret);
    ret->bytes[15] = (char)device;
    return CUDA_SUCCESS;
}

CUresult
cuDeviceGetUuid_v2(CUuuid *ret, CUdevice device)
{
    return cuDeviceGetUuid(ret, device);
}

CUresult
cuDeviceGetPCIBusId(char *ret, int len, CUdevice device)
{
    FAKE_ENTER();
    if (!fake_device(device) || len < 13)
        return CUDA_ERROR_INVALID_VALUE;
    snprintf(ret, (size_t)len, "0000:%02x:00.0", (unsigned)device + 1);
    return CUDA_SUCCESS;
}

CUresult
cuDeviceGetAttribute(int *ret, int attribute, CUdevice device)
{
    FAKE_ENTER();
    if (!fake_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
        *ret = 1024;
        break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
        *ret = 32;
        break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
        *ret = 4;
        break;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID:
        *ret = device + 1;
        break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
        *ret = 9;
        break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
        *ret = 0;
        break;
    default:
        *ret = 0;
    }
    return CUDA_SUCCESS;
}

/* For the fake management library. */
uint64_t
fake_used_bytes(int device)
{
    return device >= 0 && device < fake_device_count ? fake_devices[device].used : 0;
}

CUresult
cuDeviceTotalMem_v2(size_t *ret, CUdevice device)
{
    const struct fake_device *const d = fake_device(device);

    FAKE_ENTER();
    if (!d)
        return CUDA_ERROR_INVALID_DEVICE;
    *ret = d->total;
    return CUDA_SUCCESS;
}
