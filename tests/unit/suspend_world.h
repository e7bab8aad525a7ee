/* SPDX-License-Identifier: MIT */
/*
 * A worker on the fake driver, and both who speak with it: a manager by link/control.h, and a guest
 * that speaks the channel protocol by hand.
 */
#ifndef TESSERA_TESTS_SUSPEND_WORLD_H
#define TESSERA_TESTS_SUSPEND_WORLD_H

#include "api/opencl_wire.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "link/account.h"
#include "link/control.h"
#include "snapshot/snapshot.h"
#include "wire/channel.h"
#include "worker/bytes.h"
#include "worker/saved.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FRAMEBUFFER (UINT64_C(64) << 20)
#define NUMBER UINT64_C(0x1234)
#define PATIENCE_S 30

enum { CONTEXT_ID = 1, QUEUE_ID = 2, BUFFER_ID = 3, EVENT_ID = 4, FREE_ID = 10 };

static struct {
    const char *worker; /* the program */
    bool discrete;
    struct account_page *account;
    int account_fd;
    pid_t pid; /* of the worker; 0: none */
    int listener, manager;
    struct sockaddr_un address;
    socklen_t address_len;
    struct channel c; /* the guest's; page NULL: there is none */
    int guest, memory[2];
    struct welcome welcome;
    char reason[160];
    struct control_msg heard;
} w;

/* ---- the worker --------------------------------------------------------------------------- */

static void
world_listen(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    w.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_true(w.listener >= 0);
    /* A name of the kernel's choice. */
    assert_int_equal(bind(w.listener, (void *)&a, sizeof a.sun_family), 0);
    assert_int_equal(listen(w.listener, 8), 0);
    w.address_len = sizeof w.address;
    getsockname(w.listener, (void *)&w.address, &w.address_len);
}

static void
world_exec(int guest)
{
    char session[16], account[16], control[16], bytes[32];
    const char *argv[] = {w.worker,
                          "--backend",
                          "fake",
                          "--framebuffer",
                          bytes,
                          "--account-fd",
                          account,
                          "--control-fd",
                          control,
                          "--slot",
                          "0",
                          guest < 0 ? "--restore" : "--session-fd",
                          guest < 0 ? NULL : session,
                          NULL,
                          NULL};

    snprintf(session, sizeof session, "%d", guest);
    snprintf(account, sizeof account, "%d", w.account_fd);
    snprintf(control, sizeof control, "%d", w.listener);
    snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)FRAMEBUFFER);
    if (w.discrete)
        argv[guest < 0 ? 12 : 13] = "--discrete";
    fcntl(w.account_fd, F_SETFD, 0);
    fcntl(w.listener, F_SETFD, 0);
    if (guest >= 0)
        fcntl(guest, F_SETFD, 0);
    execv(w.worker, (char **)argv);
    _exit(127);
}

