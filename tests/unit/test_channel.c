/* SPDX-License-Identifier: MIT */
#include "wire/channel.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAP_BYTES (64u << 10)
#define RING_BYTES 4096u

struct ends {
    struct channel guest, worker;
};

static int
setup(void **state)
{
    struct ends *e = calloc(1, sizeof *e);

    assert_int_equal(
        channel_loopback(&e->guest, &e->worker, HEAP_BYTES, RING_BYTES, RING_BYTES), 0);
    *state = e;
    return 0;
}

static int
teardown(void **state)
{
    struct ends *e = *state;

    channel_fini(&e->guest);
    channel_fini(&e->worker);
    free(e);
    return 0;
}

static int
wait_on(struct channel *c, int timeout_ms)
{
    return c->transport->wait(c, timeout_ms);
}

static void
kick(struct channel *c)
{
    c->transport->kick(c);
}

/* ---- doorbell ------------------------------------------------------------------------------ */

static void
a_kick_ends_the_peers_wait(void **state)
{
    struct ends *e = *state;

    kick(&e->guest);
    assert_int_equal(wait_on(&e->worker, -1), 1);
    kick(&e->worker);
    assert_int_equal(wait_on(&e->guest, -1), 1);
}

static void
one_wait_takes_all_kicks(void **state)
{
    struct ends *e = *state;

    for (unsigned i = 0; i < 10; i++)
        kick(&e->guest);
    assert_int_equal(wait_on(&e->worker, -1), 1);
    assert_int_equal(wait_on(&e->worker, 0), 0);
}

static void
a_wait_without_a_kick_times_out(void **state)
{
    struct ends *e = *state;
    uint64_t start = now_ns();

    assert_int_equal(wait_on(&e->worker, 0), 0);
    assert_int_equal(wait_on(&e->worker, 20), 0);
    assert_true(now_ns() - start >= 19000000u);
}

static void
kicks_never_block(void **state)
{
    struct ends *e = *state;

    for (unsigned i = 0; i < 100000; i++)
        kick(&e->guest);
    assert_int_equal(wait_on(&e->worker, -1), 1);
}

static void
a_hang_up_ends_the_wait_with_epipe(void **state)
{
    struct ends *e = *state;

    channel_fini(&e->guest);
    assert_int_equal(wait_on(&e->worker, -1), -EPIPE);
    assert_int_equal(wait_on(&e->worker, 0), -EPIPE);
}

static void
kicks_before_a_hang_up_still_count(void **state)
{
    struct ends *e = *state;

    kick(&e->guest);
    channel_fini(&e->guest);
    assert_int_equal(wait_on(&e->worker, -1), 1);
    assert_int_equal(wait_on(&e->worker, -1), -EPIPE);
}

static void
kicking_a_dead_peer_is_harmless(void **state)
{
    struct ends *e = *state;

    channel_fini(&e->worker);
    for (unsigned i = 0; i < 3; i++)
        kick(&e->guest);
    assert_int_equal(wait_on(&e->guest, -1), -EPIPE);
}

struct sleeper {
    struct channel *channel;
    int rc;
};

static void *
wait_for_ever(void *arg)
{
    struct sleeper *s = arg;

    s->rc = wait_on(s->channel, -1);
    return NULL;
}

static void
a_hang_up_wakes_who_sleeps_already(void **state)
{
    struct ends *e = *state;
    struct sleeper sleeper = {.channel = &e->worker};
    pthread_t thread;

    pthread_create(&thread, NULL, wait_for_ever, &sleeper);
    usleep(20000);
    channel_fini(&e->guest);
    pthread_join(thread, NULL);
    assert_int_equal(sleeper.rc, -EPIPE);
}

static void
the_wake_fd_ends_a_wait_of_our_own(void **state)
{
    struct ends *e = *state;

    e->guest.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    eventfd_write(e->guest.wake_fd, 1);
    assert_int_equal(wait_on(&e->guest, -1), 1);
    assert_int_equal(wait_on(&e->guest, 0), 0);
    assert_int_equal(wait_on(&e->worker, 0), 0);
}

