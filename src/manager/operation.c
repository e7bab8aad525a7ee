/* SPDX-License-Identifier: MIT */
#include "manager/operation.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "manager/guests.h"
#include "manager/operation_internal.h"
#include "manager/session_program.h"
#include "manager/vgpu_suspend.h"
#include "manager/vm.h"
#include "manager/words.h"
#include "manager/worker_link.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>

#define ERRNO_MAX 4096 /* as the kernel has it */
#define TELL_NS UINT64_C(100000000)

/* Each may keep a thread of libuv's pool waiting (main.c). */
#define OPERATIONS_MAX 12

/* ---- the step beside the loop ----------------------------------------------------------- */

static void operation_free(struct operation *op);

static void
abort_now(void *arg)
{
    struct operation *op = arg;

    op->aborting = true;
    op->steps->abort(op);
}

static void
work_run(uv_work_t *work)
{
    struct operation *op = work->data;

    op->run(op, &op->work_error);
}

static void
work_done(uv_work_t *work, int status)
{
    struct operation *op = work->data;

    (void)status;
    op->working = false;
    if (op->forgotten)
        operation_free(op);
    else if (op->error.code)
        abort_now(op);
    else if (op->work_error.code)
        operation_fail_with(op, &op->work_error);
    else
        op->then(op);
}

void
operation_work(struct operation *op, int (*run)(struct operation *op, struct err *e),
               void (*then)(struct operation *op))
{
    op->run = run;
    op->then = then;
    op->work.data = op;
    err_fini(&op->work_error);
    op->work_error = (struct err)ERR_INIT;
    if (uv_queue_work(&op->m->loop, &op->work, work_run, work_done) < 0)
        operation_fail(op, -ENOMEM, "out of memory");
    else
        op->working = true;
}

/* ---- failing ---------------------------------------------------------------------------- */

static void
stop_work(const struct operation *op)
{
    if (op->working)
        eventfd_write(op->stop_fd, 1);
}

void
operation_fail_with(struct operation *op, const struct err *e)
{
    if (op->error.code || op->committed)
        return;
    err_set(&op->error, e->code, "%s", err_msg(e));
    if (op->working)
        stop_work(op);
    else
        alarm_set(op->failing, 0);
}

void
operation_fail(struct operation *op, int rc, const char *fmt, ...)
{
    char words[512];
    _cleanup_err_ struct err e = ERR_INIT;
    va_list args;

    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    err_set(&e, rc, "%s", words);
    operation_fail_with(op, &e);
}

void
operation_cancel(struct operation *op, int rc, const char *why)
{
    operation_fail(op, rc, "%s", why);
}

void
operation_kept(struct operation *op)
{
    if (!op->awaits_kept || op->error.code)
        return;
    op->awaits_kept = false;
    op->then(op);
}

/* ---- the vGPU --------------------------------------------------------------------------- */

void
operation_take(struct operation *op, struct vgpu *v, bool held)
{
    op->v = v;
    v->operation = op;
    v->held = held;
}

void
operation_release(struct operation *op)
{
    struct vgpu *v = take_ptr(op->v);

    if (!v)
        return;
    v->operation = NULL;
    v->held = false;
    guests_route(v);
    guests_watch(v);
    vgpu_session_gone(v); /* it may be one that waits to be deleted */
}

struct part *
operation_part_of(struct operation *op, const struct session *s)
{
    for (unsigned i = 0; i < op->nparts; i++) {
        if (op->parts[i].s == s)
            return &op->parts[i];
    }
    return NULL;
}

/* Numbers of a worker's: they tell how far it is, and nothing else. */
static void
note_progress(struct part *p, const struct control_msg *msg)
{
    p->total = msg->b;
    p->done = msg->a < msg->b ? msg->a : msg->b;
}

static void
part_failed(struct operation *op, struct part *p, const struct control_msg *msg)
{
    const struct session *s = p->s;
    char name[ACCOUNT_PROGRAM_BYTES];

    printable_copy(p->words, msg->words, sizeof p->words);
    if (s->joining) {
        /* Its guest's hello was refused; or it cannot be restored, and its worker ends. */
        guests_not_joined(p->s, msg);
        return;
    }
    printable_copy(name, s->vgpu->account->slot[s->slot].program, sizeof name);
    operation_fail(op, msg->a > 0 && msg->a < ERRNO_MAX ? -(int)msg->a : -EIO,
                   "the session of '%s' (worker %d): %s", name, (int)s->pid, p->words);
}

bool
operation_heard(struct operation *op, struct session *s, const struct control_msg *msg)
{
    struct part *p = operation_part_of(op, s);

    if (msg->op == CONTROL_JOINED)
        return false;
    if (!p || op->error.code || op->committed)
        return true;
    if (msg->op == CONTROL_PROGRESS) {
        note_progress(p, msg);
        operation_tell(op, op->phase, false);
    } else if (msg->op == CONTROL_FAILED) {
        part_failed(op, p, msg);
    } else {
        op->steps->heard(op, p, msg);
    }
    return true;
}

