/* SPDX-License-Identifier: MIT */
/*
 * A management library without a GPU: FAKECUDA_DEVICES cards of FAKECUDA_MEMORY bytes, on which a
 * process with number 1 has 256 MiB, and half of the time; and this one, what the fake driver
 * (TESSERA_CUDA_DRIVER, if it is there) has given it.
 *
 *   FAKENVML_OTHERS_PID   another number than 1
 *   FAKENVML_US           how long it takes to tell of processes, after it has looked
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#pragma GCC visibility push(default)

enum {
    OK = 0,
    INVALID_ARGUMENT = 2,
    INSUFFICIENT_SIZE = 7,
    OTHERS_PID = 1,
    OTHERS_BYTES = 256 << 20
};

struct card {
    unsigned index;
};

static struct card cards[16];

struct pci {
    char legacy[16];
    unsigned domain, bus, device, ids, subsystem;
    char bus_id[32];
};

struct rates {
    unsigned gpu, memory;
};

struct memory {
    unsigned long long total, free, used;
};
struct memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
};
struct process {
    unsigned pid;
    unsigned long long bytes;
};
struct process_v2 {
    unsigned pid;
    unsigned long long bytes;
    unsigned gpu_instance, compute_instance;
};
struct utilization {
    unsigned pid;
    unsigned long long time_us;
    unsigned sm, memory, encoder, decoder;
};

int nvmlInit_v2(void);
int nvmlShutdown(void);
const char *nvmlErrorString(int result);
int nvmlDeviceGetCount_v2(unsigned *ret);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct card **ret);
int nvmlDeviceGetHandleByPciBusId_v2(const char *pci, struct card **ret);
int nvmlDeviceGetIndex(struct card *card, unsigned *ret);
int nvmlDeviceGetUUID(struct card *card, char *ret, unsigned len);
int nvmlDeviceGetMemoryInfo(struct card *card, struct memory *ret);
int nvmlDeviceGetMemoryInfo_v2(struct card *card, struct memory_v2 *ret);
int nvmlDeviceGetComputeRunningProcesses(struct card *card, unsigned *count,
                                         struct process *ret);
int nvmlDeviceGetComputeRunningProcesses_v3(struct card *card, unsigned *count,
                                            struct process_v2 *ret);
int nvmlDeviceGetProcessUtilization(struct card *card, struct utilization *ret,
                                    unsigned *count, unsigned long long since);

int nvmlDeviceGetName(struct card *card, char *ret, unsigned len);
int nvmlDeviceGetPciInfo_v3(struct card *card, struct pci *ret);
int nvmlSystemGetDriverVersion(char *ret, unsigned len);

int nvmlDeviceGetUtilizationRates(struct card *card, struct rates *ret);

#pragma GCC visibility pop

static uint64_t
setting(const char *name, uint64_t otherwise)
{
    const char *const text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

int
nvmlInit_v2(void)
{
    for (unsigned i = 0; i < sizeof cards / sizeof *cards; i++)
        cards[i].index = i;
    return OK;
}

int
nvmlShutdown(void)
{
    return OK;
}

const char *
nvmlErrorString(int result)
{
    return result == OK ? "fine" : "not fine";
}

int
nvmlDeviceGetCount_v2(unsigned *ret)
{
    *ret = (unsigned)setting("FAKECUDA_DEVICES", 1);
    return OK;
}

int
nvmlDeviceGetHandleByIndex_v2(unsigned index, struct card **ret)
{
    if (index >= setting("FAKECUDA_DEVICES", 1))
        return INVALID_ARGUMENT;
    *ret = &cards[index];
    return OK;
}

/* As the fake driver numbers them. */
int
nvmlDeviceGetHandleByPciBusId_v2(const char *pci, struct card **ret)
{
    unsigned bus;

    if (sscanf(pci, "0000:%x:00.0", &bus) != 1 || bus == 0)
        return INVALID_ARGUMENT;
    return nvmlDeviceGetHandleByIndex_v2(bus - 1, ret);
}

