/* SPDX-License-Identifier: MIT */
/* What the ways of a session's beginning share (session.c, session_program.c). */
#ifndef TESSERA_MANAGER_SESSION_INTERNAL_H
#define TESSERA_MANAGER_SESSION_INTERNAL_H

#include "manager/session.h"

/* Makes the session of a running process, as `from` has it; owns pidfd in any case. */
int session_watch(const struct session *from, int pidfd, struct session **ret);

/* Its process is gone, or no longer its: what it had is free. */
void session_settle(struct vgpu *v, unsigned slot);

/* Why this guest may not have a session of its own; NULL: it may. */
const char *session_guest_problem(const struct vgpu *v, const struct peer *guest,
                                  bool any_user);

/* The same for the limits; the words are in buf. */
const char *session_limit_problem(const struct vgpu *v, const struct peer *guest,
                                  char *buf, size_t cap);

#endif