void
operation_worker_hung_up(struct operation *op, struct session *s)
{
    if (operation_part_of(op, s))
        operation_fail(op, -EIO, "worker %d is gone, or speaks another language",
                       (int)s->pid);
}

void
operation_session_gone(struct operation *op, struct session *s, const char *why)
{
    struct part *p = operation_part_of(op, s);

    if (!p)
        return;
    p->s = NULL;
    if (!op->error.code && !op->committed)
        op->steps->session_gone(op, p, why);
}

void
operation_vgpu_empty(struct operation *op)
{
    if (op->steps->empty)
        op->steps->empty(op);
}

const char *
operation_state_word(const struct operation *op, const struct vgpu *v)
{
    if (v->leaving)
        return "suspended";
    if (op->r.kind == OPERATION_SUSPEND)
        return "suspending";
    return v->s.suspended.number != 0 ? "resuming" : NULL;
}

/* ---- telling ---------------------------------------------------------------------------- */

void
operation_tell(struct operation *op, const char *phase, bool now)
{
    const uint64_t time = now_ns();
    uint64_t done = op->head_bytes, total = op->head_bytes;

    op->phase = phase;
    if (!op->caller.progress || (!now && time - op->told_ns < TELL_NS))
        return;
    op->told_ns = time;
    for (unsigned i = 0; i < op->nparts; i++) {
        const struct part *p = &op->parts[i];
        const bool whole = p->state == PART_DONE;

        total += p->total;
        done += whole ? p->total : p->done;
    }
    op->caller.progress(op->caller.arg, phase, done, total);
}

void
operation_end(struct operation *op)
{
    const struct operation_caller c = op->caller;
    struct vgpu *v = op->v;
    const bool done = op->error.code == 0;

    op->caller = (struct operation_caller){0};
    if (v) {
        v->operation = NULL;
        v->held = false;
    }
    /* Who is told that it failed finds nothing of it. */
    snapshot_file_fini(&op->file);
    if (c.ended)
        c.ended(c.arg, &op->error, done ? v : NULL, op->bytes, op->paused_ms);
    if (!done)
        log_info("vGPU '%s': %s", op->r.vgpu, err_msg(&op->error));
    op->v = v;
    operation_release(op);
    operation_free(op);
}

static void
operation_free(struct operation *op)
{
    list_del(&op->link);
    for (unsigned i = 0; i < ACCOUNT_SLOTS; i++)
        cleanup_closep(&op->parts[i].fd);
    alarm_free(op->failing);
    cleanup_closep(&op->fd);
    cleanup_closep(&op->stop_fd);
    snapshot_file_fini(&op->file);
    err_fini(&op->error);
    err_fini(&op->work_error);
    free(op->head);
    free(op);
}

void
operations_forget(struct manager *m)
{
    struct list *l, *tmp;

    list_for_each_safe(l, tmp, &m->operations)
    {
        struct operation *op = container_of(l, struct operation, link);

        op->forgotten = true;
        op->caller = (struct operation_caller){0};
        if (op->v) {
            op->v->operation = NULL;
            op->v = NULL;
        }
        if (op->working)
            stop_work(op);
        else
            operation_free(op);
    }
}

/* ---- beginning -------------------------------------------------------------------------- */

static struct operation *
operation_new(struct manager *m, const struct request_operation *r,
              const struct operation_caller *c)
{
    struct operation *op = calloc(1, sizeof *op);

    if (!op)
        return NULL;
    list_init(&op->link);
    op->m = m;
    op->r = *r;
    op->caller = *c;
    op->file = SNAPSHOT_FILE_NONE;
    op->fd = -1;
    for (unsigned i = 0; i < ACCOUNT_SLOTS; i++)
        op->parts[i].fd = -1;
    op->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    op->head = calloc(1, sizeof *op->head);
    if (op->stop_fd < 0 || !op->head ||
        alarm_new(&m->loop, abort_now, op, &op->failing) < 0) {
        operation_free(op);
        return NULL;
    }
    op->fd = c->fd;
    return op;
}

static int
check_owner(const struct vgpu *v, const struct peer *who, struct err *e)
{
    if (who->uid == 0 || who->uid == geteuid() || who->uid == v->s.owner_uid)
        return 0;
    return err_set(e, -EPERM, "vGPU '%s' belongs to user %llu", v->s.name,
                   (unsigned long long)v->s.owner_uid);
}

static int
check_idle(const struct vgpu *v, struct err *e)
{
    if (v->deleting)
        return err_set(e, -EBUSY, "vGPU '%s' is being deleted", v->s.name);
    if (v->operation)
        return err_set(e, -EBUSY,
                       "vGPU '%s' is in the middle of another operation: try again when "
                       "that is over",
                       v->s.name);
    if (v->leaving)
        return err_set(e, -EBUSY, "vGPU '%s' is about to be suspended: try again soon",
                       v->s.name);
    return 0;
}

/* May it be paused and written? */
static int
check_running(const struct vgpu *v, const char *what, struct err *e)
{
    if (v->s.passthrough)
        return err_set(
            e, -EOPNOTSUPP,
            "vGPU '%s' has its GPU whole (passthrough): it cannot %s, as what its "
            "programs do there goes past Tessera",
            v->s.name, what);
    if (v->unavailable)
        return err_set(e, -ENODEV, "vGPU '%s' is unavailable: %s", v->s.name,
                       v->unavailable);
    return 0;
}

