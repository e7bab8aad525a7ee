/* SPDX-License-Identifier: MIT */
#include "wire/hello.h"

#include "base/io.h"
#include "base/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define FINGERPRINT 0x1234567890abcdefull

/* A connection, and what the end that is not under test does with its socket. */
struct link {
    int us, them;
    void (*play)(struct link *l);
    pthread_t thread;
    char reason[160]; /* of the end under test */
    struct hello h;
    struct welcome w;
    struct hello got;
    int fds[2];
    uint8_t *info;
};

static int
setup(void **state)
{
    struct link *l = calloc(1, sizeof *l);
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    l->us = pair[0];
    l->them = pair[1];
    l->fds[0] = l->fds[1] = -1;
    l->h = (struct hello){.magic = HELLO_MAGIC,
                          .version = WIRE_VERSION,
                          .fingerprint = FINGERPRINT,
                          .pid = 17,
                          .program = "trainer"};
    l->w = (struct welcome){.magic = WELCOME_MAGIC,
                            .version = WIRE_VERSION,
                            .heap_bytes = 4096,
                            .info_bytes = 5};
    *state = l;
    return 0;
}

static int
teardown(void **state)
{
    struct link *l = *state;

    close(l->us);
    if (l->them >= 0)
        close(l->them);
    if (l->fds[0] >= 0)
        close(l->fds[0]);
    if (l->fds[1] >= 0)
        close(l->fds[1]);
    free(l->info);
    free(l);
    return 0;
}

static void *
play_main(void *arg)
{
    struct link *l = arg;

    l->play(l);
    close(l->them);
    l->them = -1;
    return NULL;
}

/* The guest's side under test, the other end played by `play`. */
static int
exchange(struct link *l, void (*play)(struct link *l))
{
    struct welcome w;
    int rc;

    l->play = play;
    pthread_create(&l->thread, NULL, play_main, l);
    rc = hello_exchange(l->us, &l->h, &w, l->fds, &l->info, l->reason);
    pthread_join(l->thread, NULL);
    if (rc == 0)
        l->w = w;
    return rc;
}

/* The worker's side under test: what it makes of `len` bytes followed by a hang-up. */
static int
receive(struct link *l, size_t len)
{
    assert_int_equal(write_all(l->them, &l->h, len), 0);
    close(l->them);
    l->them = -1;
    return hello_receive(l->us, FINGERPRINT, &l->got, l->reason);
}

static int
open_fds(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* ---- the worker's ear ---------------------------------------------------------------------- */

static void
a_hello_is_heard(void **state)
{
    struct link *l = *state;

    assert_int_equal(receive(l, sizeof l->h), 0);
    assert_memory_equal(&l->got, &l->h, sizeof l->h);
}

static void
a_program_name_without_end_is_cut(void **state)
{
    struct link *l = *state;

    memset(l->h.program, 'x', sizeof l->h.program);
    assert_int_equal(receive(l, sizeof l->h), 0);
    assert_int_equal(strlen(l->got.program), sizeof l->got.program - 1);
}

static void
a_guest_of_another_version_is_told_so(void **state)
{
    struct link *l = *state;

    l->h.version = 9;
    /* Another version's hello may be shorter than ours. */
    assert_int_equal(receive(l, 12), -EPROTO);
    assert_string_equal(l->reason,
                        "the guest library speaks protocol version 9, this worker speaks "
                        "version 4: use both from one Tessera release");
}

static void
what_is_no_guest_is_refused(void **state)
{
    struct link *l = *state;

    memcpy(&l->h, "GET / HTTP/1.1\r\n", 16);
    assert_int_equal(receive(l, 16), -EPROTO);
    assert_string_equal(l->reason, "what connected is no Tessera guest library");
}

static void
a_guest_of_another_build_is_refused(void **state)
{
    struct link *l = *state;

    l->h.fingerprint++;
    assert_int_equal(receive(l, sizeof l->h), -EPROTO);
    assert_non_null(strstr(l->reason, "another build"));
}

static void
half_a_hello_is_refused_wherever_it_ends(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof(struct hello); len++) {
        void *fresh;

        setup(&fresh);
        assert_int_equal(receive(fresh, len), -ENODATA);
        assert_non_null(strstr(((struct link *)fresh)->reason, "hung up"));
        teardown(&fresh);
    }
}

