/* SPDX-License-Identifier: MIT */
/*
 * Which vGPU a device of NVML's is. NVML knows all cards of the machine; those that
 * CUDA_VISIBLE_DEVICES lists, by UUID or number, are this process's vGPUs, in the order of
 * TESSERA_VGPU (cuda/vgpu.h).
 */
#ifndef TESSERA_GUEST_NVML_USAGE_H
#define TESSERA_GUEST_NVML_USAGE_H

#include "link/account.h"

/* The account of the vGPU that the device is, mapped until the process ends; NULL: it is none. */
const struct account_page *usage_of(void *device);

/* How much of the GPU's time its programs had lately, 0 to 100. At first it takes a moment. */
unsigned usage_percent(const struct account_page *a);

#endif
