/* SPDX-License-Identifier: MIT */
#include "wire/hello.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/sock.h"
#include "wire/virtio.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REASON_BYTES sizeof(((struct welcome *)0)->reason)

static int
version_problem(uint32_t theirs, char *reason, const char *them, const char *us)
{
    snprintf(
        reason, REASON_BYTES,
        "the %s speaks protocol version %u, this %s speaks version %u: use both from one "
        "Tessera release",
        them, theirs, us, WIRE_VERSION);
    return -EPROTO;
}

static int
welcome_check_version(const struct welcome *w, char *reason)
{
    if (w->magic != WELCOME_MAGIC) {
        snprintf(reason, REASON_BYTES, "the socket's owner is no Tessera worker");
        return -EPROTO;
    }
    if (w->version != WIRE_VERSION)
        return version_problem(w->version, reason, "worker", "guest library");
    return 0;
}

static int
welcome_check(struct welcome *w, bool complete, char *reason)
{
    if (w->status != 0) {
        w->reason[sizeof w->reason - 1] = '\0';
        snprintf(reason, REASON_BYTES, "%s", w->reason);
        return w->status < 0 ? w->status : -EPROTO;
    }
    if (w->info_bytes > WELCOME_INFO_MAX || !complete) {
        snprintf(reason, REASON_BYTES, "the worker's welcome is malformed");
        return -EPROTO;
    }
    return 0;
}

int
hello_exchange(int sock, const struct hello *h, struct welcome *ret, int ret_fds[2],
               uint8_t **ret_info, char *reason)
{
    _cleanup_close_ int channel_fd = -1, heap_fd = -1;
    _cleanup_free_ uint8_t *info = NULL;
    int fds[2] = {-1, -1}, nfds = 0, rc;
    struct welcome w;

    snprintf(reason, REASON_BYTES, "the worker hung up");
    rc = sock_send_fds(sock, h, sizeof *h, NULL, 0);
    /* Whoever turned us away before we spoke has left its words. */
    if (rc < 0 && rc != -EPIPE && rc != -ECONNRESET)
        return rc;
    /* Magic and version first: another version's welcome may be of another length. */
    rc = sock_recv_fds(sock, &w, offsetof(struct welcome, status), fds, 2, &nfds);
    if (rc < 0)
        return rc;
    channel_fd = fds[0];
    heap_fd = fds[1];
    rc = welcome_check_version(&w, reason);
    if (rc < 0)
        return rc;
    rc = read_exact(sock, &w.status, sizeof w - offsetof(struct welcome, status));
    if (rc < 0)
        return rc;
    rc = welcome_check(&w, nfds == 2, reason);
    if (rc < 0)
        return rc;
    info = malloc(w.info_bytes + 1);
    if (!info)
        return -ENOMEM;
    rc = read_exact(sock, info, w.info_bytes);
    if (rc < 0)
        return rc;
    *ret = w;
    ret_fds[0] = take_fd(&channel_fd);
    ret_fds[1] = take_fd(&heap_fd);
    *ret_info = take_ptr(info);
    return 0;
}

int
hello_rejoin(int sock, const struct hello *h, const int memory[2], struct welcome *ret,
             char *reason)
{
    int fds[2] = {-1, -1}, nfds = 0, rc;
    struct welcome w;

    snprintf(reason, REASON_BYTES, "the worker hung up");
    rc = sock_send_fds(sock, h, sizeof *h, memory, 2);
    if (rc < 0 && rc != -EPIPE && rc != -ECONNRESET)
        return rc;
    rc = sock_recv_fds(sock, &w, offsetof(struct welcome, status), fds, 2, &nfds);
    cleanup_closep(&fds[0]);
    cleanup_closep(&fds[1]);
    if (rc == 0)
        rc = welcome_check_version(&w, reason);
    if (rc == 0)
        rc = read_exact(sock, &w.status, sizeof w - offsetof(struct welcome, status));
    if (rc == 0)
        rc = welcome_check(&w, w.info_bytes == 0, reason);
    if (rc == 0)
        *ret = w;
    return rc;
}

/*
 * A machine that was saved and restored, or whose manager was started anew, has lost what it said;
 * and nothing may tell.
 */
#define HELLO_AGAIN_MS 3000
/* More than a program rings while it says its hello twice. */
#define HELLO_BELLS_BETWEEN 256

/* ---- through a port ---------------------------------------------------------------- */

static int
port_wait_for(int port, short events, uint64_t end_ns)
{
    struct pollfd p = {.fd = port, .events = events};
    const uint64_t now = now_ns();

    if (now >= end_ns)
        return -ETIMEDOUT;
    if (poll(&p, 1, (int)((end_ns - now) / 1000000) + 1) < 0)
        return errno == EINTR ? 0 : -errno;
    /* What was sent before the end is still there to be read. */
    return (p.revents & (POLLHUP | POLLERR)) && !(p.revents & POLLIN) ? -EPIPE : 0;
}

