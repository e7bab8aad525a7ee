/* SPDX-License-Identifier: MIT */
/* Which GPUs there are. The manager loads no driver: a short-lived worker looks. */
#ifndef TESSERA_MANAGER_INVENTORY_H
#define TESSERA_MANAGER_INVENTORY_H

#include "manager/gpu.h"
#include "manager/options.h"

struct inventory {
    struct gpu *gpus; /* owned; gpu0, gpu1, ... */
    unsigned n;
};

/*
 * Reads what `tessera-worker --probe` printed. Returns how many devices it appended to
 * *devices (malloc'ed, n of them before). Pure.
 */
int probe_parse(const char *buf, size_t len, struct probe_device **devices, unsigned n,
                struct err *e);

/*
 * Makes GPUs out of devices: every GPU and accelerator, cards that NVML alone knows (which come
 * after OpenCL's devices), and software GPUs on a
 * CPU device (PoCL's before others') when there is nothing else or the options
 * ask for them. `cores` are shared out among the software GPUs. Pure.
 */
int inventory_make(struct inventory *inv, const struct options *o,
                   const struct probe_device *devices, unsigned n,
                   const cpu_set_t *cores);

/*
 * Probes and makes. A probe that fails costs its devices, with a warning in *e,
 * and is no error of ours: the manager also runs without a GPU.
 */
int inventory_init(struct inventory *inv, const struct options *o, const char *worker,
                   struct err *e);
void inventory_fini(struct inventory *inv);

/* NULL when there is none; inventory_no_such() then says so. Returns -ENOENT. */
struct gpu *inventory_find(const struct inventory *inv, const char *name);
int inventory_no_such(const struct inventory *inv, const char *name, struct err *e);

#endif
