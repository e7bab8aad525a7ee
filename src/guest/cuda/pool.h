/* SPDX-License-Identifier: MIT */
/*
 * Stream-ordered memory comes of pools, which keep what is freed (CUDA driver API, 6.15). The
 * account holds what the program has of a pool and what that keeps beside it, as the driver tells.
 * What graphs allocate comes of a pool of its own on each device (6.21), of which the program has
 * nothing, and that keeps all.
 */
#ifndef TESSERA_GUEST_CUDA_POOL_H
#define TESSERA_GUEST_CUDA_POOL_H

#include "guest/cuda/vgpu.h"

/* The pool that cuMemAllocAsync() takes from in the current context; NULL: the driver has none. */
void *pool_current(void);

/* The one for graphs. */
void *pool_of_graphs(int device);

/* A new one, of that vGPU; and whose it is, NULL: nobody has said. */
void pool_begins(void *pool, const struct vgpu *v);
const struct vgpu *pool_vgpu(void *pool);

/* Before the driver is asked: of what the pool keeps, and of the framebuffer. -ENOSPC. */
int pool_take(void *pool, const struct vgpu *v, uint64_t bytes);

/* The program has them no more, or never had. */
void pool_give(void *pool, const struct vgpu *v, uint64_t bytes);

/* After the driver: what does the pool keep now? What does not fit, it has to let go. */
void pool_settle(void *pool);

/*
 * Of the framebuffer: so much a launch may add to the pool of graphs. -ENOSPC. After the launch
 * they are given back, and pool_settle() finds what it has added.
 */
int pool_expect(void *pool, const struct vgpu *v, uint64_t bytes);
void pool_expects_no_more(void *pool, uint64_t bytes);

/* All pools let go of what they can; true: that was something. */
bool pools_trim(void);

/*
 * Counted up each time that they did: what was in the pool of graphs before may be there no
 * more.
 */
unsigned pools_age(void);
void pools_trimmed(void);

/* It is destroyed: what it kept is free. */
void pool_forget(void *pool);

#endif
