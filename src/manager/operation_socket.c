/* SPDX-License-Identifier: MIT */
/*
 * A caller says what it wants in its first line, with which a descriptor may come, and then hears
 * how it goes; it hangs up to call it off. Nothing here waits for a caller: who does not read what
 * it is told loses its connection.
 */
#include "manager/operation_socket.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "manager/api.h"
#include "manager/fields.h"
#include "manager/http.h"
#include "manager/operation.h"
#include "manager/vgpu_json.h"
#include "manager/words.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECTIONS_MAX 64
#define WORDS_BYTES 1024
#define FDS_MAX 8 /* that a caller could send at once; more are dropped by the kernel */

struct operation_socket {
    struct manager *m;
    struct watch *listener;
    struct list connections;
    unsigned n;
};

struct connection {
    struct list link;
    struct operation_socket *socket;
    struct watch *watch;
    struct peer who;
    struct operation *op; /* NULL: none yet */
    int fd;               /* that came along, until there is an operation */
    size_t len;
    char line[REQUEST_MAX_BYTES];
};

static void
connection_free(struct connection *c)
{
    list_del(&c->link);
    c->socket->n--;
    cleanup_closep(&c->fd);
    watch_free(c->watch);
    free(c);
}

/* ---- telling ---------------------------------------------------------------------------- */

/* Takes the reference. A caller that does not read what it is told loses its connection. */
static void
tell(const struct connection *c, json_t *o)
{
    _cleanup_free_ char *text = json_dumps(o, JSON_COMPACT);
    _cleanup_free_ char *line = text ? str_printf("%s\n", text) : NULL;
    const size_t len = line ? strlen(line) : 0;

    json_decref(o);
    if (line &&
        send(watch_fd(c->watch), line, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
        shutdown(watch_fd(c->watch), SHUT_RDWR);
}

static void
tell_error(const struct connection *c, const struct err *e)
{
    char words[WORDS_BYTES];

    /* They may quote what was asked, which may be any bytes. */
    printable_copy(words, err_msg(e), sizeof words);
    tell(c, json_pack("{ss ss ss}", "event", "error", "code", api_error_code(e->code),
                      "message", words));
}

static void
progress(void *arg, const char *phase, uint64_t done, uint64_t total)
{
    tell(arg, json_pack("{ss ss sI sI}", "event", "progress", "phase", phase, "done",
                        (json_int_t)done, "total", (json_int_t)total));
}

static void
written(void *arg, uint64_t bytes)
{
    tell(arg, json_pack("{ss sI}", "event", "written", "bytes", (json_int_t)bytes));
}

static void
ended(void *arg, const struct err *e, const struct vgpu *v, uint64_t bytes,
      uint64_t paused_ms)
{
    struct connection *c = arg;

    c->op = NULL;
    if (e->code)
        tell_error(c, e);
    else
        tell(c, json_pack("{ss so sI sI}", "event", "done", "vgpu",
                          v ? vgpu_json(v) : json_null(), "bytes", (json_int_t)bytes,
                          "paused_ms", (json_int_t)paused_ms));
    connection_free(c);
}

/* ---- listening -------------------------------------------------------------------------- */

static int
begin(struct connection *c, size_t len, struct err *e)
{
    struct operation_caller caller = {.who = c->who,
                                      .fd = -1,
                                      .progress = progress,
                                      .written = written,
                                      .ended = ended,
                                      .arg = c};
    _cleanup_free_ struct request_operation *r = calloc(1, sizeof *r);
    int rc =
        r ? api_check_peer(c->who.uid, false, e) : err_set(e, -ENOMEM, "out of memory");

    if (rc == 0)
        rc = request_parse_operation(c->line, len, r, e);
    if (rc < 0)
        return rc;
    caller.fd = take_fd(&c->fd);
    return operation_start(c->socket->m, r, &caller, &c->op, e);
}

static bool
is_kept(const char *line, size_t len)
{
    _cleanup_err_ struct err e = ERR_INIT;
    json_t *o = NULL;
    bool kept;

    if (fields_load(line, len, &o, &e) < 0)
        return false;
    kept = json_is_string(json_object_get(o, "event")) &&
           strcmp(json_string_value(json_object_get(o, "event")), "kept") == 0;
    json_decref(o);
    return kept;
}

/* false: the connection is gone. */
static bool
take_line(struct connection *c, size_t len)
{
    _cleanup_err_ struct err e = ERR_INIT;

    if (c->op) {
        /* It may be over with this. */
        if (is_kept(c->line, len)) {
            struct operation *op = c->op;

            operation_kept(op);
            return false;
        }
        return true;
    }
    if (begin(c, len, &e) == 0)
        return true;
    tell_error(c, &e);
    connection_free(c);
    return false;
}

static void
take_lines(struct connection *c)
{
    char *end = memchr(c->line, '\n', c->len);
    size_t len;

    if (!end)
        return;
    len = (size_t)(end - c->line);
    if (!take_line(c, len))
        return;
    c->len -= len + 1;
    memmove(c->line, end + 1, c->len);
    take_lines(c);
}

static void
take_descriptors(struct connection *c, struct msghdr *h)
{
    for (struct cmsghdr *m = CMSG_FIRSTHDR(h); m; m = CMSG_NXTHDR(h, m)) {
        if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(int) <= m->cmsg_len - CMSG_LEN(0);
             at += sizeof(int)) {
            int fd;

            memcpy(&fd, CMSG_DATA(m) + at, sizeof fd);
            if (c->fd < 0 && !c->op)
                c->fd = fd;
            else
                close(fd);
        }
    }
}

static ssize_t
receive(struct connection *c)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
    } control;
    struct iovec iov = {c->line + c->len, sizeof c->line - c->len};
    struct msghdr h = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    const ssize_t n = recvmsg(watch_fd(c->watch), &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n >= 0)
        take_descriptors(c, &h);
    return n < 0 ? -errno : n;
}

