/* SPDX-License-Identifier: MIT */
#include "guest/opencl/rejoin.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/sock.h"
#include "guest/opencl/connection.h"
#include "guest/opencl/device.h"
#include "guest/opencl/wait.h"
#include "wire/virtio.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Between two tries. */
#define AGAIN_MS 100

/* A connection that lasted for so long was somebody's who knows the session. */
#define STOOD_MS 1000

static bool
is_in_vm(const struct session *s)
{
    return s->channel.guardian != NULL;
}

bool
session_peer_hung_up(const struct session *s)
{
    struct pollfd p = {.fd = s->channel.fd, .events = POLLRDHUP};

    if (is_in_vm(s))
        return channel_port_is_left(&s->channel);
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLRDHUP | POLLERR | POLLNVAL));
}

static bool
worker_will_be_back(const struct session *s)
{
    /* The worker wrote it before it hung up. */
    return atomic_load_explicit(&s->channel.page->state, memory_order_acquire) ==
           CHANNEL_SUSPENDED;
}

/* ---- the new socket: a forked child must know it, too ------------------------------ */

static int
socket_new(struct session *s)
{
    forks_lock();
    s->rejoin_fd = fd_above_stdio(sock_new());
    forks_unlock();
    return s->rejoin_fd;
}

static void
socket_end(struct session *s)
{
    forks_lock();
    if (s->rejoin_fd >= 0)
        close(s->rejoin_fd);
    s->rejoin_fd = -1;
    forks_unlock();
}

/* In place of the old one: who polls that number goes on with the new socket. */
static int
socket_take(struct session *s)
{
    int rc;

    forks_lock();
    do {
        rc = dup3(s->rejoin_fd, s->channel.fd, O_CLOEXEC) < 0 ? -errno : 0;
    } while (rc == -EINTR || rc == -EBUSY); /* dup(2): a race with open() */
    close(s->rejoin_fd);
    s->rejoin_fd = -1;
    forks_unlock();
    return rc;
}

/* ---- tries ------------------------------------------------------------------------- */

/*
 * Nobody is there to refuse, or too many are; or too many descriptors of this user's are under way.
 * All other refusals are the end.
 */
static bool
is_passing(int error)
{
    return error == -ENODATA || error == -ETIMEDOUT || error == -EPIPE ||
           error == -ECONNRESET || error == -EUSERS || error == -ETOOMANYREFS;
}

static const char *
socket_path(const struct session *s)
{
    return s->moved_to ? s->moved_to : s->device->route.socket_path;
}

/* The manager's words are a path: the vGPU is there now. */
static int
follow(struct session *s, const char *path)
{
    char *copy = path[0] == '/' ? strdup(path) : NULL;

    if (!copy)
        return -EPROTO;
    free(s->moved_to);
    s->moved_to = copy;
    return -EAGAIN;
}

/* Its folder goes with it, and not before; of one that is mounted into a container the name. */
static bool
vgpu_is_deleted(const struct session *s)
{
    _cleanup_free_ char *path = strdup(socket_path(s));
    struct stat st;

    if (!path)
        return false;
    return stat(dirname(path), &st) < 0 ? errno == ENOENT : st.st_nlink == 0;
}

/* 0; -EAGAIN: nobody listens, for now; -ENODEV: nobody will. */
static int
socket_connect(struct session *s, char *reason)
{
    int rc = socket_new(s);

    if (rc >= 0)
        rc = sock_connect_to(s->rejoin_fd, socket_path(s));
    if (rc == 0)
        return 0;
    snprintf(reason, CONNECTION_REASON_BYTES, "cannot connect to its socket: %s",
             strerror(-rc));
    if (rc != -ENOENT || !vgpu_is_deleted(s))
        return -EAGAIN;
    snprintf(reason, CONNECTION_REASON_BYTES, "it was deleted while it was suspended");
    return -ENODEV;
}

/* With other sizes it would not look at all that is ours. */
static int
check_welcome(const struct session *s, const struct welcome *w, char *reason)
{
    if (memcmp(w->token, s->token, sizeof s->token) == 0 &&
        w->heap_bytes == s->channel.heap_bytes &&
        w->commands_bytes == s->channel.tx.size && w->replies_bytes == s->channel.rx.size)
        return 0;
    snprintf(reason, CONNECTION_REASON_BYTES, "its worker goes on with another session");
    return -EPROTO;
}

