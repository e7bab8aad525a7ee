/* SPDX-License-Identifier: MIT */
#include "manager/guests.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "manager/snapshot_head.h"
#include "manager/vm.h"
#include "manager/words.h"
#include "manager/worker_link.h"
#include "wire/hello.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#define TICK_MS 1000
#define SILENT_NS UINT64_C(10000000000) /* as long as a worker waits for a hello */

struct parked {
    struct list link; /* vgpu.parked */
    struct vgpu *v;
    struct watch *watch;
    struct peer who;
    uint64_t since_ns;
    bool known; /* it has said hello */
    bool odd;   /* but none of our version */
    uint8_t token[TOKEN_BYTES];
};

_Static_assert(TOKEN_BYTES == CONTROL_TOKEN_BYTES, "one token");

bool
guests_are_looked_at(const struct vgpu *v)
{
    return v->s.suspended.number != 0 || v->held || v->nwaiting > 0;
}

static void
parked_free(struct parked *p)
{
    list_del(&p->link);
    p->v->nparked--;
    watch_free(p->watch);
    free(p);
}

static void
refuse(struct parked *p, int status, const char *why)
{
    session_refuse(watch_fd(p->watch), status, why);
    parked_free(p);
}

/* Its socket, as a worker reads it: one that waits. The caller's. */
static int
take_socket(struct parked *p)
{
    const int fd = fcntl(watch_fd(p->watch), F_DUPFD_CLOEXEC, 3);

    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    parked_free(p);
    return fd;
}

struct session *
guests_find_waiting(const struct vgpu *v, const uint8_t *token, bool in_vm)
{
    for (struct list *l = v->sessions.next; l != &v->sessions; l = l->next) {
        struct session *s = container_of(l, struct session, link);

        if (s->waiting && !s->joining && (s->vm_port != 0) == in_vm &&
            memcmp(s->token, token, CONTROL_TOKEN_BYTES) == 0)
            return s;
    }
    return NULL;
}

static int
send_to(struct parked *p, struct session *s)
{
    const struct control_msg m = {.op = CONTROL_GUEST};
    const pid_t pid = p->who.pid;
    _cleanup_close_ int fd = take_socket(p);
    int rc = fd < 0 ? fd : session_tell(s, &m, fd);

    if (rc < 0)
        return rc;
    s->joining = true;
    s->guest = (struct process_id){(uint64_t)pid, process_start_ticks(pid)};
    return 0;
}

static void
admit(struct parked *p)
{
    struct vgpu *v = p->v;
    const struct peer who = p->who;
    _cleanup_close_ int fd = take_socket(p);

    if (fd >= 0)
        session_admit(v, fd, &who);
}

static void
go_on(struct parked *p)
{
    struct session *s = guests_find_waiting(p->v, p->token, false);
    int rc;

    if (!s) {
        refuse(p, -ESTALE, "the session is gone");
        return;
    }
    rc = send_to(p, s);
    if (rc < 0)
        log_warning("vGPU '%s': worker %d does not take its guest back: %s",
                    s->vgpu->s.name, (int)s->pid, strerror(-rc));
}

static void
route(struct parked *p)
{
    const bool is_new = p->odd || token_is_zero(p->token);
    char why[ACCOUNT_REASON_BYTES];

    if (p->v->held)
        return;
    if (p->v->s.suspended.number == 0) {
        if (is_new)
            admit(p);
        else
            go_on(p);
    } else if (is_new) {
        snprintf(why, sizeof why, "the vGPU is suspended: tessera resume %s",
                 p->v->s.name);
        refuse(p, -EUSERS,
               p->v->s.suspended.moved[0] ? "the vGPU has moved to another manager"
                                          : why);
    } else if (p->v->s.suspended.moved[0]) {
        /* By this status a guest knows that the words are a path (docs/protocol.md). */
        refuse(p, -EREMOTE, p->v->s.suspended.moved);
    }
}

static bool
has_left(const struct parked *p)
{
    struct pollfd f = {.fd = watch_fd(p->watch), .events = POLLRDHUP};

    return poll(&f, 1, 0) > 0 && f.revents != 0;
}

static void
look(struct parked *p)
{
    struct hello h;
    int rc = p->known ? 0 : hello_peek(watch_fd(p->watch), &h);

    if (rc == -EPIPE || has_left(p) ||
        (rc == -EAGAIN && now_ns() - p->since_ns > SILENT_NS)) {
        parked_free(p);
        return;
    }
    /* What is not taken stays readable: until more comes, hanging up is all there is to see. */
    watch_hang_up_only(p->watch);
    if (rc == -EAGAIN)
        return;
    if (!p->known && rc == 0)
        memcpy(p->token, h.token, sizeof p->token);
    p->odd = p->odd || rc < 0;
    p->known = true;
    route(p);
}

static void
parked_speaks(void *arg)
{
    look(arg);
}