/* ---- at a port ----------------------------------------------------------------------------- */

/* Whatever its version, it must find the refusal that is meant for it. */
static void
a_guest_of_another_version_at_a_port_is_known_by_its_nonce(void **state)
{
    struct link *l = *state;

    l->h.version = 9;
    memset(l->h.nonce, 7, sizeof l->h.nonce);
    assert_int_equal(write_all(l->them, &l->h, sizeof l->h), 0);
    assert_int_equal(hello_receive_port(l->us, FINGERPRINT, &l->got, l->reason), -EPROTO);
    assert_memory_equal(l->got.nonce, l->h.nonce, sizeof l->h.nonce);
    assert_non_null(strstr(l->reason, "protocol version 9"));
}

static int
exchange_at_port(struct link *l, void (*play)(struct link *l))
{
    struct welcome w;
    int rc;

    l->play = play;
    pthread_create(&l->thread, NULL, play_main, l);
    fcntl(l->us, F_SETFL, O_NONBLOCK);
    rc = hello_exchange_port(l->us, &l->h, &w, &l->info, l->reason);
    pthread_join(l->thread, NULL);
    return rc;
}

static void
turn_away(struct link *l)
{
    struct welcome w = {.magic = WELCOME_MAGIC,
                        .version = WIRE_VERSION,
                        .status = -EUSERS,
                        .reason = "as many as it may"};

    while (hello_take(l->them) < 0)
        usleep(1000);
    write_all(l->them, &w, sizeof w);
}

static void
the_managers_refusal_reaches_a_guest_at_a_port(void **state)
{
    struct link *l = *state;

    assert_int_equal(exchange_at_port(l, turn_away), -EUSERS);
    assert_string_equal(l->reason, "as many as it may");
}

static void
half_a_hello_is_not_taken(void **state)
{
    struct link *l = *state;
    uint8_t byte;

    assert_int_equal(write_all(l->them, &l->h, sizeof l->h - 1), 0);
    assert_int_equal(hello_take(l->us), -EPROTO);
    assert_true(recv(l->them, &byte, 1, MSG_DONTWAIT) < 0);
}

static void
who_reads_no_refusal_keeps_nobody_waiting(void **state)
{
    struct link *l = *state;
    unsigned n = 0;
    int rc;

    do {
        assert_int_equal(write_all(l->them, &l->h, sizeof l->h), 0);
        rc = hello_take(l->us);
    } while (rc == 0 && ++n < 1000000);
    assert_int_equal(rc, -EPROTO);
}

static void
hear_and_hang_up(struct link *l)
{
    hello_receive_port(l->them, FINGERPRINT, &l->got, (char[160]){0});
}

static void
hear_begin_and_hang_up(struct link *l)
{
    hear_and_hang_up(l);
    preamble_send(l->them, l->got.nonce);
}

/* Only what was not answered at all may be said again. */
static void
a_hang_up_before_the_answer_is_told_from_one_in_it(void **state)
{
    void *other;

    assert_int_equal(exchange_at_port(*state, hear_and_hang_up), -ECONNRESET);
    setup(&other);
    assert_int_equal(exchange_at_port(other, hear_begin_and_hang_up), -EPIPE);
    assert_string_equal(((struct link *)other)->reason, "the worker hung up");
    teardown(&other);
}