static void
a_hang_up_is_told_before_the_wake_fd(void **state)
{
    struct ends *e = *state;

    e->guest.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    eventfd_write(e->guest.wake_fd, 1);
    channel_fini(&e->worker);
    assert_int_equal(wait_on(&e->guest, -1), -EPIPE);
}

/* ---- sleeping and waking ------------------------------------------------------------------- */

#define ROUNDS 20000u

static void
send_one(struct channel *c, uint64_t tag)
{
    struct frame_header h = {.size = sizeof h, .op = 1, .tag = tag};
    int err;
    void *p = ring_reserve(&c->tx, sizeof h, &err);

    if (!p)
        return; /* the peer then misses the tag */
    memcpy(p, &h, sizeof h);
    if (ring_commit(&c->tx, sizeof h))
        kick(c);
}

/* Sleeps at once, without a spin: each round passes through the "sleeping" word. */
static bool
receive_one(struct channel *c, uint64_t tag)
{
    struct frame_header h;
    int n;

    while ((n = ring_read(&c->rx, &h, sizeof h)) == 0) {
        if (!ring_may_sleep(&c->rx))
            continue;
        if (wait_on(c, 10000) != 1)
            return false;
        ring_awake(&c->rx);
    }
    return n == (int)sizeof h && h.tag == tag;
}

static void *
echo_main(void *arg)
{
    for (uint64_t i = 0; i < ROUNDS; i++) {
        if (!receive_one(arg, i))
            return "the echo missed a frame";
        send_one(arg, i);
    }
    return NULL;
}

static void
no_wake_up_is_lost_between_two_that_sleep(void **state)
{
    struct ends *e = *state;
    pthread_t echo;
    void *problem;

    pthread_create(&echo, NULL, echo_main, &e->worker);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        send_one(&e->guest, i);
        assert_true(receive_one(&e->guest, i));
    }
    pthread_join(echo, &problem);
    assert_null(problem);
}

/* ---- memory -------------------------------------------------------------------------------- */

struct made {
    struct channel worker;
    struct welcome w;
    int channel_fd, heap_fd;
};

static int
setup_made(void **state)
{
    struct made *m = calloc(1, sizeof *m);

    assert_int_equal(channel_make(&m->worker, HEAP_BYTES, RING_BYTES, 2 * RING_BYTES,
                                  &m->channel_fd, &m->heap_fd),
                     0);
    m->w = (struct welcome){.commands_bytes = RING_BYTES,
                            .replies_bytes = 2 * RING_BYTES,
                            .heap_bytes = HEAP_BYTES};
    *state = m;
    return 0;
}

static int
teardown_made(void **state)
{
    struct made *m = *state;

    channel_fini(&m->worker);
    close(m->channel_fd);
    close(m->heap_fd);
    free(m);
    return 0;
}

/* ---- the word as doorbell ------------------------------------------------------------------ */

#define PATIENCE_NS 5000000000ull /* what takes longer has hung */

struct napper {
    struct channel *worker;
    int timeout_ms;
    pthread_t thread;
    int rc;
    uint64_t slept_ns;
};

/* What a worker does with nothing to read. */
static void *
sleep_on_word(void *arg)
{
    struct napper *s = arg;
    const uint64_t start = now_ns();

    s->rc = 0;
    if (ring_may_sleep(&s->worker->rx))
        s->rc = wait_on(s->worker, s->timeout_ms);
    ring_awake(&s->worker->rx);
    s->slept_ns = now_ns() - start;
    return NULL;
}

static void
put_to_sleep(struct napper *s, struct channel *worker, int timeout_ms)
{
    *s = (struct napper){.worker = worker, .timeout_ms = timeout_ms};
    assert_int_equal(pthread_create(&s->thread, NULL, sleep_on_word, s), 0);
    usleep(30000); /* it sleeps now */
    assert_int_equal(atomic_load(&worker->page->commands.sleeping), 1);
}

static void
assert_slept(struct napper *s, int rc)
{
    pthread_join(s->thread, NULL);
    assert_int_equal(s->rc, rc);
    assert_true(s->slept_ns < PATIENCE_NS);
}

