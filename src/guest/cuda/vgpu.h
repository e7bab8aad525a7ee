/* SPDX-License-Identifier: MIT */
/*
 * The vGPUs of this process, by the account that the manager grants it for each (link/grant.h).
 * TESSERA_VGPU names their folders, or they are mounted (opencl/find.h); those with CUDA are the
 * process's devices, in that order: `tessera run` has set CUDA_VISIBLE_DEVICES so, and where nobody
 * has named vGPUs, in a container, we do, before the driver looks.
 *
 * A child of fork() asks for grants of its own, as soon as it needs them.
 */
#ifndef TESSERA_GUEST_CUDA_VGPU_H
#define TESSERA_GUEST_CUDA_VGPU_H

#include "link/grant.h"

struct turns;

struct vgpu {
    struct account_page *account;
    unsigned slot;         /* there: ours */
    struct turn_view view; /* of our gate; its file is NULL: nobody governs */
    char device[GRANT_DEVICE_BYTES];
    char *folder;          /* where it was granted */
    uint64_t pinned_limit; /* bytes of the host's memory, of all its programs together */
};

/* Asks for the grants, once in a process. 0, also without vGPUs; a negative errno: the manager
 * does not grant one, and without it the process may have no device. */
int vgpus_open(void);

/* Its device. */
int vgpu_device(const struct vgpu *v);

/* The vGPU that this device is; NULL: none is, nothing is limited. */
const struct vgpu *vgpu_of_device(int device);

/* The current context's device, and the vGPU that it is. false: there is no context. */
bool current_device(int *ret);
const struct vgpu *vgpu_current(void);

/*
 * Before the driver is asked for anything: sleeps while a vGPU of the process is suspended, as the
 * driver would. false: one is gone for good.
 */
bool vgpus_wait_while_held(void);

/* Its turns, and those of the current context's device; NULL: nobody governs. */
struct turns *turns_of_device(int device);
struct turns *turns_of_current(void);

/* Takes bytes of its framebuffer: 0, or -ENOSPC, and nothing changes. */
int vgpu_take(const struct vgpu *v, uint64_t bytes);
void vgpu_give(const struct vgpu *v, uint64_t bytes);

/* The same for memory of the host that is pinned for the device. */
int vgpu_pin(const struct vgpu *v, uint64_t bytes);
void vgpu_unpin(const struct vgpu *v, uint64_t bytes);

/*
 * Takes as much of the bytes as there is without asking anybody for what he does not need, and
 * returns how much that was: the driver has them anyhow.
 */
uint64_t vgpu_take_what_fits(const struct vgpu *v, uint64_t bytes);

#endif