/* A lone one stays, and so does the last, be it half. */
static void
of_hellos_of_several_the_last_is_left(void **state)
{
    struct link *l = *state;
    const struct hello first = l->h;

    assert_int_equal(write_all(l->them, &l->h, sizeof l->h), 0);
    hello_take_older(l->us);
    assert_int_equal(hello_peek(l->us, &l->got), 0);
    assert_memory_equal(&l->got, &first, sizeof first);
    assert_int_equal(write_all(l->them, "\1\2\1", 3), 0);
    l->h.pid = 18;
    assert_int_equal(write_all(l->them, &l->h, sizeof l->h - 1), 0);
    hello_take_older(l->us);
    assert_int_equal(hello_peek(l->us, &l->got), 0);
    assert_int_equal(l->got.pid, 17);
    assert_int_equal(write_all(l->them, "", 1), 0);
    assert_int_equal(write_all(l->them, &l->h, sizeof l->h), 0);
    hello_take_older(l->us);
    assert_int_equal(read_exact(l->us, &l->got, sizeof l->got), 0);
    assert_memory_equal(&l->got, &l->h, sizeof l->h);
    assert_int_equal(hello_peek(l->us, &l->got), -EAGAIN);
}

/* Nobody answers the first; and then comes what was meant for another. */
static void
hear_the_second(struct link *l)
{
    const uint8_t other[NONCE_BYTES] = {1};

    for (int i = 0; i < 2; i++)
        hello_receive_port(l->them, FINGERPRINT, &l->got, (char[160]){0});
    preamble_send(l->them, other);
    preamble_send(l->them, l->got.nonce);
    l->w.info_bytes = 0;
    welcome_send(l->them, &l->w, NULL, NULL);
}

static void
who_is_not_answered_at_a_port_says_its_hello_again(void **state)
{
    struct link *l = *state;
    struct welcome w;

    l->play = hear_the_second;
    pthread_create(&l->thread, NULL, play_main, l);
    fcntl(l->us, F_SETFL, O_NONBLOCK);
    assert_int_equal(hello_rejoin_port(l->us, &l->h, &w, l->reason), 0);
    assert_int_equal(w.heap_bytes, l->w.heap_bytes);
    assert_memory_equal(l->got.nonce, l->h.nonce, sizeof l->h.nonce);
    pthread_join(l->thread, NULL);
}

/* ---- the guest's ear ----------------------------------------------------------------------- */

static void
answer_well(struct link *l)
{
    int fds[2] = {dup(0), dup(0)};

    if (hello_receive(l->them, FINGERPRINT, &l->got, (char[160]){0}) == 0)
        welcome_send(l->them, &l->w, fds, "12345");
    close(fds[0]);
    close(fds[1]);
}

