/* SPDX-License-Identifier: MIT */
/*
 * Memory, processes and utilisation (NVML API reference, 5.16): of a device that is a vGPU its
 * framebuffer, its part of the time, and who has sessions there. All else, and other devices, are
 * as NVML tells them.
 */
#include "guest/front/resolve.h"
#include "guest/nvml/results.h"
#include "guest/nvml/usage.h"

#include <stddef.h>
#include <string.h>

const char *tessera_nvmlErrorString(int result);

/* A pointer: the number of an error would be no answer to this one. */
const char *
tessera_nvmlErrorString(int result)
{
    typedef const char *words_fn(int);
    words_fn *const real = (words_fn *)front_real(NR_nvmlErrorString);

    if (real)
        return real(result);
    return result == NVML_SUCCESS ? "Success"
                                  : "NVIDIA's management library is not there";
}

/* ---- memory ------------------------------------------------------------------------- */

struct memory {
    unsigned long long total, free, used;
};
struct memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
};

static uint64_t
less(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* As cuMemGetInfo() says it: never more than the card has, or has left. */
static struct memory
memory_of(const struct account_page *a, uint64_t total, uint64_t left)
{
    struct memory m = {.total = less(a->limit_bytes, total),
                       .free = less(account_free_bytes(a), left)};

    m.used = m.total > m.free ? m.total - m.free : 0;
    return m;
}

int tessera_nvmlDeviceGetMemoryInfo(void *device, struct memory *ret);
int
tessera_nvmlDeviceGetMemoryInfo(void *device, struct memory *ret)
{
    typedef int info_fn(void *, struct memory *);
    const int result = ((info_fn *)front_real(NR_nvmlDeviceGetMemoryInfo))(device, ret);
    const struct account_page *a = result == NVML_SUCCESS ? usage_of(device) : NULL;

    if (a)
        *ret = memory_of(a, ret->total, ret->free);
    return result;
}

int tessera_nvmlDeviceGetMemoryInfo_v2(void *device, struct memory_v2 *ret);
int
tessera_nvmlDeviceGetMemoryInfo_v2(void *device, struct memory_v2 *ret)
{
    typedef int info_fn(void *, struct memory_v2 *);
    const int result =
        ((info_fn *)front_real(NR_nvmlDeviceGetMemoryInfo_v2))(device, ret);
    const struct account_page *a = result == NVML_SUCCESS ? usage_of(device) : NULL;

    if (a) {
        const struct memory m = memory_of(a, ret->total, ret->free);

        /* What the driver keeps for itself is outside of the framebuffer. */
        *ret = (struct memory_v2){ret->version, m.total, 0, m.free, m.used};
    }
    return result;
}

/* ---- time --------------------------------------------------------------------------- */

struct rates {
    unsigned gpu, memory; /* percent */
};

int tessera_nvmlDeviceGetUtilizationRates(void *device, struct rates *ret);
int
tessera_nvmlDeviceGetUtilizationRates(void *device, struct rates *ret)
{
    typedef int rates_fn(void *, struct rates *);
    const int result =
        ((rates_fn *)front_real(NR_nvmlDeviceGetUtilizationRates))(device, ret);
    const struct account_page *a = result == NVML_SUCCESS ? usage_of(device) : NULL;

    if (!a)
        return result;
    ret->gpu = usage_percent(a);
    /* Of the memory's traffic nothing is known of one vGPU: no more than of the whole. */
    if (ret->memory > ret->gpu)
        ret->memory = ret->gpu;
    return result;
}

/* ---- processes ---------------------------------------------------------------------- */

struct process {
    int32_t pid;
    uint64_t bytes;
};

struct process_v1 {
    unsigned pid;
    unsigned long long bytes;
};
struct process_v2 {
    unsigned pid;
    unsigned long long bytes;
    unsigned gpu_instance, compute_instance;
};

#define NO_INSTANCE 0xffffffffu

/* Those with sessions; one process may have several. */
static unsigned
processes_of(const struct account_page *a, struct process ret[ACCOUNT_SLOTS])
{
    unsigned n = 0;

    for (unsigned i = 0; i < ACCOUNT_SLOTS; i++) {
        const struct account_slot *const s = &a->slot[i];
        const int32_t pid = atomic_load(&s->guest_pid);
        unsigned at = 0;

        if (atomic_load(&s->state) != SLOT_LIVE || pid <= 0)
            continue;
        while (at < n && ret[at].pid != pid)
            at++;
        if (at == n)
            ret[n++] = (struct process){pid, 0};
        ret[at].bytes += atomic_load(&s->used_bytes);
    }
    return n;
}

static struct process_v1
process_v1_of(const struct process *p)
{
    return (struct process_v1){(unsigned)p->pid, p->bytes};
}

static struct process_v2
process_v2_of(const struct process *p)
{
    return (struct process_v2){(unsigned)p->pid, p->bytes, NO_INSTANCE, NO_INSTANCE};
}

/*
 * *count: room, then how many there are. With too little room the driver's answer is the same as
 * ours, and what it writes is not looked at.
 */
#define RUNNING(name, type, of_process, processes)                                       \
    int tessera_##name(void *device, unsigned *count, type *ret);                        \
    int tessera_##name(void *device, unsigned *count, type *ret)                         \
    {                                                                                    \
        typedef int list_fn(void *, unsigned *, type *);                                 \
        list_fn *const real = (list_fn *)front_real(NR_##name);                          \
        const struct account_page *const a = usage_of(device);                           \
        struct process all[ACCOUNT_SLOTS];                                               \
        unsigned n, room;                                                                \
                                                                                         \
        if (!a || !count)                                                                \
            return real(device, count, ret);                                             \
        n = processes(a, all);                                                           \
        room = *count;                                                                   \
        *count = n;                                                                      \
        if (room < n)                                                                    \
            return NVML_ERROR_INSUFFICIENT_SIZE;                                         \
        if (n > 0 && !ret)                                                               \
            return NVML_ERROR_INVALID_ARGUMENT;                                          \
        for (unsigned i = 0; i < n; i++)                                                 \
            ret[i] = of_process(&all[i]);                                                \
        return NVML_SUCCESS;                                                             \
    }

/* What vGPUs do is compute: nobody draws there, and there is no MPS. */
static unsigned
no_processes(const struct account_page *a, struct process ret[ACCOUNT_SLOTS])
{
    (void)a;
    (void)ret;
    return 0;
}

RUNNING(nvmlDeviceGetComputeRunningProcesses, struct process_v1, process_v1_of,
        processes_of)
RUNNING(nvmlDeviceGetComputeRunningProcesses_v2, struct process_v2, process_v2_of,
        processes_of)
RUNNING(nvmlDeviceGetComputeRunningProcesses_v3, struct process_v2, process_v2_of,
        processes_of)
RUNNING(nvmlDeviceGetGraphicsRunningProcesses, struct process_v1, process_v1_of,
        no_processes)
RUNNING(nvmlDeviceGetGraphicsRunningProcesses_v2, struct process_v2, process_v2_of,
        no_processes)
RUNNING(nvmlDeviceGetGraphicsRunningProcesses_v3, struct process_v2, process_v2_of,
        no_processes)
RUNNING(nvmlDeviceGetMPSComputeRunningProcesses, struct process_v1, process_v1_of,
        no_processes)
RUNNING(nvmlDeviceGetMPSComputeRunningProcesses_v2, struct process_v2, process_v2_of,
        no_processes)
RUNNING(nvmlDeviceGetMPSComputeRunningProcesses_v3, struct process_v2, process_v2_of,
        no_processes)

/* Of others' processes nothing is told; their figures are the card's, not the vGPU's. */
#define NOT_TOLD(name)                                                                   \
    int tessera_##name(void *device, void *list);                                        \
    int tessera_##name(void *device, void *list)                                         \
    {                                                                                    \
        typedef int list_fn(void *, void *);                                             \
                                                                                         \
        if (usage_of(device))                                                            \
            return NVML_ERROR_NOT_SUPPORTED;                                             \
        return ((list_fn *)front_real(NR_##name))(device, list);                         \
    }

NOT_TOLD(nvmlDeviceGetRunningProcessDetailList)
NOT_TOLD(nvmlDeviceGetProcessesUtilizationInfo)

struct utilization {
    unsigned pid;
    unsigned long long time_us;
    unsigned sm, memory, encoder, decoder;
};

static bool
has_session(const struct account_page *a, unsigned pid)
{
    for (unsigned i = 0; i < ACCOUNT_SLOTS; i++) {
        if (atomic_load(&a->slot[i].state) == SLOT_LIVE &&
            (unsigned)atomic_load(&a->slot[i].guest_pid) == pid)
            return true;
    }
    return false;
}

int tessera_nvmlDeviceGetProcessUtilization(void *device, struct utilization *samples,
                                            unsigned *count, unsigned long long since);
int
tessera_nvmlDeviceGetProcessUtilization(void *device, struct utilization *samples,
                                        unsigned *count, unsigned long long since)
{
    typedef int list_fn(void *, struct utilization *, unsigned *, unsigned long long);
    const int result = ((list_fn *)front_real(NR_nvmlDeviceGetProcessUtilization))(
        device, samples, count, since);
    const struct account_page *const a = usage_of(device);
    unsigned kept = 0;

    if (result != NVML_SUCCESS || !a || !samples)
        return result;
    for (unsigned i = 0; i < *count; i++) {
        if (has_session(a, samples[i].pid))
            samples[kept++] = samples[i];
    }
    *count = kept;
    return result;
}
