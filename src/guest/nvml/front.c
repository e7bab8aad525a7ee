/* SPDX-License-Identifier: MIT */
#include "guest/front/entries.h"

#include "guest/nvml/results.h"

const struct front_driver front_driver = {.file = "libnvidia-ml.so",
                                          .variable = "TESSERA_NVML_DRIVER",
                                          .known = "nvmlShutdown",
                                          .no_driver = NVML_ERROR_LIBRARY_NOT_FOUND,
                                          .no_function = NVML_ERROR_FUNCTION_NOT_FOUND};
