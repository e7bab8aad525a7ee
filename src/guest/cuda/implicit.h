/* SPDX-License-Identifier: MIT */
/*
 * Memory that nobody asked for: contexts, modules, heaps, and what the driver rounds up. NVML tells
 * what the process has of a device in all; what is not in the ledger is charged as that. Without
 * NVML nothing is known of it.
 */
#ifndef TESSERA_GUEST_CUDA_IMPLICIT_H
#define TESSERA_GUEST_CUDA_IMPLICIT_H

#include <stdbool.h>

/* After something that may have taken or freed such memory. false: it does not fit. */
bool implicit_settle(int device);

/* The same for the current context's device. */
bool implicit_settle_current(void);

/* The same of what the driver has done already: as much is charged as fits. */
void implicit_charge_current(void);

/*
 * From time to time, and before the program is out of memory: modules are loaded at a first launch,
 * stacks grow. As much is charged as fits. It waits for nobody, and does nothing while something is
 * allocated or freed.
 */
void implicit_reconcile(int device);

/* Once the driver has begun: who else has our number there? */
void implicit_before_contexts(void);

#endif
