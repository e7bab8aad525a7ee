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
 * The launch of a graph, whose nodes allocate so many bytes at most, and which has had them in the
 * pool's age (0: never): what it may add to the pool is taken of the framebuffer. -ENOSPC. In the
 * same age they are there still.
 */
struct pool_launch {
    void *pool;     /* NULL: there is none */
    uint64_t bytes; /* that were taken */
    unsigned age; /* of the pool: each time that it lets go of something it is another */
};
int pool_launch_begins(struct pool_launch *l, void *pool, const struct vgpu *v,
                       uint64_t bytes, unsigned age);

/* After the driver, whose word is what it has added. */
void pool_launch_ended(const struct pool_launch *l);

/* Has the pool so much, for whomever? */
bool pool_keeps(void *pool, uint64_t bytes);

/* cuDeviceGraphMemTrim() of a device that has such a pool. */
int pool_trim_graphs(int device);

/* The pools of graphs: what do they keep now? */
void pools_settle_graphs(void);

/* Does none keep anything, as far as was told when we last looked? Waits for nobody. */
bool pools_keep_nothing(void);

/* All pools let go of what they can; true: that was something. */
bool pools_trim(void);

/* It is destroyed: what it kept is free. */
void pool_forget(void *pool);

#endif
