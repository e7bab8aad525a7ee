/* SPDX-License-Identifier: MIT */
/*
 * Suspending, resuming and cloning vGPUs: what takes its time, tells how far it is, and can be
 * called off. Manager thread; what may block runs beside the loop, one step of an operation at a
 * time.
 *
 *     suspend   pausing ──▶ head ──▶ saving, session by session ──▶ kept ──▶ COMMIT ──▶ leaving
 *     resume    reading ──▶ place ──▶ restoring, session by session ──▶ COMMIT
 *     clone     of one that runs: pausing ──▶ saving all at once (they go on) ──▶ as resume
 *               of a suspended one: as resume
 *
 * Until its commit an operation that fails leaves all as it was, and says so only then.
 */
#ifndef TESSERA_MANAGER_OPERATION_H
#define TESSERA_MANAGER_OPERATION_H

#include "link/control.h"
#include "manager/vgpu.h"

struct operation;
struct session;

/* Who asked for it. None of them comes from within operation_start(). */
struct operation_caller {
    struct peer who;
    int fd; /* what is written to or read from; -1: none */
    void (*progress)(void *arg, const char *phase, uint64_t done, uint64_t total);
    void (*written)(void *arg, uint64_t bytes); /* operation_kept() is waited for */
    /*
     * The end; the operation is gone. e->code is 0 when all went well: then v, and how many bytes
     * the snapshot had and how long sessions were paused.
     */
    void (*ended)(void *arg, const struct err *e, const struct vgpu *v, uint64_t bytes,
                  uint64_t paused_ms);
    void *arg;
};

/* Begins one. The caller's fd is the operation's own in any case. */
int operation_start(struct manager *m, const struct request_operation *r,
                    const struct operation_caller *c, struct operation **ret,
                    struct err *e);

/* The caller has put the snapshot in its place. */
void operation_kept(struct operation *op);

/* Called off; no harm after the commit. */
void operation_cancel(struct operation *op, int rc, const char *why);

/* Lets go of all of them in memory: the next manager finds out what they came to. */
void operations_forget(struct manager *m);

/* What others tell: a message (false: not for the operation), ends of connections and sessions. */
bool operation_heard(struct operation *op, struct session *s,
                     const struct control_msg *msg);
void operation_worker_hung_up(struct operation *op, struct session *s);
void operation_session_gone(struct operation *op, struct session *s, const char *why);

/* The vGPU has no session any more. true: the operation goes on with it, or has. */
void operation_vgpu_empty(struct operation *op);

/* "suspending", "resuming", "cloning": the vGPU's state meanwhile; NULL: it is as it was. */
const char *operation_state_word(const struct operation *op, const struct vgpu *v);

#endif
