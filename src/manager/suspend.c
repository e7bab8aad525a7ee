/* SPDX-License-Identifier: MIT */
/* Suspending a vGPU; and the first half of a clone of one that runs. */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "manager/guests.h"
#include "manager/operation_internal.h"
#include "manager/trash.h"
#include "manager/vgpu_suspend.h"
#include "manager/words.h"
#include "manager/worker_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

static const struct operation_steps suspend_steps;

static bool
is_clone(const struct operation *op)
{
    return op->r.kind == OPERATION_CLONE;
}

/* ---- the head --------------------------------------------------------------------------- */

static void
describe_session(const struct session *s, struct snapshot_session *ret)
{
    const struct account_slot *slot = &s->vgpu->account->slot[s->slot];
    const uint32_t port = atomic_load(&slot->vm_port);

    memcpy(ret->token, s->token, sizeof ret->token);
    printable_copy(ret->program, slot->program, sizeof ret->program);
    ret->guest = s->guest;
    if (ret->guest.pid && !ret->guest.start_ticks)
        ret->guest.start_ticks = process_start_ticks((pid_t)ret->guest.pid);
    ret->vm_port = port <= INT32_MAX ? port : 0;
    ret->slot = s->slot;
}

static void
describe_vgpu(const struct vgpu *v, struct snapshot_head *h)
{
    text_copy(h->name, sizeof h->name, v->s.name);
    text_copy(h->uuid, sizeof h->uuid, v->s.uuid);
    text_copy(h->type, sizeof h->type, v->s.type);
    text_copy(h->gpu, sizeof h->gpu, v->s.gpu);
    h->framebuffer_bytes = v->s.framebuffer_bytes;
    if (!v->gpu)
        return;
    text_copy(h->device, sizeof h->device, v->gpu->device.name);
    text_copy(h->driver, sizeof h->driver, v->gpu->device.driver);
    h->software = v->gpu->software;
    h->discrete = v->gpu->discrete;
}

/* Of all that have paused, in the order in which they will be written. */
static int
describe(struct operation *op, struct err *e)
{
    struct snapshot_head *h = op->head;
    char boot_id[BOOT_ID_BYTES];

    boot_id_read(boot_id, sizeof boot_id);
    describe_vgpu(op->v, h);
    for (unsigned i = 0; i < op->nparts; i++) {
        struct snapshot_session *to = &h->sessions[h->nsessions];

        if (!op->parts[i].s)
            continue;
        describe_session(op->parts[i].s, to);
        text_copy(to->boot_id, sizeof to->boot_id, boot_id);
        for (unsigned k = 0; k < h->nsessions; k++) {
            if (memcmp(h->sessions[k].token, to->token, sizeof to->token) == 0)
                return err_set(e, -EPROTO, "two sessions have one token");
        }
        h->nsessions++;
    }
    frozen_describe(op->v, boot_id, h);
    if (op->v->vm)
        snapshot_bar_take(h, &op->v->account->bar);
    return 0;
}

/* Into memory first: a pipe may keep us waiting, and then we want to be called off. */
static int
head_stream(const struct operation *op, int fd, struct err *e)
{
    _cleanup_free_ char *text = snapshot_head_format(op->head);
    struct snapshot_writer *w = NULL;
    int rc = text ? snapshot_writer_new(fd, true, &w, e)
                  : err_set(e, -ENOMEM, "out of memory");

    if (rc == 0)
        rc = snapshot_begin(w, SNAPSHOT_HEAD_KIND, 0, e);
    if (rc == 0)
        rc = snapshot_put(w, text, strlen(text), e);
    if (rc == 0)
        rc = snapshot_finish(w, e);
    snapshot_writer_free(w);
    return rc;
}

static ssize_t
write_some(int fd, const void *buf, size_t len)
{
    ssize_t n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno == ENOTSOCK)
        n = write(fd, buf, len);
    return n;
}

