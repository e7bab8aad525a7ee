/* SPDX-License-Identifier: MIT */
/*
 * The slot in the account is the session's birth certificate: it is taken
 * before the worker starts and freed when the pidfd says that the worker is
 * gone, so that a manager that dies in between leaves everything its successor
 * needs.
 */
#include "manager/session.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "manager/frozen.h"
#include "manager/guests.h"
#include "manager/jail.h"
#include "manager/operation.h"
#include "manager/session_gate.h"
#include "manager/session_internal.h"
#include "manager/snapshot_head.h"
#include "manager/spawn.h"
#include "manager/vm.h"
#include "manager/words.h"
#include "manager/worker_find.h"
#include "manager/worker_link.h"
#include "wire/hello.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* A library opens one at a time; each costs a worker until it has said hello, or for 10 s. */
#define HALF_OPEN_MAX 4

static void
worker_arguments(struct strv *argv, const struct vgpu *v, unsigned slot)
{
    const struct gpu *g = v->gpu;

    strv_add(argv, "--slot");
    strv_add(argv, "%u", slot);
    strv_add(argv, "--vgpu");
    strv_add(argv, "%s", v->s.name);
    strv_add(argv, "--framebuffer");
    strv_add(argv, "%llu", (unsigned long long)v->s.framebuffer_bytes);
    strv_add(argv, "--platform");
    strv_add(argv, "%s", g->device.platform);
    strv_add(argv, "--device");
    strv_add(argv, "%llu", (unsigned long long)g->device.index);
    strv_add(argv, "--backend");
    strv_add(argv, "%s", v->m->options->backend);
    for (unsigned i = 0; i < LIMIT_COUNT; i++) {
        const uint64_t limit = limit_of(&v->m->options->limits, i);

        if (limit == 0)
            continue;
        strv_add(argv, "--limit");
        strv_add(argv, "%s=%llu", limit_rows[i].name, (unsigned long long)limit);
    }
    if (g->discrete)
        strv_add(argv, "--discrete");
    if (g->pinned) {
        char cores[CORES_TEXT_BYTES];

        cores_format(&g->cores, cores, sizeof cores);
        strv_add(argv, "--cores");
        strv_add(argv, "%s", cores);
        strv_add(argv, "--threads");
        strv_add(argv, "%d", CPU_COUNT(&g->cores));
    }
}

/* A descriptor that the worker gets, and the option that names it. */
static void
add_fd(struct strv *argv, const char *option, int fd, int *fds, int *nfds)
{
    strv_add(argv, "%s", option);
    strv_add(argv, "%d", SPAWN_FIRST_FD + *nfds);
    fds[(*nfds)++] = fd;
}

/* guest: -1 for a session that is made again from a snapshot. */
static pid_t
worker_start(const struct vgpu *v, const struct session *s, int guest)
{
    _cleanup_(jail_folders_fini) struct jail_folders folders = {0};
    _cleanup_strv_ struct strv argv = {0}, env = {0};
    _cleanup_close_ int control = worker_socket_make(v, s->slot);
    int fds[SPAWN_MAX_FDS], nfds = 0, rc;

    if (control < 0)
        return control;
    strv_add(&argv, "%s", v->m->worker);
    if (guest >= 0)
        add_fd(&argv, "--session-fd", guest, fds, &nfds);
    else
        strv_add(&argv, "--restore");
    add_fd(&argv, "--account-fd", v->account_fd, fds, &nfds);
    add_fd(&argv, "--control-fd", control, fds, &nfds);
    worker_arguments(&argv, v, s->slot);
    session_gate_arguments(v, s->gate, &argv, fds, &nfds);
    if (s->vm_port != 0)
        add_fd(&argv, "--bar-fd", v->vm->memory_fd, fds, &nfds);
    rc = jail_prepare(v, s->slot, &argv, &folders);
    if (rc < 0)
        return rc;
    worker_environment(&env, v->gpu->device.icd, folders.cache, folders.tmp);
    return spawn_process(&argv, &env, -1, fds, nfds);
}

/* How our child ended; 0 for one that is none of ours, whose status its real parent gets. */
static int
session_reap(const struct session *s)
{
    int status = 0;

    if (!s->adopted && !s->in_process && waitpid(s->pid, &status, WNOHANG) != s->pid)
        return 0;
    return status;
}

/*
 * Why the session was ended, NULL when nothing is wrong: the guest left, or we told it
 * to.
 */
