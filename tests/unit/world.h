/* SPDX-License-Identifier: MIT */
/* A session of the guest against a worker that the test plays itself, over a real socket. */
#ifndef TESSERA_UNIT_WORLD_H
#define TESSERA_UNIT_WORLD_H

#include "base/cleanup.h"
#include "base/io.h"
#include "base/sock.h"
#include "guest/opencl/device.h"
#include "guest/opencl/session.h"
#include "guest/opencl/submit.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#define RING_BYTES 4096u
#define FRAME_WORDS (RING_BYTES / 4 / 8) /* of the longest frame */
#define HEAP_BYTES (64u << 10)
#define PATIENCE_S 10           /* what takes longer has hung */
#define TOKEN "0123456789abcde" /* of the session, with its NUL */

struct world {
    char folder[64];
    int listener;
    struct device device;
    struct session *s;
    struct channel worker;
    pthread_t worker_thread;
    _Atomic unsigned count;
    _Atomic unsigned failures;
};

/* ---- the worker's part --------------------------------------------------------------------- */

static inline void *
worker_accept(void *arg)
{
    struct world *w = arg;
    struct welcome welcome = {.magic = WELCOME_MAGIC,
                              .version = WIRE_VERSION,
                              .token = TOKEN,
                              .commands_bytes = RING_BYTES,
                              .replies_bytes = RING_BYTES,
                              .info_bytes = 8};
    int sock = accept(w->listener, NULL, NULL), fds[2];
    struct hello h;
    char reason[160];

    if (hello_receive(sock, OPENCL_FINGERPRINT, &h, reason) < 0 ||
        channel_make(&w->worker, HEAP_BYTES, RING_BYTES, RING_BYTES, &fds[0], &fds[1]) <
            0)
        abort();
    welcome.heap_bytes = w->worker.heap_bytes;
    welcome_send(sock, &welcome, fds, "12345678");
    close(fds[0]);
    close(fds[1]);
    channel_use_socket(&w->worker, sock);
    return NULL;
}

/* The next frame; false when there is none yet and `wait` is not wanted, or the guest left. */
static inline bool
worker_read(struct world *w, uint64_t buf[FRAME_WORDS], bool wait)
{
    int n;

    while ((n = ring_read(&w->worker.rx, buf, FRAME_WORDS * 8)) == 0) {
        if (!wait)
            return false;
        if (!ring_may_sleep(&w->worker.rx))
            continue;
        if (w->worker.transport->wait(&w->worker, -1) < 0)
            return false;
        ring_awake(&w->worker.rx);
    }
    return n > 0;
}

/* The same, its header alone. */
static inline bool
worker_next(struct world *w, struct frame_header *ret, bool wait)
{
    uint64_t buf[FRAME_WORDS];

    if (!worker_read(w, buf, wait))
        return false;
    memcpy(ret, buf, sizeof *ret);
    return true;
}

static inline void
worker_send(struct world *w, const struct frame_header *h)
{
    struct waiter *waiter;
    int err;
    void *p;

    while (!(p = ring_reserve(&w->worker.tx, h->size, &err)))
        sched_yield();
    memcpy(p, h, h->size);
    if (ring_commit(&w->worker.tx, h->size))
        w->worker.transport->kick(&w->worker);
    waiter = h->op == FRAME_REPLY ? tag_waiter(w->worker.page->waiters, h->tag) : NULL;
    if (waiter)
        waiter_look(waiter);
}

static inline void
worker_reply(struct world *w, uint64_t tag, int64_t status)
{
    struct reply_header r = {{sizeof r, FRAME_REPLY, 0, tag}, status};

    worker_send(w, &r.frame);
}

static inline void
worker_reclaim(struct world *w, uint64_t offset)
{
    worker_send(
        w, &(struct frame_header){sizeof(struct frame_header), FRAME_RECLAIM, 0, offset});
}

static inline void
worker_hangs_up(struct world *w)
{
    channel_fini(&w->worker);
}

/* It leaves since the vGPU is suspended. */
static inline void
worker_suspends(struct world *w)
{
    atomic_store_explicit(&w->worker.page->state, CHANNEL_SUSPENDED,
                          memory_order_release);
    worker_hangs_up(w);
}

/* Has a guest come within so many milliseconds? */
static inline bool
guest_comes(const struct world *w, int timeout_ms)
{
    struct pollfd p = {.fd = w->listener, .events = POLLIN};

    return poll(&p, 1, timeout_ms) == 1;
}

/* Of the guest that comes back: its connection, and what it brings. */
struct comer {
    int sock, memory[2];
    struct hello hello;
};

