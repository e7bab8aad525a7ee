/* SPDX-License-Identifier: MIT */
#include "wire/virtio.h"

#include "base/futex.h"
#include "base/io.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GUARDIAN_STACK_BYTES (64u << 10)

#define WATCH_MS 200
#define PAGE_LOOK_MS 1000
#define PING_NS UINT64_C(5000000000)
/* So many bells that the guest has not read: its kernel has room for more (virtio-serial: 128). */
#define PINGS_MOST 16u
#define BELLS_AT_ONCE 1024u
/* A QEMU that is busy with other things takes nothing, either. */
#define DEAF_NS UINT64_C(30000000000)

/* ---- the guest's guardian ---------------------------------------------------------------- */

struct guardian {
    pthread_t thread;
    _Atomic uint32_t *owner;
    uint32_t thread_id;      /* what the word says */
    _Atomic uint32_t state;  /* a futex: */
    pthread_mutex_t reading; /* of the port, or of: */
    bool taken;              /* for a hello */
};

enum { GUARDIAN_STARTS, GUARDIAN_HOLDS, GUARDIAN_ENDS };

static void
guardian_tell(struct guardian *g, uint32_t state)
{
    atomic_store(&g->state, state);
    futex_wake(&g->state, 1);
}

/*
 * The C library has a robust list for each thread, of the mutexes that it locks. This thread
 * locks none, so that the list can be ours (man 2 set_robust_list).
 */
static void *
guardian_main(void *arg)
{
    struct guardian *g = arg;
    struct robust_list entry;
    struct robust_list_head head = {.list.next = &entry,
                                    .futex_offset = (char *)g->owner - (char *)&entry};

    entry.next = &head.list;
    g->thread_id = (uint32_t)syscall(SYS_gettid);
    atomic_store(g->owner, g->thread_id);
    if (syscall(SYS_set_robust_list, &head, sizeof head) < 0) {
        g->thread_id = 0;
        atomic_store(g->owner, 0);
    }
    guardian_tell(g, GUARDIAN_HOLDS);
    while (atomic_load(&g->state) != GUARDIAN_ENDS)
        futex_wait(&g->state, GUARDIAN_HOLDS, -1);
    head.list.next = &head.list;
    return NULL;
}

static int
guardian_start(struct guardian *g)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int rc;

    rc = pthread_attr_init(&attr);
    if (rc != 0)
        return -rc;
    pthread_attr_setstacksize(&attr, GUARDIAN_STACK_BYTES);
    /* The program's signals are for its own threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&g->thread, &attr, guardian_main, g);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (rc != 0)
        return -rc;
    while (atomic_load(&g->state) == GUARDIAN_STARTS)
        futex_wait(&g->state, GUARDIAN_STARTS, -1);
    return 0;
}

static void
guardian_end(struct guardian *g)
{
    guardian_tell(g, GUARDIAN_ENDS);
    pthread_join(g->thread, NULL);
    atomic_store(g->owner, FUTEX_OWNER_DIED);
    free(g);
}

/* ---- the guest --------------------------------------------------------------------------- */

static void
port_kick(struct channel *c)
{
    const uint8_t bell = BELL_KICK;

    /* A full port has bells in it that nobody has heard; a dead peer shows in the next wait. */
    if (write(c->fd, &bell, 1) < 0)
        return;
}

/* Bells are all alike: how many there are does not matter. */
static int
port_drain(struct channel *c)
{
    uint8_t bells[64];
    const ssize_t n = read(c->fd, bells, sizeof bells);

    if (n > 0)
        atomic_fetch_add_explicit(&c->page->bells_read, (uint32_t)n,
                                  memory_order_relaxed);
    if (n >= 0)
        return n > 0 ? 0 : -EPIPE;
    return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
}

/* Sleeps on the descriptor and on the eventfd; *ret_events are the descriptor's. */
static int
bell_poll(struct channel *c, int timeout_ms, short *ret_events)
{
    struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN | POLLRDHUP},
                          {.fd = c->wake_fd, .events = POLLIN}};
    const uint64_t end = timeout_ms > 0 ? now_ns() + (uint64_t)timeout_ms * 1000000u : 0;
    int n;

    do {
        n = poll(p, 2, timeout_ms);
    } while (n < 0 && errno == EINTR && (timeout_ms < 0 || now_ns() < end));
    if (n > 0 && p[1].revents) {
        eventfd_t count;

        eventfd_read(c->wake_fd, &count);
    }
    *ret_events = n > 0 ? p[0].revents : 0;
    return n < 0 && errno == EINTR ? 0 : n < 0 ? -errno : n;
}

