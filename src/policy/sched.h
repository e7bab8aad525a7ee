/* SPDX-License-Identifier: MIT */
/*
 * Schedulers: whose turn is it next on one GPU? A policy sees numbers and a time, never sockets,
 * GPUs or clocks; the same code runs in the arbiter (src/manager) and in `tessera simulate`.
 *
 *   best effort   work-conserving: whoever is ready and has had least goes next
 *   equal share   each running vGPU owns 1/N of the time, used or not
 *   fixed share   each vGPU owns a share of its own (1/most instances of its type; mixed sizes:
 *                 its framebuffer / the GPU's), always; what nobody owns passes idle
 *
 * Kernels cannot be cut, so a turn may last longer than its slice. What it took in truth is
 * charged: shares are exact to within one longest kernel.
 *
 *   caller:  join ─▶ ready ⇄ idle ─▶ leave      a vGPU's life
 *            pick ─▶ (the turn) ─▶ charge       one turn; the next may be picked before the
 *                                               charge of the one under way is known
 *
 * Not thread-safe; allocates nothing. Times in ns. All clocks are the caller's.
 */
#ifndef TESSERA_POLICY_SCHED_H
#define TESSERA_POLICY_SCHED_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

#define SCHED_SHARE_ONE (UINT64_C(1) << 32) /* the whole GPU */

#define SCHED_SLICE_MIN_NS UINT64_C(1000000)
#define SCHED_SLICE_MAX_NS UINT64_C(30000000)

enum sched_policy {
    SCHED_BEST_EFFORT,
    SCHED_EQUAL_SHARE,
    SCHED_FIXED_SHARE,
    SCHED_POLICIES,
};

/* One vGPU, as a policy sees it. The caller's memory, in place from join to leave. */
struct sched_vgpu {
    struct list node;
    uint64_t share; /* set before join: what fixed share gives it, in SCHED_SHARE_ONE */
    bool joined;    /* it runs: started, not suspended, at least one session */
    bool ready;     /* it has commands that could go to the device now */
    uint64_t clock_ns; /* the policy's: time taken, divided by the weight */
};

struct sched_params {
    uint64_t slice_ns;
    /*
     * Fixed share alone: by how many percent of its own a share may grow while time is left
     * that nobody owns; 0: not at all (the default, as on vGPU).
     */
    unsigned elastic_percent;
};

struct sched_turn {
    struct sched_vgpu *vgpu; /* NULL: time that nobody owns; the GPU idles through it */
    uint64_t slice_ns;
    bool owned; /* the slice passes with its owner, whether used or not */
    bool open;  /* nobody else is ready: it goes on until somebody is */
};

struct sched {
    enum sched_policy policy;
    struct sched_params params;
    struct list members; /* struct sched_vgpu by node, joined */
    unsigned n_members, n_ready;
    struct sched_vgpu nobody; /* fixed share: who owns what no vGPU does */
};

/* One policy: src/policy/sched_NAME.c. All but the names may be NULL where there is nothing to do. */
struct sched_ops {
    const char *name, *summary;
    void (*join)(struct sched *s, struct sched_vgpu *v);
    void (*leave)(struct sched *s, struct sched_vgpu *v);
    void (*ready)(struct sched *s, struct sched_vgpu *v);
    void (*idle)(struct sched *s, struct sched_vgpu *v);
    bool (*pick)(struct sched *s, struct sched_turn *ret);
    void (*charge)(struct sched *s, struct sched_vgpu *v, int64_t more_ns);
};

extern const struct sched_ops *const sched_policies[SCHED_POLICIES];

/* "best-effort", "equal-share", "fixed-share"; false for another word. */
bool sched_policy_parse(const char *word, enum sched_policy *ret);
const char *sched_policy_word(enum sched_policy policy);

/* 2 ms, or 1 ms where the type allows more than 8 vGPUs on a GPU (as on vGPU). */
uint64_t sched_default_slice_ns(unsigned max_instances);

void sched_init(struct sched *s, enum sched_policy policy, const struct sched_params *p);

/* Changes policy and parameters under way; what members overran stays charged. */
void sched_change(struct sched *s, enum sched_policy policy,
                  const struct sched_params *p);

void sched_join(struct sched *s, struct sched_vgpu *v);
void sched_leave(struct sched *s, struct sched_vgpu *v);
void sched_ready(struct sched *s,
                 struct sched_vgpu *v); /* no effect when it is already */
void sched_idle(struct sched *s, struct sched_vgpu *v);

/*
 * The next turn; its slice is charged in advance. false: there is none to give (best effort:
 * nobody is ready; the others: nobody has joined).
 */
bool sched_pick(struct sched *s, struct sched_turn *ret);

/*
 * A turn has ended that took used_ns in truth. Under equal and fixed share the owner pays for the
 * whole slice even if used_ns is less; under best effort for used_ns.
 */
void sched_charge(struct sched *s, const struct sched_turn *turn, uint64_t used_ns);

/* v took device time outside its turns (a first launch, whose compiler ran before it). */
void sched_debt(struct sched *s, struct sched_vgpu *v, uint64_t ns);

#endif
