/* SPDX-License-Identifier: MIT */
#include "cad/kernels.h"

#include "cad/kernel_source.h"

/* A CPU's item has as many pixels as its widest register, a GPU's as one memory access. */
#define CPU_LANES 16
#define CPU_ROWS 16
#define GPU_LANES 4
#define GPU_ROWS 1
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

enum {
    CPU_TILE_ITEMS = TILE / CPU_LANES * (TILE / CPU_ROWS),
    GPU_TILE_ITEMS = TILE / GPU_LANES * (TILE / GPU_ROWS),
};

/* A group of raster has one tile. */
static const struct gpu_kernel kernels[KERNEL_COUNT] = {
    [KERNEL_TRANSFORM] = {"transform", 64, 64},
    [KERNEL_SETUP] = {"setup", 64, 64},
    [KERNEL_SCAN] = {"scan", SCAN_ITEMS, SCAN_ITEMS},
    [KERNEL_FILL] = {"fill", 64, 64},
    [KERNEL_RASTER] = {"raster", CPU_TILE_ITEMS, GPU_TILE_ITEMS},
    [KERNEL_SHADE] = {"shade", 16, 64},
};

const struct gpu_program cad_program = {
    .source = kernel_source,
    .kernels = kernels,
    .kernel_count = KERNEL_COUNT,
    .cpu_options = "-DLANES=" TEXT(CPU_LANES) " -DROWS=" TEXT(CPU_ROWS),
    .gpu_options = "-DLANES=" TEXT(GPU_LANES) " -DROWS=" TEXT(GPU_ROWS),
};

uint32_t
cad_lanes(const struct gpu *gpu)
{
    return gpu->is_cpu ? CPU_LANES : GPU_LANES;
}

uint32_t
cad_tile_items(const struct gpu *gpu)
{
    return gpu->is_cpu ? CPU_TILE_ITEMS : GPU_TILE_ITEMS;
}