static void
a_welcome_brings_descriptors_and_information(void **state)
{
    struct link *l = *state;

    l->w.framebuffer_bytes = 4711;
    assert_int_equal(exchange(l, answer_well), 0);
    assert_int_equal(l->w.framebuffer_bytes, 4711);
    assert_true(fcntl(l->fds[0], F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(l->fds[1], F_GETFD) & FD_CLOEXEC);
    assert_memory_equal(l->info, "12345", 5);
}

static void
answer_with_refusal(struct link *l)
{
    struct welcome w = {
        .magic = WELCOME_MAGIC, .version = WIRE_VERSION, .status = -EBUSY};

    memset(w.reason, 'x', sizeof w.reason); /* without an end */
    memcpy(w.reason, "all sessions are taken", 22);
    hello_receive(l->them, FINGERPRINT, &l->got, (char[160]){0});
    welcome_send(l->them, &w, NULL, NULL);
}

static void
a_refusal_reaches_the_guest_with_its_words(void **state)
{
    struct link *l = *state;

    assert_int_equal(exchange(l, answer_with_refusal), -EBUSY);
    assert_memory_equal(l->reason, "all sessions are taken", 22);
    assert_int_equal(strlen(l->reason), sizeof l->reason - 1);
}

static void
answer_as_version_9(struct link *l)
{
    /* Shorter than ours: magic and version are all that every version has. */
    const uint32_t head[4] = {WELCOME_MAGIC, 9};
    char hello[sizeof l->h];

    read_exact(l->them, hello, sizeof hello);
    write_all(l->them, head, sizeof head);
}

static void
a_worker_of_another_version_is_named(void **state)
{
    struct link *l = *state;

    assert_int_equal(exchange(l, answer_as_version_9), -EPROTO);
    assert_string_equal(l->reason,
                        "the worker speaks protocol version 9, this guest library speaks "
                        "version 4: use both from one Tessera release");
}

static void
refuse_as_version_9(struct link *l)
{
    struct welcome w = {.magic = WELCOME_MAGIC, .version = 9, .status = -EPROTO};
    char hello[sizeof l->h];

    read_exact(l->them, hello, sizeof hello);
    write_all(l->them, &w, sizeof w);
}

static void
a_refusal_by_another_version_is_put_in_our_own_words(void **state)
{
    struct link *l = *state;

    assert_int_equal(exchange(l, refuse_as_version_9), -EPROTO);
    assert_non_null(strstr(l->reason, "protocol version 9"));
}

static void
answer_in_http(struct link *l)
{
    static const char page[sizeof(struct welcome)] = "HTTP/1.1 400 Bad Request\r\n";
    char hello[sizeof l->h];

    read_exact(l->them, hello, sizeof hello);
    write_all(l->them, page, sizeof page);
}

static void
what_is_no_worker_is_refused(void **state)
{
    struct link *l = *state;

    assert_int_equal(exchange(l, answer_in_http), -EPROTO);
    assert_string_equal(l->reason, "the socket's owner is no Tessera worker");
}

static void
answer_with_one_descriptor(struct link *l)
{
    int fd = 0;
    char hello[sizeof l->h];

    read_exact(l->them, hello, sizeof hello);
    sock_send_fds(l->them, &l->w, sizeof l->w, &fd, 1);
    write_all(l->them, "12345", 5);
}

static void
a_welcome_with_a_missing_descriptor_is_refused(void **state)
{
    struct link *l = *state;
    int before = open_fds();

    assert_int_equal(exchange(l, answer_with_one_descriptor), -EPROTO);
    assert_string_equal(l->reason, "the worker's welcome is malformed");
    assert_int_equal(l->fds[0], -1);
    assert_int_equal(open_fds(), before - 1); /* the other end alone */
}

static void
answer_with_three_descriptors(struct link *l)
{
    int fds[3] = {0, 0, 0};
    char hello[sizeof l->h];

    read_exact(l->them, hello, sizeof hello);
    sock_send_fds(l->them, &l->w, sizeof l->w, fds, 3);
    write_all(l->them, "12345", 5);
}

static void
surplus_descriptors_are_closed(void **state)
{
    struct link *l = *state;
    int before = open_fds();

    assert_int_equal(exchange(l, answer_with_three_descriptors), 0);
    assert_int_equal(open_fds(), before - 1 + 2);
}

static void
answer_without_information(struct link *l)
{
    int fds[2] = {0, 0};
    char hello[sizeof l->h];

    read_exact(l->them, hello, sizeof hello);
    sock_send_fds(l->them, &l->w, sizeof l->w, fds, 2);
}

static void
assert_promise_refused(struct link *l, uint64_t info_bytes)
{
    int before = open_fds();

    l->w.info_bytes = info_bytes;
    assert_int_equal(exchange(l, answer_without_information), -EPROTO);
    assert_string_equal(l->reason, "the worker's welcome is malformed");
    assert_int_equal(open_fds(), before - 1);
}

static void
a_welcome_that_promises_too_much_is_refused(void **state)
{
    assert_promise_refused(*state, WELCOME_INFO_MAX + 1);
}

static void
a_welcome_that_promises_the_impossible_is_refused(void **state)
{
    assert_promise_refused(*state, UINT64_MAX);
}

static void
answer_with_half_a_welcome(struct link *l)
{
    int fds[2] = {0, 0};
    char hello[sizeof l->h];

    read_exact(l->them, hello, sizeof hello);
    sock_send_fds(l->them, &l->w, sizeof l->w / 2, fds, 2);
}

static void
half_a_welcome_is_a_hang_up(void **state)
{
    struct link *l = *state;
    int before = open_fds();

    assert_int_equal(exchange(l, answer_with_half_a_welcome), -ENODATA);
    assert_string_equal(l->reason, "the worker hung up");
    assert_int_equal(open_fds(), before - 1);
}

static void
answer_with_half_the_information(struct link *l)
{
    int fds[2] = {0, 0};
    char hello[sizeof l->h];

    read_exact(l->them, hello, sizeof hello);
    sock_send_fds(l->them, &l->w, sizeof l->w, fds, 2);
    write_all(l->them, "12", 2);
}

static void
half_the_information_is_a_hang_up(void **state)
{
    struct link *l = *state;
    int before = open_fds();

    assert_int_equal(exchange(l, answer_with_half_the_information), -ENODATA);
    assert_null(l->info);
    assert_int_equal(open_fds(), before - 1);
}

static void
hang_up(struct link *l)
{
    (void)l;
}

static void
a_worker_that_says_nothing_hung_up(void **state)
{
    struct link *l = *state;

    assert_true(exchange(l, hang_up) < 0);
    assert_string_equal(l->reason, "the worker hung up");
}

/* ---- a session that goes on ---------------------------------------------------------------- */

static const uint8_t token[TOKEN_BYTES] = "0123456789abcde";

/* The guest comes back with its memory (here: /dev/null), the other end played by `play`. */
static int
rejoin(struct link *l, void (*play)(struct link *l))
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct welcome w;
    int rc;

    memcpy(l->h.token, token, sizeof token);
    l->play = play;
    pthread_create(&l->thread, NULL, play_main, l);
    rc = hello_rejoin(l->us, &l->h, (int[]){null, null}, &w, l->reason);
    pthread_join(l->thread, NULL);
    close(null);
    if (rc == 0)
        l->w = w;
    return rc;
}