static void
manager_connect(void)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};

    if (w.manager >= 0)
        close(w.manager);
    w.manager = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(w.manager, (void *)&w.address, w.address_len), 0);
    setsockopt(w.manager, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

static void
manager_hangs_up(void)
{
    close(w.manager);
    w.manager = -1;
}

/* guest -1: one that restores. */
static void
worker_start(int guest)
{
    struct account_slot *slot = &w.account->slot[0];

    slot->reason[0] = '\0';
    assert_int_equal(account_slot_take(w.account), 0);
    atomic_store(&w.account->suspended, 0);
    world_listen();
    w.pid = fork();
    assert_true(w.pid >= 0);
    if (w.pid == 0)
        world_exec(guest);
    close(take_fd(&w.listener));
    if (guest >= 0)
        close(guest);
    manager_connect();
}

/* Its exit status, or a signal's number + 1000; its slot is free again. */
static int
worker_end(void)
{
    const uint64_t end = now_ns() + PATIENCE_S * UINT64_C(1000000000);
    int status = 0;

    while (waitpid(w.pid, &status, WNOHANG) == 0) {
        if (now_ns() > end)
            fail_msg("the worker does not end");
        usleep(1000);
    }
    w.pid = 0;
    account_slot_free(w.account, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* ---- the manager -------------------------------------------------------------------------- */

static void
say(enum control_op op, uint64_t a, int fd)
{
    const struct control_msg m = {.op = op, .a = a, .b = NUMBER};

    assert_int_equal(control_send(w.manager, &m, fd), 0);
}

/* The next message but for progress, in w.heard. */
static int
hear(void)
{
    int fd, rc;

    do
        rc = control_receive(w.manager, &w.heard, &fd, 0);
    while (rc == 0 && w.heard.op == CONTROL_PROGRESS);
    return rc;
}

#define HEARS(want)                                                                      \
    do {                                                                                 \
        assert_int_equal(hear(), 0);                                                     \
        if (w.heard.op == CONTROL_FAILED && (want) != CONTROL_FAILED)                    \
            fail_msg("failed: %s", w.heard.words);                                       \
        assert_int_equal(w.heard.op, want);                                              \
    } while (0)

#define IS_TOLD(op, a, fd, want)                                                         \
    do {                                                                                 \
        say(op, a, fd);                                                                  \
        HEARS(want);                                                                     \
    } while (0)

#define IS_REFUSED(op, a, fd, words_)                                                    \
    do {                                                                                 \
        IS_TOLD(op, a, fd, CONTROL_FAILED);                                              \
        if (!strstr(w.heard.words, words_))                                              \
            fail_msg("words: %s", w.heard.words);                                        \
    } while (0)

static int
new_file(void)
{
    const int fd = memfd_create("snapshot", MFD_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

/* ---- the guest ---------------------------------------------------------------------------- */

static struct hello
hello(void)
{
    struct hello h = {
        .magic = HELLO_MAGIC, .version = WIRE_VERSION, .fingerprint = OPENCL_FINGERPRINT};

    snprintf(h.program, sizeof h.program, "guest");
    return h;
}

/* The worker's end is returned. */
static int
guest_socket(void)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    w.guest = fds[0];
    return fds[1];
}

static void
guest_leaves(void)
{
    if (w.c.page)
        channel_fini(&w.c);
    else if (w.guest >= 0)
        close(w.guest);
    for (unsigned i = 0; i < 2; i++) {
        if (w.memory[i] >= 0)
            close(take_fd(&w.memory[i]));
    }
    w.c = (struct channel){.fd = -1, .wake_fd = -1};
    w.guest = -1;
}

/* Its doorbell is another after a resume. */
static void
guest_rings_at(int fd)
{
    if (w.c.transport)
        w.c.transport->close(&w.c);
    channel_use_socket(&w.c, fd);
}

static void
guest_enters(void)
{
    _cleanup_free_ uint8_t *info = NULL;
    struct hello h = hello();

    worker_start(guest_socket());
    assert_int_equal(hello_exchange(w.guest, &h, &w.welcome, w.memory, &info, w.reason),
                     0);
    assert_int_equal(channel_map(&w.c, &w.welcome, w.memory[0], w.memory[1]), 0);
    guest_rings_at(w.guest);
}

static void *
rejoin_main(void *arg)
{
    struct hello h = hello();
    struct welcome welcome;

    memcpy(h.token, w.welcome.token, sizeof h.token);
    *(int *)arg = hello_rejoin(w.guest, &h, w.memory, &welcome, w.reason);
    return NULL;
}

struct rejoin {
    pthread_t thread;
    int rc, theirs;
};

/* The guest connects again and says who it is; ends in rejoin_end(). */
static void
rejoin_begin(struct rejoin *r)
{
    r->theirs = guest_socket();
    assert_int_equal(pthread_create(&r->thread, NULL, rejoin_main, &r->rc), 0);
}

static int
rejoin_end(struct rejoin *r)
{
    close(r->theirs);
    pthread_join(r->thread, NULL);
    if (r->rc == 0)
        guest_rings_at(w.guest);
    return r->rc;
}

static void
send_words(unsigned op, uint64_t tag, unsigned n, const uint64_t *words)
{
    const uint32_t len = (uint32_t)sizeof(struct frame_header) + 8 * n;
    struct frame_header *h;
    int err;

    while (!(h = ring_reserve(&w.c.tx, len, &err)))
        usleep(200);
    *h = (struct frame_header){.size = len, .op = (uint16_t)op, .tag = tag};
    memcpy(h + 1, words, 8ul * n);
    if (ring_commit(&w.c.tx, len))
        w.c.transport->kick(&w.c);
}

#define SEND(op, tag, ...)                                                               \
    send_words(op, tag, sizeof((uint64_t[]){__VA_ARGS__}) / 8, (uint64_t[]){__VA_ARGS__})

/* The next frame for the guest, the same place each time. */
static const struct reply_header *
next_frame(void)
{
    static uint64_t frame[CHANNEL_REPLIES_BYTES / 8];
    const uint64_t end = now_ns() + PATIENCE_S * UINT64_C(1000000000);
    int n;

    while ((n = ring_read(&w.c.rx, frame, sizeof frame)) == 0) {
        assert_true(now_ns() < end);
        usleep(200);
    }
    assert_true(n > 0);
    return (const void *)frame;
}

/* The status of the next reply, which has that tag. */
static int64_t
reply_to(uint64_t tag)
{
    const struct reply_header *r;

    do
        r = next_frame();
    while (r->frame.op != FRAME_REPLY);
    assert_int_equal(r->frame.tag, tag);
    return r->status;
}

static bool
has_frame(void)
{
    return ring_readable(&w.c.rx);
}

static void
guest_world(void)
{
    guest_enters();
    SEND(OP_clCreateContext, 0, CONTEXT_ID, 1, ROOT_DEVICE_ID);
    SEND(OP_clCreateCommandQueueWithProperties, 0, QUEUE_ID, CONTEXT_ID, ROOT_DEVICE_ID,
         0);
}

/* In the heap at `offset`, unless the device has memory of its own. */
static void
buffer_make(uint64_t id, uint64_t bytes, uint64_t offset)
{
    SEND(OP_tessera_credit, 1, bytes);
    assert_int_equal(reply_to(1), 0);
    SEND(OP_clCreateBuffer, 0, id, CONTEXT_ID, 1, bytes,
         w.discrete ? EXTENT_NONE : offset, w.discrete ? 0 : bytes, 0, EXTENT_NONE, 0);
}

/* After all before it. */
static int64_t
finish(void)
{
    SEND(OP_clFinish, 2, QUEUE_ID);
    return reply_to(2);
}

static void
buffer_fill(uint64_t id, uint64_t bytes, uint64_t value, uint64_t wait)
{
    if (wait)
        SEND(OP_clEnqueueFillBuffer, 0, QUEUE_ID, id, 8, value, 0, bytes, 1, wait, 0);
    else
        SEND(OP_clEnqueueFillBuffer, 0, QUEUE_ID, id, 8, value, 0, bytes, 0, 0);
}

/* All of it is that value, read by the driver into the heap's end. */
static void
buffer_is(uint64_t id, uint64_t bytes, uint64_t value)
{
    const uint64_t at = w.c.heap_bytes - bytes, *got = (const void *)(w.c.heap + at);

    SEND(OP_clEnqueueReadBuffer, 3, QUEUE_ID, id, 0, bytes, at, bytes, 0, 0);
    assert_int_equal(reply_to(3), 0);
    assert_int_equal(finish(), 0);
    for (uint64_t i = 0; i < bytes / 8; i++)
        assert_int_equal(got[i], value);
}

/* ---- away and back ------------------------------------------------------------------------ */

static void
suspend(int fd)
{
    IS_TOLD(CONTROL_PAUSE, 0, -1, CONTROL_PAUSED);
    assert_memory_equal(w.heard.token, w.welcome.token, TOKEN_BYTES);
    IS_TOLD(CONTROL_SAVE, 0, fd, CONTROL_SAVED);
    atomic_store(&w.account->suspended, 1);
    say(CONTROL_LEAVE, 0, -1);
    assert_int_equal(worker_end(), 0);
    if (w.c.page)
        assert_int_equal(atomic_load(&w.c.page->state), CHANNEL_SUSPENDED);
}

static void
restore(int fd)
{
    lseek(fd, 0, SEEK_SET);
    worker_start(-1);
    IS_TOLD(CONTROL_RESTORE, 0, fd, CONTROL_RESTORED);
}

/* early: its guest is there before the snapshot is read. */
static void
resume(int fd, bool early)
{
    struct rejoin r;

    rejoin_begin(&r);
    if (early) {
        lseek(fd, 0, SEEK_SET);
        worker_start(-1);
        say(CONTROL_GUEST, 0, r.theirs);
        IS_TOLD(CONTROL_RESTORE, 0, fd, CONTROL_RESTORED);
        IS_TOLD(CONTROL_CONTINUE, 0, -1, CONTROL_JOINED);
    } else {
        restore(fd);
        say(CONTROL_CONTINUE, 0, -1);
        IS_TOLD(CONTROL_GUEST, 0, r.theirs, CONTROL_JOINED);
    }
    assert_int_equal(rejoin_end(&r), 0);
}

static int
world_setup(bool discrete)
{
    char path[] = "/tmp/tessera-suspend-XXXXXX";
    int fd = mkstemp(path);

    if (fd < 0)
        return -1;
    close(fd);
    w.discrete = discrete;
    w.manager = w.listener = w.guest = w.memory[0] = w.memory[1] = -1;
    w.c = (struct channel){.fd = -1, .wake_fd = -1};
    fd = account_create(path, FRAMEBUFFER, &w.account, &w.account_fd);
    unlink(path);
    return fd;
}

static int
setup_shared(void **state)
{
    (void)state;
    return world_setup(false);
}

static int
setup_discrete(void **state)
{
    (void)state;
    return world_setup(true);
}

static int
teardown(void **state)
{
    (void)state;
    guest_leaves();
    if (w.manager >= 0)
        close(take_fd(&w.manager));
    if (w.pid > 0) {
        kill(w.pid, SIGKILL);
        worker_end();
    }
    account_unmap(w.account);
    close(take_fd(&w.account_fd));
    unsetenv("TESSERA_FAKE_FAULT");
    return 0;
}

#endif
