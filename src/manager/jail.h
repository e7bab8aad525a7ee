/* SPDX-License-Identifier: MIT */
/*
 * What the manager does for the workers' jail: folders of their own, and the options that make a
 * worker close it. The jail itself is the worker's (src/worker/jail.h).
 *
 *     RUNTIME/cache/NAME        the driver's caches of a named vGPU
 *     RUNTIME/cache/.owner-UID  those of one owner's ephemeral vGPUs: all that owner's programs
 *     RUNTIME/cache/.GPU        with --share-cache: of all vGPUs of a GPU
 *     RUNTIME/tmp/NAME.SLOT     temporary files of one session
 *
 * Where the manager is root each cache has a user of its own, and its workers run as that user.
 * The folder's owner is the only record of who that is.
 */
#ifndef TESSERA_MANAGER_JAIL_H
#define TESSERA_MANAGER_JAIL_H

#include "manager/strv.h"
#include "manager/vgpu.h"

/* Where a worker may write. Owned words. */
struct jail_folders {
    char *cache, *tmp;
};

/* Finds out, at the start, what can be done here, and warns of what cannot. */
void jail_init(struct manager *m);

/*
 * Makes the folders for a session and adds the worker's arguments. The temporary folder is
 * removed by jail_session_over(), *ret by jail_folders_fini().
 */
int jail_prepare(const struct vgpu *v, unsigned slot, struct strv *argv,
                 struct jail_folders *ret);
void jail_folders_fini(struct jail_folders *f);

/* The session's worker is gone, or never was. */
void jail_session_over(const struct vgpu *v, unsigned slot);

/*
 * Programs of CUDA's, where the kernel accounts for the card's memory: holds those of the vGPU's
 * group to its framebuffer, and has that process be one of them. A failure is told to the log.
 */
void jail_limit_programs(const struct vgpu *v);
void jail_add_program(struct vgpu *v, pid_t pid);

/* The vGPU is gone, and all its sessions. */
void jail_vgpu_over(const struct vgpu *v);

/* After a restart: removes what belongs to no vGPU and no session. */
void jail_sweep(struct manager *m);

/* Of that only control groups without a vGPU. False: one has a process and stays. */
bool jail_remove_groups(const struct manager *m);

#endif
