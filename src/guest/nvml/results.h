/* SPDX-License-Identifier: MIT */
/* What Tessera's functions of NVML answer and need by number. */
#ifndef TESSERA_GUEST_NVML_RESULTS_H
#define TESSERA_GUEST_NVML_RESULTS_H

#include "api/nvml_entries.h"

/* Of nvmlReturn_t (NVML API reference, 5.13). */
enum nvml_result {
    NVML_SUCCESS = 0,
    NVML_ERROR_INVALID_ARGUMENT = 2,
    NVML_ERROR_NOT_SUPPORTED = 3,
    NVML_ERROR_INSUFFICIENT_SIZE = 7,
    NVML_ERROR_LIBRARY_NOT_FOUND = 12, /* there is no NVML behind this library */
    NVML_ERROR_FUNCTION_NOT_FOUND = 13,
};

#endif