/* A frame from the guest, as it sends them. */
static void
send_frame(struct channel *guest)
{
    struct frame_header h = {.size = sizeof h, .op = 7};
    int err;
    void *at = ring_reserve(&guest->tx, sizeof h, &err);

    assert_non_null(at);
    memcpy(at, &h, sizeof h);
    if (ring_commit(&guest->tx, sizeof h))
        kick(guest);
}

static void
a_worker_that_sleeps_on_the_word_is_woken_by_the_guests_message(void **state)
{
    struct ends *e = *state;
    struct napper s;

    channel_use_futex(&e->worker);
    put_to_sleep(&s, &e->worker, 2 * (int)(PATIENCE_NS / 1000000u));
    send_frame(&e->guest);
    assert_slept(&s, 1);
    assert_true(ring_readable(&e->worker.rx));
}

static void
no_byte_goes_through_the_socket_to_a_worker_on_the_word(void **state)
{
    struct ends *e = *state;
    char byte;

    channel_use_futex(&e->worker);
    kick(&e->guest);
    assert_int_equal(recv(e->worker.fd, &byte, 1, MSG_DONTWAIT), -1);
    kick(&e->worker); /* the guest sleeps on the socket as before */
    assert_int_equal(wait_on(&e->guest, -1), 1);
}

static void
a_sleep_on_the_word_ends_at_its_timeout(void **state)
{
    struct ends *e = *state;
    struct napper s = {.worker = &e->worker, .timeout_ms = 30};

    channel_use_futex(&e->worker);
    sleep_on_word(&s);
    assert_int_equal(s.rc, 1);
    assert_true(s.slept_ns >= 29000000u);
    assert_true(s.slept_ns < PATIENCE_NS);
    assert_int_equal(wait_on(&e->worker, 0), 1); /* does not sleep */
}

static void
a_message_before_the_sleep_keeps_the_worker_awake(void **state)
{
    struct ends *e = *state;
    struct napper s = {.worker = &e->worker, .timeout_ms = -1};

    channel_use_futex(&e->worker);
    send_frame(&e->guest);
    sleep_on_word(&s);
    assert_int_equal(s.rc, 0);
}

static void *
watch_peer(void *arg)
{
    channel_watch_peer(arg);
}

/*
 * Ends whose guest a thread of the worker watches. It never returns: they stay until the
 * program's end.
 */
static struct ends *
watched_ends(void)
{
    static void *watched[8];
    static unsigned n;
    pthread_t watch;
    struct ends *e;

    setup(&watched[n]);
    e = watched[n++];
    channel_use_futex(&e->worker);
    assert_int_equal(pthread_create(&watch, NULL, watch_peer, &e->worker), 0);
    pthread_detach(watch);
    return e;
}

static void
the_guests_hang_up_wakes_a_worker_that_sleeps_on_the_word(void **state)
{
    struct ends *e = watched_ends();
    struct napper s;

    (void)state;
    put_to_sleep(&s, &e->worker, 2 * (int)(PATIENCE_NS / 1000000u));
    channel_fini(&e->guest);
    assert_slept(&s, -EPIPE);
    assert_int_equal(wait_on(&e->worker, 0), -EPIPE);
    assert_int_equal(wait_on(&e->worker, -1), -EPIPE);
}

static void
what_the_guest_says_through_the_socket_is_no_hang_up(void **state)
{
    struct ends *e = watched_ends();
    struct napper s = {.worker = &e->worker, .timeout_ms = 60};

    (void)state;
    assert_int_equal(send(e->guest.fd, "bells", 5, 0), 5);
    sleep_on_word(&s);
    assert_int_equal(s.rc, 1);
    assert_true(s.slept_ns >= 59000000u);
}

static _Atomic bool word_is_quiet;

/* The guest's memory outlives its socket, if a process of it has mapped it. */
static void *
write_the_word(void *arg)
{
    struct channel *guest = arg;

    while (!atomic_load(&word_is_quiet))
        atomic_store(&guest->page->commands.sleeping, 1);
    return NULL;
}

