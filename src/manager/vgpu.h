/* SPDX-License-Identifier: MIT */
/*
 * A vGPU: its place on a GPU, its account, the socket where its guests connect,
 * and the sessions that they have. Manager thread only.
 *
 *     created ──▶ idle ◀──▶ running ──▶ deleting ──▶ gone (waiters are told)
 *                   ▲          │
 *                   └── suspended ◀┘   (suspend.c, resume.c)
 *     loaded ───▶ unavailable, when its GPU is not there or no longer holds it
 */
#ifndef TESSERA_MANAGER_VGPU_H
#define TESSERA_MANAGER_VGPU_H

#include "base/err.h"
#include "base/list.h"
#include "link/account.h"
#include "manager/loop.h"
#include "manager/manager.h"
#include "manager/peer.h"
#include "manager/request.h"
#include "manager/vgpu_state.h"

#include <jansson.h>

/*
 * Why a session of this vGPU was ended. number counts them, so that a caller can tell
 * whether one happened while it looked.
 */
struct vgpu_error {
    uint64_t number; /* 0 = none yet */
    int64_t unix_s;
    pid_t pid; /* the worker's */
    char program[ACCOUNT_PROGRAM_BYTES];
    char words[ACCOUNT_REASON_BYTES];
};

/* What the ended sessions had done, so that the sums never fall. */
struct vgpu_totals {
    uint64_t sessions, commands, copied_bytes, kicks, busy_ns, kernels, compile_ns,
        waited_ns, turns, used_ns, debt_ns, overruns, overrun_ns;
    uint64_t lengths[LENGTHS_BUCKETS]; /* of kernels */
};

struct vm;
struct operation;

struct vgpu {
    struct list link; /* manager.vgpus */
    struct manager *m;
    struct vgpu_state s;
    struct gpu *gpu;   /* NULL = its GPU is not there, or holds it no more */
    char *unavailable; /* why it cannot be used, owned; NULL = it can */
    char *folder;      /* RUNTIME/vgpus/NAME, owned */
    struct watch *listener;
    struct watch *programs; /* listens for those that are served in their own process */
    struct watch *lookers;  /* and for those that look at what is used */
    struct watch *container_programs, *container_lookers; /* the same in containers */
    struct vm *vm; /* what a virtual machine needs (vm.h); NULL: none has it */
    char
        *container_folder; /* RUNTIME/vgpus/NAME/container, owned; NULL: nobody listens */
    struct watch *container;      /* listens there */
    struct account_page *account; /* NULL with passthrough, but in a virtual machine */
    int account_fd;
    struct list sessions; /* struct session */
    unsigned nsessions;
    unsigned clearing;   /* sessions that are over, but for their memory */
    struct watch *owner; /* ephemeral: pidfd of the process it lives with */
    struct vgpu_error last_error;
    struct vgpu_totals past;
    struct arbiter *arbiter;    /* of its GPU; NULL: it is ungoverned */
    struct arbiter_vgpu *turns; /* there */
    uint64_t noted_ns; /* when the span of the log began that holds `noted` errors */
    unsigned noted;
    uint64_t refused_ns; /* when a guest was last turned away: keeps the log short */
    bool deleting;
    struct alarm *grace; /* deleting: when patience with the workers ends */
    struct list waiters; /* struct vgpu_waiter */

    struct operation *operation; /* that it is part of (operation.h); NULL: of none */
    bool held;                   /* its guests have to wait for the operation's end */
    bool leaving;                /* suspended, but workers are still about to leave */
    struct alarm *patience;      /* leaving: when patience with them ends */
    unsigned nwaiting;           /* sessions whose guests have yet to come back */
    struct list parked;          /* guests that wait (guests.h) */
    unsigned nparked;
    struct alarm *tick; /* guests.c */
};

/* Adds what a session's gate has counted. */
void vgpu_totals_add(struct vgpu_totals *t, const struct gate_page *g);

/* Told once when a vGPU is gone; `last` (borrowed) is how it looked at the end. */
struct vgpu_waiter {
    struct list link;
    void (*gone)(struct vgpu_waiter *w, json_t *last);
    void *arg; /* the waiter's own */
};

/* Makes a vGPU. On any error nothing is left behind. *ret belongs to the manager. */
int vgpu_create(struct manager *m, const struct request_create *r,
                const struct peer *peer, struct vgpu **ret, struct err *e);

/*
 * Takes over all vGPUs of the state folder from the manager before us, with the
 * sessions that still run. What cannot be used is warned of and does not keep
 * the others away; sessions and folders that belong to no vGPU any more are
 * ended and removed.
 */
void vgpu_restore_all(struct manager *m);

/* Where containers have the guests' library: in their tessera.icd, and told by the control API. */
#define VGPU_CONTAINER_LIBRARY "/usr/lib/tessera/libtessera-opencl.so"

struct vgpu *vgpu_find(const struct manager *m, const char *name);

/* Is there the session that a file's name, NAME.SLOT[.ENDING], says? */
bool vgpu_slot_file_is_used(const struct manager *m, const char *entry);

/*
 * Ends all sessions (SIGTERM, after a grace SIGKILL), then removes every trace.
 * w may be NULL; its link is taken out of the list before it is called.
 */
void vgpu_delete(struct vgpu *v, struct vgpu_waiter *w);

/* Lets go of the vGPU in memory; sessions and files stay for the next manager. */
void vgpu_forget(struct vgpu *v);

/* A session's process is gone and the session freed. */
void vgpu_session_gone(struct vgpu *v);

/* Notes why a session was ended (words are any bytes) and logs it. */
void vgpu_note_error(struct vgpu *v, pid_t pid, const char *program, const char *words);

/* The same without the log. */
void vgpu_remember_error(struct vgpu *v, pid_t pid, const char *program,
                         const char *words);

/* One line of the log a second about guests that are turned away is enough: may it be this one? */
bool vgpu_refusal_is_news(struct vgpu *v);

const char *vgpu_state_word(const struct vgpu *v);

/* A GPU as the placement policy wants to see it; ended by vgpu_placement_fini(). */
int vgpu_placement_of_gpu(const struct manager *m, const struct gpu *g,
                          struct placement_gpu *ret);
void vgpu_placement_fini(struct placement_gpu *p);

#endif
