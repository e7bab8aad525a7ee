/* SPDX-License-Identifier: MIT */
#include "manager/session_program.h"

#include "base/cleanup.h"
#include "base/futex.h"
#include "base/io.h"
#include "base/log.h"
#include "base/sock.h"
#include "link/grant.h"
#include "manager/gpu.h"
#include "manager/guests.h"
#include "manager/jail.h"
#include "manager/session_gate.h"
#include "manager/session_internal.h"
#include "manager/vgpu_internal.h"
#include "manager/words.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* of a later kernel than the headers */
#endif

static void
refuse(struct vgpu *v, int fd, const struct peer *who, int status, const char *why)
{
    struct grant g = {.magic = GRANT_MAGIC, .version = GRANT_VERSION, .status = status};

    snprintf(g.reason, sizeof g.reason, "%s", why);
    if (send(fd, &g, sizeof g, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_debug("a guest left before it was told that it is turned away");
    /* While it is suspended its programs ask again and again. */
    if (v->s.suspended.number == 0 && vgpu_refusal_is_news(v))
        log_warning("vGPU '%s': process %d of user %u was turned away: %s", v->s.name,
                    (int)who->pid, (unsigned)who->uid, why);
}

static uint64_t
pinned_limit(const struct vgpu *v)
{
    const uint64_t limit = limit_of(&v->m->options->limits, LIMIT_PINNED_BYTES);

    return limit ? limit : v->account->limit_bytes;
}

static void
set_device(struct grant *g, const struct vgpu *v)
{
    text_copy(g->device, sizeof g->device, v->gpu ? v->gpu->cuda_device : "");
}

/* It fits an empty socket's buffer: nothing waits. */
static int
send_grant(const struct session *s, int fd)
{
    struct grant g = {.magic = GRANT_MAGIC,
                      .version = GRANT_VERSION,
                      .slot = s->slot,
                      .gate = GRANT_NO_GATE,
                      .pinned_bytes = pinned_limit(s->vgpu)};
    int fds[] = {s->vgpu->account_fd, -1, -1};

    set_device(&g, s->vgpu);
    if (s->gate < 0)
        return sock_send_fds(fd, &g, sizeof g, fds, 1);
    g.gate = (uint32_t)s->gate;
    arbiter_desk_files(s->vgpu->arbiter, &fds[1], &fds[2]);
    return sock_send_fds(fd, &g, sizeof g, fds, 3);
}

/*
 * The process at the other end. Since Linux 6.5 the kernel tells that itself; before, its number
 * may be somebody else's by now: not if it is there still.
 */
static int
open_peer(int fd, const struct peer *who)
{
    int pidfd = -1;
    socklen_t len = sizeof pidfd;
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};

    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0)
        return pidfd;
    pidfd = process_open_number(who->pid);
    if (pidfd >= 0 && poll(&p, 1, 0) != 0) {
        close(pidfd);
        return -ESRCH;
    }
    return pidfd;
}

/* Its slot is taken. Owns pidfd. */
static int
make(struct session *s, int pidfd, struct session **ret)
{
    struct vgpu *v = s->vgpu;
    struct account_slot *slot = &v->account->slot[s->slot];
    int rc;

    atomic_store(&slot->pid_start, process_start_ticks(s->pid));
    atomic_store(&slot->guest_pid, s->pid);
    atomic_store(&slot->kind, SLOT_OF_PROGRAM);
    atomic_store(&slot->pid, s->pid);
    atomic_store(&slot->state, SLOT_LIVE);
    s->gate = session_gate_begin(v, s->slot);
    rc = session_watch(s, pidfd, ret);
    if (rc < 0) {
        session_gate_end(v, s->gate);
        account_slot_free(v->account, s->slot);
    }
    return rc;
}

static int
begin(struct session *s, int fd, int pidfd)
{
    const struct vgpu *v = s->vgpu;
    struct session *started;
    int rc = make(s, pidfd, &started);

    if (rc < 0)
        return rc;
    /* Who has gone meanwhile is found by the watch. */
    rc = send_grant(started, fd);
    if (rc < 0)
        log_debug("vGPU '%s': process %d left before its grant", v->s.name, (int)s->pid);
    return 0;
}

