/* SPDX-License-Identifier: MIT */
/*
 * NVIDIA's cards as its management library tells them (NVML API reference, 4.12 and 4.16): those
 * that have no OpenCL driver, too. Without the library there are none.
 */
#include "worker/probe.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <ctype.h>
#include <dlfcn.h>
#include <jansson.h>
#include <string.h>

#define LIBRARY "libnvidia-ml.so.1"
#define TEXT_BYTES 96
#define UUID_PREFIX "GPU-"

struct nvml_memory {
    unsigned long long total, free, used;
};

/* nvmlPciInfo_t, from version 3 on. */
struct nvml_pci {
    char legacy[16];
    unsigned domain, bus, device, ids, subsystem;
    char bus_id[32];
};

struct nvml {
    int (*init)(void);
    int (*count)(unsigned *ret);
    int (*by_index)(unsigned index, void **ret);
    int (*name)(void *card, char *ret, unsigned cap);
    int (*uuid)(void *card, char *ret, unsigned cap);
    int (*memory)(void *card, struct nvml_memory *ret);
    int (*pci)(void *card, struct nvml_pci *ret);
    int (*driver)(char *ret, unsigned cap);
};

static bool
load(const char *path, struct nvml *ret)
{
    void *const library = dlopen(path ? path : LIBRARY, RTLD_NOW | RTLD_LOCAL);
    const struct {
        const char *name;
        void *at;
    } functions[] = {
        {"nvmlInit_v2", &ret->init},
        {"nvmlDeviceGetCount_v2", &ret->count},
        {"nvmlDeviceGetHandleByIndex_v2", &ret->by_index},
        {"nvmlDeviceGetName", &ret->name},
        {"nvmlDeviceGetUUID", &ret->uuid},
        {"nvmlDeviceGetMemoryInfo", &ret->memory},
        {"nvmlDeviceGetPciInfo_v3", &ret->pci},
        {"nvmlSystemGetDriverVersion", &ret->driver},
    };

    for (size_t i = 0; library && i < sizeof functions / sizeof *functions; i++) {
        void *const found = dlsym(library, functions[i].name);

        if (!found)
            return false;
        memcpy(functions[i].at, &found, sizeof found);
    }
    return library;
}

static json_t *
describe(const struct nvml *l, unsigned index)
{
    char name[TEXT_BYTES] = "", uuid[TEXT_BYTES] = "", driver[TEXT_BYTES] = "", pci[32];
    const char *number = uuid;
    struct nvml_memory memory = {0};
    struct nvml_pci at = {0};
    void *card;

    if (l->by_index(index, &card) != 0 || l->uuid(card, uuid, sizeof uuid) != 0 ||
        l->memory(card, &memory) != 0 || l->pci(card, &at) != 0)
        return NULL;
    l->name(card, name, sizeof name);
    l->driver(driver, sizeof driver);
    if (strncmp(uuid, UUID_PREFIX, strlen(UUID_PREFIX)) == 0)
        number = uuid + strlen(UUID_PREFIX);
    snprintf(pci, sizeof pci, "%04x:%02x:%02x.0", at.domain, at.bus, at.device);
    return json_pack(
        "{ss sI ss ss ss sI sb sI ss ss ss ss}", "platform", PROBE_NVML_PLATFORM, "index",
        (json_int_t)index, "name", name, "vendor", "NVIDIA Corporation", "type", "gpu",
        "memory_bytes", (json_int_t)memory.total, "host_unified", 0, "compute_units",
        (json_int_t)0, "driver", driver, "version", "", "uuid", number, "pci", pci);
}

void
probe_nvml(const char *path, int out)
{
    struct nvml l;
    unsigned n = 0;

    if (!load(path, &l) || l.init() != 0 || l.count(&n) != 0)
        return;
    for (unsigned i = 0; i < n; i++) {
        json_t *const device = describe(&l, i);
        _cleanup_free_ char *line = device ? json_dumps(device, JSON_COMPACT) : NULL;

        if (line) {
            write_all(out, line, strlen(line));
            write_all(out, "\n", 1);
        }
        json_decref(device);
    }
}
