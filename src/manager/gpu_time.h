/* SPDX-License-Identifier: MIT */
/* How a GPU's time is shared out: its settings, its arbiter, and its vGPUs' places there. */
#ifndef TESSERA_MANAGER_GPU_TIME_H
#define TESSERA_MANAGER_GPU_TIME_H

#include "manager/manager.h"
#include "manager/vgpu.h"

/* Makes the arbiters; before vGPUs and sessions are restored. What fails is warned of. */
void gpu_time_init(struct manager *m);

/* Starts them; after that. */
void gpu_time_run(struct manager *m);

/* Stops them: sessions go on ungoverned. fini after all vGPUs are let go of. */
void gpu_time_stop(struct manager *m);
void gpu_time_fini(struct manager *m);

/* The GPU's settings, or the vGPUs on it, are others now. */
void gpu_time_changed(const struct manager *m, const struct gpu *g);

/* The slice in force: as set, else 2 ms, or 1 ms where a type in use allows more than 8 vGPUs. */
unsigned gpu_slice_us(const struct manager *m, const struct gpu *g);

/* The vGPU comes to its GPU's arbiter, or leaves it. */
void vgpu_govern(struct vgpu *v);
void vgpu_ungovern(struct vgpu *v);

#endif
