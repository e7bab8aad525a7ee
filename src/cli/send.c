/* SPDX-License-Identifier: MIT */
/* tessera send: a vGPU moves to another manager. */
#include "base/args.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/sock.h"
#include "cli/cli.h"
#include "cli/operation.h"
#include "cli/peer.h"
#include "cli/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_BYTES (1u << 20)
#define BAR_AFTER_MS 1000

static const struct args_usage usage = {
    .words = "NAME SOCKET|-",
    .min_words = 2,
    .max_words = 2,
    .doc =
        "Suspends a vGPU and sends it to 'tessera receive', which listens on SOCKET. It "
        "is suspended here once it is restored there; before, whatever fails leaves it "
        "running here. With - it is suspended to a file of the manager's, which is "
        "copied to stdout.",
};

struct send {
    struct client *c;
    const char *name;
    int sock;
    bool whole; /* the snapshot is on its way to the end: the other speaks next */
    char where[PEER_PATH_BYTES]; /* it is there now */
};

static bool
is_called_off(void)
{
    struct pollfd p = {.fd = operation_cancel_fd(), .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

/* As write_all(), but a signal ends the wait for who reads. */
static int
write_unless_called_off(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = is_called_off() ? -1 : write(fd, p, len);

        if (is_called_off())
            return -ECANCELED;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Copies a snapshot that lies in a file. */
static int
copy(int from, int to, uint64_t total, struct err *e)
{
    _cleanup_free_ char *buf = malloc(COPY_BYTES);
    uint64_t done = 0;

    if (!buf)
        return err_set(e, -ENOMEM, "out of memory");
    for (;;) {
        ssize_t n = read(from, buf, COPY_BYTES);
        int rc = n < 0 ? -errno : write_unless_called_off(to, buf, (size_t)n);

        if (rc == -EINTR)
            continue;
        if (rc == -ECANCELED)
            return err_set(e, rc, "called off");
        if (rc < 0)
            return err_set(e, rc, "copying the snapshot: %s", strerror(-rc));
        if (n == 0)
            return 0;
        done += (uint64_t)n;
        operation_progress(NULL, "copying", done, total);
    }
}

static int
copy_file(const char *path, int to, struct err *e)
{
    _cleanup_close_ int from = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    int rc;

    if (from < 0 || fstat(from, &st) < 0)
        return err_set(e, -errno, "cannot read its snapshot %s: %s", path,
                       strerror(errno));
    progress_start_late(BAR_AFTER_MS);
    rc = copy(from, to, (uint64_t)st.st_size, e);
    progress_end();
    return rc;
}

static int
copy_snapshot(const struct send *s, const json_t *vgpu, int to, struct err *e)
{
    const char *path = json_text_of(vgpu, "snapshot", NULL);
    int rc;

    if (!path)
        return err_set(
            e, -ENOENT,
            "it is suspended already, and its snapshot went through a pipe or a "
            "socket: send that");
    rc = copy_file(path, to, e);
    if (rc < 0)
        err_wrap(e, "it is suspended ('tessera resume %s' goes on), but not sent",
                 s->name);
    return rc;
}

/* The snapshot of a vGPU that is suspended to a file; one that runs is suspended first. */
static int
send_suspended(struct send *s, const json_t *vgpu, int to, struct err *e)
{
    struct client_operation o = {.op = "suspend", .vgpu = s->name, .fd = -1};
    json_t *answer = NULL;
    int rc = 0;

    if (strcmp(json_text_of(vgpu, "state", ""), "suspended") != 0)
        rc = operation_run(s->c, &o, &answer, e);
    if (rc == 0)
        rc = copy_snapshot(s, answer ? json_object_get(answer, "vgpu") : vgpu, to, e);
    json_decref(answer);
    return rc;
}

/* By a socket. */

static int
wait_until_restored(void *user, uint64_t bytes, struct err *e)
{
    struct send *s = user;

    (void)bytes;
    s->whole = true;
    return peer_hear(s->sock, operation_cancel_fd(), s->where, e);
}

static int
send_running(struct send *s, struct err *e)
{
    struct client_operation o = {.op = "suspend",
                                 .vgpu = s->name,
                                 .fd = s->sock,
                                 .user = s,
                                 .written = wait_until_restored};

    return operation_run(s->c, &o, NULL, e);
}

/* The other may have said why before our manager could not write any more: that is the reason. */
static void
prefer_its_words(const struct send *s, struct err *e)
{
    struct pollfd p = {.fd = s->sock, .events = POLLIN};
    _cleanup_err_ struct err its = ERR_INIT;
    char where[PEER_PATH_BYTES];

    if (!s->whole && poll(&p, 1, 0) > 0 &&
        peer_hear(s->sock, -1, where, &its) == -EREMOTEIO)
        err_set(e, -EREMOTEIO, "%s", err_msg(&its));
}

/* Its programs of this machine follow; those that cannot reach it there hear so. */
static void
send_programs(const struct send *s)
{
    _cleanup_err_ struct err e = ERR_INIT;

    if (s->where[0] && client_vgpu_moved(s->c, s->name, s->where, &e) < 0)
        fprintf(stderr, "tessera: the programs of '%s' are not sent after it: %s\n",
                s->name, err_msg(&e));
}

/* Tells the other what came of it here. */
static int
settle(const struct send *s, int rc, struct err *e)
{
    if (rc == 0)
        send_programs(s);
    if (rc == 0)
        return peer_say(s->sock, NULL, NULL) < 0
                   ? err_set(
                         e, -EPIPE,
                         "it is suspended here, but the receiver is gone: 'tessera show' "
                         "there tells whether it has the vGPU")
                   : 0;
    /* What is not known here must not have it deleted there. */
    if (s->whole && !client_operation_is_open(rc))
        peer_say(s->sock, err_msg(e), NULL);
    prefer_its_words(s, e);
    return rc;
}

static int
connect_to(const char *path, int *ret, struct err *e)
{
    _cleanup_close_ int sock = sock_connect(path);
    int rc;

    if (sock < 0)
        return err_set(e, sock, "cannot reach 'tessera receive' at %s: %s", path,
                       strerror(-sock));
    rc = peer_check(sock, e);
    if (rc < 0)
        return rc;
    *ret = take_fd(&sock);
    return 0;
}

static int
send_to(struct send *s, const char *path, const json_t *vgpu, struct err *e)
{
    _cleanup_close_ int sock = -1;
    int rc = connect_to(path, &sock, e);

    s->sock = sock;
    if (rc == 0)
        rc = peer_send_name(sock, s->name, e);
    if (rc < 0)
        return rc;
    if (strcmp(json_text_of(vgpu, "state", ""), "suspended") == 0) {
        rc = send_suspended(s, vgpu, sock, e);
        if (rc == 0)
            rc = wait_until_restored(s, 0, e);
    } else {
        rc = send_running(s, e);
    }
    return settle(s, rc, e);
}

/* The command. */

static int
send_to_stdout(struct send *s, const json_t *vgpu, struct err *e)
{
    if (isatty(STDOUT_FILENO))
        return err_set(
            e, -EINVAL,
            "stdout is a terminal: send it through a pipe to 'tessera receive -'");
    return send_suspended(s, vgpu, STDOUT_FILENO, e);
}

static void
say_what_next(const struct send *s, bool to_stdout)
{
    fprintf(
        stderr,
        "tessera: '%s' is sent, and suspended here%s: 'tessera delete %s' removes it\n",
        s->name, to_stdout ? " ('tessera resume' goes on)" : "", s->name);
}

static void
print_vgpu(const json_t *vgpu)
{
    (void)vgpu;
}

static int
print_end(struct send *s, const struct args *a, bool to_stdout)
{
    json_t *vgpu = NULL;

    say_what_next(s, to_stdout);
    if (a->json && client_vgpu_get(s->c, s->name, &vgpu, NULL) == 0)
        cli_print(vgpu, true, print_vgpu);
    json_decref(vgpu);
    return 0;
}

int
cmd_send(int argc, char **argv)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct send s = {.sock = -1};
    struct args a = {0};
    json_t *vgpu = NULL;
    bool to_stdout;
    int rc;

    args_parse(&usage, argc, argv, &a);
    to_stdout = strcmp(a.words[1], "-") == 0;
    if (a.json && to_stdout)
        args_mistake(argv, "- has stdout for the snapshot: -o json cannot have it, too");
    signal(SIGPIPE, SIG_IGN); /* a reader that is gone is an error with words */
    s.c = cli_client(false, EXIT_FAILED);
    s.name = a.words[0];
    rc = client_vgpu_get(s.c, s.name, &vgpu, &e);
    if (rc == 0)
        rc = to_stdout ? send_to_stdout(&s, vgpu, &e) : send_to(&s, a.words[1], vgpu, &e);
    rc = rc < 0 ? operation_fail(s.c, rc, &e, "send", s.name)
                : print_end(&s, &a, to_stdout);
    json_decref(vgpu);
    client_free(s.c);
    return rc;
}
