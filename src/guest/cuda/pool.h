/* SPDX-License-Identifier: MIT */
/*
 * Stream-ordered memory comes of pools, which keep what is freed (CUDA driver API, 6.15). The
 * account holds what the program has of a pool and what that keeps beside it, as the driver tells.
 */
#ifndef TESSERA_GUEST_CUDA_POOL_H
#define TESSERA_GUEST_CUDA_POOL_H

#include "guest/cuda/vgpu.h"

/* The pool that cuMemAllocAsync() takes from in the current context; NULL: the driver has none. */
void *pool_current(void);

/* Before the driver is asked: of what the pool keeps, and of the framebuffer. -ENOSPC. */
int pool_take(void *pool, const struct vgpu *v, uint64_t bytes);

/* The program has them no more, or never had. */
void pool_give(void *pool, const struct vgpu *v, uint64_t bytes);

/* After the driver: what does the pool keep now? What does not fit, it has to let go. */
void pool_settle(void *pool);

/* All pools let go of what they can; true: that was something. */
bool pools_trim(void);

/* It is destroyed: what it kept is free. */
void pool_forget(void *pool);

#endif