static inline struct comer
guest_comes_back(const struct world *w)
{
    struct comer c = {.sock = -1};
    char reason[160];

    assert_true(guest_comes(w, PATIENCE_S * 1000));
    c.sock = accept(w->listener, NULL, NULL);
    assert_int_equal(
        hello_receive_memory(c.sock, OPENCL_FINGERPRINT, &c.hello, c.memory, reason), 0);
    assert_memory_equal(c.hello.token, TOKEN, TOKEN_BYTES);
    return c;
}

/* What the next worker says to it. */
static inline struct welcome
welcome_back(void)
{
    return (struct welcome){.magic = WELCOME_MAGIC,
                            .version = WIRE_VERSION,
                            .token = TOKEN,
                            .heap_bytes = HEAP_BYTES,
                            .commands_bytes = RING_BYTES,
                            .replies_bytes = RING_BYTES};
}

/* The next worker takes over: it goes on where the one before had been in the rings. */
static inline void
worker_takes_over(struct world *w, struct comer *c)
{
    const struct welcome welcome = welcome_back();

    assert_int_equal(channel_adopt(&w->worker, HEAP_BYTES, RING_BYTES, RING_BYTES,
                                   c->memory[0], c->memory[1]),
                     0);
    close(c->memory[0]);
    close(c->memory[1]);
    w->worker.rx.cur = atomic_load(&w->worker.rx.shared->head);
    w->worker.rx.seen = w->worker.rx.cur;
    w->worker.tx.cur = atomic_load(&w->worker.tx.shared->tail);
    w->worker.tx.seen = atomic_load(&w->worker.tx.shared->head);
    channel_use_socket(&w->worker, c->sock);
    atomic_store(&w->worker.page->state, CHANNEL_RUNNING);
    assert_int_equal(welcome_send(c->sock, &welcome, NULL, NULL), 0);
}

static inline void
worker_resumes(struct world *w)
{
    struct comer c = guest_comes_back(w);

    worker_takes_over(w, &c);
}

/* Plays the worker beside the test until play() returns. */
static inline void
worker_play(struct world *w, void *(*play)(void *))
{
    assert_int_equal(pthread_create(&w->worker_thread, NULL, play, w), 0);
}

static inline void
worker_played(struct world *w)
{
    pthread_join(w->worker_thread, NULL);
}

/* ---- the guest's part ---------------------------------------------------------------------- */

static inline int
setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    char reason[160] = "";

    strcpy(w->folder, "/tmp/tessera-test-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    w->device.route.socket_path = str_printf("%s/socket", w->folder);
    pthread_mutex_init(&w->device.lock, NULL);
    w->listener = sock_listen(w->device.route.socket_path, 0600, 4);
    assert_true(w->listener >= 0);
    worker_play(w, worker_accept);
    if (session_connect(&w->device, &w->s, reason) < 0)
        fail_msg("%s", reason);
    worker_played(w);
    *state = w;
    return 0;
}

static inline int
teardown(void **state)
{
    struct world *w = *state;

    session_unhold(w->s);
    worker_hangs_up(w);
    close(w->listener);
    unlink(w->device.route.socket_path);
    rmdir(w->folder);
    free(w->device.route.socket_path);
    free(w->device.info);
    free(w);
    return 0;
}

/* Any message with one id; pending NULL: nobody waits. */
static inline cl_int
send_op(struct session *s, unsigned op, struct pending *p)
{
    struct enc e;
    cl_int rc = submit_begin(s, &e, op, sizeof(struct frame_header) + 8, p);

    if (rc != CL_SUCCESS)
        return rc;
    enc_u64(&e, 1);
    return submit_end(s, &e, p);
}

/* A call that is answered. */
static inline cl_int
ask(struct session *s, struct pending *p)
{
    cl_int rc = send_op(s, OP_clFinish, p);

    return rc == CL_SUCCESS ? session_wait(s, p) : rc;
}

/* Expects the session's death. */
static inline void *
ask_once(void *arg)
{
    struct world *w = arg;
    struct pending p = {0};

    if (ask(w->s, &p) != CL_OUT_OF_RESOURCES)
        atomic_fetch_add(&w->failures, 1);
    return NULL;
}

static inline void
join_in_time(pthread_t thread)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_S;
    if (pthread_timedjoin_np(thread, NULL, &end) != 0)
        fail_msg("a thread of the guest hangs");
}

/* Until *word has the value; false after a long while. */
static inline bool
reaches(_Atomic unsigned *word, unsigned value)
{
    uint64_t end = now_ns() + PATIENCE_S * 1000000000ull;

    while (atomic_load(word) != value) {
        if (now_ns() > end)
            return false;
        usleep(100);
    }
    return true;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
