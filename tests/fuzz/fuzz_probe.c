/* SPDX-License-Identifier: MIT */
/* The manager reads what `tessera-worker --probe` printed, and makes GPUs of it. */
#include "manager/inventory.h"

#include <stdlib.h>
#include <string.h>

#define GIB (UINT64_C(1) << 30)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_gpu(const struct gpu *g)
{
    struct vgpu_type t;

    if (!g->model[0] || !memchr(g->model, '\0', sizeof g->model) ||
        !memchr(g->device.name, '\0', sizeof g->device.name))
        abort();
    /* Every type that a GPU offers fits into it. */
    if (type_parse(g->model, g->memory_bytes, "x-1g", &t) == 0 &&
        t.framebuffer_bytes > g->memory_bytes)
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct options o = {.software_gpus = size ? data[size - 1] % 4 - 1 : -1,
                              .software_memory_bytes = 2 * GIB};
    _cleanup_err_ struct err e = ERR_INIT;
    struct probe_device *devices = NULL;
    struct inventory inv = {0};
    cpu_set_t cores;
    int n = probe_parse((const char *)data, size, &devices, 0, &e);

    CPU_ZERO(&cores);
    CPU_SET(0, &cores);
    CPU_SET(3, &cores);
    if (n < 0 && !e.msg)
        abort();
    if (n >= 0 && inventory_make(&inv, &o, devices, (unsigned)n, &cores) == 0) {
        for (unsigned i = 0; i < inv.n; i++)
            check_gpu(&inv.gpus[i]);
        inventory_fini(&inv);
    }
    free(devices);
    return 0;
}