static void
hear_memory_and_welcome(struct link *l)
{
    l->w.info_bytes = 0;
    l->w.framebuffer_bytes = 4711;
    if (hello_receive_memory(l->them, FINGERPRINT, &l->got, l->fds, (char[160]){0}) == 0)
        welcome_send(l->them, &l->w, NULL, NULL);
}

static void
a_guest_comes_back_with_token_and_memory(void **state)
{
    struct link *l = *state;

    assert_int_equal(rejoin(l, hear_memory_and_welcome), 0);
    assert_int_equal(l->w.framebuffer_bytes, 4711);
    assert_memory_equal(l->got.token, token, sizeof token);
    assert_true(fcntl(l->fds[0], F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(l->fds[1], F_GETFD) & FD_CLOEXEC);
}

static void
hear_memory_and_refuse(struct link *l)
{
    struct welcome w = {.magic = WELCOME_MAGIC,
                        .version = WIRE_VERSION,
                        .status = -ESTALE,
                        .reason = "the session is gone"};

    hello_receive_memory(l->them, FINGERPRINT, &l->got, l->fds, (char[160]){0});
    welcome_send(l->them, &w, NULL, NULL);
}

static void
who_comes_back_too_late_is_told_so(void **state)
{
    struct link *l = *state;

    assert_int_equal(rejoin(l, hear_memory_and_refuse), -ESTALE);
    assert_string_equal(l->reason, "the session is gone");
}

/* As the manager does that has no such session: it reads nothing. */
static void
refuse_unheard(struct link *l)
{
    struct welcome w = {.magic = WELCOME_MAGIC,
                        .version = WIRE_VERSION,
                        .status = -ESTALE,
                        .reason = "the session is gone"};

    welcome_send(l->them, &w, NULL, NULL);
    shutdown(l->them, SHUT_WR);
    poll(&(struct pollfd){.fd = l->them, .events = POLLRDHUP}, 1, 1000);
}

static void
who_comes_back_may_be_refused_unheard(void **state)
{
    struct link *l = *state;

    assert_int_equal(rejoin(l, refuse_unheard), -ESTALE);
    assert_string_equal(l->reason, "the session is gone");
}

static void
hear_and_hang_up_with_half_a_welcome(struct link *l)
{
    const int fds[2] = {0, 0};

    hello_receive_memory(l->them, FINGERPRINT, &l->got, l->fds, (char[160]){0});
    sock_send_fds(l->them, &l->w, offsetof(struct welcome, status) - 1, fds, 2);
}

static void
a_hang_up_on_who_comes_back_leaves_no_descriptors(void **state)
{
    struct link *l = *state;
    int before = open_fds();

    assert_int_equal(rejoin(l, hear_and_hang_up_with_half_a_welcome), -ENODATA);
    assert_string_equal(l->reason, "the worker hung up");
    assert_int_equal(open_fds(), before - 1 + 2); /* what the worker got */
}

static void
welcome_with_information(struct link *l)
{
    hello_receive_memory(l->them, FINGERPRINT, &l->got, l->fds, (char[160]){0});
    l->w.info_bytes = 5;
    welcome_send(l->them, &l->w, NULL, "12345");
}

static void
who_comes_back_takes_no_information(void **state)
{
    struct link *l = *state;

    assert_int_equal(rejoin(l, welcome_with_information), -EPROTO);
    assert_string_equal(l->reason, "the worker's welcome is malformed");
}

static void
a_new_guest_brings_no_memory(void **state)
{
    struct link *l = *state;

    assert_int_equal(write_all(l->them, &l->h, sizeof l->h), 0);
    assert_int_equal(hello_receive_memory(l->us, FINGERPRINT, &l->got, l->fds, l->reason),
                     0);
    assert_true(hello_token_is_zero(&l->got));
    assert_int_equal(l->fds[0], -1);
    assert_int_equal(l->fds[1], -1);
}

static void
memory_with_half_a_hello_is_the_callers_or_closed(void **state)
{
    const size_t ends[] = {3, offsetof(struct hello, token), sizeof(struct hello) - 1};
    const int before = open_fds();

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        void *other;
        struct link *l;

        setup(&other);
        l = other;
        assert_int_equal(sock_send_fds(l->them, &l->h, ends[i], (int[]){0, 0}, 2), 0);
        close(l->them);
        l->them = -1;
        assert_int_equal(
            hello_receive_memory(l->us, FINGERPRINT, &l->got, l->fds, l->reason),
            -ENODATA);
        teardown(&other); /* closes what is in fds */
        assert_int_equal(open_fds(), before);
    }
}

