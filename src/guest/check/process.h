/* SPDX-License-Identifier: MIT */
/* vGPUs that are folders with a socket: of a process of `tessera run`, or of a container. */
#ifndef TESSERA_GUEST_CHECK_PROCESS_H
#define TESSERA_GUEST_CHECK_PROCESS_H

#include "guest/check/report.h"

/* false: neither TESSERA_VGPU is set nor a folder mounted, and nothing is reported. */
bool process_check(struct report *r);

#endif
