/* SPDX-License-Identifier: MIT */
/* What the files of an operation share. */
#ifndef TESSERA_MANAGER_OPERATION_INTERNAL_H
#define TESSERA_MANAGER_OPERATION_INTERNAL_H

#include "manager/frozen.h"
#include "manager/operation.h"
#include "manager/session.h"
#include "manager/snapshot_head.h"
#include "snapshot/snapshot.h"

enum part_state {
    PART_ASKED, /* PAUSE, or RESTORE */
    PART_PAUSED,
    PART_SAVING,
    PART_COPIED,
    PART_DONE, /* saved, or restored */
    PART_GONE, /* its session ended before anything of it was written */
};

/* One session of the vGPU. */
struct part {
    struct session *s; /* NULL: there is none yet, or no more */
    enum part_state state;
    uint64_t done, total;            /* bytes, as its worker tells */
    int fd;                          /* clone of a running one: its own file; else -1 */
    bool wanted;                     /* resume: its guest may still be there */
    char words[CONTROL_WORDS_BYTES]; /* what its worker said went wrong */
};

/* What has an operation of its kind do when something happens. */
struct operation_steps {
    void (*heard)(struct operation *op, struct part *p, const struct control_msg *msg);
    void (*session_gone)(struct operation *op, struct part *p, const char *why);
    void (*empty)(struct operation *op); /* no session is left; may be NULL */
    void (*abort)(struct operation *op); /* has failed; ends in operation_end() */
};

struct operation {
    struct list link; /* manager.operations */
    struct manager *m;
    struct request_operation r;
    struct operation_caller caller; /* all NULL: it is gone */
    const struct operation_steps *steps;
    struct vgpu *v;        /* that it works on now; NULL: none yet */
    int fd;                /* the snapshot; -1: its sessions' own files */
    int stop_fd;           /* an eventfd: readable once it is called off */
    struct err error;      /* why it failed */
    struct alarm *failing; /* aborts at the loop's next turn, when nobody is inside */
    bool aborting, committed, forgotten, awaits_kept;
    bool is_new, placed; /* resume: v was made for it; v has its place */
    uint64_t owner_uid;  /* of a vGPU that is made */
    off_t began_at;      /* resume: where in fd; below 0: it has no such place */

    struct snapshot_head *head;
    struct snapshot_file file; /* suspend, into our own folder */
    struct vgpu_state before;  /* resume: what it was */
    struct frozen frozen;      /* programs of CUDA's among its sessions: no parts */
    bool ours;      /* resume: the snapshot is of our own folder, nobody else's words */
    bool at_driver; /* the driver has begun to freeze or restore them */
    struct part parts[ACCOUNT_SLOTS];
    unsigned nparts, at; /* at: whose turn it is */
    uint64_t head_bytes, bytes, paused_ns, paused_ms;

    uint64_t told_ns; /* when the caller heard last how far it is */
    const char *phase;

    uv_work_t work; /* the one step beside the loop */
    bool working;
    int (*run)(struct operation *op, struct err *e);
    void (*then)(struct operation *op);
    struct err work_error;
};

/* Runs a step beside the loop, and `then` afterwards, unless it failed or was called off. */
void operation_work(struct operation *op, int (*run)(struct operation *op, struct err *e),
                    void (*then)(struct operation *op));

/*
 * It has failed: aborts later, when nothing of it runs and nobody is inside. The first words
 * count, and nothing more is heard.
 */
void operation_fail(struct operation *op, int rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void operation_fail_with(struct operation *op, const struct err *e);

/* Lets go of the vGPU: its guests, and other operations, come to it again. */
void operation_release(struct operation *op);
void operation_take(struct operation *op, struct vgpu *v, bool held);

/* Tells the caller, and frees it. */
void operation_end(struct operation *op);

void operation_tell(struct operation *op, const char *phase, bool now);

struct part *operation_part_of(struct operation *op, const struct session *s);

/* Both begin beside the loop. */
void suspend_begin(struct operation *op);
void resume_begin(struct operation *op);

/*
 * The head is read: makes the vGPU of that snapshot, which it gets a copy of, and lets it be
 * suspended.
 */
void adopt_begin(struct operation *op);

/*
 * Makes the vGPU that the operation is to make, in memory alone; *s says where it is, and how
 * large.
 */
int resume_make_new(struct operation *op, struct vgpu_state *s, struct err *e);
void resume_undo_new(struct operation *op);

/* The clone's second half: op->head and the parts' files are there. */
void resume_from_parts(struct operation *op);

#endif
