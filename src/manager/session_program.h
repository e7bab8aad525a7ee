/* SPDX-License-Identifier: MIT */
/*
 * Sessions without a worker: a program of CUDA's is served by the driver in its own process, and
 * keeps to its vGPU's framebuffer and turns there (link/grant.h). It co-operates: docs/security.md.
 */
#ifndef TESSERA_MANAGER_SESSION_PROGRAM_H
#define TESSERA_MANAGER_SESSION_PROGRAM_H

#include "manager/session.h"
#include "manager/snapshot_head.h"

/* Listens in the vGPU's folder, if its GPU has CUDA and nobody listens there yet. */
int session_program_listen(struct vgpu *v, struct err *e);

/* Removes what that left in the folder. */
void session_program_remove(const struct vgpu *v);

/* Are there any? */
/* Another vGPU, of which that process has a session, too; NULL: there is none. */
const struct vgpu *session_program_elsewhere(const struct vgpu *v, pid_t pid);

bool session_programs_run(const struct vgpu *v);

/* Has it hold, or go on, or ask for another grant (account.h). */
void session_program_tell(const struct session *s, enum slot_hold hold);

/* Its vGPU is suspended: the session ends, and the program waits. Frees s. */
void session_program_leave(struct session *s);

/*
 * A session for a program that was left: it has its memory, and gets that session when it asks. 0;
 * -ESRCH: it has gone.
 */
int session_program_restore(struct vgpu *v, const struct snapshot_program *from);

#endif