static const char *
problem(const struct vgpu *v, const struct peer *who, bool any_user)
{
    const char *why = session_guest_problem(v, who, any_user);

    if (!why && (guests_are_looked_at(v) || !v->account))
        why = "the vGPU is suspended, or about to be";
    if (!why && (!v->gpu || !v->gpu->cuda_device[0]))
        why = "its GPU has no CUDA";
    if (!why && who->pid <= 0)
        why = "the process has no number here: it is of another namespace";
    return why;
}

/* The session of a program that was suspended, and asks for it. */
static struct session *
restored_session(const struct vgpu *v, pid_t pid)
{
    for (const struct list *l = v->sessions.next; l != &v->sessions; l = l->next) {
        struct session *s = container_of(l, struct session, link);

        if (s->in_process && s->restored && s->pid == pid)
            return s;
    }
    return NULL;
}

static void
admit(struct vgpu *v, int fd, const struct peer *who, bool any_user)
{
    char words[ACCOUNT_REASON_BYTES];
    const char *why = problem(v, who, any_user);
    struct session s = {.vgpu = v,
                        .pid = who->pid,
                        .in_process = true,
                        .gate = SESSION_NO_GATE,
                        .guest = {(uint64_t)who->pid, 0}};
    int slot, pidfd;

    if (why) {
        refuse(v, fd, who, -EACCES, why);
        return;
    }
    if (restored_session(v, who->pid)) {
        struct session *const again = restored_session(v, who->pid);

        again->restored = send_grant(again, fd) < 0;
        return;
    }
    why = session_limit_problem(v, who, words, sizeof words);
    slot = why ? -EUSERS : account_slot_take(v->account);
    if (slot < 0) {
        refuse(v, fd, who, -EUSERS,
               why ? why : "the vGPU has as many sessions as it may");
        return;
    }
    s.slot = (unsigned)slot;
    s.guest.start_ticks = process_start_ticks(who->pid);
    pidfd = open_peer(fd, who);
    if (pidfd < 0) {
        account_slot_free(v->account, s.slot);
        return; /* it has gone */
    }
    /* A container has a group of its own. Who has ended is no more this one. */
    if (!any_user && process_signal(pidfd, 0) == 0)
        jail_add_program(v, who->pid);
    if (begin(&s, fd, pidfd) < 0)
        refuse(v, fd, who, -ENOMEM, "the manager has no memory left");
}

static void
accept_at(struct vgpu *v, const struct watch *listener, bool any_user)
{
    _cleanup_close_ int fd = accept4(watch_fd(listener), NULL, NULL, SOCK_CLOEXEC);
    struct peer who;

    if (fd >= 0 && peer_of_socket(fd, &who) == 0)
        admit(v, fd, &who, any_user);
}

static void
accept_program(void *vgpu)
{
    struct vgpu *v = vgpu;

    accept_at(v, v->programs, false);
}

static void
accept_in_container(void *vgpu)
{
    struct vgpu *v = vgpu;

    accept_at(v, v->container_programs, true);
}

/* Who looks gets a descriptor that cannot be written to. */
static int
send_look(const struct vgpu *v, int fd)
{
    struct grant g = {.magic = GRANT_MAGIC,
                      .version = GRANT_VERSION,
                      .slot = GRANT_NO_SLOT,
                      .gate = GRANT_NO_GATE};
    _cleanup_close_ int account = -1;
    char path[64];

    set_device(&g, v);
    snprintf(path, sizeof path, "/proc/self/fd/%d", v->account_fd);
    account = open(path, O_RDONLY | O_CLOEXEC);
    return account < 0 ? -errno : sock_send_fds(fd, &g, sizeof g, &account, 1);
}

static void
accept_looker_at(struct vgpu *v, const struct watch *listener, bool any_user)
{
    _cleanup_close_ int fd = accept4(watch_fd(listener), NULL, NULL, SOCK_CLOEXEC);
    struct peer who;
    const char *why;

    if (fd < 0 || peer_of_socket(fd, &who) < 0)
        return;
    why = session_guest_problem(v, &who, any_user);
    if (!why && !v->account)
        why = "the vGPU is suspended";
    if (why)
        refuse(v, fd, &who, -EACCES, why);
    else if (send_look(v, fd) < 0)
        log_debug("vGPU '%s': process %d did not wait to look", v->s.name, (int)who.pid);
}

static void
accept_looker(void *vgpu)
{
    struct vgpu *v = vgpu;

    accept_looker_at(v, v->lookers, false);
}

static void
look_in_container(void *vgpu)
{
    struct vgpu *v = vgpu;

    accept_looker_at(v, v->container_lookers, true);
}