static void
the_guest_cannot_keep_the_worker_asleep_by_writing_the_word(void **state)
{
    struct ends *e = watched_ends();
    pthread_t writer;
    struct napper s;

    (void)state;
    put_to_sleep(&s, &e->worker, 2 * (int)(PATIENCE_NS / 1000000u));
    atomic_store(&word_is_quiet, false);
    assert_int_equal(pthread_create(&writer, NULL, write_the_word, &e->guest), 0);
    shutdown(e->guest.fd, SHUT_RDWR);
    assert_slept(&s, -EPIPE);
    atomic_store(&word_is_quiet, true);
    pthread_join(writer, NULL);
}

#define NAPS 5000

static void *
send_all(void *arg)
{
    struct channel *guest = arg;

    for (unsigned i = 0; i < NAPS; i++) {
        while (ring_hint(&guest->tx))
            sched_yield();
        send_frame(guest);
    }
    return NULL;
}

static void
no_wake_up_is_lost_on_the_word(void **state)
{
    struct ends *e = *state;
    uint64_t buf[RING_BYTES / 4 / 8];
    pthread_t guest;

    channel_use_futex(&e->worker);
    assert_int_equal(pthread_create(&guest, NULL, send_all, &e->guest), 0);
    for (unsigned i = 0; i < NAPS; i++) {
        const uint64_t start = now_ns();

        while (ring_read(&e->worker.rx, buf, sizeof buf) == 0) {
            struct napper s = {.worker = &e->worker,
                               .timeout_ms = (int)(PATIENCE_NS / 1000000u)};

            sleep_on_word(&s);
        }
        assert_true(now_ns() - start < PATIENCE_NS * 9 / 10);
    }
    pthread_join(guest, NULL);
}

static void
both_sides_see_the_same_memory(void **state)
{
    struct ends *e = *state;

    e->guest.heap[HEAP_BYTES - 1] = 42;
    assert_int_equal(e->worker.heap[HEAP_BYTES - 1], 42);
    atomic_store(&e->worker.page->credit_bytes, 4711);
    assert_int_equal(atomic_load(&e->guest.page->credit_bytes), 4711);
    assert_ptr_equal(e->guest.tx.shared, &e->guest.page->commands);
    assert_ptr_equal(e->worker.rx.shared, &e->worker.page->commands);
}

static void
heap_is_rounded_up_to_pages(void **state)
{
    struct ends e;

    (void)state;
    assert_int_equal(channel_loopback(&e.guest, &e.worker, 1, RING_BYTES, RING_BYTES), 0);
    assert_int_equal(e.worker.heap_bytes, 4096);
    assert_int_equal(e.guest.heap_bytes, 4096);
    channel_fini(&e.guest);
    channel_fini(&e.worker);
}

static void
ring_sizes_that_cannot_be_are_not_made(void **state)
{
    static const uint32_t sizes[] = {0, 512, 4095, 6144, 128u << 20, UINT32_MAX};
    struct channel c;
    int a, b;

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(channel_make(&c, 4096, sizes[i], RING_BYTES, &a, &b), -EINVAL);
        assert_int_equal(channel_make(&c, 4096, RING_BYTES, sizes[i], &a, &b), -EINVAL);
    }
}

