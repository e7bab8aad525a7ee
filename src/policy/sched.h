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
 * A vGPU's clock is the device time that it took, divided by its weight. Who is behind goes first,
 * and who overran waits until the others have caught up, however long that takes.
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

/*
 * One vGPU, as a policy sees it. The caller's memory: zeroed when the vGPU comes to this GPU, in
 * place from join to leave and until its last turn is charged, and kept between a leave and the
 * next join, since what it owes is kept there.
 */
struct sched_vgpu {
    struct list node;
    uint64_t share; /* set before join: what fixed share gives it, in SCHED_SHARE_ONE */
    bool joined;    /* it runs: started, not suspended, at least one session */
    bool ready;     /* it has commands that could go to the device now */
    /* The policy's own: */
    uint64_t clock_ns;     /* time taken, divided by the weight */
    uint64_t weight;       /* in SCHED_SHARE_ONE */
    uint64_t step_ns;      /* by how much a slice moves its clock */
    uint64_t inverse;      /* of its weight, as sched_set_weight() has it */
    uint64_t overrun_ns;   /* by how much its turns overran of late, at most */
    bool known;            /* a turn of its has been charged: overrun_ns says something */
    uint64_t under_way_ns; /* slices picked and not yet charged */
    uint64_t owed_ns;      /* while it has left: device time that it owes the others */
    uint64_t left_ns; /* the GPU's clock when it left; what was spent when it went idle */
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
    uint64_t clock_ns;        /* the GPU's: of one who has had just what it is due */
    uint64_t spent_ns;        /* device time charged, of all */
    uint64_t overrun_ns;      /* the most that a turn overran of late */
    uint64_t owed_most_ns;    /* the same, or what was charged as a debt */
};

/*
 * One policy: src/policy/sched_NAME.c. ready, idle and charge may be NULL where there is nothing
 * to do beside what sched.c does for all.
 */
struct sched_ops {
    const char *name, *summary;
    bool forgives; /* time pays off what a vGPU owes, also while it is away */
    /* Members or parameters have changed: sets each one's weight, nobody's too. */
    void (*weigh)(struct sched *s);
    /* The clock of one who has had just what it is due. */
    uint64_t (*due)(const struct sched *s);
    /* The member to go next (nobody, too); NULL: none. May set open. */
    struct sched_vgpu *(*pick)(struct sched *s, struct sched_turn *ret);
    void (*ready)(struct sched *s, struct sched_vgpu *v);
    void (*idle)(struct sched *s, struct sched_vgpu *v);
    /* v's clock has moved for a turn of its own, or (turn NULL) for a debt. */
    void (*charge)(struct sched *s, struct sched_vgpu *v, const struct sched_turn *turn);
};

extern const struct sched_ops *const sched_policies[SCHED_POLICIES];

/* "best-effort", "equal-share", "fixed-share"; false for another word. */
bool sched_policy_parse(const char *word, enum sched_policy *ret);
const char *sched_policy_word(enum sched_policy policy);

/* The share of one of at most max_instances; of framebuffer bytes on a GPU of gpu bytes. */
uint64_t sched_share_of_instances(unsigned max_instances);
uint64_t sched_share_of_bytes(uint64_t framebuffer, uint64_t gpu);

/* 2 ms, or 1 ms where the type allows more than 8 vGPUs on a GPU (as on vGPU). */
uint64_t sched_default_slice_ns(unsigned max_instances);

void sched_init(struct sched *s, enum sched_policy policy, const struct sched_params *p);

/*
 * Changes policy and parameters under way. What members overran stays charged, and what others
 * are behind for it stays theirs. Turns under way end by the terms they were picked under.
 */
void sched_change(struct sched *s, enum sched_policy policy,
                  const struct sched_params *p);

/* A joiner is owed nothing yet, and owes what it owed when it left. No effect when it is in. */
void sched_join(struct sched *s, struct sched_vgpu *v);
void sched_leave(struct sched *s, struct sched_vgpu *v);

/*
 * Under best effort, who was idle has saved up a slice at most. No effect when it is already. A
 * newcomer beside an open turn: charge that turn before, with what it has used so far, and the
 * rest as a debt once it has ended; otherwise the newcomer's wait for its end is not made up for.
 */
void sched_ready(struct sched *s, struct sched_vgpu *v);
void sched_idle(struct sched *s, struct sched_vgpu *v);

/*
 * The next turn; its slice is charged in advance. false: there is none to give (best effort: nobody
 * is ready; the others: nobody has joined).
 */
bool sched_pick(struct sched *s, struct sched_turn *ret);

/*
 * A turn has ended that took used_ns in truth. Each is charged; two of one vGPU that follow on each
 * other may be charged as one (the sum of their slices), and one in parts (the first with the whole
 * slice, the others with none).
 *
 * The owner of an owned one pays for the whole slice even if used_ns is less, as long as it is a
 * member; any other for used_ns. (Who cuts an owned turn short, or takes it back, clears `owned`
 * first.)
 */
void sched_charge(struct sched *s, const struct sched_turn *turn, uint64_t used_ns);

/* v took device time outside its turns (a first launch, whose compiler ran before it). */
void sched_debt(struct sched *s, struct sched_vgpu *v, uint64_t ns);

/*
 * What the policy promises v now, in SCHED_SHARE_ONE: best effort 1/ready (it counted as ready),
 * equal share 1/joined, fixed share its share with what elastic adds. 0: it has not joined.
 */
uint64_t sched_promised(const struct sched *s, const struct sched_vgpu *v);

#endif
