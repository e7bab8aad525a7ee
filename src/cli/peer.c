/* SPDX-License-Identifier: MIT */
#include "cli/peer.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/sock.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME_LIMIT_MS 10000
#define WORDS_BYTES 1024

int
peer_check(int sock, struct err *e)
{
    struct ucred cred;
    socklen_t len = sizeof cred;

    if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return err_set(e, -errno, "cannot tell who is at the other end: %s",
                       strerror(errno));
    if (cred.uid != geteuid() && cred.uid != 0)
        return err_set(e, -EPERM,
                       "at the other end is user %u, neither you nor root: refused",
                       (unsigned)cred.uid);
    return 0;
}

/* One byte, so that nothing of what follows is taken; it is returned. until_ns 0: no limit. */
static int
hear_byte(int sock, int cancel_fd, uint64_t until_ns, struct err *e)
{
    for (;;) {
        struct pollfd p[] = {{.fd = sock, .events = POLLIN},
                             {.fd = cancel_fd, .events = POLLIN}};
        const uint64_t now = now_ns();
        unsigned char byte;
        ssize_t n;

        if (until_ns && now >= until_ns)
            return err_set(e, -EPROTO, "the other end says nothing");
        if (poll(p, 2, until_ns ? (int)((until_ns - now) / 1000000) + 1 : -1) <= 0)
            continue;
        if (p[1].revents)
            return err_set(e, -ECANCELED, "called off");
        n = recv(sock, &byte, 1, MSG_DONTWAIT);
        if (n == 1)
            return byte;
        if (n == 0 || (errno != EINTR && errno != EAGAIN))
            return err_set(e, -ENODATA, "the other end is gone");
    }
}

/* Up to a newline, which is taken and left out; -EPROTO: it is longer. */
static int
hear_line(int sock, int cancel_fd, uint64_t until_ns, char *buf, size_t cap,
          struct err *e)
{
    for (size_t i = 0; i < cap; i++) {
        const int byte = hear_byte(sock, cancel_fd, until_ns, e);

        if (byte < 0)
            return byte;
        buf[i] = (char)(byte == '\n' ? '\0' : byte);
        if (byte == '\n')
            return 0;
    }
    return err_set(e, -EPROTO, "the other end's line is too long");
}

int
peer_send_name(int sock, const char *name, struct err *e)
{
    json_t *o = json_pack("{ss}", "name", name);
    _cleanup_free_ char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    _cleanup_free_ char *line = text ? str_printf("%s\n", text) : NULL;
    int rc = line ? sock_send_fds(sock, line, strlen(line), NULL, 0) : -ENOMEM;

    json_decref(o);
    return rc < 0 ? err_set(e, rc, "cannot send: %s", strerror(-rc)) : 0;
}

int
peer_receive_name(int sock, int cancel_fd, char name[PEER_NAME_BYTES], struct err *e)
{
    const uint64_t until_ns = now_ns() + NAME_LIMIT_MS * 1000000ull;
    char line[WORDS_BYTES];
    const char *given;
    json_t *o;
    int rc = hear_line(sock, cancel_fd, until_ns, line, sizeof line, e);

    if (rc < 0)
        return rc;
    o = json_loads(line, 0, NULL);
    given = json_string_value(json_object_get(o, "name"));
    if (!given || strlen(given) >= PEER_NAME_BYTES)
        rc = err_set(e, -EPROTO, "what comes is not from 'tessera send'");
    else
        snprintf(name, PEER_NAME_BYTES, "%s", given);
    json_decref(o);
    return rc;
}

int
peer_say(int sock, const char *no, struct err *e)
{
    char line[WORDS_BYTES] = "k";
    size_t len = 1;
    int rc;

    if (no) {
        snprintf(line, sizeof line - 1, "n%s", no);
        for (char *p = line; (p = strchr(p, '\n'));)
            *p = ' ';
        len = strlen(line);
        line[len++] = '\n';
    }
    rc = sock_send_fds(sock, line, len, NULL, 0);
    return rc < 0 ? err_set(e, rc, "the other end is gone") : 0;
}

int
peer_say_where(int sock, const char *path, struct err *e)
{
    char line[PEER_PATH_BYTES + 2];
    const int len = snprintf(line, sizeof line, "m%s\n", path);
    int rc = len < (int)sizeof line && !strchr(path, '\n')
                 ? sock_send_fds(sock, line, (size_t)len, NULL, 0)
                 : -ENAMETOOLONG;

    return rc < 0 ? err_set(e, rc, "the other end is gone") : 0;
}

int
peer_hear(int sock, int cancel_fd, char where[PEER_PATH_BYTES], struct err *e)
{
    int answer = hear_byte(sock, cancel_fd, 0, e);
    char words[WORDS_BYTES];
    int rc;

    where[0] = '\0';
    if (answer == 'm') {
        rc = hear_line(sock, cancel_fd, 0, where, PEER_PATH_BYTES, e);
        answer = rc < 0 ? rc : hear_byte(sock, cancel_fd, 0, e);
    }
    if (answer < 0)
        return answer;
    if (answer == 'k')
        return 0;
    if (answer != 'n')
        return err_set(e, -EPROTO, "the other end says what is neither yes nor no");
    rc = hear_line(sock, cancel_fd, 0, words, sizeof words, e);
    return rc < 0 ? rc : err_set(e, -EREMOTEIO, "the other end: %s", words);
}
