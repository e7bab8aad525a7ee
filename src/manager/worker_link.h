/* SPDX-License-Identifier: MIT */
/*
 * The manager's end of what link/control.h says: a worker's listening socket, and the connection to
 * it, made when there is something to say.
 *
 *     RUNTIME/workers/NAME.SLOT            the socket, for as long as the slot has a session
 *     RUNTIME/workers/NAME.SLOT.waiting    for whom a restored session waits
 *
 * The folder is the manager's alone, and the listening descriptor the worker's: who answers there
 * is the worker. (The kernel names as the peer who called listen(), which was a manager.)
 */
#ifndef TESSERA_MANAGER_WORKER_LINK_H
#define TESSERA_MANAGER_WORKER_LINK_H

#include "link/control.h"
#include "manager/session.h"

/* The listening descriptor for a worker that is to start in that slot, the caller's. */
int worker_socket_make(const struct vgpu *v, unsigned slot);

/* The session in that slot is over: both files go. */
void worker_socket_remove(const struct vgpu *v, unsigned slot);

/* After a restart: removes those of no session. */
void worker_sockets_sweep(const struct manager *m);

/*
 * Sends to the session's worker, with a descriptor (-1: none) that stays the caller's. 0 or a
 * negative errno; -ENOENT, -ECONNREFUSED: it does not listen.
 */
int session_tell(struct session *s, const struct control_msg *m, int fd);
int session_tell_op(struct session *s, enum control_op op);

/* The worker is gone: what it had said before is heard. */
void session_hear_rest(struct session *s);

/* Hangs up: what it still answers belongs to nothing any more. */
void session_hang_up(struct session *s);

/* Notes for whom it waits, so that the next manager knows; finds that again. */
int session_note_waiting(const struct session *s);
void session_find_waiting(struct session *s);
void session_waits_no_more(struct session *s);

/* Its guest may have come while nobody listened to its worker. */
void session_look_whether_joined(struct session *s);

#endif
