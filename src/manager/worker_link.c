/* SPDX-License-Identifier: MIT */
#include "manager/worker_link.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/sock.h"
#include "manager/guests.h"
#include "manager/operation.h"
#include "manager/snapshot_head.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

/* A worker in the middle of something takes none of them; each is an operation called off. */
#define BACKLOG 128
#define WAITING ".waiting"
#define WAITING_MAX_BYTES 256

static char *
file_of(const struct vgpu *v, unsigned slot, const char *end)
{
    return str_printf("%s/%s.%u%s", v->m->folders.workers, v->s.name, slot, end);
}

int
worker_socket_make(const struct vgpu *v, unsigned slot)
{
    _cleanup_free_ char *path = file_of(v, slot, "");

    return path ? sock_listen_packets(path, 0600, BACKLOG) : -ENOMEM;
}

static void
remove_file(const struct vgpu *v, unsigned slot, const char *end)
{
    _cleanup_free_ char *path = file_of(v, slot, end);

    if (path)
        unlink(path);
}

void
worker_socket_remove(const struct vgpu *v, unsigned slot)
{
    remove_file(v, slot, "");
    remove_file(v, slot, WAITING);
}

void
worker_sockets_sweep(const struct manager *m)
{
    _cleanup_closedir_ DIR *d = opendir(m->folders.workers);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        if (e->d_name[0] != '.' && !vgpu_slot_file_is_used(m, e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
    }
}

/* ---- the connection --------------------------------------------------------------------- */

void
session_hang_up(struct session *s)
{
    watch_free(take_ptr(s->control));
    s->joining = false; /* whatever comes of it is not heard any more */
}

/* A worker's words, as an operation or the session's own state wants them. */
static void
heard(struct session *s, const struct control_msg *m)
{
    if (s->vgpu->operation && operation_heard(s->vgpu->operation, s, m))
        return;
    if (s->vgpu->leaving && m->op == CONTROL_FAILED)
        session_end(s,
                    SIGKILL); /* it has nothing to leave: all of it is in the snapshot */
    else if (m->op == CONTROL_JOINED)
        guests_joined(s);
    else if (m->op == CONTROL_FAILED)
        guests_not_joined(s, m);
    else
        log_debug("vGPU '%s': worker %d says %u, which nobody asked for", s->vgpu->s.name,
                  (int)s->pid, m->op);
}

/* One at a time: what is heard may end the session, or the connection. */
static void
control_readable(void *arg)
{
    struct session *s = arg;
    struct control_msg m;
    int fd, rc = control_receive(watch_fd(s->control), &m, &fd, MSG_DONTWAIT);

    cleanup_closep(&fd);
    if (rc == -EAGAIN)
        return;
    if (rc == 0) {
        heard(s, &m);
        return;
    }
    session_hang_up(s);
    if (s->vgpu->operation)
        operation_worker_hung_up(s->vgpu->operation, s);
}

void
session_hear_rest(struct session *s)
{
    struct control_msg m;
    int fd, rc = 0;

    /* What is heard may be the last. */
    while (rc == 0 && s->control) {
        rc = control_receive(watch_fd(s->control), &m, &fd, MSG_DONTWAIT);
        cleanup_closep(&fd);
        if (rc == 0)
            heard(s, &m);
    }
}

static int
connect_to_worker(struct session *s)
{
    _cleanup_free_ char *path = file_of(s->vgpu, s->slot, "");
    const int fd = path ? sock_connect_packets(path) : -ENOMEM;

    return fd < 0 ? fd
                  : watch_new(&s->vgpu->m->loop, fd, control_readable, s, &s->control);
}

int
session_tell(struct session *s, const struct control_msg *m, int fd)
{
    const int rc = s->control ? 0 : connect_to_worker(s);

    return rc < 0 ? rc : control_send(watch_fd(s->control), m, fd);
}

int
session_tell_op(struct session *s, enum control_op op)
{
    const struct control_msg m = {.op = op};

    return session_tell(s, &m, -1);
}

/* ---- for whom it waits ------------------------------------------------------------------ */

int
session_note_waiting(const struct session *s)
{
    _cleanup_free_ char *path = file_of(s->vgpu, s->slot, WAITING);
    char token[TOKEN_TEXT_BYTES], text[WAITING_MAX_BYTES];
    int n;

    token_format(s->token, token);
    n = snprintf(text, sizeof text, "%s %" PRIu64 " %" PRIu64 "\n", token, s->guest.pid,
                 s->guest.start_ticks);
    return path ? write_file_atomic(path, text, (size_t)n, 0600) : -ENOMEM;
}

void
session_find_waiting(struct session *s)
{
    _cleanup_free_ char *path = file_of(s->vgpu, s->slot, WAITING), *text = NULL;
    char token[TOKEN_TEXT_BYTES];
    size_t len;

    if (!path || read_file(path, WAITING_MAX_BYTES, &text, &len) < 0 ||
        sscanf(text, "%32s %" SCNu64 " %" SCNu64, token, &s->guest.pid,
               &s->guest.start_ticks) != 3 ||
        token_parse(token, s->token) < 0)
        return;
    s->waiting = true;
    s->vgpu->nwaiting++;
    session_look_whether_joined(s);
}

void
session_look_whether_joined(struct session *s)
{
    /* The worker notes its guest when it comes; we have noted none (session_start). */
    if (s->waiting && atomic_load(&s->vgpu->account->slot[s->slot].guest_pid) != 0)
        session_waits_no_more(s);
}

void
session_waits_no_more(struct session *s)
{
    if (s->waiting)
        s->vgpu->nwaiting--;
    s->waiting = false;
    s->joining = false;
    remove_file(s->vgpu, s->slot, WAITING);
}
