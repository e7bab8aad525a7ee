/* SPDX-License-Identifier: MIT */
/*
 * The vGPUs of the virtual machine that this process runs in: an ivshmem device whose BAR 2 begins
 * with Tessera's header, and the virtio ports of that name. No daemon and no module of ours: all
 * comes from sysfs.
 * In a container there the same files are mounted: a folder with `memory` and port0, port1, ...
 */
#ifndef TESSERA_GUEST_OPENCL_VM_H
#define TESSERA_GUEST_OPENCL_VM_H

#include "wire/bar.h"

#include <stdbool.h>
#include <stddef.h>

struct vm_vgpu {
    char name[sizeof(((struct bar_header *)0)->name)];
    char *bar;              /* the file to map */
    uint64_t bytes;         /* of it */
    char *ports[BAR_PORTS]; /* device files, NULL where there is none */
};

/* What can be used, ordered by name; at most max. Owned by the caller, for the process's life. */
unsigned vm_find(struct vm_vgpu *ret, unsigned max);

/* What is mounted in this folder; false: it is not a virtual machine's vGPU, or not usable. */
bool vm_find_mounted(const char *folder, struct vm_vgpu *ret);

/*
 * Opens a port that nobody has, and the BAR; both are close-on-exec and above stdio. 0, or a
 * negative errno with words in reason (of cap bytes): -EBUSY when all are taken.
 */
int vm_open(const struct vm_vgpu *v, int *ret_port, int *ret_bar, char *reason,
            size_t cap);

#endif