/*
 * The worker's memory is cleared and given to others when it has ended. The port tells sooner, but
 * not whom it finds asleep: a machine that was paused until the port was connected again.
 */
static bool
page_is_ours(const struct channel *c)
{
    return atomic_load_explicit(&c->page->owner, memory_order_relaxed) ==
           c->guardian->thread_id;
}

static bool
worker_is_away(const struct channel *c)
{
    return atomic_load_explicit(&c->page->state, memory_order_acquire) ==
           CHANNEL_SUSPENDED;
}

/* Bells, unless the port is another thread's, which waits there for an answer. */
static int
port_drain_ours(struct channel *c)
{
    int rc = -EPIPE;

    pthread_mutex_lock(&c->guardian->reading);
    if (!c->guardian->taken && !worker_is_away(c))
        rc = port_drain(c);
    pthread_mutex_unlock(&c->guardian->reading);
    return rc;
}

static int
port_wait(struct channel *c, int timeout_ms)
{
    short events;
    int n;

    do {
        n = bell_poll(c, timeout_ms < 0 ? PAGE_LOOK_MS : timeout_ms, &events);
        if (!page_is_ours(c) || worker_is_away(c))
            return -EPIPE;
    } while (n == 0 && timeout_ms < 0);
    if (n <= 0)
        return n;
    if ((events & POLLIN) && port_drain_ours(c) < 0)
        return -EPIPE;
    return events & (POLLHUP | POLLERR | POLLNVAL) ? -EPIPE : 1;
}

bool
channel_port_is_left(const struct channel *c)
{
    struct pollfd p = {.fd = c->fd};

    return !page_is_ours(c) || worker_is_away(c) ||
           (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)));
}

void
channel_port_take(struct channel *c)
{
    pthread_mutex_lock(&c->guardian->reading);
    c->guardian->taken = true;
    pthread_mutex_unlock(&c->guardian->reading);
}

void
channel_port_give(struct channel *c)
{
    pthread_mutex_lock(&c->guardian->reading);
    c->guardian->taken = false;
    pthread_mutex_unlock(&c->guardian->reading);
}

static void
port_close(struct channel *c)
{
    if (c->guardian)
        guardian_end(c->guardian);
    c->guardian = NULL;
    /* Instead of waiting until the word is looked at. */
    port_kick(c);
    close(c->fd);
    c->fd = -1;
}

static const struct transport_ops port_ops = {"virtio", port_kick, port_wait, port_close};

int
channel_use_port(struct channel *c, int port_fd)
{
    struct guardian *g = calloc(1, sizeof *g);
    int rc;

    if (!g)
        return -ENOMEM;
    pthread_mutex_init(&g->reading, NULL);
    g->owner = &c->page->owner;
    rc = guardian_start(g);
    if (rc < 0) {
        free(g);
        return rc;
    }
    c->guardian = g;
    c->transport = &port_ops;
    c->fd = port_fd;
    return 0;
}

/* ---- the worker -------------------------------------------------------------------------- */