/* What the fake driver has given this process. */
static uint64_t
own_bytes(const struct card *card)
{
    typedef uint64_t bytes_fn(int device);
    const char *const path = getenv("TESSERA_CUDA_DRIVER");
    void *const driver = path ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;
    bytes_fn *const get = driver ? (bytes_fn *)dlsym(driver, "fake_used_bytes") : NULL;
    const uint64_t bytes = get ? get((int)card->index) : 0;

    if (driver)
        dlclose(driver);
    return bytes;
}

int
nvmlDeviceGetIndex(struct card *card, unsigned *ret)
{
    *ret = card->index;
    return OK;
}

int
nvmlDeviceGetUUID(struct card *card, char *ret, unsigned len)
{
    const int n = snprintf(ret, len, "GPU-5a5a5a5a-%04u", card->index);

    return n < (int)len ? OK : INSUFFICIENT_SIZE;
}

int
nvmlDeviceGetName(struct card *card, char *ret, unsigned len)
{
    const int n = snprintf(ret, len, "Fake GPU %u", card->index);

    return n < (int)len ? OK : INSUFFICIENT_SIZE;
}

int
nvmlDeviceGetPciInfo_v3(struct card *card, struct pci *ret)
{
    *ret = (struct pci){.bus = card->index + 1};
    snprintf(ret->bus_id, sizeof ret->bus_id, "00000000:%02X:00.0", ret->bus);
    return OK;
}

int
nvmlSystemGetDriverVersion(char *ret, unsigned len)
{
    return snprintf(ret, len, "570.1.2") < (int)len ? OK : INSUFFICIENT_SIZE;
}

int
nvmlDeviceGetUtilizationRates(struct card *card, struct rates *ret)
{
    (void)card;
    *ret = (struct rates){77, 66};
    return OK;
}

int
nvmlDeviceGetMemoryInfo(struct card *card, struct memory *ret)
{
    (void)card;
    ret->total = setting("FAKECUDA_MEMORY", 1 << 30);
    ret->used = OTHERS_BYTES;
    ret->free = ret->total - ret->used;
    return OK;
}

int
nvmlDeviceGetMemoryInfo_v2(struct card *card, struct memory_v2 *ret)
{
    struct memory m;

    if (ret->version != (2u << 24 | sizeof *ret))
        return INVALID_ARGUMENT;
    nvmlDeviceGetMemoryInfo(card, &m);
    *ret =
        (struct memory_v2){ret->version, m.total, 16 << 20, m.free - (16 << 20), m.used};
    return OK;
}

int
nvmlDeviceGetComputeRunningProcesses(struct card *card, unsigned *count,
                                     struct process *ret)
{
    const unsigned room = *count;

    (void)card;
    *count = 1;
    if (room < 1)
        return INSUFFICIENT_SIZE;
    ret[0] = (struct process){OTHERS_PID, OTHERS_BYTES};
    return OK;
}

int
nvmlDeviceGetComputeRunningProcesses_v3(struct card *card, unsigned *count,
                                        struct process_v2 *ret)
{
    const uint64_t own = own_bytes(card);
    const unsigned room = *count;

    usleep((unsigned)setting("FAKENVML_US", 0));

    *count = own ? 2 : 1;
    if (room < *count)
        return INSUFFICIENT_SIZE;
    ret[0] = (struct process_v2){(unsigned)setting("FAKENVML_OTHERS_PID", OTHERS_PID),
                                 OTHERS_BYTES, 0, 0};
    if (own)
        ret[1] = (struct process_v2){
            (unsigned)setting("FAKECUDA_PID", (uint64_t)getpid()), own, 0, 0};
    return OK;
}

int
nvmlDeviceGetProcessUtilization(struct card *card, struct utilization *ret,
                                unsigned *count, unsigned long long since)
{
    const unsigned room = *count;

    (void)card;
    *count = 2;
    if (room < 2 || !ret)
        return INSUFFICIENT_SIZE;
    ret[0] = (struct utilization){OTHERS_PID, since + 1, 50, 20, 0, 0};
    ret[1] = (struct utilization){(unsigned)getpid(), since + 2, 40, 10, 0, 0};
    return OK;
}
