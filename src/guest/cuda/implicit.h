/* SPDX-License-Identifier: MIT */
/*
 * Memory that nobody asked for: contexts, modules, heaps, and what the driver rounds up. NVML tells
 * what the process has of a device in all; what is not in the ledger is charged as that. Without
 * NVML, or where it knows processes by other numbers (containers), nothing is known of it.
 */
#ifndef TESSERA_GUEST_CUDA_IMPLICIT_H
#define TESSERA_GUEST_CUDA_IMPLICIT_H

#include <stdbool.h>

/* After something that may have taken or freed such memory. false: it does not fit. */
bool implicit_settle(int device);

/* The same for the current context's device. */
bool implicit_settle_current(void);

#endif
