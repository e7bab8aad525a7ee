/* SPDX-License-Identifier: MIT */
/*
 * States, and who moves:
 *
 *   runs ──PAUSE──▶ paused ──SAVE──▶ paused ──LEAVE──▶ gone
 *     ▲───CONTINUE────┘ ▲─────────────┘
 *
 *   empty ──RESTORE──▶ restored ──CONTINUE──▶ waits ──GUEST──▶ runs
 *
 * A session that is restored or waits is as good as paused: it can be saved, and left.
 */
#include "worker/control.h"

#include "api/opencl_request.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "link/control.h"
#include "worker/pause.h"
#include "worker/restore.h"
#include "worker/save.h"
#include "worker/session.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROGRESS_NS UINT64_C(50000000)
#define HELLO_TIMEOUT_S 10
/* No process of a virtual machine is seen from here: the page tells of its end. */
#define DESERTED_LOOK_MS 1000

enum control_state { RUNS, PAUSED, EMPTY, RESTORED, WAITS };

struct control {
    struct session *s;
    enum control_state state;
    int conn; /* the manager's, -1: none */
    uint64_t told_ns;
    /* A guest that came before it could be served. */
    int guest;
    struct guest_memory memory;
    struct hello hello;
    bool joined;
    bool went_on; /* the session, while its copy is written */
};

static struct control the_control = {.conn = -1, .guest = -1, .memory.fds = {-1, -1}};

static void
drop(int *fd)
{
    if (*fd >= 0)
        close(take_fd(fd));
}

/* ---- answers ------------------------------------------------------------------------------ */

static void
tell(struct control *c, enum control_op op, uint64_t a, uint64_t b)
{
    struct control_msg m = {.op = op, .a = a, .b = b};

    memcpy(m.token, c->s->token, sizeof m.token);
    if (c->conn >= 0 && control_send(c->conn, &m, -1) < 0)
        log_debug("the manager does not hear");
}

static void
tell_failure(struct control *c, int rc, const char *words)
{
    struct control_msg m = {.op = CONTROL_FAILED, .a = (uint64_t)-rc};

    snprintf(m.words, sizeof m.words, "%s", words);
    if (c->conn >= 0)
        control_send(c->conn, &m, -1);
}

/* Has the manager hung up, or something new to say? */
static bool
manager_wants(const struct control *c)
{
    struct pollfd p = {.fd = c->conn, .events = POLLIN | POLLRDHUP};

    return c->conn < 0 || (poll(&p, 1, 0) > 0 && p.revents != 0);
}

static int
progress(void *ctx, uint64_t done, uint64_t total)
{
    struct control *c = ctx;
    const uint64_t now = now_ns();

    if (now - c->told_ns >= PROGRESS_NS) {
        c->told_ns = now;
        tell(c, CONTROL_PROGRESS, done, total);
    }
    return manager_wants(c) ? -ECANCELED : 0;
}

/* ---- away --------------------------------------------------------------------------------- */

static bool
may_go_on(void *ctx)
{
    return progress(ctx, 0, 0) == 0;
}

static void
on_pause(struct control *c)
{
    if (c->state == RUNS && session_pause(c->s, may_go_on, c) < 0) {
        tell_failure(c, -ECANCELED, "cancelled");
        return;
    }
    if (c->state == RUNS)
        c->state = PAUSED;
    if (c->state == EMPTY)
        tell_failure(c, -EINVAL, "there is no session yet");
    else
        tell(c, CONTROL_PAUSED, 0, 0);
}

static void on_message(struct control *c, const struct control_msg *m, int fd);

/* The session goes on: its copy is written meanwhile. */
static void
take_continue(struct control *c)
{
    struct control_msg m;
    int fd;

    if (!manager_wants(c) || control_receive(c->conn, &m, &fd, MSG_DONTWAIT) < 0)
        return;
    c->went_on = m.op == CONTROL_CONTINUE;
    if (c->went_on)
        on_message(c, &m, fd);
    else
        tell_failure(c, -EBUSY, "a copy of the session is being written");
    drop(&fd);
}

