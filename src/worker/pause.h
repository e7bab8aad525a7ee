/* SPDX-License-Identifier: MIT */
/* A session stands still at a command boundary: its guest waits, and notices nothing. */
#ifndef TESSERA_WORKER_PAUSE_H
#define TESSERA_WORKER_PAUSE_H

#include <stdbool.h>

struct session;

/*
 * From a thread of its own: nothing of the guest is looked at any more; what the driver has runs to
 * its end and is answered. What is held back, or only the guest can bring about, stays. The caller
 * has the run lock then. go_on is asked now and then: -ECANCELED when it says no, and the session
 * runs as before.
 */
int session_pause(struct session *s, bool (*go_on)(void *ctx), void *ctx);

/* The session runs again. */
void session_continue(struct session *s);

/*
 * Paused, and saved: the guest is told that this is no end, the pages that hold its buffers are
 * given back, and the process ends.
 */
_Noreturn void session_leave_guest(struct session *s);

#endif