static int
port_read(int port, void *buf, size_t len, uint64_t end_ns)
{
    uint8_t *p = buf;

    while (len > 0) {
        const ssize_t n = read(port, p, len);
        int rc;

        if (n > 0) {
            p += n;
            len -= (size_t)n;
            continue;
        }
        if (n == 0)
            return -EPIPE;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        rc = port_wait_for(port, POLLIN, end_ns);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* In one piece: who is killed meanwhile leaves all of it behind, or nothing. */
static int
port_write(int port, const void *buf, size_t len, uint64_t end_ns)
{
    for (;;) {
        const ssize_t n = write(port, buf, len);
        int rc;

        if (n == (ssize_t)len)
            return 0;
        if (n >= 0)
            return -EIO;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        rc = port_wait_for(port, POLLOUT, end_ns);
        if (rc < 0)
            return rc;
    }
}

/* Skips what was meant for others. */
static int
preamble_find(int port, const struct preamble *wanted, uint64_t end_ns)
{
    uint8_t last[sizeof *wanted];
    int rc = port_read(port, last, sizeof last, end_ns);

    while (rc == 0 && memcmp(last, wanted, sizeof last) != 0) {
        memmove(last, last + 1, sizeof last - 1);
        rc = port_read(port, last + sizeof last - 1, 1, end_ns);
    }
    return rc;
}

static int
port_welcome(int port, uint64_t end_ns, struct welcome *ret, uint8_t **ret_info,
             char *reason)
{
    _cleanup_free_ uint8_t *info = NULL;
    struct welcome w;
    int rc = port_read(port, &w, offsetof(struct welcome, status), end_ns);

    if (rc == 0)
        rc = welcome_check_version(&w, reason);
    if (rc == 0)
        rc = port_read(port, &w.status, sizeof w - offsetof(struct welcome, status),
                       end_ns);
    if (rc == 0)
        rc = welcome_check(&w, true, reason);
    if (rc < 0)
        return rc;
    info = malloc(w.info_bytes + 1);
    if (!info)
        return -ENOMEM;
    rc = port_read(port, info, w.info_bytes, end_ns);
    if (rc < 0)
        return rc;
    *ret = w;
    *ret_info = take_ptr(info);
    return 0;
}

static uint64_t
deadline_ns(void)
{
    return now_ns() + HELLO_PORT_MS * UINT64_C(1000000);
}

static int
port_say(int port, struct hello *h, uint64_t end_ns, struct preamble *ret_wanted,
         char *reason)
{
    snprintf(reason, REASON_BYTES, "the worker hung up");
    if (syscall(SYS_getrandom, h->nonce, sizeof h->nonce, 0) != (long)sizeof h->nonce)
        return -EIO;
    ret_wanted->magic = PREAMBLE_MAGIC;
    memcpy(ret_wanted->nonce, h->nonce, sizeof ret_wanted->nonce);
    return port_write(port, h, sizeof *h, end_ns);
}

int
hello_exchange_port(int port, struct hello *h, struct welcome *ret, uint8_t **ret_info,
                    char *reason)
{
    const uint64_t end_ns = deadline_ns();
    struct preamble wanted;
    int rc = port_say(port, h, end_ns, &wanted, reason);

    if (rc == 0)
        rc = preamble_find(port, &wanted, end_ns);
    if (rc == -EPIPE)
        return -ECONNRESET;
    if (rc == 0)
        rc = port_welcome(port, end_ns, ret, ret_info, reason);
    if (rc == -ETIMEDOUT)
        snprintf(reason, REASON_BYTES,
                 "nobody answers on the host: is tesserad running there?");
    return rc;
}

/* Says it again and again until it is answered. */
static int
preamble_find_for_ever(int port, const struct hello *h, const struct preamble *wanted)
{
    uint8_t last[sizeof *wanted] = {0};
    int rc = 0;

    while (rc == 0 && memcmp(last, wanted, sizeof last) != 0) {
        const uint64_t end_ns = now_ns() + HELLO_AGAIN_MS * UINT64_C(1000000);
        uint8_t byte;

        rc = port_read(port, &byte, 1, end_ns);
        if (rc == -ETIMEDOUT) {
            rc = port_write(port, h, sizeof *h, end_ns + 1000000);
            if (rc == -ETIMEDOUT)
                rc = 0;
        } else if (rc == 0) {
            memmove(last, last + 1, sizeof last - 1);
            last[sizeof last - 1] = byte;
        }
    }
    return rc;
}

int
hello_rejoin_port(int port, struct hello *h, struct welcome *ret, char *reason)
{
    _cleanup_free_ uint8_t *info = NULL;
    struct preamble wanted;
    int rc = port_say(port, h, deadline_ns(), &wanted, reason);

    if (rc == 0)
        rc = preamble_find_for_ever(port, h, &wanted);
    if (rc == -EPIPE)
        return -ECONNRESET;
    return rc == 0 ? port_welcome(port, deadline_ns(), ret, &info, reason) : rc;
}

/* ---- the worker -------------------------------------------------------------------- */

static int
receive(int sock, uint64_t fingerprint, bool at_port, struct hello *ret, int memory[2],
        char *reason)
{
    const size_t head = offsetof(struct hello, fingerprint),
                 known = offsetof(struct hello, nonce) + NONCE_BYTES;
    struct hello h = {0};
    int rc, nfds = 0;

    snprintf(reason, REASON_BYTES, "the guest hung up before its hello was complete");
    /* Magic and version first: another version's hello may be of another length. */
    rc = memory ? sock_recv_fds(sock, &h, head, memory, 2, &nfds)
                : read_exact(sock, &h, head);
    if (rc < 0)
        return rc;
    if (h.magic != HELLO_MAGIC) {
        snprintf(reason, REASON_BYTES, "what connected is no Tessera guest library");
        return -EPROTO;
    }
    if (h.version != WIRE_VERSION) {
        if (at_port && read_exact(sock, &h.fingerprint, known - head) == 0)
            *ret = h;
        return version_problem(h.version, reason, "guest library", "worker");
    }
    rc = read_exact(sock, &h.fingerprint, sizeof h - head);
    if (rc < 0)
        return rc;
    *ret = h;
    if (h.fingerprint != fingerprint) {
        snprintf(
            reason, REASON_BYTES,
            "the guest library comes from another build of protocol version %u: use both "
            "from one Tessera release",
            WIRE_VERSION);
        return -EPROTO;
    }
    h.program[sizeof h.program - 1] = '\0';
    *ret = h;
    return 0;
}

int
hello_receive(int sock, uint64_t fingerprint, struct hello *ret, char *reason)
{
    return receive(sock, fingerprint, false, ret, NULL, reason);
}

int
hello_receive_port(int sock, uint64_t fingerprint, struct hello *ret, char *reason)
{
    return receive(sock, fingerprint, true, ret, NULL, reason);
}

int
hello_receive_memory(int sock, uint64_t fingerprint, struct hello *ret, int ret_memory[2],
                     char *reason)
{
    ret_memory[0] = ret_memory[1] = -1;
    return receive(sock, fingerprint, false, ret, ret_memory, reason);
}

bool
hello_token_is_zero(const struct hello *h)
{
    static const uint8_t zero[TOKEN_BYTES];

    return memcmp(h->token, zero, sizeof zero) == 0;
}

int
hello_peek(int sock, struct hello *ret)
{
    const ssize_t n = recv(sock, ret, sizeof *ret, MSG_PEEK | MSG_DONTWAIT);

    if (n == 0)
        return -EPIPE;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -EAGAIN : -EPIPE;
    if (n >= (ssize_t)offsetof(struct hello, fingerprint) &&
        (ret->magic != HELLO_MAGIC || ret->version != WIRE_VERSION))
        return -EPROTO;
    if (n < (ssize_t)sizeof *ret)
        return -EAGAIN;
    return 0;
}

int
hello_take(int sock)
{
    struct preamble p = {.magic = PREAMBLE_MAGIC};
    struct hello h;

    if (recv(sock, &h, sizeof h, MSG_DONTWAIT) != (ssize_t)sizeof h)
        return -EPROTO;
    memcpy(p.nonce, h.nonce, sizeof p.nonce);
    /* Who never reads its refusals must not keep us waiting. */
    return send(sock, &p, sizeof p, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof p
               ? 0
               : -EPROTO;
}

void
hello_take_older(int sock)
{
    uint8_t bytes[2 * sizeof(struct hello) + HELLO_BELLS_BETWEEN];

    for (;;) {
        const ssize_t n = recv(sock, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
        size_t at = sizeof(struct hello);
        uint32_t magic;

        while (n > 0 && at < (size_t)n && is_bell(bytes[at]))
            at++;
        if (n < 0 || at + sizeof(struct hello) > (size_t)n)
            return;
        memcpy(&magic, bytes + at, sizeof magic);
        if (magic != HELLO_MAGIC || recv(sock, bytes, at, MSG_DONTWAIT) != (ssize_t)at)
            return;
    }
}

int
preamble_send(int sock, const uint8_t nonce[NONCE_BYTES])
{
    struct preamble p = {.magic = PREAMBLE_MAGIC};

    memcpy(p.nonce, nonce, sizeof p.nonce);
    return sock_send_fds(sock, &p, sizeof p, NULL, 0);
}

int
welcome_send(int sock, const struct welcome *w, const int fds[2], const void *info)
{
    int rc = sock_send_fds(sock, w, sizeof *w, fds, fds && w->status == 0 ? 2 : 0);

    if (rc < 0 || w->status != 0)
        return rc;
    return sock_send_fds(sock, info, w->info_bytes, NULL, 0);
}
