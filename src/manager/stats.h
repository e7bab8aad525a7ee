/* SPDX-License-Identifier: MIT */
/* Who used what of the GPUs' time: /v1/stats and /v1/gpus/NAME/log (docs/control-api.md). */
#ifndef TESSERA_MANAGER_STATS_H
#define TESSERA_MANAGER_STATS_H

#include "manager/vgpu.h"

/* Whether a vGPU counts as running, and whether it works now. */
enum vgpu_activity { VGPU_STOPPED, VGPU_RUNNING, VGPU_WORKING };

/* What a vGPU is doing, and what its GPU's policy promises it: 0..1, below 0: nothing. */
struct vgpu_now {
    enum vgpu_activity activity;
    double promised;
};

struct vgpu_now vgpu_now(const struct vgpu *v);

/* What a GPU has done since the manager's start; no counter ever falls. */
struct gpu_counts {
    uint64_t turns, used_ns, idle_ns, arbiter_cpu_ns;
};

/* By the vGPUs that are there, adopted sessions' time under a manager before us with it. */
uint64_t gpu_used_ns(const struct manager *m, const struct gpu *g);

struct gpu_counts gpu_counts(struct manager *m, struct gpu *g);

/* New references, NULL without memory. */
json_t *stats_json(struct manager *m);
json_t *gpu_log_json(const struct manager *m, const struct gpu *g);

#endif
