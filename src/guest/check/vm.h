/* SPDX-License-Identifier: MIT */
/* The vGPUs of a virtual machine: memory is an ivshmem device, doorbells are virtio ports. */
#ifndef TESSERA_GUEST_CHECK_VM_H
#define TESSERA_GUEST_CHECK_VM_H

#include "guest/check/report.h"

/* false: there is no such device and no such port, and nothing is reported. */
bool vm_check(struct report *r);

#endif