/* While a copy is written CONTINUE may come, once: whatever else comes ends it. */
static int
progress_of_copy(void *ctx, uint64_t done, uint64_t total)
{
    struct control *c = ctx;

    if (!c->went_on)
        take_continue(c);
    return progress(ctx, done, total);
}

static void
on_save(struct control *c, const struct control_msg *m, int fd)
{
    const bool copy = m->a & CONTROL_SAVE_COPY;
    _cleanup_err_ struct err e = ERR_INIT;
    /* A copy is for the manager's own file, which keeps nobody waiting. */
    const struct saving_options o = {.fd = fd,
                                     .stop_fd = copy ? -1 : c->conn,
                                     .progress = copy ? progress_of_copy : progress,
                                     .ctx = c};
    struct saving *g = NULL;
    uint64_t written = 0;
    int rc;

    if (c->state == RUNS || c->state == EMPTY || fd < 0) {
        tell_failure(c, -EINVAL,
                     fd < 0 ? "a descriptor is missing" : "the session is not paused");
        return;
    }
    c->went_on = false;
    rc = saving_new(c->s, m->b, copy, &g, &e);
    if (rc == 0 && copy)
        tell(c, CONTROL_COPIED, saving_bytes(g), 0);
    if (rc == 0)
        rc = saving_write(g, &o, &written, &e);
    if (rc < 0)
        tell_failure(c, rc, err_msg(&e));
    else
        tell(c, CONTROL_SAVED, saving_bytes(g), written);
    saving_free(g);
}

static void
on_continue(struct control *c)
{
    if (c->state == PAUSED) {
        c->state = RUNS;
        session_continue(c->s);
    }
    if (c->state == RESTORED)
        c->state = WAITS;
}

static void
on_leave(struct control *c)
{
    if (c->state != RUNS && c->state != EMPTY)
        session_leave_guest(c->s);
    tell_failure(c, -EINVAL, "the session is not paused");
}

/* ---- back --------------------------------------------------------------------------------- */

static void
on_restore(struct control *c, const struct control_msg *m, int fd)
{
    const struct restore_options o = {.fd = fd,
                                      .stop_fd = c->conn,
                                      .number = m->b,
                                      .memory = c->guest >= 0 ? &c->memory : NULL,
                                      .progress = progress,
                                      .ctx = c};
    _cleanup_err_ struct err e = ERR_INIT;
    int rc;

    if (c->state != EMPTY || fd < 0) {
        tell_failure(c, -EINVAL,
                     fd < 0 ? "a descriptor is missing" : "there is a session already");
        return;
    }
    rc = restore_session(c->s, &o, &e);
    if (rc < 0) {
        tell_failure(c, rc, err_msg(&e));
        session_end(c->s, "it cannot be made again: %s", err_msg(&e));
    }
    c->state = RESTORED;
    session_is_restored(c->s);
    tell(c, CONTROL_RESTORED, 0, 0);
}

static bool
is_in_vm(const struct control *c)
{
    return c->s->options->bar_fd >= 0;
}

static void
forget_guest(struct control *c)
{
    drop(&c->guest);
    drop(&c->memory.fds[0]);
    drop(&c->memory.fds[1]);
}

static void
refuse_guest(struct control *c, int rc, const char *words)
{
    struct welcome w = {.magic = WELCOME_MAGIC, .version = WIRE_VERSION, .status = rc};

    snprintf(w.reason, sizeof w.reason, "%s", words);
    if (is_in_vm(c))
        preamble_send(c->guest, c->hello.nonce);
    welcome_send(c->guest, &w, NULL, NULL);
    forget_guest(c);
    tell_failure(c, rc, words);
}

/* The guest that speaks on fd, which is taken: what it says, and its memory. */
static void
on_guest(struct control *c, int fd)
{
    const struct timeval tv = {.tv_sec = HELLO_TIMEOUT_S};
    char reason[ACCOUNT_REASON_BYTES];
    int rc;

    if (fd < 0 || c->state == RUNS || c->state == PAUSED) {
        tell_failure(c, -EINVAL, "the session has its guest");
        drop(&fd);
        return;
    }
    forget_guest(c);
    c->guest = fd;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    c->hello = (struct hello){0};
    rc = is_in_vm(c) ? hello_receive_port(fd, OPENCL_FINGERPRINT, &c->hello, reason)
                     : hello_receive_memory(fd, OPENCL_FINGERPRINT, &c->hello,
                                            c->memory.fds, reason);
    if (rc < 0) {
        refuse_guest(c, rc, reason);
        return;
    }
    memcpy(c->memory.token, c->hello.token, sizeof c->hello.token);
}

