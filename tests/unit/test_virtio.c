/* SPDX-License-Identifier: MIT */
/* A socket pair stands for virtio port, QEMU and its socket; a memfd for the BAR. */
#include "wire/virtio.h"

#include "base/io.h"
#include "wire/bar.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define RING_BYTES 4096u
#define CHANNEL_OFF (1u << 20)
#define SOON_NS UINT64_C(2000000000)

struct ends {
    struct channel guest, worker;
    struct welcome w;
    uint64_t bytes;
    int bar, port, socket;
};

static void
port_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static int
setup(void **state)
{
    struct ends *e = calloc(1, sizeof *e);
    int pair[2];

    e->bytes = bar_bytes_for(1 << 20);
    e->bar = memfd_create("bar", MFD_CLOEXEC);
    assert_int_equal(ftruncate(e->bar, (off_t)e->bytes), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    e->port = pair[0];
    e->socket = pair[1];
    port_nonblocking(e->port);
    e->w = (struct welcome){.commands_bytes = RING_BYTES,
                            .replies_bytes = RING_BYTES,
                            .heap_bytes = e->bytes,
                            .channel_off = CHANNEL_OFF};
    assert_int_equal(channel_make_in_bar(&e->worker, e->bar, e->bytes, CHANNEL_OFF,
                                         RING_BYTES, RING_BYTES),
                     0);
    assert_int_equal(channel_use_vm(&e->worker, e->socket), 0);
    e->guest.fd = -1;
    *state = e;
    return 0;
}

static int
teardown(void **state)
{
    struct ends *e = *state;

    channel_fini(&e->guest);
    channel_fini(&e->worker);
    close(e->bar);
    free(e);
    return 0;
}

static void
guest_comes(struct ends *e)
{
    assert_int_equal(channel_map_bar(&e->guest, &e->w, e->bar, e->bytes), 0);
    assert_int_equal(channel_use_port(&e->guest, e->port), 0);
}

static int
wait_on(struct channel *c, int timeout_ms)
{
    return c->transport->wait(c, timeout_ms);
}

static void
kicks_reach_the_other_side(void **state)
{
    struct ends *e = *state;

    guest_comes(e);
    assert_int_equal(wait_on(&e->worker, 0), 0);
    e->guest.transport->kick(&e->guest);
    assert_int_equal(wait_on(&e->worker, -1), 1);
    assert_int_equal(wait_on(&e->worker, 0), 0);
    e->worker.transport->kick(&e->worker);
    e->worker.transport->kick(&e->worker);
    assert_int_equal(wait_on(&e->guest, -1), 1);
    assert_int_equal(atomic_load(&e->guest.page->bells_read), 2);
}

static void
frames_and_heap_are_seen_by_both(void **state)
{
    struct ends *e = *state;
    const struct frame_header h = {.size = 16, .op = 7, .tag = 99};
    uint8_t got[64];
    void *at;
    int err;

    guest_comes(e);
    at = ring_reserve(&e->guest.tx, sizeof h, &err);
    memcpy(at, &h, sizeof h);
    e->guest.heap[e->bytes - 1] = 77;
    ring_commit(&e->guest.tx, sizeof h);
    assert_int_equal(ring_read(&e->worker.rx, got, sizeof got), sizeof h);
    assert_memory_equal(got, &h, sizeof h);
    assert_int_equal(e->worker.heap[e->bytes - 1], 77);
}

static void
a_welcome_that_leads_out_of_the_bar_is_refused(void **state)
{
    struct ends *e = *state;
    struct welcome w = e->w;

    w.channel_off = e->bytes - 4096;
    assert_int_equal(channel_map_bar(&e->guest, &w, e->bar, e->bytes), -EPROTO);
    w.channel_off = UINT64_MAX - 4095;
    assert_int_equal(channel_map_bar(&e->guest, &w, e->bar, e->bytes), -EPROTO);
    w.channel_off = CHANNEL_OFF + 8;
    assert_int_equal(channel_map_bar(&e->guest, &w, e->bar, e->bytes), -EPROTO);
    w = e->w;
    w.heap_bytes = 2 * e->bytes;
    assert_int_equal(channel_map_bar(&e->guest, &w, e->bar, e->bytes), -EPROTO);
    close(e->port);
}

static void
who_closes_is_gone_at_once(void **state)
{
    struct ends *e = *state;
    struct guest_watch watch = {0};

    guest_comes(e);
    assert_true(channel_guest_lives(&e->worker, &watch));
    channel_fini(&e->guest);
    assert_int_equal(wait_on(&e->worker, -1), -EPIPE);
    assert_false(channel_guest_lives(&e->worker, &watch));
}

/* As a process in a virtual machine: its end does not show on the socket, which QEMU holds. */
static pid_t
guest_in_a_process(struct ends *e)
{
    int ready[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        guest_comes(e);
        if (write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static bool
is_found_gone(struct ends *e)
{
    const uint64_t end = now_ns() + SOON_NS;
    struct guest_watch watch = {0};

    while (channel_guest_lives(&e->worker, &watch)) {
        if (now_ns() > end)
            return false;
    }
    return true;
}

static void
who_is_killed_is_found_gone(void **state)
{
    struct ends *e = *state;
    struct guest_watch watch = {0};
    const pid_t pid = guest_in_a_process(e);

    assert_true(channel_guest_lives(&e->worker, &watch));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(is_found_gone(e));
    assert_int_equal(wait_on(&e->worker, 0), 0);
    e->worker.transport->kick(&e->worker);
    close(e->port);
}

/* All memory of it is gone, and with it its guardian; what runs then is another program. */
static void
who_runs_another_program_is_found_gone(void **state)
{
    struct ends *e = *state;
    int ready[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        guest_comes(e);
        if (write(ready[1], "x", 1) == 1)
            execl("/bin/sleep", "sleep", "60", NULL);
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_true(is_found_gone(e));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(ready[0]);
    close(ready[1]);
    close(e->port);
}

static bool
is_found_forging(struct ends *e, struct guest_watch *watch)
{
    const uint64_t end = now_ns() + SOON_NS;

    while (channel_guest_lives(&e->worker, watch)) {
        if (now_ns() > end)
            return false;
    }
    return watch->forged != NULL;
}

/* Its kernel would mark the word no more, and no ping would find out that it is gone. */
static void
who_forges_what_tells_of_its_end_is_found_out(void **state)
{
    struct ends *e = *state;
    struct guest_watch watch = {0};

    guest_comes(e);
    assert_true(channel_guest_lives(&e->worker, &watch));
    atomic_fetch_xor(&e->guest.page->owner, 4);
    assert_true(is_found_forging(e, &watch));
    watch = (struct guest_watch){.pinged_ns = 1};
    assert_true(channel_guest_lives(&e->worker, &watch));
    watch.pinged_ns = 1;
    atomic_store(&e->guest.page->bells_read, 1000);
    assert_true(is_found_forging(e, &watch));
}

static void *
gone_main(void *worker)
{
    channel_guest_gone(worker);
}

static void
who_waits_is_told_that_the_guest_is_gone(void **state)
{
    struct ends *e = *state;
    pthread_t thread;

    guest_comes(e);
    assert_int_equal(pthread_create(&thread, NULL, gone_main, &e->worker), 0);
    assert_int_equal(wait_on(&e->worker, -1), -EPIPE);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}

static void
the_next_ones_hello_ends_a_session_and_is_left(void **state)
{
    struct ends *e = *state;
    const char bytes[] = {BELL_KICK, BELL_PING, 'T', 'S'};
    char got[8];

    guest_comes(e);
    assert_int_equal(write(e->port, bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(wait_on(&e->worker, -1), -EPIPE);
    assert_int_equal(recv(e->socket, got, sizeof got, MSG_DONTWAIT), 2);
    assert_memory_equal(got, "TS", 2);
}

/* The port was closed and connected again while nobody looked, as where the machine was paused. */
static void
a_guest_whose_memory_was_taken_back_hears_of_it(void **state)
{
    struct ends *e = *state;

    guest_comes(e);
    memset(e->worker.page, 0, e->worker.page_bytes);
    assert_int_equal(wait_on(&e->guest, -1), -EPIPE);
}

static void
bells_alone_are_skipped(void **state)
{
    struct ends *e = *state;
    uint8_t bells[200];
    unsigned n = 0;

    memset(bells, BELL_KICK, sizeof bells);
    assert_int_equal(bells_skip(e->socket, &n), 0);
    assert_int_equal(write(e->port, bells, sizeof bells), sizeof bells);
    assert_int_equal(bells_skip(e->socket, &n), 0);
    assert_int_equal(write(e->port, "x", 1), 1);
    assert_int_equal(bells_skip(e->socket, &n), 1);
    assert_int_equal(bells_skip(e->socket, &n), 1);
    close(e->port);
    assert_int_equal(recv(e->socket, bells, 1, 0), 1);
    assert_int_equal(bells_skip(e->socket, &n), -EPIPE);
    assert_int_equal(n, sizeof bells);
}

/* Who takes them off has other guests, too. */
static void
bells_without_end_come_back_to_the_caller(void **state)
{
    struct ends *e = *state;
    static uint8_t bells[32768];
    unsigned n = 0;

    memset(bells, BELL_KICK, sizeof bells);
    assert_int_equal(write(e->port, bells, sizeof bells), sizeof bells);
    assert_int_equal(bells_skip(e->socket, &n), 0);
    assert_in_range(n, 1, 4096);
    while (n < sizeof bells)
        assert_int_equal(bells_skip(e->socket, &n), 0);
    close(e->port);
}

static void
a_header_is_checked(void **state)
{
    struct bar_header h;

    (void)state;
    bar_header_fill(&h, "v1", 256u << 20, 64u << 20);
    assert_true(bar_header_valid(&h, 256u << 20));
    assert_false(bar_header_valid(&h, 128u << 20));
    h.name[0] = '\0';
    assert_false(bar_header_valid(&h, 256u << 20));
    memset(h.name, 'a', sizeof h.name);
    assert_false(bar_header_valid(&h, 256u << 20));
    bar_header_fill(&h, "v1", 256u << 20, 64u << 20);
    h.ports = BAR_PORTS + 1;
    assert_false(bar_header_valid(&h, 256u << 20));
    h.ports = 1;
    h.magic[0] = 't';
    assert_false(bar_header_valid(&h, 256u << 20));
}

static void
a_bar_is_a_power_of_two_with_room(void **state)
{
    (void)state;
    for (uint64_t mib = 64; mib <= 1u << 20; mib = mib * 3 / 2) {
        const uint64_t bytes = bar_bytes_for(mib << 20);

        assert_int_equal(bytes & (bytes - 1), 0);
        assert_true(bytes >= (mib << 20) * 5 / 4 + (64u << 20));
        assert_int_equal(bar_chunk_bytes(bytes) % 4096, 0);
    }
    assert_int_equal(bar_bytes_for(UINT64_MAX), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(kicks_reach_the_other_side),
        TEST(frames_and_heap_are_seen_by_both),
        TEST(a_welcome_that_leads_out_of_the_bar_is_refused),
        TEST(who_closes_is_gone_at_once),
        TEST(who_is_killed_is_found_gone),
        TEST(who_runs_another_program_is_found_gone),
        TEST(who_waits_is_told_that_the_guest_is_gone),
        TEST(the_next_ones_hello_ends_a_session_and_is_left),
        TEST(a_guest_whose_memory_was_taken_back_hears_of_it),
        TEST(who_forges_what_tells_of_its_end_is_found_out),
        TEST(bells_alone_are_skipped),
        TEST(bells_without_end_come_back_to_the_caller),
        cmocka_unit_test(a_header_is_checked),
        cmocka_unit_test(a_bar_is_a_power_of_two_with_room),
    };

    return cmocka_run_group_tests_name("virtio", tests, NULL, NULL);
}