static void
connection_speaks(void *arg)
{
    struct connection *c = arg;
    const ssize_t n = c->len < sizeof c->line ? receive(c) : 0;

    if (n == -EAGAIN || n == -EINTR)
        return;
    if (n > 0) {
        c->len += (size_t)n;
        take_lines(c);
        return;
    }
    /* It has hung up, or says more than there is to say. */
    if (!c->op) {
        connection_free(c);
        return;
    }
    /* Who hung up its own direction alone hears when all is as before. */
    watch_stop(c->watch);
    operation_cancel(c->op, -ECANCELED, "it was called off");
}

/* Of those that have not said yet what they want the oldest has had the most time. */
static void
make_room(struct operation_socket *s)
{
    for (struct list *l = s->connections.next; l != &s->connections; l = l->next) {
        struct connection *c = container_of(l, struct connection, link);

        if (!c->op) {
            connection_free(c);
            return;
        }
    }
}

static void
accept_caller(void *arg)
{
    struct operation_socket *s = arg;
    _cleanup_close_ int fd =
        accept4(watch_fd(s->listener), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct connection *c;

    if (fd < 0)
        return;
    if (s->n >= CONNECTIONS_MAX)
        make_room(s);
    c = malloc(sizeof *c);
    if (!c)
        return;
    memset(c, 0, offsetof(struct connection, line));
    c->socket = s;
    c->fd = -1;
    if (peer_of_socket(fd, &c->who) < 0 ||
        watch_new(&s->m->loop, take_fd(&fd), connection_speaks, c, &c->watch) < 0) {
        free(c);
        return;
    }
    s->m->last_request_ns = now_ns();
    list_add_tail(&s->connections, &c->link);
    s->n++;
}

int
operation_socket_start(struct manager *m, struct operation_socket **ret, struct err *e)
{
    struct operation_socket *s = calloc(1, sizeof *s);
    int fd, rc;

    if (!s)
        return err_set(e, -ENOMEM, "out of memory");
    s->m = m;
    list_init(&s->connections);
    fd = control_listen(m->folders.operations, e);
    if (fd < 0) {
        free(s);
        return fd;
    }
    rc = watch_new(&m->loop, fd, accept_caller, s, &s->listener);
    if (rc < 0) {
        free(s);
        return err_set(e, rc, "cannot watch %s: %s", m->folders.operations,
                       strerror(-rc));
    }
    *ret = s;
    return 0;
}

void
operation_socket_stop(struct operation_socket *s)
{
    struct list *l, *tmp;

    if (!s)
        return;
    unlink(s->m->folders.operations);
    list_for_each_safe(l, tmp, &s->connections)
        connection_free(container_of(l, struct connection, link));
    watch_free(s->listener);
    free(s);
}
