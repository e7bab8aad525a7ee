/* SPDX-License-Identifier: MIT */
/*
 * The arbiter of one GPU: a thread of its own that sleeps on the bell of the GPU's turns
 * (link/turn.h) and does what arbiter_core.h decides. The manager's thread calls what is here; each
 * call takes a lock that the arbiter holds for some microseconds at most.
 *
 *     arbiter_new ─▶ vGPUs added, sessions adopted ─▶ arbiter_run ─▶ ... ─▶ arbiter_free
 */
#ifndef TESSERA_MANAGER_ARBITER_H
#define TESSERA_MANAGER_ARBITER_H

#include "manager/arbiter_core.h"
#include "manager/loop.h"

#include <sys/types.h>

struct arbiter;

struct arbiter_terms {
    enum sched_policy policy;
    struct sched_params params;
    uint64_t watchdog_ns; /* 0: off */
};

/* Manager's thread: the session in that slot of that vGPU must end. */
typedef void arbiter_sentence_fn(void *arg, const char *vgpu, unsigned slot,
                                 enum arbiter_sentence why);

/* Opens or makes the GPU's turns at path. */
int arbiter_new(const char *path, const struct arbiter_terms *t, struct arbiter **ret);

/* Starts the thread. From now on gates are governed. */
int arbiter_run(struct arbiter *a, uv_loop_t *loop, arbiter_sentence_fn *sentence,
                void *arg);

/* Ends the thread; gates then know that there is no arbiter. Both accept NULL. */
void arbiter_stop(struct arbiter *a);
void arbiter_free(struct arbiter *a);

void arbiter_change(struct arbiter *a, const struct arbiter_terms *t);

/* vGPUs. share: what fixed share gives it, of SCHED_SHARE_ONE. NULL: no memory. */
struct arbiter_vgpu *arbiter_add_vgpu(struct arbiter *a, const char *name,
                                      uint64_t share);
void arbiter_set_share(struct arbiter *a, struct arbiter_vgpu *v, uint64_t share);

/* All its sessions have ended, or the arbiter has stopped. Frees v. */
void arbiter_remove_vgpu(struct arbiter *a, struct arbiter_vgpu *v);

/*
 * A number for the gate of a new session, or -EBUSY. desk: its own, where it has one (link/turn.h),
 * or NULL; there until the session has ended.
 */
int arbiter_begin_session(struct arbiter *a, struct arbiter_vgpu *v, unsigned slot,
                          struct turn_gate *desk);

/*
 * The gate of a session that began under a manager before us, in that slot of that vGPU. Returns
 * the number, -ENOENT: it has none.
 */
int arbiter_adopt_session(struct arbiter *a, struct arbiter_vgpu *v, unsigned slot,
                          struct turn_gate *desk);

/* The session's process is gone. */
void arbiter_end_session(struct arbiter *a, unsigned gate);

/* Wakes whoever keeps the gate: there is something else to see. */
void arbiter_nudge(struct arbiter *a, unsigned gate);

/* For workers: the file of the turns, to read and to write. The arbiter's own. */
void arbiter_files(const struct arbiter *a, int *ret_turns, int *ret_gate);

/* For gates with desks: the file of the turns to read, and their bell. The arbiter's own. */
void arbiter_desk_files(const struct arbiter *a, int *ret_turns, int *ret_bell);

/* What it has done. */
struct arbiter_report {
    uint64_t turns, cpu_ns;
    unsigned wanting; /* vGPUs that have commands waiting or on the device */
};

void arbiter_tell(struct arbiter *a, struct arbiter_report *ret);

/* What the policy promises v now, 0..1, below 0: nothing; and whether it works. */
double arbiter_promised(struct arbiter *a, const struct arbiter_vgpu *v, bool *ret_works);

/* Copies the log, the oldest first; returns how many entries, ARBITER_LOG at most. */
unsigned arbiter_log(struct arbiter *a, struct arbiter_entry *out);

#endif