static const char *
end_reason(const struct session *s, int status, char *buf, size_t cap)
{
    const struct account_slot *slot = &s->vgpu->account->slot[s->slot];

    if (s->verdict[0])
        return s->verdict;
    if (s->told_to_end || s->in_process)
        return NULL;
    if (atomic_load(&slot->state) == SLOT_ENDED && slot->reason[0]) {
        printable_copy(buf, slot->reason, cap);
        return buf;
    }
    if (WIFSIGNALED(status)) {
        snprintf(buf, cap, "the worker was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
        return buf;
    }
    if (s->adopted && atomic_load(&slot->state) == SLOT_LIVE) {
        /* Not our child, so without a status: but who leaves in order says so in the slot. */
        snprintf(buf, cap, "the worker died");
        return buf;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        snprintf(buf, cap, "the worker ended with status %d", WEXITSTATUS(status));
        return buf;
    }
    return NULL;
}

/* The limit that a session met before it ended in order; its worker has told the log. */
static bool
limit_words(const struct session *s, char *buf, size_t cap)
{
    const uint32_t n = atomic_load(&s->vgpu->account->slot[s->slot].limit_reached);

    if (n == 0 || n > LIMIT_COUNT)
        return false;
    snprintf(buf, cap, "a limit was reached: %s (tesserad --limit %s=N)",
             limit_rows[n - 1].doc, limit_rows[n - 1].name);
    return true;
}

void
session_settle(struct vgpu *v, unsigned i)
{
    v->past.sessions++;
    vgpu_totals_add(&v->past, &v->account->slot[i].gate);
    jail_session_over(v, i);
    worker_socket_remove(v, i);
    /* Of a session that will be made again the memory stays: it is its guest's. */
    if (v->s.suspended.number == 0 && vm_clear_slot(v, i))
        v->clearing++;
    else
        account_slot_free(v->account, i);
}

void
session_slot_cleared(struct vgpu *v, unsigned slot)
{
    v->clearing--;
    account_slot_free(v->account, slot);
    vgpu_session_gone(v);
}

/* The pidfd is readable: the worker is gone. */
static void
session_gone(void *arg)
{
    struct session *s = arg;
    struct vgpu *v = s->vgpu;
    char reason[ACCOUNT_REASON_BYTES], program[ACCOUNT_PROGRAM_BYTES];
    const char *why;
    int status;

    /*
     * What it started is in its process group, and cannot leave it. Before the reaping: until
     * then the number is nobody else's. (An adopted one's has been free for a moment.)
     */
    if (!s->hidden && !s->in_process)
        kill(-s->pid, SIGKILL);
    status = session_reap(s);
    why = end_reason(s, status, reason, sizeof reason);
    printable_copy(program, v->account->slot[s->slot].program, sizeof program);
    if (why)
        vgpu_note_error(v, s->pid, program, why);
    else if (limit_words(s, reason, sizeof reason))
        vgpu_remember_error(v, s->pid, program, reason);
    else
        log_debug("vGPU '%s': session of worker %d is over", v->s.name, (int)s->pid);
    session_gate_end(v, s->gate);
    session_hear_rest(s);
    if (v->operation)
        operation_session_gone(v->operation, s, why);
    session_settle(v, s->slot);
    if (s->port)
        vm_port_is_free(s->port, !why && (!s->told_to_end || v->leaving));
    session_forget(s);
    vgpu_session_gone(v);
}

int
session_watch(const struct session *from, int pidfd, struct session **ret)
{
    struct session *s = malloc(sizeof *s);
    struct vgpu *v = from->vgpu;
    int rc;

    if (!s) {
        close(pidfd);
        return -ENOMEM;
    }
    *s = *from;
    rc = watch_new(&v->m->loop, pidfd, session_gone, s, &s->watch);
    if (rc < 0) {
        free(s);
        return rc;
    }
    list_add_tail(&v->sessions, &s->link);
    v->nsessions++;
    *ret = s;
    return 0;
}

/*
 * from: its vGPU, its slot and what is known of its guest, whose socket is -1 when it has yet to
 * come back.
 */
static int
session_start(const struct session *from, int guest, struct session **ret)
{
    struct session s = *from;
    struct vgpu *v = s.vgpu;
    struct account_slot *page = &v->account->slot[s.slot];
    pid_t pid;
    uint64_t ticks;
    int pidfd, rc;

    s.gate = session_gate_begin(v, s.slot);
    pid = worker_start(v, &s, guest);
    if (pid < 0) {
        session_gate_end(v, s.gate);
        return pid;
    }
    /* Where /proc hides it from us (hidepid, once it is in its jail) its own word counts. */
    ticks = process_start_ticks(pid);
    if (ticks != 0)
        atomic_store(&page->pid_start, ticks);
    /* Of a session that waits the worker notes it, when its guest is there. */
    atomic_store(&page->guest_pid, s.waiting ? 0 : (int32_t)s.guest.pid);
    atomic_store(&page->vm_port, s.vm_port);
    atomic_store(&page->pid, pid);
    pidfd = process_open_number(pid);
    s.pid = pid;
    rc = pidfd < 0 ? pidfd : session_watch(&s, pidfd, ret);
    if (rc < 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        session_gate_end(v, s.gate);
    }
    return rc;
}

/*
 * The guest is told why in the words of a worker's refusal. They fit an empty socket's buffer, so
 * nothing waits, and nothing that it wrote is read.
 */
void
session_refuse(int guest, int status, const char *why)
{
    struct welcome w = {
        .magic = WELCOME_MAGIC, .version = WIRE_VERSION, .status = status};

    snprintf(w.reason, sizeof w.reason, "%s", why);
    if (send(guest, &w, sizeof w, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_debug("a guest left before it was told that it is turned away");
}

static void
turn_away(struct vgpu *v, int fd, const struct peer *guest, const char *why)
{
    session_refuse(fd, -EUSERS, why);
    if (!vgpu_refusal_is_news(v))
        return;
    if (!guest)
        log_warning("vGPU '%s': a program in its virtual machine was turned away: %s",
                    v->s.name, why);
    else
        log_warning("vGPU '%s': process %d of user %u was turned away: %s", v->s.name,
                    (int)guest->pid, (unsigned)guest->uid, why);
}

/* The same, and `tessera show` tells it, too. */
static void
turn_away_told(struct vgpu *v, int fd, const struct peer *guest, const char *why)
{
    const uint64_t told = v->refused_ns;

    turn_away(v, fd, guest, why);
    if (v->refused_ns != told)
        vgpu_note_error(v, 0, "", why);
}

const char *
session_guest_problem(const struct vgpu *v, const struct peer *guest, bool any_user)
{
    if (!any_user && guest->uid != 0 && guest->uid != v->s.owner_uid)
        return "the vGPU belongs to another user";
    if (v->deleting)
        return "the vGPU is being deleted";
    return NULL;
}

static unsigned
sessions_of_process(const struct vgpu *v, pid_t pid)
{
    unsigned n = 0;

    for (unsigned i = 0; i < ACCOUNT_SLOTS; i++) {
        const struct account_slot *slot = &v->account->slot[i];

        n += atomic_load(&slot->state) != SLOT_FREE &&
             atomic_load(&slot->guest_pid) == pid;
    }
    return n;
}

/* Connections of a process whose workers have not told them welcome yet. */
static unsigned
half_open_of_process(const struct vgpu *v, pid_t pid)
{
    unsigned n = 0;

    for (unsigned i = 0; i < ACCOUNT_SLOTS; i++) {
        const struct account_slot *slot = &v->account->slot[i];

        n += atomic_load(&slot->state) == SLOT_RESERVED &&
             atomic_load(&slot->guest_pid) == pid;
    }
    return n;
}

/* The limit that this guest has reached, LIMIT_COUNT when there is none. */
static enum limit
limit_reached(const struct vgpu *v, const struct peer *guest)
{
    const struct limits *l = &v->m->options->limits;

    if (v->nsessions >= limit_of(l, LIMIT_SESSIONS))
        return LIMIT_SESSIONS;
    /* Without a number the process is of a namespace that we do not see into. */
    if (guest->pid > 0 &&
        sessions_of_process(v, guest->pid) >= limit_of(l, LIMIT_PROCESS_SESSIONS))
        return LIMIT_PROCESS_SESSIONS;
    return LIMIT_COUNT;
}

static void
limit_describe(const struct vgpu *v, enum limit which, char *buf, size_t cap)
{
    snprintf(buf, cap, "%s (limit %llu; tesserad --limit %s=N)",
             which == LIMIT_SESSIONS ? "the vGPU has as many sessions as it may"
                                     : "the process has as many sessions as it may",
             (unsigned long long)limit_of(&v->m->options->limits, which),
             limit_rows[which].name);
}

static void
turn_away_at_limit(struct vgpu *v, int fd, const struct peer *guest, enum limit which)
{
    char why[ACCOUNT_REASON_BYTES];

    limit_describe(v, which, why, sizeof why);
    turn_away_told(v, fd, guest, why);
}

const char *
session_limit_problem(const struct vgpu *v, const struct peer *guest, char *buf,
                      size_t cap)
{
    const enum limit which = limit_reached(v, guest);

    if (which == LIMIT_COUNT)
        return NULL;
    limit_describe(v, which, buf, cap);
    return buf;
}

/* Gone before it said a word: there is nothing to start a worker for. */
static bool
guest_has_left(int guest)
{
    struct pollfd p = {.fd = guest, .events = POLLIN | POLLRDHUP};
    int waiting = 0;

    return poll(&p, 1, 0) > 0 && (p.revents & POLLRDHUP) &&
           ioctl(guest, FIONREAD, &waiting) == 0 && waiting == 0;
}

/* from: as session_start() has it, its slot just taken. */
static int
session_start_in(const struct session *from, int guest, struct session **ret)
{
    struct vgpu *v = from->vgpu;
    const int rc = session_start(from, guest, ret);

    if (rc == 0)
        return 0;
    jail_session_over(v, from->slot);
    worker_socket_remove(v, from->slot);
    account_slot_free(v->account, from->slot);
    vgpu_note_error(v, 0, "", "the worker could not be started");
    log_error("cannot start %s: %s", v->m->worker, strerror(-rc));
    return rc;
}

void
session_admit(struct vgpu *v, int guest, const struct peer *who)
{
    struct session s = {.vgpu = v, .guest = {(uint64_t)who->pid, 0}}, *started;
    enum limit limit;
    int slot;

    if (who->pid > 0 && half_open_of_process(v, who->pid) >= HALF_OPEN_MAX) {
        turn_away_told(v, guest, who, "the process has connections that are silent");
        return;
    }
    limit = limit_reached(v, who);
    if (limit != LIMIT_COUNT) {
        turn_away_at_limit(v, guest, who, limit);
        return;
    }
    slot = account_slot_take(v->account);
    if (slot < 0) {
        turn_away_at_limit(v, guest, who, LIMIT_SESSIONS);
        return;
    }
    s.slot = (unsigned)slot;
    s.guest.start_ticks = process_start_ticks(who->pid);
    session_start_in(&s, guest, &started);
}

int
session_restore(struct vgpu *v, const struct snapshot_head *head,
                const struct snapshot_session *from, bool own, struct session **ret)
{
    struct session s = {.vgpu = v, .waiting = true};
    const int slot = account_slot_take(v->account);
    int rc;

    if (slot < 0)
        return slot;
    s.slot = (unsigned)slot;
    memcpy(s.token, from->token, sizeof s.token);
    s.vm_port = (uint32_t)from->vm_port;
    if (own && !s.vm_port)
        s.guest = from->guest;
    text_copy(v->account->slot[slot].program, ACCOUNT_PROGRAM_BYTES, from->program);
    if (s.vm_port != 0)
        snapshot_bar_put(head, (unsigned)from->slot, &v->account->bar, s.slot);
    rc = session_start_in(&s, -1, ret);
    if (rc < 0)
        return rc;
    v->nwaiting++;
    return session_note_waiting(*ret);
}

static void
accept_at(struct vgpu *v, int listener, bool any_user)
{
    _cleanup_close_ int guest = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct peer who;
    const char *why;

    if (guest < 0 || guest_has_left(guest) || peer_of_socket(guest, &who) < 0)
        return;
    why = session_guest_problem(v, &who, any_user);
    if (!why && v->gpu && !gpu_has_opencl(v->gpu))
        why = "its GPU has no OpenCL driver: only programs of CUDA's run on it";
    if (why)
        turn_away(v, guest, &who, why);
    else if (guests_are_looked_at(v))
        guests_park(v, take_fd(&guest), &who);
    else
        session_admit(v, guest, &who);
}

/* In a virtual machine processes have no numbers that we know: the limit is the vGPU's. */
int
session_accept_port(struct vm_port *p)
{
    struct vgpu *v = p->v;
    struct session s = {.vgpu = v, .port = p, .vm_port = p->number + 1}, *started;
    const int slot = v->nsessions < limit_of(&v->m->options->limits, LIMIT_SESSIONS)
                         ? account_slot_take(v->account)
                         : -1;

    if (slot < 0) {
        const int rc = hello_take(p->fd);

        turn_away_at_limit(v, p->fd, NULL, LIMIT_SESSIONS);
        return rc < 0 ? rc : -EUSERS;
    }
    s.slot = (unsigned)slot;
    return session_start_in(&s, p->fd, &started);
}

bool
session_is_adopted_from_vm(const struct session *s)
{
    return s->adopted && !s->waiting && !s->port && s->vm_port != 0;
}

void
session_accept(void *vgpu)
{
    struct vgpu *v = vgpu;

    accept_at(v, watch_fd(v->listener), false);
}

void
session_accept_container(void *vgpu)
{
    struct vgpu *v = vgpu;

    accept_at(v, watch_fd(v->container), true);
}

/* 1 when the slot's worker still runs and is ours now; else the slot is free. */
static unsigned
session_adopt(struct vgpu *v, unsigned i)
{
    struct account_slot *slot = &v->account->slot[i];
    struct worker w;
    const enum worker_state state = worker_find(v->m, v->s.name, v->account, i, &w);
    struct session s = {.vgpu = v,
                        .slot = i,
                        .pid = w.pid,
                        .adopted = true,
                        .in_process = state == WORKER_PROGRAM,
                        /* It may have been made anew, and has yet to ask for it. */
                        .restored =
                            state == WORKER_PROGRAM && !atomic_load(&slot->answers),
                        .hidden = state == WORKER_HIDDEN || state == WORKER_PROGRAM,
                        .gate = SESSION_NO_GATE,
                        .vm_port = atomic_load(&slot->vm_port),
                        .guest = {(uint64_t)atomic_load(&slot->guest_pid), 0}};
    struct session *adopted;

    if (state == WORKER_GONE) {
        if (!v->leaving && atomic_load(&slot->state) == SLOT_ENDED && slot->reason[0])
            vgpu_note_error(v, w.pid, slot->program, slot->reason);
        session_settle(v, i);
        return 0;
    }
    s.gate = session_gate_adopt(v, i, w.pid);
    if (session_watch(&s, w.pidfd, &adopted) == 0) {
        session_find_waiting(adopted);
        return 1;
    }
    session_gate_end(v, s.gate);
    log_error("vGPU '%s': worker %d goes on unwatched", v->s.name, (int)w.pid);
    return 0;
}

void
session_adopt_all(struct vgpu *v)
{
    unsigned n = 0;

    for (unsigned i = 0; i < ACCOUNT_SLOTS; i++) {
        if (atomic_load(&v->account->slot[i].state) != SLOT_FREE)
            n += session_adopt(v, i);
    }
    if (n > 0)
        log_info("vGPU '%s': adopted %u running sessions", v->s.name, n);
    if (v->s.suspended.number == 0)
        frozen_go_on(v);
}

/* Has it ended, or begun to, for a reason of its own that we have yet to hear of? */
static bool
session_ends_itself(const struct session *s)
{
    struct pollfd p = {.fd = watch_fd(s->watch), .events = POLLIN};

    return atomic_load(&s->vgpu->account->slot[s->slot].state) == SLOT_ENDED ||
           poll(&p, 1, 0) > 0;
}

void
session_end(struct session *s, int signal)
{
    if (s->hidden) {
        log_warning(
            "vGPU '%s': process %d, which %s: its session lasts until its program "
            "ends",
            s->vgpu->s.name, (int)s->pid,
            s->in_process ? "a manager before us let in, is not ours to kill"
                          : "may be its worker, is hidden from us");
        return;
    }
    if (!session_ends_itself(s))
        s->told_to_end = true;
    process_signal(watch_fd(s->watch), signal);
}

void
session_end_because(struct session *s, const char *why)
{
    if (!session_ends_itself(s))
        text_copy(s->verdict, sizeof s->verdict, why);
    session_end(s, SIGKILL);
}

void
session_forget(struct session *s)
{
    list_del(&s->link);
    s->vgpu->nsessions--;
    if (s->waiting)
        s->vgpu->nwaiting--;
    session_hang_up(s);
    watch_free(s->watch);
    free(s);
}
