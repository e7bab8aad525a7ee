/* SPDX-License-Identifier: MIT */
/* Resuming a vGPU, also under a name that is new; and the second half of every clone. */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "manager/guests.h"
#include "manager/operation_internal.h"
#include "manager/session_program.h"
#include "manager/vgpu_internal.h"
#include "manager/vgpu_suspend.h"
#include "manager/vm.h"
#include "manager/words.h"
#include "manager/worker_link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>

static void restore_next(struct operation *op);

/* ---- the head --------------------------------------------------------------------------- */

static int
open_ours(struct operation *op, struct err *e)
{
    _cleanup_free_ char *path = vgpu_snapshot_path(op->m, op->r.vgpu);

    if (!path)
        return err_set(e, -ENOMEM, "out of memory");
    op->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    op->ours = true;
    return op->fd < 0 ? err_set(e, -errno, "cannot open %s: %s", path, strerror(errno))
                      : 0;
}

static int
read_head(struct operation *op, struct err *e)
{
    const int rc = op->fd < 0 ? open_ours(op, e) : 0;

    op->began_at = op->fd >= 0 ? lseek(op->fd, 0, SEEK_CUR) : 0;
    return rc == 0 ? snapshot_head_read(op->fd, op->stop_fd, op->head, e) : rc;
}

/* ---- a place ---------------------------------------------------------------------------- */

/* Of a vGPU that is new: all that its place does not say. */
static int
describe_new(struct operation *op, struct vgpu_state *s, struct err *e)
{
    const char *name = op->r.kind == OPERATION_CLONE ? op->r.name : op->r.vgpu;
    const struct vgpu *other = vgpu_find(op->m, name);

    if (other)
        return err_set(e, -EEXIST, "a vGPU '%s' exists already", name);
    text_copy(s->name, sizeof s->name, name);
    s->owner_uid = op->owner_uid;
    s->created_unix = (uint64_t)time(NULL);
    s->suspended.number = op->head->number;
    return vgpu_pick_uuid(s, e);
}

int
resume_make_new(struct operation *op, struct vgpu_state *s, struct err *e)
{
    int rc = describe_new(op, s, e);
    struct vgpu *v = rc == 0 ? vgpu_new(op->m, s) : NULL;

    if (rc < 0)
        return rc;
    if (!v) {
        err_set(e, -ENOMEM, "out of memory");
        return -ENOMEM;
    }
    vgpu_insert(v);
    op->is_new = true;
    operation_take(op, v, true);
    return 0;
}

/* Its guests may find it, and maybe are still there. */
static bool
is_wanted(const struct operation *op, const struct snapshot_session *s,
          const char *boot_id)
{
    if (s->vm_port)
        return !op->is_new && op->v->vm;
    if (op->is_new)
        return true;
    return strcmp(s->boot_id, boot_id) == 0 && guest_may_live(&s->guest);
}

static void
make_parts(struct operation *op)
{
    char boot_id[BOOT_ID_BYTES];

    boot_id_read(boot_id, sizeof boot_id);
    op->nparts = op->head->nsessions;
    op->at = 0;
    for (unsigned i = 0; i < op->nparts; i++) {
        struct part *p = &op->parts[i];

        p->s = NULL;
        p->state = PART_ASKED;
        p->done = p->total = 0;
        p->wanted = is_wanted(op, &op->head->sessions[i], boot_id);
    }
}

static int
find_place(struct operation *op, struct vgpu_state *s, struct err *e)
{
    char size[SIZE_TEXT_BYTES];
    const char *home = op->v ? op->v->s.gpu : op->head->gpu;
    int rc = vgpu_place_again(op->m, op->head->framebuffer_bytes, op->r.gpu, home, s, e);

    if (rc == 0)
        return 0;
    size_format(op->head->framebuffer_bytes, size, sizeof size);
    return err_wrap(e, "no room for '%s', which has %s (delete or suspend another vGPU)",
                    op->r.vgpu, size);
}

/* Programs of a machine that is not there would be given memory that it overwrites when it is. */
static int
check_machine(const struct operation *op, struct err *e)
{
    const struct vgpu *v = op->v;
    bool any = false;

    for (unsigned i = 0; i < op->head->nsessions; i++)
        any = any || op->head->sessions[i].vm_port != 0;
    if (!any || !v || !v->vm || vm_connected(v) > 0)
        return 0;
    return err_set(
        e, -EBUSY,
        "programs of the virtual machine %s%swere using '%s', and it does not run: "
        "tessera vm resume DOMAIN, or, to do without them, tessera vm detach",
        v->s.vm.domain, v->s.vm.domain[0] ? " " : "", v->s.name);
}

