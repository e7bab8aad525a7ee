/* SPDX-License-Identifier: MIT */
/*
 * The point where a session's commands are handed to the driver, and where the device time that
 * they took is charged. Every command passes gate_submit() before the driver sees it and
 * gate_complete() once its end is known. Today the gate lets everything pass at once and counts; a
 * scheduler will hold commands back here.
 *
 * Any thread may call any of these; they never block.
 */
#ifndef TESSERA_GATE_GATE_H
#define TESSERA_GATE_GATE_H

#include "link/account.h"

struct gate {
    struct gate_page *page;            /* in the session's slot: read by the manager */
    _Atomic uint64_t own_copied_bytes; /* moved by the worker alone */
};

void gate_init(struct gate *g, struct gate_page *page);

/* A command is about to be handed to the driver. */
void gate_submit(struct gate *g);

/* A command has ended after busy_ns on the device (0: unknown, or it never ran). */
void gate_complete(struct gate *g, uint64_t busy_ns);

/* The worker has moved bytes between guest and device. */
void gate_copied(struct gate *g, uint64_t bytes);

/*
 * The guest says it has moved so many bytes itself, in all. Its word is for statistics alone, and
 * only ever raises the count.
 */
void gate_guest_copied(struct gate *g, uint64_t total_bytes);

#endif
