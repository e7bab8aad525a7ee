/* SPDX-License-Identifier: MIT */
/*
 * Programs of CUDA's whose vGPU is suspended: they stay in the machine's memory. They are held,
 * CUDA's driver puts aside what they have on the GPU (tessera-worker --checkpoint), and they wait;
 * when the vGPU is resumed, on whatever GPU, the driver brings it back, and they go on.
 *
 *     suspend   hold ─▶ await ─▶ freeze ─▶ leave: the sessions end, not the programs
 *     resume    sessions made anew ─▶ restore ─▶ unlock ─▶ each asks for its grant, and gets that
 */
#ifndef TESSERA_MANAGER_FROZEN_H
#define TESSERA_MANAGER_FROZEN_H

#include "link/account.h"
#include "manager/snapshot_head.h"
#include "manager/vgpu.h"

struct frozen {
    unsigned n;
    struct {
        pid_t pid;
        struct account_slot *slot;
    } of[ACCOUNT_SLOTS];
    const char *worker;            /* the program */
    char driver[PATH_MAX];         /* "": there is none */
    char gpus[2 * GPU_TEXT_BYTES]; /* OLD=NEW, "": the same */
};

/*
 * May they be put aside? One that a manager before us let in is known by what its account says,
 * which it can write: it must be the owner's.
 */
int frozen_check(const struct vgpu *v, struct err *e);

/* Those of the vGPU that may, and what a helper needs for them. */
void frozen_collect(struct vgpu *v, struct frozen *ret);

/* Tells them to hold, to go on, or to ask for a grant. */
void frozen_tell(struct vgpu *v, enum slot_hold hold);

/* Beside the loop: until all of them hold. -ECANCELED: stop_fd is readable. */
int frozen_await(const struct frozen *f, int stop_fd, struct err *e);

/*
 * Beside the loop: has the driver do it ("freeze", "restore", "unlock", "thaw"). -ECANCELED:
 * stop_fd (-1: there is none) is readable, and it may be half done; -ETIMEDOUT: the same, it hangs.
 */
int frozen_run(const struct frozen *f, const char *action, int stop_fd, struct err *e);

/* The same where a failure can only be told to the log. */
void frozen_try(const struct frozen *f, const char *action, const char *vgpu);

/* At the manager's start: what a suspend or resume of before has left half done goes on. */
void frozen_go_on(struct vgpu *v);

/* The same of a vGPU that is suspended: they have nothing on the GPU. */
void frozen_stay(struct vgpu *v);

/* Its vGPU, which is suspended, is deleted: they are told to end, and have no GPU. */
void frozen_end(const struct vgpu *v);

/* For a snapshot's head. */
void frozen_describe(const struct vgpu *v, const char *boot_id, struct snapshot_head *h);

/* Makes sessions of those that are still there, and collects them. */
int frozen_sessions(struct vgpu *v, const struct snapshot_head *h, const char *boot_id,
                    struct frozen *ret, struct err *e);

#endif