void
guests_route(struct vgpu *v)
{
    struct list *l, *tmp;

    list_for_each_safe(l, tmp, &v->parked) look(container_of(l, struct parked, link));
    vm_route(v);
}

/* The limit that one more of that process would break, or LIMIT_COUNT. */
static enum limit
limit_of_parked(const struct vgpu *v, const struct peer *who)
{
    const struct limits *limits = &v->m->options->limits;
    unsigned same = 0;

    for (const struct list *l = v->parked.next; l != &v->parked; l = l->next)
        same += who->pid > 0 && container_of(l, struct parked, link)->who.pid == who->pid;
    if (v->nparked >= ACCOUNT_SLOTS || v->nparked >= limit_of(limits, LIMIT_SESSIONS))
        return LIMIT_SESSIONS;
    return same >= limit_of(limits, LIMIT_PROCESS_SESSIONS) ? LIMIT_PROCESS_SESSIONS
                                                            : LIMIT_COUNT;
}

void
guests_park(struct vgpu *v, int fd, const struct peer *who)
{
    const enum limit limit = limit_of_parked(v, who);
    struct parked *p = limit == LIMIT_COUNT ? calloc(1, sizeof *p) : NULL;

    if (!p) {
        session_refuse(fd, -EUSERS,
                       limit == LIMIT_PROCESS_SESSIONS
                           ? "the process has as many connections that wait as it may"
                           : "as many connections wait for the vGPU as may");
        close(fd);
        return;
    }
    *p = (struct parked){.v = v, .who = *who, .since_ns = now_ns()};
    if (watch_new(&v->m->loop, fd, parked_speaks, p, &p->watch) < 0) {
        free(p);
        return;
    }
    list_add_tail(&v->parked, &p->link);
    v->nparked++;
    guests_watch(v);
}

int
guests_send_to(struct session *s)
{
    struct list *l, *tmp;

    /* A port's session has its memory already: its guest comes when all is done. */
    if (s->vm_port != 0)
        return 0;
    list_for_each_safe(l, tmp, &s->vgpu->parked)
    {
        struct parked *p = container_of(l, struct parked, link);

        if (p->known && !p->odd && memcmp(p->token, s->token, CONTROL_TOKEN_BYTES) == 0)
            return send_to(p, s);
    }
    return 0;
}

void
guests_joined(struct session *s)
{
    session_waits_no_more(s);
    if (s->port)
        s->port->idle_bytes = 0;
    log_debug("vGPU '%s': the guest of worker %d is back", s->vgpu->s.name, (int)s->pid);
}

void
guests_not_joined(struct session *s, const struct control_msg *m)
{
    char words[CONTROL_WORDS_BYTES];

    printable_copy(words, m->words, sizeof words);
    s->joining = false;
    if (s->port)
        vm_port_is_free(take_ptr(s->port), false);
    log_warning("vGPU '%s': worker %d does not take its guest back: %s", s->vgpu->s.name,
                (int)s->pid, words);
}

/* Also one whose parent has not asked for its status yet, and may never. */
static bool
has_ended(pid_t pid)
{
    _cleanup_close_ int fd = process_open_number(pid);
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return fd < 0 ? fd == -ESRCH : poll(&p, 1, 0) > 0;
}

bool
guest_may_live(const struct process_id *guest)
{
    const pid_t pid = (pid_t)guest->pid;
    uint64_t ticks;

    if (pid <= 0)
        return true;
    if (has_ended(pid))
        return false;
    ticks = process_start_ticks(pid);
    /* Where /proc hides it (hidepid) it still has its number. */
    if (ticks == 0)
        return kill(pid, 0) == 0 || errno != ESRCH;
    return guest->start_ticks == 0 || ticks == guest->start_ticks;
}

static void
end_deserted(struct vgpu *v)
{
    for (struct list *l = v->sessions.next; l != &v->sessions; l = l->next) {
        struct session *s = container_of(l, struct session, link);

        session_look_whether_joined(s);
        if (s->waiting && !s->joining && !s->told_to_end && !guest_may_live(&s->guest)) {
            log_info("vGPU '%s': the guest that worker %d waited for is gone", v->s.name,
                     (int)s->pid);
            session_end(s, SIGTERM);
        }
    }
}

static void
tick(void *arg)
{
    struct vgpu *v = arg;

    if (!v->operation)
        end_deserted(v);
    guests_route(v);
    guests_watch(v);
}

void
guests_watch(struct vgpu *v)
{
    if (v->nparked + v->nwaiting == 0 && !vm_any_parked(v))
        return;
    if (v->tick || alarm_new(&v->m->loop, tick, v, &v->tick) == 0)
        alarm_set(v->tick, TICK_MS);
}

void
guests_forget(struct vgpu *v)
{
    struct list *l, *tmp;

    list_for_each_safe(l, tmp, &v->parked)
        parked_free(container_of(l, struct parked, link));
    alarm_free(take_ptr(v->tick));
}
