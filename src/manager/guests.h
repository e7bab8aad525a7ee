/* SPDX-License-Identifier: MIT */
/*
 * Guests that connect while their vGPU is suspended, or comes back: they are parked, which is to
 * say that their sockets are kept, and their hello is looked at but not taken, until there is a
 * session for them.
 *
 *     connects ──▶ parked ──▶ a new session     (zero token, and the vGPU runs)
 *                         ──▶ its old session   (CONTROL_GUEST, when that is there again)
 *                         ──▶ refused, or gone
 */
#ifndef TESSERA_MANAGER_GUESTS_H
#define TESSERA_MANAGER_GUESTS_H

#include "manager/session.h"

/* Have guests of this vGPU to be parked? Else they go straight to a worker. */
bool guests_are_looked_at(const struct vgpu *v);

/* Parks one; owns fd. */
void guests_park(struct vgpu *v, int fd, const struct peer *who);

/* What happens to guests may be another now: looks at all that are parked. */
void guests_route(struct vgpu *v);

/* Hands on to a session that is to be restored its guest, if that is parked. */
int guests_send_to(struct session *s);

/* Who waits for that guest, which came by a virtual machine's port or not; NULL: nobody. */
struct session *guests_find_waiting(const struct vgpu *v, const uint8_t *token,
                                    bool in_vm);

/* The session's worker has answered CONTROL_GUEST. */
void guests_joined(struct session *s);
void guests_not_joined(struct session *s, const struct control_msg *m);

/* Once a second: whose guest has died waits no more. Runs for as long as there is need. */
void guests_watch(struct vgpu *v);

/* May that process still be there? */
bool guest_may_live(const struct process_id *guest);

/* Hangs up on all that are parked. */
void guests_forget(struct vgpu *v);

#endif
