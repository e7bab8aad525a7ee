/* SPDX-License-Identifier: MIT */
/* The log of a session (saved.h): all that lives, and what it waits for. */
#ifndef TESSERA_WORKER_SAVE_LOG_H
#define TESSERA_WORKER_SAVE_LOG_H

#include "worker/bytes.h"

struct session;

/* 0, -ENOMEM, or -EAGAIN when the driver is not through with everything. */
int save_log(struct session *s, struct bytes *log);

#endif
