/* SPDX-License-Identifier: MIT */
/*
 * One operation over one connection: a line of JSON with a descriptor goes there, lines of JSON
 * come back. Calling off is hanging up our direction: the manager then undoes what it began, and
 * ends the other direction when all is as before.
 */
#include "client/operation.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/sock.h"
#include "client/connect.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define LINE_MAX_BYTES (16u << 20) /* a vGPU with all its sessions */
#define READ_BYTES 4096u
#define REPEAT_MS 1000
#define UNDO_MS 60000 /* a worker that is in the middle of a block must come to its end */

struct talk {
    struct client *c;
    const struct client_operation *o;
    int sock;
    char *text; /* what came and is no whole line yet */
    size_t len;
    char phase[32];
    uint64_t done, total;
    uint64_t hung_up_ns; /* 0: not yet */
    int why;             /* and why, with words in the caller's err */
    bool kept;           /* the manager was told so: from here it may be done */
};

static int
send_line(int sock, const json_t *o, int fd)
{
    _cleanup_free_ char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    _cleanup_free_ char *line = text ? str_printf("%s\n", text) : NULL;

    return line ? sock_send_fds(sock, line, strlen(line), &fd, fd >= 0) : -ENOMEM;
}

static int
ask(const struct talk *t, struct err *e)
{
    const struct client_operation *o = t->o;
    json_t *line = json_pack("{ss ss ss* ss* ss*}", "op", o->op, "vgpu", o->vgpu, "name",
                             o->name, "gpu", o->gpu, "file", o->file);
    int rc;

    if (!line)
        return err_set(e, -EINVAL, "the name, the GPU or the file is not UTF-8");
    if (o->written)
        json_object_set_new(line, "confirm", json_true());
    if (o->suspended)
        json_object_set_new(line, "suspended", json_true());
    rc = send_line(t->sock, line, o->fd);
    json_decref(line);
    /* It refuses some without having read all: its words are there to be read. */
    if (rc < 0 && rc != -EPIPE && rc != -ECONNRESET)
        return err_set(e, rc, "cannot ask the manager: %s", strerror(-rc));
    return 0;
}

static void
hang_up(struct talk *t, int why)
{
    if (t->hung_up_ns)
        return;
    t->why = why;
    t->hung_up_ns = now_ns();
    shutdown(t->sock, SHUT_WR);
}

static void
tell_progress(const struct talk *t)
{
    if (t->o->progress && t->phase[0])
        t->o->progress(t->o->user, t->phase, t->done, t->total);
}

/* What a line says; 1: it was the last one, and *ret is it. */
static int
take_progress(struct talk *t, json_t *line)
{
    const char *phase = json_string_value(json_object_get(line, "phase"));

    snprintf(t->phase, sizeof t->phase, "%s", phase ? phase : "");
    t->done = (uint64_t)json_integer_value(json_object_get(line, "done"));
    t->total = (uint64_t)json_integer_value(json_object_get(line, "total"));
    tell_progress(t);
    return 0;
}

static int
take_written(struct talk *t, json_t *line, struct err *e)
{
    const uint64_t bytes = (uint64_t)json_integer_value(json_object_get(line, "bytes"));
    json_t *kept;
    int rc;

    if (!t->o->written || t->kept)
        return err_set(e, -EPROTO, "the manager asks for what nobody offered");
    if (t->hung_up_ns)
        return 0;
    rc = t->o->written(t->o->user, bytes, e);
    if (rc < 0) {
        hang_up(t, rc);
        return 0;
    }
    kept = json_pack("{ss}", "event", "kept");
    rc = send_line(t->sock, kept, -1);
    json_decref(kept);
    t->kept = rc == 0;
    return rc == -ENOMEM ? err_set(e, rc, "out of memory") : 0;
}