/* Programs of CUDA's stay in this machine's memory. */
static int
check_no_programs(const struct vgpu *v, const char *what, struct err *e)
{
    if (!session_programs_run(v))
        return 0;
    return err_set(e, -EOPNOTSUPP,
                   "vGPU '%s' has programs of CUDA's, which stay in this machine's "
                   "memory when it is "
                   "suspended: it cannot %s before they have ended",
                   v->s.name, what);
}

static int
check_suspend(const struct vgpu *v, int fd, struct err *e)
{
    int rc;

    if (v->s.suspended.number)
        return err_set(e, -EBUSY, "vGPU '%s' is suspended already", v->s.name);
    rc = check_running(v, "be suspended", e);
    if (rc == 0 && fd >= 0)
        rc = check_no_programs(v, "be written elsewhere", e);
    return rc < 0 ? rc : frozen_check(v, e);
}

static int
check_resume(const struct vgpu *v, int fd, struct err *e)
{
    if (!v->s.suspended.number)
        return err_set(e, -EBUSY, "vGPU '%s' is not suspended", v->s.name);
    if (fd >= 0 || v->s.suspended.own)
        return 0;
    if (v->s.suspended.file[0])
        return err_set(e, -EINVAL, "vGPU '%s' is in %s: tessera resume %s --from %s",
                       v->s.name, v->s.suspended.file, v->s.name, v->s.suspended.file);
    return err_set(e, -EINVAL,
                   "where vGPU '%s' was written to is not known here: tessera resume %s "
                   "--from FILE",
                   v->s.name, v->s.name);
}

static int
check_name_free(const struct manager *m, const char *name, struct err *e)
{
    const struct vgpu *other = vgpu_find(m, name);

    if (!other)
        return 0;
    return err_set(e, -EEXIST,
                   other->deleting ? "a vGPU '%s' is being deleted"
                                   : "a vGPU '%s' exists already",
                   name);
}

static int
check_clone(const struct manager *m, const struct vgpu *v,
            const struct request_operation *r, int fd, struct err *e)
{
    int rc = check_name_free(m, r->name, e);

    if (rc < 0)
        return rc;
    if (v->s.suspended.number || r->suspended)
        return check_resume(v, fd, e);
    /* A machine has one vGPU's memory: without the machine there is nobody for the clone. */
    if (vm_connected(v) > 0)
        return vm_is_connected_error(v, "be cloned", e);
    rc = check_running(v, "be cloned", e);
    return rc < 0 ? rc : check_no_programs(v, "be cloned", e);
}

static int
check(const struct manager *m, const struct request_operation *r, const struct peer *who,
      int fd, struct err *e)
{
    const struct vgpu *v = vgpu_find(m, r->vgpu);
    int rc;

    if (!v && r->kind == OPERATION_RESUME && fd >= 0)
        return 0; /* it is made */
    if (v && r->kind == OPERATION_RESUME && r->suspended)
        return check_name_free(m, r->vgpu, e);
    if (!v)
        return err_set(e, -ENOENT, "there is no vGPU '%s'", r->vgpu);
    rc = check_owner(v, who, e);
    if (rc == 0)
        rc = check_idle(v, e);
    if (rc < 0)
        return rc;
    switch (r->kind) {
    case OPERATION_SUSPEND:
        return check_suspend(v, fd, e);
    case OPERATION_RESUME:
        return check_resume(v, fd, e);
    case OPERATION_CLONE:
        return check_clone(m, v, r, fd, e);
    }
    return -EINVAL;
}

static unsigned
count(const struct manager *m)
{
    unsigned n = 0;

    for (const struct list *l = m->operations.next; l != &m->operations; l = l->next)
        n++;
    return n;
}

int
operation_start(struct manager *m, const struct request_operation *r,
                const struct operation_caller *c, struct operation **ret, struct err *e)
{
    _cleanup_close_ int owned = c->fd;
    struct operation *op;
    struct vgpu *v;
    int rc = check(m, r, &c->who, c->fd, e);

    if (rc == 0 && count(m) >= OPERATIONS_MAX)
        rc = err_set(e, -EBUSY, "%d operations are under way: try again later",
                     OPERATIONS_MAX);
    if (rc < 0)
        return rc;
    op = operation_new(m, r, c);
    if (!op)
        return err_set(e, -ENOMEM, "out of memory");
    take_fd(&owned);
    list_add_tail(&m->operations, &op->link);
    *ret = op;
    v = vgpu_find(m, r->vgpu);
    op->owner_uid = v ? v->s.owner_uid : c->who.uid;
    if (r->kind == OPERATION_SUSPEND ||
        (r->kind == OPERATION_CLONE && !v->s.suspended.number)) {
        operation_take(op, v, true);
        suspend_begin(op);
    } else {
        if (v)
            operation_take(op, v, false);
        resume_begin(op);
    }
    return 0;
}
