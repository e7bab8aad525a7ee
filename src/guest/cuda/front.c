/* SPDX-License-Identifier: MIT */
#include "guest/cuda/results.h"
#include "guest/front/entries.h"

const struct front_driver front_driver = {.file = "libcuda.so",
                                          .variable = "TESSERA_CUDA_DRIVER",
                                          .known = "cuInit",
                                          .no_driver = CUDA_ERROR_STUB_LIBRARY,
                                          .no_function = CUDA_ERROR_NOT_SUPPORTED};
