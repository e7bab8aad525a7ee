/* SPDX-License-Identifier: MIT */
/*
 * Where an entry point leads: to a function of ours, if there is one, or to the driver's own.
 *
 *   program ── cuX ──▶ trampoline ── cuda_targets[number] ──▶ ours, or the driver's
 *                           └ at the first call: cuda_resolve(number)
 *
 * Trampolines and numbers are made of api/cuda.txt. A trampoline knows no signature: it leaves all
 * arguments where they are.
 */
#ifndef TESSERA_GUEST_CUDA_RESOLVE_H
#define TESSERA_GUEST_CUDA_RESOLVE_H

#include "api/cuda_entries.h"

/* Of enum cudaError_enum (CUDA driver API, 6.1): those that we answer ourselves. */
enum cuda_result {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_STUB_LIBRARY = 34,      /* no driver behind this library */
    CUDA_ERROR_NOT_SUPPORTED = 801,    /* the driver has no such function */
    CUDA_ERROR_SYSTEM_NOT_READY = 802, /* no manager grants the vGPU */
};

/* For a trampoline: where this export goes from now on. Never NULL. */
void *cuda_resolve(unsigned long number);

/* The driver's own function; NULL: it has none. Found once. */
void *cuda_real(enum cuda_number number);

/* Our function for what the driver calls by the pointer; the pointer itself when there is none.
 * symbol: the name it was asked for, without version and stream form. */
void *cuda_own(void *pointer, const char *symbol);

#endif