/* ---- the manager's eye --------------------------------------------------------------------- */

static void
a_look_at_a_hello_takes_nothing_of_it(void **state)
{
    struct link *l = *state;

    memcpy(l->h.token, token, sizeof token);
    assert_int_equal(sock_send_fds(l->them, &l->h, sizeof l->h, (int[]){0, 0}, 2), 0);
    for (unsigned i = 0; i < 3; i++) {
        memset(&l->got, 0, sizeof l->got);
        assert_int_equal(hello_peek(l->us, &l->got), 0);
        assert_memory_equal(&l->got, &l->h, sizeof l->h);
        assert_false(hello_token_is_zero(&l->got));
    }
    assert_int_equal(hello_receive_memory(l->us, FINGERPRINT, &l->got, l->fds, l->reason),
                     0);
    assert_memory_equal(&l->got, &l->h, sizeof l->h);
    assert_true(l->fds[0] >= 0);
    assert_true(l->fds[1] >= 0);
}

static void
a_hello_that_is_not_all_there_is_looked_at_again(void **state)
{
    struct link *l = *state;

    assert_int_equal(hello_peek(l->us, &l->got), -EAGAIN);
    assert_int_equal(write_all(l->them, &l->h, 6), 0);
    assert_int_equal(hello_peek(l->us, &l->got), -EAGAIN);
    assert_int_equal(write_all(l->them, (uint8_t *)&l->h + 6, sizeof l->h - 7), 0);
    assert_int_equal(hello_peek(l->us, &l->got), -EAGAIN);
    assert_int_equal(write_all(l->them, (uint8_t *)&l->h + sizeof l->h - 1, 1), 0);
    assert_int_equal(hello_peek(l->us, &l->got), 0);
    assert_true(hello_token_is_zero(&l->got));
}

