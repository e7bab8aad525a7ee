/* SPDX-License-Identifier: MIT */
/* What Tessera's functions of CUDA's driver API answer and need by number. */
#ifndef TESSERA_GUEST_CUDA_RESULTS_H
#define TESSERA_GUEST_CUDA_RESULTS_H

#include "api/cuda_entries.h"

/* Of enum cudaError_enum (CUDA driver API, 6.1): those that we answer or look for. */
enum cuda_result {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_STUB_LIBRARY = 34,      /* no driver behind this library */
    CUDA_ERROR_NOT_READY = 600,        /* of an event or a stream */
    CUDA_ERROR_NOT_SUPPORTED = 801,    /* the driver has no such function */
    CUDA_ERROR_SYSTEM_NOT_READY = 802, /* no manager grants the vGPU */
};

#endif
