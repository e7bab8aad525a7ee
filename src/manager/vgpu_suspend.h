/* SPDX-License-Identifier: MIT */
/*
 * Where a vGPU stops being one that runs, and the other way round. Whoever dies when, these rules
 * tell what it is (docs/suspend.md):
 *
 *     state file says suspended   account            it is
 *     no                          any, or none       not suspended
 *     yes                         suspended is 0     not suspended: the suspend did not get so far
 *     yes                         1, or none         suspended
 */
#ifndef TESSERA_MANAGER_VGPU_SUSPEND_H
#define TESSERA_MANAGER_VGPU_SUSPEND_H

#include "manager/vgpu.h"

/* STATE/snapshots/NAME.tessera, malloc'ed. */
char *vgpu_snapshot_path(const struct manager *m, const char *name);

/*
 * The point of no return: the snapshot is whole, and its file, if any, has its name. On an error
 * nothing has changed. Then the workers leave; vgpu_is_away() comes when they have.
 */
int vgpu_commit_suspend(struct vgpu *v, const struct vgpu_suspended_state *s,
                        struct err *e);

/* Suspended, and gone on at another manager, at this socket: its programs are sent there. */
int vgpu_has_moved(struct vgpu *v, const char *socket, struct err *e);

/* Has the workers of a suspended vGPU leave. */
void vgpu_leave(struct vgpu *v);

/* The last of them has: account, turns and place are given back. */
void vgpu_put_away(struct vgpu *v);

/*
 * Takes its place (v->s says where; v->gpu is NULL) and makes an account that says suspended, for
 * workers that restore. vgpu_put_away() takes it back.
 */
int vgpu_take_place(struct vgpu *v, struct err *e);

/*
 * All sessions are there: the vGPU runs from now on. On an error it is suspended as before. is_new:
 * no state of it is there yet.
 */
int vgpu_commit_resume(struct vgpu *v, bool is_new, struct err *e);

/*
 * After a restart: what the rules say of a vGPU whose state says suspended. true: it is, and not
 * to be served as others are.
 */
bool vgpu_restore_suspended(struct vgpu *v);

/* After that: snapshots that no vGPU refers to, though they can only be of one of ours. */
void snapshots_sweep(struct manager *m);

#endif
