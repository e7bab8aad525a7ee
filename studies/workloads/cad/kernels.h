/* SPDX-License-Identifier: MIT */
/* kernels.h - the kernels of geometry.cl and pixels.cl, by number. */
#ifndef CAD_KERNELS_H
#define CAD_KERNELS_H

#include "common/gpu.h"

enum kernel_id {
    KERNEL_TRANSFORM,
    KERNEL_SETUP,
    KERNEL_SCAN,
    KERNEL_FILL,
    KERNEL_RASTER,
    KERNEL_SHADE,
    KERNEL_COUNT,
};

/* As in geometry.cl. */
enum {
    TILE = 16,
    SCAN_ITEMS = 64,
    CORNER_BYTES = 32,
    FACE_BYTES = 64,
};

extern const struct gpu_program cad_program;

/* LANES of geometry.cl on that device. */
uint32_t cad_lanes(const struct gpu *gpu);

/* How many items draw a tile there. */
uint32_t cad_tile_items(const struct gpu *gpu);

#endif