static int
take_line(struct talk *t, json_t *line, json_t **ret, struct err *e)
{
    const char *event = json_string_value(json_object_get(line, "event"));

    if (!event)
        return err_set(e, -EPROTO, "the manager says what is no event");
    if (strcmp(event, "progress") == 0)
        return take_progress(t, line);
    if (strcmp(event, "written") == 0)
        return take_written(t, line, e);
    if (strcmp(event, "error") == 0)
        return t->hung_up_ns ? t->why : client_refused(t->c, line, e);
    if (strcmp(event, "done") != 0)
        return 0; /* of a later version's */
    *ret = json_incref(line);
    return 1;
}

static int
parse_line(struct talk *t, const char *text, size_t len, json_t **ret, struct err *e)
{
    json_error_t why;
    json_t *line = json_loadb(text, len, 0, &why);
    int rc;

    if (!line)
        return err_set(e, -EPROTO, "the manager's line is not JSON: %s", why.text);
    rc = take_line(t, line, ret, e);
    json_decref(line);
    return rc;
}

/* All whole lines that there are. */
static int
take_lines(struct talk *t, json_t **ret, struct err *e)
{
    size_t at = 0;
    int rc = 0;

    while (rc == 0) {
        const char *end = memchr(t->text + at, '\n', t->len - at);

        if (!end)
            break;
        rc = parse_line(t, t->text + at, (size_t)(end - t->text) - at, ret, e);
        at = (size_t)(end - t->text) + 1;
    }
    memmove(t->text, t->text + at, t->len - at);
    t->len -= at;
    return rc;
}

static int
end_of_talk(const struct talk *t, struct err *e)
{
    if (t->hung_up_ns && !t->kept)
        return t->why;
    if (t->o->written && !t->kept)
        return err_set(e, -EPIPE,
                       "the manager left in the middle: the vGPU goes on as before");
    return err_set(
        e, -ECONNRESET,
        "the manager left in the middle: 'tessera show %s' tells whether it was done",
        t->o->vgpu);
}

static int
read_some(struct talk *t, json_t **ret, struct err *e)
{
    char *more = realloc(t->text, t->len + READ_BYTES);
    ssize_t n;

    if (!more)
        return err_set(e, -ENOMEM, "out of memory");
    t->text = more;
    n = read(t->sock, t->text + t->len, READ_BYTES);
    if (n < 0 && errno == EINTR)
        return 0;
    if (n <= 0)
        return end_of_talk(t, e);
    t->len += (size_t)n;
    if (t->len > LINE_MAX_BYTES)
        return err_set(e, -EPROTO, "the manager's line has no end");
    return take_lines(t, ret, e);
}

static int
wait_and_read(struct talk *t, json_t **ret, struct err *e)
{
    struct pollfd p[] = {
        {.fd = t->sock, .events = POLLIN},
        {.fd = t->hung_up_ns ? -1 : t->o->cancel_fd, .events = POLLIN},
    };
    const int n = poll(p, 2, REPEAT_MS);

    if (t->hung_up_ns && now_ns() - t->hung_up_ns > UNDO_MS * 1000000ull)
        return err_set(e, -ETIMEDOUT,
                       "the manager does not call it off: 'tessera show %s' tells",
                       t->o->vgpu);
    if (n == 0)
        tell_progress(t);
    if (n > 0 && p[1].revents)
        hang_up(t, err_set(e, -ECANCELED, "called off"));
    return n > 0 && p[0].revents ? read_some(t, ret, e) : 0;
}

bool
client_operation_is_open(int rc)
{
    return rc == -ECONNRESET || rc == -EPROTO || rc == -ETIMEDOUT || rc == -ENOMEM;
}

int
client_operate(struct client *c, const struct client_operation *o, json_t **ret,
               struct err *e)
{
    _cleanup_close_ int sock = client_connect_operations(c, e);
    struct talk t = {.c = c, .o = o, .sock = sock};
    json_t *last = NULL;
    int rc;

    c->code[0] = '\0';
    if (sock < 0)
        return sock;
    rc = ask(&t, e);
    while (rc == 0)
        rc = wait_and_read(&t, &last, e);
    free(t.text);
    if (rc < 0)
        return rc;
    if (ret)
        *ret = last;
    else
        json_decref(last);
    return 0;
}