static void
memory_cannot_be_cut_off_under_its_users(void **state)
{
    struct made *m = *state;

    assert_int_equal(ftruncate(m->channel_fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(m->heap_fd, HEAP_BYTES - 4096), -1);
    assert_int_equal(ftruncate(m->heap_fd, HEAP_BYTES + 4096), -1);
    assert_int_equal(fcntl(m->heap_fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
}

static void
what_was_made_can_be_mapped(void **state)
{
    struct made *m = *state;
    struct channel guest;

    assert_int_equal(channel_map(&guest, &m->w, m->channel_fd, m->heap_fd), 0);
    assert_int_equal(guest.tx.size, RING_BYTES);
    assert_int_equal(guest.rx.size, 2 * RING_BYTES);
    guest.rx.data[2 * RING_BYTES - 1] = 7;
    assert_int_equal(m->worker.tx.data[2 * RING_BYTES - 1], 7);
    channel_fini(&guest);
}

static void
assert_not_mapped(const struct made *m, const struct welcome *w)
{
    struct channel guest;

    assert_int_equal(channel_map(&guest, w, m->channel_fd, m->heap_fd), -EPROTO);
    assert_null(guest.page);
    channel_fini(&guest);
}

static void
a_welcome_larger_than_its_memory_is_refused(void **state)
{
    struct made *m = *state;
    struct welcome w = m->w;

    w.commands_bytes = 8 * RING_BYTES;
    assert_not_mapped(m, &w);
    w = m->w;
    w.replies_bytes = 64u << 20;
    assert_not_mapped(m, &w);
    w = m->w;
    w.heap_bytes = HEAP_BYTES + 1;
    assert_not_mapped(m, &w);
    w.heap_bytes = UINT64_MAX;
    assert_not_mapped(m, &w);
}

static void
a_welcome_with_odd_ring_sizes_is_refused(void **state)
{
    static const uint32_t sizes[] = {0,        512,      RING_BYTES - 1,
                                     3 * 1024, 1u << 31, UINT32_MAX};
    struct made *m = *state;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct welcome w = m->w;

        w.commands_bytes = sizes[i];
        assert_not_mapped(m, &w);
        w = m->w;
        w.replies_bytes = sizes[i];
        assert_not_mapped(m, &w);
    }
}

static void
descriptors_that_are_no_memory_are_refused(void **state)
{
    struct made *m = *state;
    struct channel guest;
    int pipes[2];

    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(channel_map(&guest, &m->w, pipes[0], m->heap_fd), -EPROTO);
    assert_int_equal(channel_map(&guest, &m->w, m->channel_fd, pipes[0]), -EPROTO);
    assert_int_equal(channel_map(&guest, &m->w, -1, -1), -EBADF);
    close(pipes[0]);
    close(pipes[1]);
}

static void
the_guests_mappings_are_not_inherited_by_fork(void **state)
{
    struct ends *e = *state;
    pid_t child = fork();
    int status;

    if (child == 0) {
        unsigned char in_core[64];
        int page = mincore(e->guest.page, 4096, in_core) < 0 && errno == ENOMEM;
        int heap = mincore(e->guest.heap, 4096, in_core) < 0 && errno == ENOMEM;

        _exit(page && heap ? 0 : 1);
    }
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void
a_channel_that_never_was_can_be_ended(void **state)
{
    struct channel c = {.fd = -1};

    (void)state;
    channel_fini(&c);
    channel_fini(&c);
    assert_int_equal(c.fd, -1);
}

/* ---- memory that comes back ---------------------------------------------------------------- */

static int
adopt(const struct made *m, struct channel *ret, int channel_fd, int heap_fd)
{
    memset(ret, 0, sizeof *ret);
    return channel_adopt(ret, m->worker.heap_bytes, RING_BYTES, 2 * RING_BYTES,
                         channel_fd, heap_fd);
}

static void
assert_not_adopted(const struct made *m, int channel_fd, int heap_fd)
{
    struct channel c;

    assert_int_equal(adopt(m, &c, channel_fd, heap_fd), -EPROTO);
    assert_null(c.page);
    assert_null(c.heap);
}

static void
memory_is_adopted_as_it_is(void **state)
{
    struct made *m = *state;
    struct channel next;

    atomic_store(&m->worker.page->credit_bytes, 4711);
    m->worker.rx.data[RING_BYTES - 1] = 5;
    m->worker.tx.data[2 * RING_BYTES - 1] = 6;
    m->worker.heap[HEAP_BYTES - 1] = 7;
    assert_int_equal(adopt(m, &next, m->channel_fd, m->heap_fd), 0);
    assert_int_equal(atomic_load(&next.page->credit_bytes), 4711);
    assert_int_equal(next.rx.size, RING_BYTES);
    assert_int_equal(next.rx.data[RING_BYTES - 1], 5);
    assert_int_equal(next.tx.size, 2 * RING_BYTES);
    assert_int_equal(next.tx.data[2 * RING_BYTES - 1], 6);
    assert_int_equal(next.heap[HEAP_BYTES - 1], 7);
    assert_int_equal(next.fd, -1);
    channel_fini(&next);
    assert_true(fcntl(m->channel_fd, F_GETFD) >= 0); /* still ours */
    assert_true(fcntl(m->heap_fd, F_GETFD) >= 0);
}

static int
memfd_of(off_t bytes, int seals)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_equal(ftruncate(fd, bytes), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static off_t
bytes_of(int fd)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    return st.st_size;
}

static void
memory_that_can_be_cut_off_is_not_adopted(void **state)
{
    static const int seals[] = {0, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL};
    struct made *m = *state;

    for (size_t i = 0; i < sizeof seals / sizeof *seals; i++) {
        int channel_fd = memfd_of(bytes_of(m->channel_fd), seals[i]);
        int heap_fd = memfd_of(bytes_of(m->heap_fd), seals[i]);

        assert_not_adopted(m, channel_fd, m->heap_fd);
        assert_not_adopted(m, m->channel_fd, heap_fd);
        close(channel_fd);
        close(heap_fd);
    }
}

static void
memory_of_another_size_is_not_adopted(void **state)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
    struct made *m = *state;

    for (off_t more = -1; more <= 1; more += 2) {
        int channel_fd = memfd_of(bytes_of(m->channel_fd) + more, seals);
        int heap_fd = memfd_of(bytes_of(m->heap_fd) + 4096 * more, seals);

        assert_not_adopted(m, channel_fd, m->heap_fd);
        assert_not_adopted(m, m->channel_fd, heap_fd);
        close(channel_fd);
        close(heap_fd);
    }
    assert_not_adopted(m, m->heap_fd, m->channel_fd);
}

static void
what_is_no_memfd_is_not_adopted(void **state)
{
    char path[] = "/tmp/tessera-test-XXXXXX";
    struct made *m = *state;
    int file = mkstemp(path), pipes[2];

    unlink(path);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(ftruncate(file, bytes_of(m->heap_fd)), 0);
    assert_not_adopted(m, m->channel_fd, file);
    assert_not_adopted(m, pipes[0], m->heap_fd);
    assert_not_adopted(m, -1, m->heap_fd);
    assert_not_adopted(m, m->channel_fd, -1);
    close(file);
    close(pipes[0]);
    close(pipes[1]);
}

static void
memory_with_odd_ring_sizes_is_not_adopted(void **state)
{
    struct made *m = *state;
    struct channel c = {0};

    assert_int_equal(channel_adopt(&c, m->worker.heap_bytes, RING_BYTES + 1,
                                   2 * RING_BYTES, m->channel_fd, m->heap_fd),
                     -EINVAL);
    assert_int_equal(
        channel_adopt(&c, m->worker.heap_bytes, RING_BYTES, 0, m->channel_fd, m->heap_fd),
        -EINVAL);
    assert_null(c.page);
}

/* ---- direct copies ------------------------------------------------------------------------- */

static void
copies_are_let_in_while_the_worker_does_not_close(void **state)
{
    struct ends *e = *state;

    assert_true(channel_copy_enter(&e->guest));
    assert_true(channel_copy_enter(&e->guest)); /* another thread's */
    assert_int_equal(atomic_load(&e->worker.page->copying), 2);
    channel_copy_leave(&e->guest);
    channel_copy_leave(&e->guest);
    assert_int_equal(atomic_load(&e->worker.page->copying), 0);
}

static void
no_copy_is_let_in_after_the_worker_has_closed(void **state)
{
    struct ends *e = *state;

    assert_true(channel_close_copies(&e->worker, 0));
    assert_false(channel_copy_enter(&e->guest));
    assert_int_equal(atomic_load(&e->worker.page->copying), 0);
    channel_open_copies(&e->worker);
    assert_true(channel_copy_enter(&e->guest));
    channel_copy_leave(&e->guest);
}

static void *
leave_after_a_nap(void *arg)
{
    usleep(30000);
    channel_copy_leave(arg);
    return NULL;
}

static void
the_worker_waits_for_a_copy_under_way(void **state)
{
    struct ends *e = *state;
    pthread_t copier;

    assert_true(channel_copy_enter(&e->guest));
    assert_false(channel_close_copies(&e->worker, 5));
    pthread_create(&copier, NULL, leave_after_a_nap, &e->guest);
    assert_true(channel_close_copies(&e->worker, 5000));
    assert_int_equal(atomic_load(&e->guest.page->copying), 0);
    pthread_join(copier, NULL);
}

#define COPIERS 2u
#define COPY_ROUNDS 300u

struct copier {
    struct channel *channel;
    _Atomic uint32_t *inside, *over;
};

static void *
copy_until_over(void *arg)
{
    struct copier *c = arg;

    while (!atomic_load(c->over)) {
        if (channel_copy_enter(c->channel)) {
            atomic_fetch_add(c->inside, 1);
            sched_yield();
            atomic_fetch_sub(c->inside, 1);
            channel_copy_leave(c->channel);
        } else {
            sched_yield();
        }
    }
    return NULL;
}

static void
nobody_copies_while_the_worker_looks(void **state)
{
    struct ends *e = *state;
    _Atomic uint32_t inside = 0, over = 0;
    struct copier c = {&e->guest, &inside, &over};
    pthread_t copier[COPIERS];
    unsigned seen = 0;

    for (unsigned i = 0; i < COPIERS; i++)
        pthread_create(&copier[i], NULL, copy_until_over, &c);
    for (unsigned round = 0; round < COPY_ROUNDS; round++) {
        seen += !channel_close_copies(&e->worker, 5000);
        seen += atomic_load(&inside);
        sched_yield();
        seen += atomic_load(&inside);
        channel_open_copies(&e->worker);
        sched_yield();
    }
    atomic_store(&over, 1);
    for (unsigned i = 0; i < COPIERS; i++)
        pthread_join(copier[i], NULL);
    assert_int_equal(seen, 0);
}

#define ENDS(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define MADE(name) cmocka_unit_test_setup_teardown(name, setup_made, teardown_made)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ENDS(a_kick_ends_the_peers_wait),
        ENDS(one_wait_takes_all_kicks),
        ENDS(a_wait_without_a_kick_times_out),
        ENDS(kicks_never_block),
        ENDS(a_hang_up_ends_the_wait_with_epipe),
        ENDS(kicks_before_a_hang_up_still_count),
        ENDS(kicking_a_dead_peer_is_harmless),
        ENDS(a_hang_up_wakes_who_sleeps_already),
        ENDS(the_wake_fd_ends_a_wait_of_our_own),
        ENDS(a_hang_up_is_told_before_the_wake_fd),
        ENDS(no_wake_up_is_lost_between_two_that_sleep),
        ENDS(a_worker_that_sleeps_on_the_word_is_woken_by_the_guests_message),
        ENDS(no_byte_goes_through_the_socket_to_a_worker_on_the_word),
        ENDS(a_sleep_on_the_word_ends_at_its_timeout),
        ENDS(a_message_before_the_sleep_keeps_the_worker_awake),
        cmocka_unit_test(the_guests_hang_up_wakes_a_worker_that_sleeps_on_the_word),
        cmocka_unit_test(what_the_guest_says_through_the_socket_is_no_hang_up),
        cmocka_unit_test(the_guest_cannot_keep_the_worker_asleep_by_writing_the_word),
        ENDS(no_wake_up_is_lost_on_the_word),
        ENDS(both_sides_see_the_same_memory),
        cmocka_unit_test(heap_is_rounded_up_to_pages),
        cmocka_unit_test(ring_sizes_that_cannot_be_are_not_made),
        MADE(memory_cannot_be_cut_off_under_its_users),
        MADE(what_was_made_can_be_mapped),
        MADE(a_welcome_larger_than_its_memory_is_refused),
        MADE(a_welcome_with_odd_ring_sizes_is_refused),
        MADE(descriptors_that_are_no_memory_are_refused),
        MADE(memory_is_adopted_as_it_is),
        MADE(memory_that_can_be_cut_off_is_not_adopted),
        MADE(memory_of_another_size_is_not_adopted),
        MADE(what_is_no_memfd_is_not_adopted),
        MADE(memory_with_odd_ring_sizes_is_not_adopted),
        ENDS(copies_are_let_in_while_the_worker_does_not_close),
        ENDS(no_copy_is_let_in_after_the_worker_has_closed),
        ENDS(the_worker_waits_for_a_copy_under_way),
        ENDS(nobody_copies_while_the_worker_looks),
        ENDS(the_guests_mappings_are_not_inherited_by_fork),
        cmocka_unit_test(a_channel_that_never_was_can_be_ended),
    };

    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