static void
bell_send(struct channel *c, uint8_t bell)
{
    /* Before the guest can have read it: vm_ping() compares. */
    atomic_fetch_add(&c->bells_sent, 1);
    if (send(c->fd, &bell, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
        atomic_fetch_sub(&c->bells_sent, 1);
}

static void
vm_kick(struct channel *c)
{
    channel_count_kicks(c, 1);
    bell_send(c, BELL_KICK);
}

static bool
owner_died(const struct channel *c)
{
    return atomic_load_explicit(&c->page->owner, memory_order_relaxed) & FUTEX_OWNER_DIED;
}

/* Takes off a copy of the hello that the session went on with; 0, or 1: it is something else. */
static int
copy_skip(const struct channel *c)
{
    struct hello h;
    const ssize_t n = recv(c->fd, &h, sizeof h, MSG_PEEK | MSG_DONTWAIT);

    if (c->again.magic != HELLO_MAGIC || n <= 0 || memcmp(&h, &c->again, (size_t)n) != 0)
        return 1;
    if (n == (ssize_t)sizeof h && recv(c->fd, &h, sizeof h, MSG_DONTWAIT) != n)
        return 1;
    return 0;
}

static int
vm_wait(struct channel *c, int timeout_ms)
{
    unsigned bells = 0;
    short events = 0;
    int n = bell_poll(c, timeout_ms, &events), rc;

    if (atomic_load_explicit(&c->hung_up, memory_order_acquire))
        return -EPIPE;
    if (n <= 0)
        return n;
    /* What is no bell is the hello of another guest, and is left for its worker. */
    rc = events ? bells_skip(c->fd, &bells) : 0;
    if (rc > 0)
        rc = copy_skip(c);
    channel_count_kicks(c, bells);
    return rc != 0 || owner_died(c) ? -EPIPE : 1;
}

static void
vm_close(struct channel *c)
{
    close(c->fd);
    c->fd = -1;
}

static const struct transport_ops vm_ops = {"virtio", vm_kick, vm_wait, vm_close};

int
bells_skip(int socket_fd, unsigned *bells)
{
    uint8_t bytes[BELLS_AT_ONCE];
    const ssize_t n = recv(socket_fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_PEEK);
    ssize_t taken = 0;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return -EPIPE;
    while (taken < n && is_bell(bytes[taken]))
        taken++;
    if (taken > 0 && recv(socket_fd, bytes, (size_t)taken, MSG_DONTWAIT) < 0)
        return -EPIPE;
    *bells += (unsigned)taken;
    return taken < n;
}

int
channel_use_vm(struct channel *c, int socket_fd)
{
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake_fd < 0)
        return -errno;
    /* A session that goes on: what its guest counts goes on, too. */
    atomic_store(&c->bells_sent, atomic_load(&c->page->bells_read));
    c->transport = &vm_ops;
    c->fd = socket_fd;
    return 0;
}

/* Does QEMU take what we send? */
static bool
vm_listens(const struct channel *c)
{
    int waiting = 0;

    return ioctl(c->fd, SIOCOUTQ, &waiting) < 0 || waiting == 0;
}

/* Fewer than it had read already, or more than were sent? Then no ping would ever tell its end. */
static void
vm_ping(struct channel *c, struct guest_watch *w)
{
    const uint32_t read =
        atomic_load_explicit(&c->page->bells_read, memory_order_acquire);
    const uint32_t sent = atomic_load(&c->bells_sent);

    if (read - w->bells_read > sent - w->bells_read)
        w->forged = "the count of bells is forged";
    w->bells_read = read;
    if (sent - read < PINGS_MOST)
        bell_send(c, BELL_PING);
}

/* The word is the guardian's from its first value on, or else its kernel marks it not. */
static bool
owner_is_same(const struct channel *c, struct guest_watch *w)
{
    const uint32_t owner = atomic_load_explicit(&c->page->owner, memory_order_relaxed);

    if (owner & FUTEX_OWNER_DIED)
        return false;
    if (owner != w->owner && w->owner != 0)
        w->forged = "the word that tells of the guest's end is forged";
    w->owner = owner;
    return !w->forged;
}

static bool
vm_hung_up(const struct channel *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};

    return poll(&p, 1, WATCH_MS) > 0 && (p.revents & (POLLHUP | POLLRDHUP | POLLERR));
}

bool
channel_guest_lives(struct channel *c, struct guest_watch *w)
{
    const uint64_t now = now_ns();

    if (w->pinged_ns == 0)
        w->pinged_ns = w->listened_ns = now;
    if (vm_listens(c))
        w->listened_ns = now;
    if (now - w->pinged_ns >= PING_NS) {
        vm_ping(c, w);
        w->pinged_ns = now;
    }
    return !vm_hung_up(c) && owner_is_same(c, w) && now - w->listened_ns < DEAF_NS;
}

void
channel_guest_gone(struct channel *c)
{
    atomic_store_explicit(&c->hung_up, true, memory_order_release);
    for (;;) {
        eventfd_write(c->wake_fd, 1);
        poll(NULL, 0, WATCH_MS);
    }
}
