/* SPDX-License-Identifier: MIT */
/*
 * How GPUs, types and vGPUs look in the control API (docs/control-api.md). All return a
 * new reference, NULL without memory.
 */
#ifndef TESSERA_MANAGER_VGPU_JSON_H
#define TESSERA_MANAGER_VGPU_JSON_H

#include "manager/vgpu.h"

json_t *vgpu_json(const struct vgpu *v);
json_t *gpu_json(const struct manager *m, const struct gpu *g);

/* The types that a GPU offers, and how many more of each it takes now. */
json_t *gpu_types_json(const struct manager *m, const struct gpu *g);

/* Sums over ended and running sessions. */
struct vgpu_totals vgpu_totals_now(const struct vgpu *v);
uint64_t vgpu_used_bytes(const struct vgpu *v);

/* The most that they were, of all sessions together, since the vGPU was made. */
uint64_t vgpu_peak_bytes(const struct vgpu *v);

#endif
