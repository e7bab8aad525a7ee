/* SPDX-License-Identifier: MIT */
/*
 * Transport "unix": the connected socket is the doorbell. A kick is one byte; the peer's
 * end is the socket's hang-up, so one poll() sees both.
 */
#include "base/futex.h"
#include "base/io.h"
#include "wire/channel.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Guest: does the worker sleep on the word? Worker: do we? */
static bool
worker_on_futex(const struct channel *c)
{
    return atomic_load_explicit(&c->page->futex_doorbell, memory_order_relaxed);
}

#define HUNG_UP_AGAIN_MS 10

static void
unix_kick(struct channel *c)
{
    const char bell = 1;

    /*
     * Pairs with channel_use_futex: who has seen a worker asleep sees on what. Without it a
     * weakly ordered CPU may have read the old word before.
     */
    atomic_thread_fence(memory_order_acquire);
    if (c->tx.shared == &c->page->commands && worker_on_futex(c)) {
        futex_wake(&c->page->commands.sleeping, 1);
        return;
    }
    /*
     * A full socket buffer already holds enough kicks; a dead peer shows in the next
     * wait.
     */
    if (send(c->fd, &bell, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
        channel_count_kicks(c, 1);
}

static int
unix_drain(struct channel *c)
{
    char bells[64];
    ssize_t n = recv(c->fd, bells, sizeof bells, MSG_DONTWAIT);

    if (n > 0) {
        channel_count_kicks(c, (uint64_t)n);
        return 1;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        return -EPIPE;
    return 0;
}

/*
 * Whoever wakes us has taken the word back (ring_commit), or will look at it
 * (channel_watch_peer).
 */
static int
futex_doorbell_wait(struct channel *c, int timeout_ms)
{
    _Atomic uint32_t *sleeping = &c->page->commands.sleeping;

    if (timeout_ms != 0 && !atomic_load_explicit(&c->hung_up, memory_order_acquire)) {
        futex_wait(sleeping, 1, timeout_ms);
        /* Who takes the word back calls the kernel, too. */
        if (atomic_load_explicit(sleeping, memory_order_relaxed) == 0)
            channel_count_kicks(c, 1);
    }
    return atomic_load_explicit(&c->hung_up, memory_order_acquire) ? -EPIPE : 1;
}

void
channel_use_futex(struct channel *c)
{
    atomic_store_explicit(&c->page->futex_doorbell, 1, memory_order_relaxed);
    /* Before any ring_may_sleep(). */
    atomic_thread_fence(memory_order_release);
}

void
channel_watch_peer(struct channel *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};

    while (poll(&p, 1, -1) < 0 || !(p.revents & (POLLHUP | POLLRDHUP | POLLERR)))
        ;
    atomic_store_explicit(&c->hung_up, true, memory_order_release);
    for (;;) {
        /* A sleeper that has not yet begun to sleep finds the word changed. */
        atomic_store_explicit(&c->page->commands.sleeping, 0, memory_order_release);
        futex_wake(&c->page->commands.sleeping, 1);
        poll(NULL, 0, HUNG_UP_AGAIN_MS);
    }
}

static int
unix_wait(struct channel *c, int timeout_ms)
{
    struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN},
                          {.fd = c->wake_fd, .events = POLLIN}};
    uint64_t end;

    if (c->rx.shared == &c->page->commands && worker_on_futex(c))
        return futex_doorbell_wait(c, timeout_ms);
    end = timeout_ms > 0 ? now_ns() + (uint64_t)timeout_ms * 1000000u : 0;

    for (;;) {
        int n = poll(p, c->wake_fd >= 0 ? 2 : 1, timeout_ms);

        if (n == 0)
            return 0;
        if (n > 0 && p[1].revents) {
            eventfd_t count;

            eventfd_read(c->wake_fd, &count);
        }
        if (n > 0)
            return p[0].revents && unix_drain(c) < 0 ? -EPIPE : 1;
        if (errno != EINTR)
            return -errno;
        if (timeout_ms > 0 && now_ns() >= end)
            return 0;
    }
}

static void
unix_close(struct channel *c)
{
    close(c->fd);
    c->fd = -1;
}

static const struct transport_ops unix_ops = {"unix", unix_kick, unix_wait, unix_close};
static const struct transport_ops loopback_ops = {"loopback", unix_kick, unix_wait,
                                                  unix_close};

void
channel_use_socket(struct channel *c, int fd)
{
    c->transport = &unix_ops;
    c->fd = fd;
}

int
channel_loopback(struct channel *guest, struct channel *worker, uint64_t heap_bytes,
                 uint32_t commands_bytes, uint32_t replies_bytes)
{
    struct welcome w = {.commands_bytes = commands_bytes, .replies_bytes = replies_bytes};
    int pair[2] = {-1, -1}, channel_fd, heap_fd, rc;

    rc = channel_make(worker, heap_bytes, commands_bytes, replies_bytes, &channel_fd,
                      &heap_fd);
    if (rc < 0)
        return rc;
    w.heap_bytes = worker->heap_bytes;
    rc = channel_map(guest, &w, channel_fd, heap_fd);
    close(channel_fd);
    close(heap_fd);
    if (rc == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        rc = -errno;
        channel_fini(guest);
    }
    if (rc < 0) {
        channel_fini(worker);
        return rc;
    }
    guest->transport = &loopback_ops;
    worker->transport = &loopback_ops;
    guest->fd = pair[0];
    worker->fd = pair[1];
    return 0;
}