static void
join(struct control *c)
{
    const bool brought = c->memory.fds[0] >= 0 && c->memory.fds[1] >= 0;
    struct rejoining g = {
        .fd = c->guest, .memory = brought ? c->memory.fds : NULL, .hello = &c->hello};
    int rc = 0;

    /* What it said may still be there when it is not. */
    if (session_is_deserted(c->s))
        session_left(c->s);
    if (memcmp(c->memory.token, c->s->token, sizeof c->s->token) != 0 ||
        (is_in_vm(c) && c->hello.boot != c->s->boot)) {
        refuse_guest(c, -ESTALE, "the session is gone");
        return;
    }
    rc = session_join(c->s, &g);
    if (rc < 0) {
        refuse_guest(c, rc, "the memory that it brought is not its session's");
        return;
    }
    c->guest = -1; /* the session's now */
    forget_guest(c);
    c->state = RUNS;
    c->joined = true;
    tell(c, CONTROL_JOINED, 0, 0);
}

/* ---- messages ----------------------------------------------------------------------------- */

/* fd stays the caller's, but for a guest's. */
static void
on_message(struct control *c, const struct control_msg *m, int fd)
{
    switch (m->op) {
    case CONTROL_PAUSE:
        on_pause(c);
        break;
    case CONTROL_SAVE:
        on_save(c, m, fd);
        break;
    case CONTROL_CONTINUE:
        on_continue(c);
        break;
    case CONTROL_LEAVE:
        on_leave(c);
        break;
    case CONTROL_RESTORE:
        on_restore(c, m, fd);
        break;
    case CONTROL_GUEST:
        on_guest(c, dup(fd));
        break;
    default:
        tell_failure(c, -EINVAL, "no such message");
    }
    if (c->state == WAITS && c->guest >= 0)
        join(c);
}

/* Whose manager is gone: the account says whether the suspend counts. */
static void
on_hang_up(struct control *c)
{
    const bool suspended = atomic_load(&c->s->account->suspended);

    drop(&c->conn);
    if ((c->state == PAUSED || c->state == WAITS) && suspended)
        session_leave_guest(c->s);
    /* Its snapshot is as it was, and will be read again; unless the resume counts already. */
    if (c->state == EMPTY || (c->state == RESTORED && suspended))
        session_end(c->s, "the resume did not come to its end");
    on_continue(c);
    if (c->state == WAITS && c->guest >= 0)
        join(c);
}

static void
take_connection(struct control *c)
{
    int fd = accept4(c->s->options->control_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    drop(&c->conn);
    c->conn = fd;
}

static void
serve_one(struct control *c)
{
    struct pollfd p[2] = {{.fd = c->s->options->control_fd, .events = POLLIN},
                          {.fd = c->conn, .events = POLLIN}};
    struct control_msg m;
    int fd, rc;

    if (poll(p, 2, c->state == WAITS && is_in_vm(c) ? DESERTED_LOOK_MS : -1) < 0)
        return;
    if (c->state == WAITS && session_is_deserted(c->s))
        session_left(c->s);
    if (p[1].revents) {
        rc = control_receive(c->conn, &m, &fd, MSG_DONTWAIT);
        if (rc == 0)
            on_message(c, &m, fd);
        else if (rc != -EAGAIN)
            on_hang_up(c);
        drop(&fd);
    } else if (p[0].revents) {
        take_connection(c);
    }
}

static void *
control_main(void *arg)
{
    session_acts_as_dispatcher();
    for (;;)
        serve_one(arg);
    return NULL;
}

void
control_start(struct session *s)
{
    the_control.s = s;
    if (s->options->control_fd >= 0)
        session_thread(s, control_main, &the_control);
}

void
control_restore(struct session *s)
{
    struct control *c = &the_control;

    c->s = s;
    c->state = EMPTY;
    while (!c->joined)
        serve_one(c);
}
