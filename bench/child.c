/* SPDX-License-Identifier: MIT */
#include "child.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_MS 100 /* a signal between a look and the sleep waits no longer */
#define LEAVE_MS 5000
#define READ_BYTES 65536
#define TEXT_MAX ((size_t)64 << 20)

static volatile sig_atomic_t signal_seen;

static void
signal_came(int number)
{
    signal_seen = number;
}

void
child_catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = signal_came};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int
child_signal(void)
{
    return signal_seen;
}

static int
spawn(struct child *c, const char *const *argv, int in, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t all;
    int rc;

    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    rc = posix_spawnp(&c->pid, argv[0], &actions, &attr, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    if (rc)
        c->pid = 0;
    return -rc;
}

int
child_start(struct child *c, const char *const *argv, struct err *e)
{
    int in[2], out[2], rc;

    *c = (struct child)CHILD_NONE;
    if (pipe2(in, O_CLOEXEC) < 0)
        return err_set(e, -errno, "no pipe: %s", strerror(errno));
    if (pipe2(out, O_CLOEXEC) < 0) {
        rc = err_set(e, -errno, "no pipe: %s", strerror(errno));
        close(in[0]);
        close(in[1]);
        return rc;
    }
    rc = spawn(c, argv, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    c->in = in[1];
    c->out = out[0];
    if (rc < 0) {
        child_stop(c);
        return err_set(e, rc, "cannot start %s: %s", argv[0], strerror(-rc));
    }
    return 0;
}

int
child_say(const struct child *c, const char *line, struct err *e)
{
    _cleanup_free_ char *text = str_printf("%s\n", line);
    int rc = text ? write_all(c->in, text, strlen(text)) : -ENOMEM;

    return rc < 0 ? err_set(e, rc, "it does not listen: %s", strerror(-rc)) : 0;
}

static int
make_room(struct child *c)
{
    const size_t cap = c->cap ? c->cap * 2 : (size_t)2 * READ_BYTES;
    char *more;

    if (c->cap - c->len > READ_BYTES)
        return 0;
    if (cap > TEXT_MAX)
        return -EFBIG;
    more = realloc(c->text, cap);
    if (!more)
        return -ENOMEM;
    c->text = more;
    c->cap = cap;
    return 0;
}

/* Reads once what there is: a count, 0 at the end, or a negative errno. */
static int
read_more(struct child *c, uint64_t until_ns)
{
    struct pollfd p = {.fd = c->out, .events = POLLIN};
    ssize_t n;
    int rc = make_room(c);

    if (rc < 0)
        return rc;
    for (;;) {
        if (signal_seen)
            return -EINTR;
        if (now_ns() > until_ns)
            return -ETIMEDOUT;
        if (poll(&p, 1, POLL_MS) <= 0)
            continue;
        n = read(c->out, c->text + c->len, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0)
            c->len += (size_t)n;
        return n < 0 ? -errno : (int)n;
    }
}

static int
fail_reading(int rc, struct err *e)
{
    if (rc == -EINTR)
        return err_set(e, rc, "interrupted");
    if (rc == -ETIMEDOUT)
        return err_set(e, rc, "it took too long");
    return err_set(e, rc, "no answer: %s", strerror(-rc));
}

int
child_answer(struct child *c, int timeout_ms, json_t **ret, struct err *e)
{
    const uint64_t until_ns = now_ns() + (uint64_t)timeout_ms * 1000000u;
    char *end;
    json_t *o;

    while (!c->len || !(end = memchr(c->text, '\n', c->len))) {
        int rc = read_more(c, until_ns);

        if (rc == 0)
            return err_set(e, -EPIPE, "it ended without an answer");
        if (rc < 0)
            return fail_reading(rc, e);
    }
    o = json_loadb(c->text, (size_t)(end - c->text), 0, NULL);
    c->len -= (size_t)(end + 1 - c->text);
    memmove(c->text, end + 1, c->len);
    if (!o)
        return err_set(e, -EPROTO, "it answered something else than JSON");
    *ret = o;
    return 0;
}

/* True once it has ended; *ret_status may be NULL. */
static bool
ended(struct child *c, int *ret_status)
{
    int status;

    if (waitpid(c->pid, &status, WNOHANG) != c->pid)
        return false;
    if (ret_status)
        *ret_status = status;
    c->pid = 0;
    return true;
}

static bool
wait_ms(struct child *c, int ms, int *ret_status)
{
    for (; !ended(c, ret_status); ms--) {
        if (ms <= 0)
            return false;
        poll(NULL, 0, 1);
    }
    return true;
}

void
child_stop(struct child *c)
{
    cleanup_closep(&c->in);
    cleanup_closep(&c->out);
    if (c->pid && signal_seen)
        kill(-c->pid, SIGTERM);
    if (c->pid && !wait_ms(c, LEAVE_MS, NULL)) {
        kill(-c->pid, SIGTERM);
        if (!wait_ms(c, LEAVE_MS, NULL)) {
            kill(-c->pid, SIGKILL);
            wait_ms(c, LEAVE_MS, NULL);
        }
    }
    free(c->text);
    *c = (struct child)CHILD_NONE;
}

static int
read_all(struct child *c, int timeout_ms, struct err *e)
{
    const uint64_t until_ns = now_ns() + (uint64_t)timeout_ms * 1000000u;
    int rc;

    do
        rc = read_more(c, until_ns);
    while (rc > 0);
    return rc < 0 ? fail_reading(rc, e) : 0;
}

/* The whole text, else the last line. */
static json_t *
parse_output(struct child *c)
{
    json_t *o = json_loadb(c->text, c->len, 0, NULL);
    const char *last;

    while (c->len && c->text[c->len - 1] == '\n')
        c->len--;
    last = c->len ? memrchr(c->text, '\n', c->len) : NULL;
    if (o || !last)
        return o;
    last++;
    return json_loadb(last, c->len - (size_t)(last - c->text), 0, NULL);
}

int
child_run(const char *const *argv, int timeout_ms, json_t **ret, struct err *e)
{
    struct child c;
    int status = -1, rc = child_start(&c, argv, e);

    if (rc < 0)
        return rc;
    rc = read_all(&c, timeout_ms, e);
    if (rc == 0 && !wait_ms(&c, LEAVE_MS, &status))
        rc = err_set(e, -ETIMEDOUT, "it does not end");
    if (rc == 0 && status != 0)
        rc = err_set(e, -ECHILD, "it failed");
    if (rc == 0 && ret) {
        *ret = parse_output(&c);
        if (!*ret)
            rc = err_set(e, -EPROTO, "it answered something else than JSON");
    }
    child_stop(&c);
    return rc;
}

int
child_run_always(const char *const *argv, int timeout_ms, struct err *e)
{
    struct child c;
    int status = -1, rc = child_start(&c, argv, e);

    if (rc < 0)
        return rc;
    cleanup_closep(&c.out);
    c.out = -1;
    if (!wait_ms(&c, timeout_ms, &status))
        rc = err_set(e, -ETIMEDOUT, "it took too long");
    else if (status != 0)
        rc = err_set(e, -ECHILD, "it failed");
    child_stop(&c);
    return rc;
}
