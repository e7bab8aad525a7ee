/* SPDX-License-Identifier: MIT */
/*
 * Ranges of buffers, as the guest library checks them before it sends: a driver may wrap around
 * where a sum overflows, or look at nothing when it records. 0, or -EPROTO: the session ends.
 */
#ifndef TESSERA_WORKER_BOUNDS_H
#define TESSERA_WORKER_BOUNDS_H

#include "worker/mem.h"

int buffer_check_range(struct session *s, const struct object *buffer, uint64_t offset,
                       uint64_t size);

/* A pitch of 0: packed tight (OpenCL 3.0, section 5.2.3). */
int buffer_check_rect(struct session *s, const struct object *buffer,
                      const uint64_t origin[3], const uint64_t region[3], uint64_t row,
                      uint64_t slice);

#endif
