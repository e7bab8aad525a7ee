/* SPDX-License-Identifier: MIT */
/* Asks short-lived workers which devices the machine's OpenCL drivers have. */
#ifndef TESSERA_MANAGER_PROBE_H
#define TESSERA_MANAGER_PROBE_H

#include "base/err.h"
#include "manager/gpu.h"

/*
 * Asks each driver of the ICD folder on its own, so that we know whose a device
 * is, and all at once if that finds nothing. Blocks, at most PROBE_LIMIT_S per
 * driver. Returns the number of devices in *ret (malloc'ed). Drivers that fail
 * are left out; *e says which was the last.
 */
#define PROBE_LIMIT_S 60
int probe_all(const char *worker, struct probe_device **ret, struct err *e);

/*
 * Appends NVIDIA's cards, as NVML tells them, to the n devices; returns how many there are then.
 * nvml: the library's path, NULL: the installed one, if there is any.
 */
int probe_cards(const char *worker, const char *nvml, struct probe_device **devices,
                int n, struct err *e);

#endif