static int
settle(struct operation *op, struct err *e)
{
    struct vgpu_state s = op->v ? op->v->s : (struct vgpu_state){0};
    int rc = check_machine(op, e);

    /* A file of somebody's may name any process. */
    if (rc == 0 && op->head->nprograms > 0 && (!op->v || !op->ours))
        rc = err_set(
            e, -EOPNOTSUPP,
            "%u of its programs are CUDA's, and wait in the memory of the machine "
            "where it was suspended: only 'tessera resume %s' there goes on with "
            "them",
            op->head->nprograms, op->head->name);
    if (rc == 0)
        rc = find_place(op, &s, e);
    if (rc == 0 && !op->v)
        rc = resume_make_new(op, &s, e);
    if (rc < 0)
        return rc;
    rc = vm_check_size(op->v, s.framebuffer_bytes, e);
    if (rc < 0)
        return rc;
    op->before = op->v->s;
    op->v->s = s;
    op->placed = true;
    return vgpu_take_place(op->v, e);
}

static void
begin_restoring(struct operation *op)
{
    _cleanup_err_ struct err e = ERR_INIT;

    if (settle(op, &e) < 0) {
        operation_fail_with(op, &e);
        return;
    }
    op->v->held = true;
    make_parts(op);
    operation_tell(op, "restoring", true);
    restore_next(op);
}

static void
head_read(struct operation *op)
{
    char number[SNAPSHOT_NUMBER_BYTES];
    struct vgpu *v = op->v;

    if (v && v->s.suspended.number != op->head->number) {
        snapshot_number_format(v->s.suspended.number, number);
        operation_fail(op, -EINVAL,
                       "this snapshot is not the one that '%s' was suspended into "
                       "(number %s)",
                       v->s.name, number);
        return;
    }
    /* A clone's source is free for others: its file stays open here. */
    if (op->r.kind == OPERATION_CLONE)
        operation_release(op);
    if (op->r.suspended)
        adopt_begin(op);
    else
        begin_restoring(op);
}

/* ---- restoring -------------------------------------------------------------------------- */

/* Nobody waits for that session: its stream is read over, and checked. */
static int
skip(struct operation *op, struct err *e)
{
    struct snapshot_reader *r = NULL;
    struct snapshot_section section = {.kind = 1};
    int rc = snapshot_reader_new_until(op->fd, op->stop_fd, &r, e);

    while (rc == 0 && section.kind != 0)
        rc = snapshot_next(r, &section, e);
    snapshot_reader_free(r);
    return rc;
}

static void
skipped(struct operation *op)
{
    op->parts[op->at++].state = PART_DONE;
    restore_next(op);
}

static void
restore(struct operation *op, struct part *p)
{
    const struct control_msg m = {
        .op = CONTROL_RESTORE, .a = op->r.kind != OPERATION_CLONE, .b = op->head->number};
    const struct snapshot_session *from = &op->head->sessions[op->at];
    int rc = session_restore(op->v, op->head, from, !op->is_new, &p->s);

    if (rc < 0) {
        operation_fail(op, rc, "no worker for the session of '%s': %s", from->program,
                       strerror(-rc));
        return;
    }
    guests_send_to(p->s);
    rc = session_tell(p->s, &m, op->fd >= 0 ? op->fd : p->fd);
    if (rc < 0)
        operation_fail(op, rc, "worker %d is gone", (int)p->s->pid);
}

/* Of a pipe only workers know, and say no more than they like. */
static uint64_t
bytes_read(const struct operation *op)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < op->nparts; i++) {
        const off_t at = op->fd < 0 ? lseek(op->parts[i].fd, 0, SEEK_CUR) : 0;

        bytes += at > 0 ? (uint64_t)at : 0;
    }
    if (op->fd >= 0) {
        const off_t at = lseek(op->fd, 0, SEEK_CUR);

        return at >= 0 && at >= op->began_at ? (uint64_t)(at - op->began_at) : op->bytes;
    }
    return bytes;
}

/* It runs. One that does not go on is no reason for the others to stay. */
static int
unlock(struct operation *op, struct err *e)
{
    (void)e;
    frozen_try(&op->frozen, "unlock", op->r.vgpu);
    return 0;
}

static void
unlocked(struct operation *op)
{
    frozen_tell(op->v, SLOT_GOES_ON);
    operation_end(op);
}