/* In the vGPU's folder and in that for containers. */
static int
listen_at(struct vgpu *v, const char *name, loop_fn *accepted, struct watch **ret,
          loop_fn *in_container, struct watch **ret_in_container, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s", v->folder, name);
    int fd, rc;

    if (!path)
        return err_set(e, -ENOMEM, "out of memory");
    fd = sock_listen(path, 0666, VGPU_BACKLOG);
    if (fd < 0)
        return err_set(e, fd, "cannot listen at %s: %s", path, strerror(-fd));
    rc = watch_new(&v->m->loop, fd, accepted, v, ret);
    if (rc < 0)
        return err_set(e, rc, "cannot watch %s: %s", path, strerror(-rc));
    return vgpu_container_listen_at(v, name, in_container, ret_in_container, e);
}

int
session_program_listen(struct vgpu *v, struct err *e)
{
    int rc;

    if (v->programs || !v->gpu || !v->gpu->cuda_device[0])
        return 0;
    rc = listen_at(v, GRANT_SOCKET, accept_program, &v->programs, accept_in_container,
                   &v->container_programs, e);
    if (rc < 0)
        return rc;
    return listen_at(v, GRANT_LOOK_SOCKET, accept_looker, &v->lookers, look_in_container,
                     &v->container_lookers, e);
}

static void
remove_socket(const struct vgpu *v, const char *name)
{
    _cleanup_free_ char *path = str_printf("%s/%s", v->folder, name);

    if (path)
        unlink(path);
}

void
session_program_remove(const struct vgpu *v)
{
    remove_socket(v, GRANT_SOCKET);
    remove_socket(v, GRANT_LOOK_SOCKET);
}

static bool
has(const struct vgpu *v, pid_t pid)
{
    for (const struct list *l = v->sessions.next; l != &v->sessions; l = l->next) {
        const struct session *s = container_of(l, struct session, link);

        if (s->in_process && s->pid == pid)
            return true;
    }
    return false;
}

const struct vgpu *
session_program_elsewhere(const struct vgpu *v, pid_t pid)
{
    for (const struct list *l = v->m->vgpus.next; l != &v->m->vgpus; l = l->next) {
        const struct vgpu *const other = container_of(l, struct vgpu, link);

        if (other != v && has(other, pid))
            return other;
    }
    return NULL;
}

bool
session_programs_run(const struct vgpu *v)
{
    for (const struct list *l = v->sessions.next; l != &v->sessions; l = l->next) {
        if (container_of(l, struct session, link)->in_process)
            return true;
    }
    return false;
}

/* ---- suspended ------------------------------------------------------------------------- */

void
session_program_tell(const struct session *s, enum slot_hold hold)
{
    struct account_slot *const slot = &s->vgpu->account->slot[s->slot];

    atomic_store(&slot->hold, hold);
    futex_wake(&slot->hold, INT_MAX);
    if (s->gate >= 0)
        arbiter_nudge(s->vgpu->arbiter, (unsigned)s->gate);
}

void
session_program_leave(struct session *s)
{
    struct vgpu *const v = s->vgpu;

    session_program_tell(s, SLOT_MOVES);
    session_gate_end(v, s->gate);
    session_settle(v, s->slot);
    session_forget(s);
}

int
session_program_restore(struct vgpu *v, const struct snapshot_program *from)
{
    struct session s = {.vgpu = v,
                        .pid = (pid_t)from->process.pid,
                        .in_process = true,
                        .restored = true,
                        .gate = SESSION_NO_GATE,
                        .guest = from->process};
    const int slot = account_slot_take(v->account);
    struct session *made;
    int pidfd, rc;

    if (slot < 0)
        return slot;
    s.slot = (unsigned)slot;
    rc = account_reserve(v->account, s.slot, from->used_bytes);
    pidfd = rc == 0 ? process_open(s.pid, from->process.start_ticks) : rc;
    if (pidfd < 0) {
        account_slot_free(v->account, s.slot);
        return pidfd;
    }
    account_use(v->account, s.slot, from->used_bytes);
    /* Until the driver has unlocked it. */
    atomic_store(&v->account->slot[slot].hold, SLOT_HOLDS);
    text_copy(v->account->slot[slot].program, ACCOUNT_PROGRAM_BYTES, from->program);
    jail_limit_programs(v);
    return make(&s, pidfd, &made);
}
