/* SPDX-License-Identifier: MIT */
/* The vGPUs of a virtual machine: memory is an ivshmem device, doorbells are virtio ports. */
#ifndef TESSERA_GUEST_CHECK_VM_H
#define TESSERA_GUEST_CHECK_VM_H

#include "guest/check/report.h"

/* false: there is no such device and no such port, and nothing is reported. */
bool vm_check(struct report *r);

/*
 * The same in a container, where memory and ports of one vGPU are files of this folder. false:
 * there is no memory in it, and nothing is reported.
 */
bool vm_check_mounted(struct report *r, const char *folder);

#endif