static void
commit(struct operation *op)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct vgpu *v = op->v;

    if (vgpu_commit_resume(v, op->is_new, &e) < 0) {
        operation_fail_with(op, &e);
        return;
    }
    op->committed = true;
    op->bytes = bytes_read(op);
    for (struct list *l = v->sessions.next; l != &v->sessions; l = l->next) {
        struct session *s = container_of(l, struct session, link);

        if (!s->in_process)
            session_tell_op(s, CONTROL_CONTINUE);
    }
    log_info("vGPU '%s': resumed on %s with %u sessions", v->s.name, v->s.gpu,
             v->nsessions);
    if (op->frozen.n > 0)
        operation_work(op, unlock, unlocked);
    else
        operation_end(op);
}

static int
restore_programs(struct operation *op, struct err *e)
{
    op->at_driver = true;
    return frozen_run(&op->frozen, "restore", op->stop_fd, e);
}

static void
restored_all(struct operation *op)
{
    _cleanup_err_ struct err e = ERR_INIT;
    char boot_id[BOOT_ID_BYTES];

    boot_id_read(boot_id, sizeof boot_id);
    if (frozen_sessions(op->v, op->head, boot_id, &op->frozen, &e) < 0)
        operation_fail_with(op, &e);
    else if (op->frozen.n > 0)
        operation_work(op, restore_programs, commit);
    else
        commit(op);
}

static void
restore_next(struct operation *op)
{
    if (op->at == op->nparts)
        restored_all(op);
    else if (op->parts[op->at].wanted)
        restore(op, &op->parts[op->at]);
    else
        operation_work(op, skip, skipped);
}

static void
heard(struct operation *op, struct part *p, const struct control_msg *msg)
{
    const struct snapshot_session *from = &op->head->sessions[p - op->parts];

    if (msg->op != CONTROL_RESTORED || p->state != PART_ASKED ||
        p != &op->parts[op->at]) {
        operation_fail(op, -EPROTO, "worker %d answers %u, out of turn", (int)p->s->pid,
                       msg->op);
        return;
    }
    if (memcmp(msg->token, from->token, sizeof from->token) != 0) {
        operation_fail(op, -EBADMSG, "the snapshot's sessions are not in its order");
        return;
    }
    p->state = PART_DONE;
    p->done = p->total;
    op->bytes += p->total <= INT64_MAX - op->bytes ? p->total : 0;
    op->at++;
    operation_tell(op, "restoring", false);
    restore_next(op);
}

static void
session_gone(struct operation *op, struct part *p, const char *why)
{
    operation_fail(op, -EIO, "a session ended meanwhile: %s",
                   why           ? why
                   : p->words[0] ? p->words
                                 : "its guest has left");
}

/* ---- failing ---------------------------------------------------------------------------- */

void
resume_undo_new(struct operation *op)
{
    struct vgpu *v = take_ptr(op->v);

    v->operation = NULL;
    v->held = false;
    v->s = op->before;
    if (v->deleting)
        vgpu_session_gone(v);
    else
        vgpu_delete(v, NULL);
    operation_end(op);
}

/* Nobody holds anything of its place any more. */
static void
undo(struct operation *op)
{
    struct vgpu *v = op->v;

    if (op->is_new) {
        resume_undo_new(op);
        return;
    }
    vgpu_put_away(v);
    v->s = op->before;
    operation_end(op);
}

static void
empty(struct operation *op)
{
    if (op->aborting && op->placed)
        undo(op);
}

static void
resume_abort(struct operation *op)
{
    struct vgpu *v = op->v;
    struct list *l, *tmp;

    if (!op->placed) {
        if (op->is_new)
            resume_undo_new(op);
        else
            operation_end(op);
        return;
    }
    /* Called off in the middle: what was restored lets go of the GPU. This once the loop waits. */
    if (op->at_driver)
        frozen_try(&op->frozen, "again", op->r.vgpu);
    list_for_each_safe(l, tmp, &v->sessions)
    {
        struct session *s = container_of(l, struct session, link);

        if (s->in_process)
            session_program_leave(s);
        else
            session_end(s, SIGKILL);
    }
    if (v->nsessions + v->clearing == 0)
        undo(op);
}

/* ---- beginning -------------------------------------------------------------------------- */

static const struct operation_steps resume_steps = {
    .heard = heard,
    .session_gone = session_gone,
    .empty = empty,
    .abort = resume_abort,
};

void
resume_begin(struct operation *op)
{
    op->steps = &resume_steps;
    op->phase = "reading";
    operation_work(op, read_head, head_read);
}

void
resume_from_parts(struct operation *op)
{
    op->steps = &resume_steps;
    for (unsigned i = 0; i < op->nparts; i++)
        lseek(op->parts[i].fd, 0, SEEK_SET);
    begin_restoring(op);
}
