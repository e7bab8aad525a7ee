/* SPDX-License-Identifier: MIT */
/* One GPU that vGPUs are cut from: a device of an OpenCL driver, or a part of the CPU. */
#ifndef TESSERA_MANAGER_GPU_H
#define TESSERA_MANAGER_GPU_H

#include "base/err.h"
#include "manager/cores.h"
#include "policy/placement.h"
#include "policy/sched.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GPU_NAME_BYTES 16
#define GPU_TEXT_BYTES 256

/* A device as `tessera-worker --probe` reports it. */
struct probe_device {
    char platform[GPU_TEXT_BYTES], name[GPU_TEXT_BYTES], vendor[GPU_TEXT_BYTES];
    char driver[GPU_TEXT_BYTES], version[GPU_TEXT_BYTES];
    char uuid[64], pci[32]; /* "" = unknown */
    char type[16];          /* cpu, gpu or accelerator */
    uint64_t index, memory_bytes, compute_units;
    bool host_unified;
    char icd[PATH_MAX]; /* the driver's .icd file, "" = the loader's own list */
};

/* The platform of a card that has no OpenCL driver: NVML alone knows it. */
#define NVML_PLATFORM "NVML"

struct arbiter;

/* How the GPU's time is shared out, as `gpu set` says. */
struct gpu_time {
    enum sched_policy policy;
    unsigned slice_us; /* 0: by the types in use */
    unsigned elastic_percent, watchdog_seconds;
};

/* For sums over vGPUs that come and go (stats.h). */
struct gpu_used {
    uint64_t before_ns;             /* by adopted sessions, under a manager before us */
    uint64_t gone_ns;               /* by vGPUs that have been deleted */
    uint64_t told_ns, idle_told_ns; /* the most that was ever told */
};

struct gpu {
    char name[GPU_NAME_BYTES];      /* gpu0 */
    char model[TYPE_MODEL_MAX + 1]; /* first part of its types' names */
    struct probe_device device;
    uint64_t memory_bytes; /* that types are cut from */
    bool software;         /* runs on CPU cores */
    bool discrete;         /* shares no storage with the guest */
    bool pinned;           /* software: the cores are its own */
    bool shared;           /* software: other GPUs run on the same cores */
    cpu_set_t cores;       /* software */
    char cuda_device
        [GPU_TEXT_BYTES];  /* in CUDA_VISIBLE_DEVICES; "": it is none of CUDA's */
    char dmem_region[128]; /* cgroup.h; "": the kernel does not account for its memory */
    enum gpu_mode mode;
    struct gpu_time time;
    struct gpu_used used;
    struct arbiter *arbiter; /* owned by the manager; NULL: its vGPUs are ungoverned */
};

/*
 * A short lower-case name out of a device's: "NVIDIA H200" is h200, "Tesla P40"
 * p40, "NVIDIA GeForce RTX 3090" rtx3090. Never empty.
 */
void gpu_model_of(const char *device_name, char *buf, size_t cap);

/* Is there a driver of OpenCL's for it? Else it is CUDA's alone. */
static inline bool
gpu_has_opencl(const struct gpu *g)
{
    return strcmp(g->device.platform, NVML_PLATFORM) != 0;
}

struct request_gpu;

/* Sets what a request says of the GPU itself: all but the placement order. */
void gpu_apply(struct gpu *g, const struct request_gpu *r);

/*
 * What `gpu set` changed, kept in folder/NAME.json. Loading a missing file changes
 * nothing; *ret_order is written when the file holds one.
 */
int gpu_settings_save(const char *folder, const struct gpu *g, enum placement_order order,
                      struct err *e);
int gpu_settings_load(const char *folder, struct gpu *g, enum placement_order *ret_order,
                      struct err *e);

#endif