static void
a_look_at_what_is_no_hello_says_so(void **state)
{
    struct link *l = *state;
    void *other;

    l->h.magic++;
    assert_int_equal(write_all(l->them, &l->h, 8), 0);
    assert_int_equal(hello_peek(l->us, &l->got), -EPROTO);
    setup(&other);
    l = other;
    l->h.version++;
    assert_int_equal(write_all(l->them, &l->h, sizeof l->h), 0);
    assert_int_equal(hello_peek(l->us, &l->got), -EPROTO);
    teardown(&other);
}

static void
a_look_where_nobody_is_says_so(void **state)
{
    struct link *l = *state;

    close(l->them);
    l->them = -1;
    assert_int_equal(hello_peek(l->us, &l->got), -EPIPE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_hello_is_heard),
        TEST(a_program_name_without_end_is_cut),
        TEST(a_guest_of_another_version_is_told_so),
        TEST(what_is_no_guest_is_refused),
        TEST(a_guest_of_another_build_is_refused),
        TEST(half_a_hello_is_refused_wherever_it_ends),
        TEST(a_guest_of_another_version_at_a_port_is_known_by_its_nonce),
        TEST(the_managers_refusal_reaches_a_guest_at_a_port),
        TEST(half_a_hello_is_not_taken),
        TEST(who_reads_no_refusal_keeps_nobody_waiting),
        TEST(a_hang_up_before_the_answer_is_told_from_one_in_it),
        TEST(of_hellos_of_several_the_last_is_left),
        TEST(who_is_not_answered_at_a_port_says_its_hello_again),
        TEST(a_welcome_brings_descriptors_and_information),
        TEST(a_refusal_reaches_the_guest_with_its_words),
        TEST(a_worker_of_another_version_is_named),
        TEST(a_refusal_by_another_version_is_put_in_our_own_words),
        TEST(what_is_no_worker_is_refused),
        TEST(a_welcome_with_a_missing_descriptor_is_refused),
        TEST(surplus_descriptors_are_closed),
        TEST(a_welcome_that_promises_too_much_is_refused),
        TEST(a_welcome_that_promises_the_impossible_is_refused),
        TEST(half_a_welcome_is_a_hang_up),
        TEST(half_the_information_is_a_hang_up),
        TEST(a_worker_that_says_nothing_hung_up),
        TEST(a_guest_comes_back_with_token_and_memory),
        TEST(who_comes_back_too_late_is_told_so),
        TEST(who_comes_back_may_be_refused_unheard),
        TEST(a_hang_up_on_who_comes_back_leaves_no_descriptors),
        TEST(who_comes_back_takes_no_information),
        TEST(a_new_guest_brings_no_memory),
        TEST(memory_with_half_a_hello_is_the_callers_or_closed),
        TEST(a_look_at_a_hello_takes_nothing_of_it),
        TEST(a_hello_that_is_not_all_there_is_looked_at_again),
        TEST(a_look_at_what_is_no_hello_says_so),
        TEST(a_look_where_nobody_is_says_so),
    };

    return cmocka_run_group_tests_name("hello", tests, NULL, NULL);
}
