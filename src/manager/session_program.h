/* SPDX-License-Identifier: MIT */
/*
 * Sessions without a worker: a program of CUDA's is served by the driver in its own process, and
 * keeps to its vGPU's framebuffer and turns there (link/grant.h). It co-operates: docs/security.md.
 */
#ifndef TESSERA_MANAGER_SESSION_PROGRAM_H
#define TESSERA_MANAGER_SESSION_PROGRAM_H

#include "manager/session.h"

/* Listens in the vGPU's folder, if its GPU has CUDA and nobody listens there yet. */
int session_program_listen(struct vgpu *v, struct err *e);

/* Removes what that left in the folder. */
void session_program_remove(const struct vgpu *v);

/* Are there any? They cannot be suspended. */
bool session_programs_run(const struct vgpu *v);

#endif
