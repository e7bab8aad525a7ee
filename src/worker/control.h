/* SPDX-License-Identifier: MIT */
/* The worker's end of link/control.h. */
#ifndef TESSERA_WORKER_CONTROL_H
#define TESSERA_WORKER_CONTROL_H

struct session;

/* Serves the manager from a thread. Without a control socket nothing happens. */
void control_start(struct session *s);

/*
 * Main thread of a worker that restores: serves the manager until the session's guest is there; its
 * connection is s->session_fd then, and it has had its welcome.
 */
void control_restore(struct session *s);

#endif
