/* SPDX-License-Identifier: MIT */
/* A session's gate in its GPU's turns: given out, found again, given back. */
#ifndef TESSERA_MANAGER_SESSION_GATE_H
#define TESSERA_MANAGER_SESSION_GATE_H

#include "manager/arbiter.h"
#include "manager/session.h"
#include "manager/strv.h"

#define SESSION_NO_GATE (-1)

/*
 * A gate for the session that begins in that slot, noted there; SESSION_NO_GATE: ungoverned. The
 * slot's kind tells whether it has a desk.
 */
int session_gate_begin(struct vgpu *v, unsigned slot);

/*
 * Adds the worker's options and files (fds has room, *nfds are in it). Nothing where there is no
 * gate.
 */
void session_gate_arguments(const struct vgpu *v, int gate, struct strv *argv, int *fds,
                            int *nfds);

/* The gate of a session of a manager before us, or SESSION_NO_GATE. */
int session_gate_adopt(struct vgpu *v, unsigned slot, pid_t pid);

/* The worker is gone, or never was. */
void session_gate_end(const struct vgpu *v, int gate);

/* An arbiter_sentence_fn: arg is the manager. */
void session_sentenced(void *arg, const char *vgpu, unsigned slot,
                       enum arbiter_sentence why);

#endif
