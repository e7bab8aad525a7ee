/* SPDX-License-Identifier: MIT */
/* A vGPU as arguments of qemu-system-x86_64, for people without libvirt. */
#ifndef TESSERA_VM_QEMU_ARGS_H
#define TESSERA_VM_QEMU_ARGS_H

#include "vm/vgpu.h"

/*
 * One argument per line, for $(tessera vm qemu-args NAME): a shell splits there alone, so a path
 * with white space or a wildcard is refused (-EINVAL). *ret is malloc'ed.
 */
int qemu_args_lines(const struct vm_vgpu *v, char **ret, struct err *e);

/* The same as a JSON array, whatever the paths are; NULL without memory. */
json_t *qemu_args_json(const struct vm_vgpu *v);

#endif