/* A pipe that can be written to takes PIPE_BUF bytes without waiting. */
static int
write_until_stopped(const struct operation *op, const uint8_t *buf, size_t len)
{
    while (len > 0) {
        struct pollfd p[] = {{.fd = op->stop_fd, .events = POLLIN},
                             {.fd = op->fd, .events = POLLOUT}};
        ssize_t n;

        if (poll(p, 2, -1) < 0) {
            if (errno != EINTR)
                return -errno;
            continue;
        }
        if (p[0].revents)
            return -ECANCELED;
        n = write_some(op->fd, buf, len < PIPE_BUF ? len : PIPE_BUF);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        if (n > 0) {
            buf += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int
write_head(struct operation *op, struct err *e)
{
    _cleanup_close_ int fd = memfd_create("tessera-head", MFD_CLOEXEC);
    _cleanup_free_ uint8_t *bytes = NULL;
    struct stat st;
    int rc;

    if (fd < 0)
        return err_set(e, -errno, "no memory for the snapshot's head");
    rc = head_stream(op, fd, e);
    if (rc < 0)
        return rc;
    if (fstat(fd, &st) < 0 || !(bytes = malloc((size_t)st.st_size)) ||
        pread(fd, bytes, (size_t)st.st_size, 0) != st.st_size)
        return err_set(e, -ENOMEM, "no memory for the snapshot's head");
    rc = write_until_stopped(op, bytes, (size_t)st.st_size);
    if (rc < 0)
        return err_set(e, rc, "the snapshot cannot be written: %s", strerror(-rc));
    op->head_bytes = (uint64_t)st.st_size;
    return 0;
}

/* ---- the end ---------------------------------------------------------------------------- */

static int
freeze(struct operation *op, struct err *e)
{
    op->at_driver = true;
    return frozen_run(&op->frozen, "freeze", op->stop_fd, e);
}

/* Called off in the middle, the disk is full, or the like: this once the loop waits. */
static void
thaw(struct operation *op)
{
    if (op->at_driver)
        frozen_try(&op->frozen, "thaw", op->r.vgpu);
    op->at_driver = false;
}

static void
committed(struct operation *op)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct vgpu_suspended_state s = {.number = op->head->number,
                                     .own = op->file.path != NULL};

    if (!s.own)
        text_copy(s.file, sizeof s.file, op->r.file);
    if (vgpu_commit_suspend(op->v, &s, &e) < 0) {
        operation_fail_with(op, &e);
        return;
    }
    op->committed = true;
    vgpu_leave(op->v);
}

static int
keep(struct operation *op, struct err *e)
{
    if (op->file.path)
        return snapshot_file_keep(&op->file, e);
    if (fdatasync(op->fd) < 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
        return err_set(e, -errno, "the snapshot cannot be written: %s", strerror(errno));
    return 0;
}

static void
kept(struct operation *op)
{
    if (op->frozen.n > 0) {
        operation_work(op, freeze, committed);
        return;
    }
    if (!op->r.confirm || !op->caller.written) {
        committed(op);
        return;
    }
    op->awaits_kept = true;
    op->then = committed;
    op->caller.written(op->caller.arg, op->bytes);
}

/* All workers have left. */
static void
empty(struct operation *op)
{
    if (op->committed)
        operation_end(op);
}

/* ---- saving ----------------------------------------------------------------------------- */

static void
clone_on(struct operation *op)
{
    /* The source is as it was; from here on it is about its clone. */
    for (unsigned i = 0; i < op->nparts; i++) {
        if (op->parts[i].s)
            session_hang_up(op->parts[i].s);
    }
    operation_release(op);
    resume_from_parts(op);
}

static void
all_saved(struct operation *op)
{
    if (is_clone(op)) {
        clone_on(op);
        return;
    }
    op->paused_ms = (now_ns() - op->paused_ns) / 1000000;
    operation_tell(op, "writing", true);
    operation_work(op, keep, kept);
}

static void
save(struct operation *op, struct part *p)
{
    const struct control_msg m = {.op = CONTROL_SAVE,
                                  .a = is_clone(op) ? CONTROL_SAVE_COPY : 0,
                                  .b = op->head->number};
    const int rc = session_tell(p->s, &m, is_clone(op) ? p->fd : op->fd);

    p->state = PART_SAVING;
    if (rc < 0)
        operation_fail(op, rc, "worker %d is gone", (int)p->s->pid);
}

/* The next that is left, or the end. */
static void
save_next(struct operation *op)
{
    while (op->at < op->nparts && op->parts[op->at].state != PART_PAUSED)
        op->at++;
    if (op->at < op->nparts)
        save(op, &op->parts[op->at]);
    else
        all_saved(op);
}

static void
head_written(struct operation *op)
{
    op->bytes = op->head_bytes;
    op->at = 0;
    save_next(op);
}

/* ---- a clone's files -------------------------------------------------------------------- */

/* Of no name, so that nothing is left of it; a memory file where the file system has none. */
static int
nameless_file(const struct manager *m)
{
    int fd = open(m->folders.snapshots, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        fd = memfd_create("tessera-clone", MFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int
make_files(struct operation *op, struct err *e)
{
    for (unsigned i = 0; i < op->nparts; i++) {
        if (!op->parts[i].s)
            continue;
        op->parts[i].fd = nameless_file(op->m);
        if (op->parts[i].fd < 0)
            return err_set(e, op->parts[i].fd, "no file for the clone: %s",
                           strerror(-op->parts[i].fd));
    }
    return 0;
}

/* Leaves out what is gone, so that parts are as the head's sessions are. */
static void
close_ranks(struct operation *op)
{
    unsigned n = 0;

    for (unsigned i = 0; i < op->nparts; i++) {
        if (op->parts[i].s)
            op->parts[n++] = op->parts[i];
    }
    op->nparts = n;
}

static void
save_all(struct operation *op)
{
    for (unsigned i = 0; i < op->nparts && !op->error.code; i++)
        save(op, &op->parts[i]);
    if (op->nparts == 0)
        all_saved(op);
}

/* ---- pausing ---------------------------------------------------------------------------- */

static bool
all_are(const struct operation *op, enum part_state least)
{
    for (unsigned i = 0; i < op->nparts; i++) {
        if (op->parts[i].state < least)
            return false;
    }
    return true;
}

static void
write_all_of_it(struct operation *op)
{
    _cleanup_err_ struct err e = ERR_INIT;

    close_ranks(op);
    if (describe(op, &e) < 0) {
        operation_fail_with(op, &e);
        return;
    }
    for (unsigned i = 0; i < op->nparts; i++)
        op->parts[i].total =
            atomic_load(&op->v->account->slot[op->parts[i].s->slot].used_bytes);
    operation_tell(op, "writing", true);
    if (is_clone(op))
        operation_work(op, make_files, save_all);
    else
        operation_work(op, write_head, head_written);
}

static int
await_programs(struct operation *op, struct err *e)
{
    return frozen_await(&op->frozen, op->stop_fd, e);
}

static void
all_paused(struct operation *op)
{
    if (op->frozen.n > 0)
        operation_work(op, await_programs, write_all_of_it);
    else
        write_all_of_it(op);
}

static void
paused(struct operation *op, struct part *p, const struct control_msg *msg)
{
    if (token_is_zero(msg->token)) {
        operation_fail(op, -EPROTO, "worker %d names no token", (int)p->s->pid);
        return;
    }
    memcpy(p->s->token, msg->token, sizeof p->s->token);
    p->state = PART_PAUSED;
    op->at++;
    operation_tell(op, "pausing", false);
    if (all_are(op, PART_PAUSED))
        all_paused(op);
}

static void
pause_all(struct operation *op)
{
    struct vgpu *v = op->v;

    op->paused_ns = now_ns();
    for (struct list *l = v->sessions.next; l != &v->sessions; l = l->next) {
        struct session *s = container_of(l, struct session, link);

        if (!s->in_process)
            op->parts[op->nparts++].s = s;
    }
    frozen_collect(v, &op->frozen);
    frozen_tell(v, SLOT_HOLDS);
    operation_tell(op, "pausing", true);
    for (unsigned i = 0; i < op->nparts && !op->error.code; i++) {
        struct session *s = op->parts[i].s;
        int rc;

        session_hang_up(s); /* what it says to others is theirs */
        session_look_whether_joined(s);
        rc = session_tell_op(s, CONTROL_PAUSE);
        if (rc < 0)
            operation_fail(op, rc,
                           "worker %d cannot be told to pause (%s): it may have been "
                           "started by an earlier version of tesserad",
                           (int)s->pid, strerror(-rc));
    }
    if (op->nparts == 0)
        all_paused(op);
}

/* ---- what happens ----------------------------------------------------------------------- */

/* The pause of a clone ends for all at once, so that its sessions are of one moment. */
static void
copied(struct operation *op, struct part *p)
{
    p->state = PART_COPIED;
    if (!all_are(op, PART_COPIED))
        return;
    op->paused_ms = (now_ns() - op->paused_ns) / 1000000;
    for (unsigned i = 0; i < op->nparts && !op->error.code; i++) {
        if (op->parts[i].s && session_tell_op(op->parts[i].s, CONTROL_CONTINUE) < 0)
            operation_fail(op, -EIO, "a worker is gone");
    }
    op->v->held = false;
    guests_route(op->v);
}

static void
saved(struct operation *op, struct part *p, const struct control_msg *msg)
{
    p->state = PART_DONE;
    p->done = p->total;
    op->bytes += msg->b <= INT64_MAX - op->bytes ? msg->b : 0;
    operation_tell(op, "writing", false);
    if (!is_clone(op))
        save_next(op);
    else if (all_are(op, PART_DONE))
        all_saved(op);
}

static void
heard(struct operation *op, struct part *p, const struct control_msg *msg)
{
    const enum part_state before_saved = is_clone(op) ? PART_COPIED : PART_SAVING;

    if (msg->op == CONTROL_PAUSED && p->state == PART_ASKED)
        paused(op, p, msg);
    else if (msg->op == CONTROL_COPIED && p->state == PART_SAVING && is_clone(op))
        copied(op, p);
    else if (msg->op == CONTROL_SAVED && p->state == before_saved)
        saved(op, p, msg);
    else
        operation_fail(op, -EPROTO, "worker %d answers %u, out of turn", (int)p->s->pid,
                       msg->op);
}

static void
session_gone(struct operation *op, struct part *p, const char *why)
{
    if (p->state == PART_DONE && is_clone(op))
        return;
    /* A program that ends while others are still waited for is no harm. */
    if (!why && (p->state == PART_ASKED || p->state == PART_PAUSED) && !op->working &&
        op->head->nsessions == 0) {
        p->state = PART_GONE;
        if (all_are(op, PART_PAUSED))
            all_paused(op);
        return;
    }
    operation_fail(op, -EIO, "a session ended meanwhile: %s",
                   why ? why : "its program has left");
}

/* They go on, by our word or by our hanging up; a file that has its name already is of nobody. */
static void
suspend_abort(struct operation *op)
{
    if (op->file.path && !op->file.beside)
        trash_file(op->m, vgpu_snapshot_path(op->m, op->r.vgpu));
    for (unsigned i = 0; i < op->nparts; i++) {
        struct session *s = op->parts[i].s;

        if (!s)
            continue;
        session_tell_op(s, CONTROL_CONTINUE);
        session_hang_up(s);
    }
    thaw(op);
    frozen_tell(op->v, SLOT_GOES_ON);
    operation_end(op);
}

static const struct operation_steps suspend_steps = {
    .heard = heard,
    .session_gone = session_gone,
    .empty = empty,
    .abort = suspend_abort,
};

/* ---- beginning -------------------------------------------------------------------------- */

static int
prepare(struct operation *op, struct err *e)
{
    _cleanup_free_ char *path = NULL;
    int rc;

    while (op->head->number == 0) {
        if (getrandom(&op->head->number, sizeof op->head->number, 0) !=
            sizeof op->head->number)
            return err_set(e, -EIO, "no random numbers: %s", strerror(errno));
    }
    if (is_clone(op) || op->fd >= 0)
        return 0;
    path = vgpu_snapshot_path(op->m, op->r.vgpu);
    if (!path)
        return err_set(e, -ENOMEM, "out of memory");
    rc = snapshot_file_new(path, &op->file, e);
    if (rc < 0)
        return rc;
    op->fd = fcntl(op->file.fd, F_DUPFD_CLOEXEC, 3);
    return op->fd < 0 ? err_set(e, -errno, "out of descriptors") : 0;
}

void
suspend_begin(struct operation *op)
{
    op->steps = &suspend_steps;
    operation_work(op, prepare, pause_all);
}
