/* SPDX-License-Identifier: MIT */
/* The inventory: which devices this host has (docs/architecture.md, "--probe"). */
#ifndef TESSERA_WORKER_PROBE_H
#define TESSERA_WORKER_PROBE_H

#include <stdbool.h>

/* What a card that NVML tells of has in the place of an OpenCL platform. */
#define PROBE_NVML_PLATFORM "NVML"

/*
 * Prints OpenCL's devices, or NVIDIA's cards (nvml; path: of its management library, NULL: the one
 * that is installed), as JSON to stdout. Returns the process's exit status.
 */
int probe_main(bool nvml, const char *path);

/* NVIDIA's cards, a line of JSON each. */
void probe_nvml(const char *path, int out);

#endif
