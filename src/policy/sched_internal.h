/* SPDX-License-Identifier: MIT */
/* What the policies share (sched.c). */
#ifndef TESSERA_POLICY_SCHED_INTERNAL_H
#define TESSERA_POLICY_SCHED_INTERNAL_H

#include "policy/sched.h"

extern const struct sched_ops sched_best_effort, sched_equal_share, sched_fixed_share;

#define sched_for_each(v, s)                                                             \
    for ((v) = sched_of((s)->members.next); &(v)->node != &(s)->members;                 \
         (v) = sched_of((v)->node.next))

static inline struct sched_vgpu *
sched_of(struct list *node)
{
    return container_of(node, struct sched_vgpu, node);
}

/* The least weight, 1/65536 (64 MiB of 4 TiB): a share of 0 would stop its owner's clock. */
#define SCHED_WEIGHT_MIN (SCHED_SHARE_ONE >> 16)

#define SCHED_INVERSE_SHIFT 16

/* Overruns are told apart up to 2 s; times any inverse that fits 64 bits. */
#define SCHED_OVERRUN_MAX_NS (UINT64_C(1) << 31)

/* Gives v its weight, and a step that fits it. */
void sched_set_weight(const struct sched *s, struct sched_vgpu *v, uint64_t weight);

/* A weight of one for each member, none for nobody. */
void sched_weigh_all_alike(struct sched *s);

/* The weighted mean of all clocks; s->clock_ns when there are none. */
uint64_t sched_mean(const struct sched *s);

/* About time / weight, by a multiplication: good to compare with. */
static inline uint64_t
sched_stretch(const struct sched_vgpu *v, uint64_t ns)
{
    return ns * v->inverse >> SCHED_INVERSE_SHIFT;
}

/*
 * Where its clock will be when its turns under way have ended, if they overrun as they did of late
 * (one never seen before: as any did). Without that one of long kernels would be picked again
 * before the first of them is known.
 */
static inline uint64_t
sched_foreseen(const struct sched *s, const struct sched_vgpu *v)
{
    const uint64_t overrun_ns = v->known ? v->overrun_ns : s->overrun_ns;

    return v->clock_ns + (v->under_way_ns > 0 ? sched_stretch(v, overrun_ns) : 0);
}

#endif
