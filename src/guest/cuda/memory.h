/* SPDX-License-Identifier: MIT */
/* What takes memory of the device, and what frees it. */
#ifndef TESSERA_GUEST_CUDA_MEMORY_H
#define TESSERA_GUEST_CUDA_MEMORY_H

#include "guest/cuda/ledger.h"

/* Gives the bytes of an entry that was struck out back to where they came from. */
void memory_give(const struct ledger_entry *e);

#endif
