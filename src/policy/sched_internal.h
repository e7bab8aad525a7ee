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

/* Gives v its weight, and a step that fits it. */
void sched_set_weight(const struct sched *s, struct sched_vgpu *v, uint64_t weight);

/* A weight of one for each member, none for nobody. */
void sched_weigh_all_alike(struct sched *s);

/* The weighted mean of all clocks; s->clock_ns when there are none. */
uint64_t sched_mean(const struct sched *s);

#endif