/*
 * The port stays open: its other end may be gone for a while, when the machine was saved meanwhile
 * or the manager started again. Memory and guardian are where they were.
 */
static int
try_port(struct session *s, char *reason)
{
    struct pollfd p = {.fd = s->channel.fd, .events = POLLOUT};
    struct welcome w;
    struct hello h;
    int rc;

    snprintf(reason, CONNECTION_REASON_BYTES, "nobody answers on the host");
    if (poll(&p, 1, 0) < 0 || (p.revents & (POLLHUP | POLLERR)))
        return -EAGAIN;
    connection_port_hello(&h);
    memcpy(h.token, s->token, sizeof h.token);
    channel_port_take(&s->channel);
    rc = hello_rejoin_port(s->channel.fd, &h, &w, reason);
    channel_port_give(&s->channel);
    if (is_passing(rc))
        return -EAGAIN;
    return rc == 0 ? check_welcome(s, &w, reason) : rc;
}

static int
try_socket(struct session *s, char *reason)
{
    struct welcome w;
    struct hello h;
    int rc = socket_connect(s, reason);

    if (rc < 0)
        return rc;
    connection_hello(&h);
    memcpy(h.token, s->token, sizeof h.token);
    rc = hello_rejoin(s->rejoin_fd, &h, s->memory, &w, reason);
    if (is_passing(rc))
        return -EAGAIN;
    if (rc == -EREMOTE)
        return follow(s, reason);
    if (rc == 0)
        rc = check_welcome(s, &w, reason);
    if (rc < 0)
        return rc;
    rc = socket_take(s);
    if (rc < 0)
        snprintf(reason, CONNECTION_REASON_BYTES, "cannot take its new socket: %s",
                 strerror(-rc));
    return rc;
}

/* 0; -EAGAIN: another try may succeed; else it is over. Waits while the vGPU is suspended. */
static int
try_once(struct session *s, char *reason)
{
    return is_in_vm(s) ? try_port(s, reason) : try_socket(s, reason);
}

static int
try_until_joined(struct session *s, char *reason)
{
    const uint64_t patience_ns = s->rejoin_ms * UINT64_C(1000000);
    uint64_t end = now_ns() + patience_ns;

    for (;;) {
        const uint64_t began = now_ns();
        int rc = try_once(s, reason);

        socket_end(s);
        if (rc != -EAGAIN)
            return rc;
        if (now_ns() - began >= STOOD_MS * UINT64_C(1000000))
            end = now_ns() + patience_ns;
        if (now_ns() >= end)
            return -ETIMEDOUT;
        poll(NULL, 0, AGAIN_MS);
    }
}

/* ---- the session ------------------------------------------------------------------- */

/* rejoin_lock is held. */
static bool
session_rejoin(struct session *s)
{
    char reason[CONNECTION_REASON_BYTES] = "";

    if (try_until_joined(s, reason) < 0) {
        device_tell(s->device, reason);
        session_die(s);
        return false;
    }
    /* It may be another device by now. */
    atomic_fetch_add_explicit(&s->rejoins, 1, memory_order_relaxed);
    atomic_store_explicit(&s->clock_asked_ns, 0, memory_order_release);
    /* Bells meanwhile went to the old socket. */
    s->channel.transport->kick(&s->channel);
    session_tell(s);
    waits_wake_all(s);
    return !session_is_dead(s);
}

bool
session_lost(struct session *s)
{
    bool goes_on = false;

    if (!is_in_vm(s) && (s->memory[0] < 0 || s->memory[1] < 0))
        return false;
    pthread_mutex_lock(&s->rejoin_lock);
    /* Another thread may have been here in between. */
    if (!session_is_dead(s))
        goes_on =
            !session_peer_hung_up(s) || (worker_will_be_back(s) && session_rejoin(s));
    pthread_mutex_unlock(&s->rejoin_lock);
    return goes_on;
}
