/* SPDX-License-Identifier: MIT */
/* A session whose vGPU is suspended and resumed, against workers that the test plays itself. */
#include "guest/opencl/rejoin.h"

#include "guest/opencl/clock.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8u

/* Threads of the guest that ask, and the tags of what they asked. */
struct askers {
    pthread_t thread[THREADS];
    uint64_t tag[THREADS];
};

static void *
ask_own(void *arg)
{
    struct world *w = arg;
    struct pending p = {0};

    if (ask(w->s, &p) != CL_SUCCESS || p.status != (int64_t)(uintptr_t)&p)
        atomic_fetch_add(&w->failures, 1);
    return NULL;
}

static void
begin(struct world *w, struct askers *a, unsigned n, void *(*main)(void *))
{
    struct frame_header h;

    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(pthread_create(&a->thread[i], NULL, main, w), 0);
        assert_true(worker_next(w, &h, true));
        a->tag[i] = h.tag;
    }
    usleep(20000); /* they sleep now */
}

static void
answer(struct world *w, uint64_t tag)
{
    struct waiter *waiter = tag_waiter(w->worker.page->waiters, tag);

    if (waiter)
        waiter_done(waiter, (int64_t)tag_own(tag));
    else
        worker_reply(w, tag, (int64_t)tag_own(tag));
}

static void
answer_all(struct world *w, const struct askers *a, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        answer(w, a->tag[i]);
    for (unsigned i = 0; i < n; i++)
        join_in_time(a->thread[i]);
    assert_int_equal(atomic_load(&w->failures), 0);
}

/* All waiters are taken: who asks waits by the replies ring. */
static void
leave_no_waiter(struct world *w)
{
    atomic_store(&w->s->waiters_free, 0);
}

static void
assert_ends(struct world *w, const struct askers *a, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        join_in_time(a->thread[i]);
    assert_int_equal(atomic_load(&w->failures), 0);
    assert_true(session_is_dead(w->s));
}

static void
assert_goes_on(struct world *w)
{
    struct askers a;

    begin(w, &a, 1, ask_own);
    answer_all(w, &a, 1);
    assert_false(session_is_dead(w->s));
}

/* ---- who waits goes on --------------------------------------------------------------------- */

static void
who_waits_in_a_word_goes_on(void **state)
{
    struct world *w = *state;
    struct askers a;

    begin(w, &a, 2, ask_own);
    worker_suspends(w);
    worker_resumes(w);
    answer_all(w, &a, 2);
    assert_goes_on(w);
}

static void
who_waits_by_the_ring_goes_on(void **state)
{
    struct world *w = *state;
    struct askers a;

    leave_no_waiter(w);
    begin(w, &a, 3, ask_own);
    worker_suspends(w);
    worker_resumes(w);
    answer_all(w, &a, 3);
    assert_goes_on(w);
}

static void
an_answer_from_before_is_found(void **state)
{
    struct world *w = *state;
    struct askers a;

    begin(w, &a, 2, ask_own);
    pthread_mutex_lock(&w->s->rx_lock);
    worker_reply(w, a.tag[0], (int64_t)tag_own(a.tag[0]));
    worker_suspends(w);
    pthread_mutex_unlock(&w->s->rx_lock);
    join_in_time(a.thread[0]);
    worker_resumes(w);
    answer(w, a.tag[1]);
    join_in_time(a.thread[1]);
    assert_int_equal(atomic_load(&w->failures), 0);
}

static void *
send_until_told(void *arg)
{
    struct world *w = arg;

    while (atomic_load(&w->count) == 0) {
        if (send_op(w->s, OP_clFlush, NULL) != CL_SUCCESS)
            atomic_fetch_add(&w->failures, 1);
    }
    return NULL;
}

static void
who_waits_for_room_in_the_ring_goes_on(void **state)
{
    struct world *w = *state;
    struct frame_header h;
    pthread_t sender;

    pthread_create(&sender, NULL, send_until_told, w);
    usleep(20000); /* the ring is full now */
    worker_suspends(w);
    worker_resumes(w);
    for (unsigned i = 0; i < 2000; i++)
        assert_true(worker_next(w, &h, true));
    atomic_store(&w->count, 1);
    while (pthread_tryjoin_np(sender, NULL) != 0)
        worker_next(w, &h, false);
    assert_int_equal(atomic_load(&w->failures), 0);
    while (worker_next(w, &h, false))
        ;
    assert_goes_on(w);
}

struct noted {
    struct pending pending;
    struct callback callback;
    struct world *world;
};

static void
noted_run(struct callback *c)
{
    atomic_fetch_add(&container_of(c, struct noted, callback)->world->count, 1);
}

static void
noted_due(struct pending *p)
{
    struct noted *n = container_of(p, struct noted, pending);

    session_post_callback(n->world->s, &n->callback);
}

static void
the_service_thread_goes_on_while_nobody_else_waits(void **state)
{
    struct world *w = *state;
    struct noted n = {.pending.done = noted_due, .callback.run = noted_run, .world = w};
    struct frame_header h;

    assert_int_equal(session_need_service(w->s), CL_SUCCESS);
    assert_int_equal(send_op(w->s, OP_clFinish, &n.pending), CL_SUCCESS);
    assert_true(worker_next(w, &h, true));
    worker_suspends(w);
    worker_resumes(w);
    worker_reply(w, h.tag, 0);
    assert_true(reaches(&w->count, 1));
}

static void
messages_that_nobody_waits_for_are_read_afterwards(void **state)
{
    struct world *w = *state;
    struct frame_header h;
    struct askers a;

    begin(w, &a, 1, ask_own);
    worker_suspends(w);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(send_op(w->s, OP_clFlush, NULL), CL_SUCCESS);
    worker_resumes(w);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(worker_next(w, &h, false));
        assert_int_equal(h.op, OP_clFlush);
    }
    answer_all(w, &a, 1);
}

/* The one before slept: the guest has rung that one. */
static void
the_next_worker_is_rung_for_what_was_written_before(void **state)
{
    struct world *w = *state;
    struct askers a;

    begin(w, &a, 1, ask_own);
    assert_true(ring_may_sleep(&w->worker.rx));
    worker_suspends(w);
    assert_int_equal(send_op(w->s, OP_clFlush, NULL), CL_SUCCESS);
    worker_resumes(w);
    assert_int_equal(w->worker.transport->wait(&w->worker, PATIENCE_S * 1000), 1);
    answer_all(w, &a, 1);
}

static void
the_clock_is_asked_again_afterwards(void **state)
{
    struct world *w = *state;
    struct askers a;

    begin(w, &a, 1, ask_own);
    atomic_store(&w->s->clock_asked_ns, now_ns());
    worker_suspends(w);
    worker_resumes(w);
    answer_all(w, &a, 1);
    assert_int_equal(atomic_load(&w->s->clock_asked_ns), 0);
}

static void
a_session_is_suspended_again_and_again(void **state)
{
    struct world *w = *state;
    struct askers a;

    for (unsigned i = 0; i < 20; i++) {
        begin(w, &a, 2, ask_own);
        worker_suspends(w);
        worker_resumes(w);
        answer_all(w, &a, 2);
    }
    assert_int_equal(atomic_load(&w->s->rejoins), 20);
}

/* ---- one connection ------------------------------------------------------------------------ */

static void
many_threads_make_one_connection(void **state)
{
    struct world *w = *state;
    struct askers by_word, by_ring;
    struct comer c;

    begin(w, &by_word, THREADS, ask_own);
    leave_no_waiter(w);
    begin(w, &by_ring, THREADS, ask_own);
    assert_int_equal(session_need_service(w->s), CL_SUCCESS);
    worker_suspends(w);
    c = guest_comes_back(w);
    assert_false(guest_comes(w, 300)); /* all have looked for the hang-up */
    worker_takes_over(w, &c);
    answer_all(w, &by_word, THREADS);
    answer_all(w, &by_ring, THREADS);
    assert_false(guest_comes(w, 0));
    assert_int_equal(atomic_load(&w->s->rejoins), 1);
}

static void *
lose(void *arg)
{
    struct world *w = arg;

    if (!session_lost(w->s))
        atomic_fetch_add(&w->failures, 1);
    return NULL;
}

static void
threads_that_race_make_one_connection(void **state)
{
    struct world *w = *state;

    for (unsigned round = 1; round <= 50; round++) {
        pthread_t thread[THREADS];

        worker_suspends(w);
        for (unsigned i = 0; i < THREADS; i++)
            pthread_create(&thread[i], NULL, lose, w);
        worker_resumes(w);
        for (unsigned i = 0; i < THREADS; i++)
            join_in_time(thread[i]);
        assert_int_equal(atomic_load(&w->s->rejoins), round);
    }
    assert_int_equal(atomic_load(&w->failures), 0);
    assert_false(guest_comes(w, 0));
}

static void
the_doorbell_keeps_its_number(void **state)
{
    struct world *w = *state;
    const int fd = w->s->channel.fd;
    pthread_t thread;

    worker_suspends(w);
    pthread_create(&thread, NULL, lose, w);
    worker_resumes(w);
    join_in_time(thread);
    assert_int_equal(w->s->channel.fd, fd);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(w->s->rejoin_fd, -1);
    w->worker.transport->kick(&w->worker);
    assert_int_equal(w->s->channel.transport->wait(&w->s->channel, 1000), 1);
}

/* ---- until somebody is there --------------------------------------------------------------- */

static void
a_manager_that_starts_again_is_waited_for(void **state)
{
    struct world *w = *state;
    struct askers a;

    begin(w, &a, 2, ask_own);
    close(w->listener); /* the socket refuses */
    worker_suspends(w);
    usleep(150000);
    unlink(w->device.route.socket_path); /* and then there is none */
    usleep(150000);
    w->listener = sock_listen(w->device.route.socket_path, 0600, 4);
    worker_resumes(w);
    answer_all(w, &a, 2);
}

static void
a_connection_that_is_hung_up_on_is_made_again(void **state)
{
    struct world *w = *state;
    struct askers a;

    begin(w, &a, 2, ask_own);
    worker_suspends(w);
    for (unsigned i = 0; i < 3; i++) {
        struct comer c = guest_comes_back(w);

        close(c.sock);
        close(c.memory[0]);
        close(c.memory[1]);
    }
    worker_resumes(w);
    answer_all(w, &a, 2);
}

static void
a_refusal_because_too_many_wait_is_no_end(void **state)
{
    struct welcome welcome = welcome_back();
    struct world *w = *state;
    struct askers a;

    welcome.status = -EUSERS;
    begin(w, &a, 2, ask_own);
    worker_suspends(w);
    for (unsigned i = 0; i < 2; i++) {
        struct comer c = guest_comes_back(w);

        assert_int_equal(welcome_send(c.sock, &welcome, NULL, NULL), 0);
        close(c.sock);
        close(c.memory[0]);
        close(c.memory[1]);
    }
    worker_resumes(w);
    answer_all(w, &a, 2);
}

static void
ignore(int signal)
{
    (void)signal;
}

static void
signals_end_no_wait(void **state)
{
    const struct sigaction interrupts = {.sa_handler = ignore};
    struct world *w = *state;
    struct askers a;
    struct comer c;

    sigaction(SIGUSR1, &interrupts, NULL);
    begin(w, &a, 2, ask_own);
    close(w->listener);
    worker_suspends(w);
    for (unsigned i = 0; i < 200; i++) {
        if (i == 100) {
            unlink(w->device.route.socket_path);
            w->listener = sock_listen(w->device.route.socket_path, 0600, 4);
            c = guest_comes_back(w);
        }
        pthread_kill(a.thread[i % 2], SIGUSR1);
        usleep(1000);
    }
    worker_takes_over(w, &c);
    answer_all(w, &a, 2);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void
a_hang_up_without_the_word_is_the_end_after_a_suspension_too(void **state)
{
    struct world *w = *state;
    struct askers a, b;

    begin(w, &a, 1, ask_own);
    worker_suspends(w);
    worker_resumes(w);
    answer_all(w, &a, 1);
    begin(w, &b, 2, ask_once);
    worker_hangs_up(w);
    assert_ends(w, &b, 2);
    assert_false(guest_comes(w, 0));
}

static void
assert_refusal_ends(struct world *w, const struct welcome *welcome)
{
    struct askers a;
    struct comer c;

    begin(w, &a, 3, ask_once);
    worker_suspends(w);
    c = guest_comes_back(w);
    assert_int_equal(welcome_send(c.sock, welcome, NULL, NULL), 0);
    assert_ends(w, &a, 3);
    assert_false(guest_comes(w, 0));
    assert_true(read(c.sock, &(char){0}, 1) <= 0); /* hung up */
    close(c.sock);
    close(c.memory[0]);
    close(c.memory[1]);
}

static void
a_refusal_is_the_end(void **state)
{
    struct welcome welcome = welcome_back();

    welcome.status = -ESTALE;
    strcpy(welcome.reason, "the session is gone");
    assert_refusal_ends(*state, &welcome);
}

static void
another_version_is_the_end(void **state)
{
    struct welcome welcome = welcome_back();

    welcome.version++;
    assert_refusal_ends(*state, &welcome);
}

static void
a_worker_with_another_session_is_the_end(void **state)
{
    struct welcome welcome = welcome_back();

    welcome.token[3] ^= 1;
    assert_refusal_ends(*state, &welcome);
}

static void
a_worker_with_another_heap_is_the_end(void **state)
{
    struct welcome welcome = welcome_back();

    welcome.heap_bytes += 4096;
    assert_refusal_ends(*state, &welcome);
}

/* The ring's sender holds its lock meanwhile. */
static void
a_refusal_ends_the_wait_for_room(void **state)
{
    struct welcome welcome = welcome_back();
    struct world *w = *state;
    pthread_t sender;
    struct comer c;

    welcome.status = -ESTALE;
    pthread_create(&sender, NULL, send_until_told, w);
    usleep(20000); /* the ring is full now */
    worker_suspends(w);
    c = guest_comes_back(w);
    atomic_store(&w->count, 1);
    assert_int_equal(welcome_send(c.sock, &welcome, NULL, NULL), 0);
    join_in_time(sender);
    assert_int_equal(atomic_load(&w->failures), 1);
    assert_true(session_is_dead(w->s));
    close(c.sock);
    close(c.memory[0]);
    close(c.memory[1]);
}

static void
a_socket_that_is_gone_is_the_end_after_a_while(void **state)
{
    struct world *w = *state;
    uint64_t start = now_ns();
    struct askers a;

    w->s->rejoin_ms = 500;
    begin(w, &a, 3, ask_once);
    unlink(w->device.route.socket_path);
    worker_suspends(w);
    usleep(300000);
    assert_false(session_is_dead(w->s));
    assert_ends(w, &a, 3);
    assert_true(now_ns() - start >= 500000000u);
    assert_true(now_ns() - start < 3000000000u);
}

static void
assert_ends_at_once(struct world *w, const struct askers *a, unsigned n)
{
    uint64_t start = now_ns();

    assert_ends(w, a, n);
    assert_true(now_ns() - start < 3000000000u);
}

static void
a_vgpu_that_is_deleted_is_the_end_at_once(void **state)
{
    struct world *w = *state;
    struct askers a;
    struct comer c;

    begin(w, &a, 3, ask_once);
    worker_suspends(w);
    c = guest_comes_back(w);
    unlink(w->device.route.socket_path);
    assert_int_equal(rmdir(w->folder), 0);
    close(c.sock);
    assert_ends_at_once(w, &a, 3);
    close(c.memory[0]);
    close(c.memory[1]);
}

/* The folder is still there, but without a name. */
static void
a_vgpu_of_a_container_that_is_deleted_is_the_end_at_once(void **state)
{
    struct world *w = *state;
    const int folder = open(w->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct askers a;

    unlink(w->device.route.socket_path);
    assert_int_equal(rmdir(w->folder), 0);
    free(w->device.route.socket_path);
    w->device.route.socket_path = str_printf("/proc/self/fd/%d/socket", folder);
    begin(w, &a, 3, ask_once);
    worker_suspends(w);
    assert_ends_at_once(w, &a, 3);
    close(folder);
}

static void *
accept_and_hang_up(void *arg)
{
    struct world *w = arg;

    while (!session_is_dead(w->s)) {
        if (guest_comes(w, 10))
            close(accept(w->listener, NULL, NULL));
    }
    return NULL;
}

static void
who_only_ever_hangs_up_is_the_end_after_a_while(void **state)
{
    struct world *w = *state;
    struct askers a;

    w->s->rejoin_ms = 500;
    begin(w, &a, 1, ask_once);
    worker_suspends(w);
    worker_play(w, accept_and_hang_up);
    assert_ends(w, &a, 1);
    worker_played(w);
}

static void
a_session_without_descriptors_of_its_memory_dies(void **state)
{
    struct world *w = *state;
    struct askers a;

    for (int i = 0; i < 2; i++) {
        close(w->s->memory[i]);
        w->s->memory[i] = -1; /* as in a virtual machine */
    }
    begin(w, &a, 2, ask_once);
    worker_suspends(w);
    assert_ends(w, &a, 2);
    assert_false(guest_comes(w, 0));
}

/* ---- descriptors, and fork ----------------------------------------------------------------- */

static unsigned
open_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void
a_session_s_descriptors_end_with_it(void **state)
{
    const unsigned before = open_fds();
    void *world;
    struct world *w;
    struct askers a;

    (void)state;
    setup(&world);
    w = world;
    for (int i = 0; i < 2; i++) {
        assert_true(w->s->memory[i] > STDERR_FILENO);
        assert_true(fcntl(w->s->memory[i], F_GETFD) & FD_CLOEXEC);
    }
    begin(w, &a, 1, ask_own);
    worker_suspends(w);
    worker_resumes(w);
    answer_all(w, &a, 1);
    teardown(&world);
    assert_int_equal(open_fds(), before);
}

/* None of the session's is left but the listener and what the program has. */
static int
child_main(struct world *w, const int fds[4], int until)
{
    char byte;

    for (unsigned i = 0; i < 4; i++) {
        if (fcntl(fds[i], F_GETFD) >= 0)
            return 1;
    }
    if (session_lost(w->s) || !session_is_dead(w->s))
        return 2;
    return read(until, &byte, 1) == 1 ? 0 : 3;
}

static void
a_child_of_a_suspended_parent_keeps_nothing_of_its_session(void **state)
{
    struct welcome welcome = welcome_back();
    struct world *w = *state;
    int pipes[2], fds[4], status;
    struct askers a;
    struct comer c;
    pid_t child;

    assert_int_equal(pipe(pipes), 0);
    begin(w, &a, 1, ask_once);
    worker_suspends(w);
    c = guest_comes_back(w);
    memcpy(fds,
           (int[]){w->s->channel.fd, w->s->rejoin_fd, w->s->memory[0], w->s->memory[1]},
           sizeof fds);
    child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* not the test's own */
        alarm(PATIENCE_S);
        _exit(child_main(w, fds, pipes[0]));
    }
    welcome.status = -ESTALE;
    welcome_send(c.sock, &welcome, NULL, NULL);
    assert_ends(w, &a, 1);
    assert_int_equal(read(c.sock, &(char){0}, 1), 0); /* though the child lives */
    assert_int_equal(write(pipes[1], "x", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    for (int i = 0; i < 2; i++) {
        close(pipes[i]);
        close(c.memory[i]);
    }
    close(c.sock);
}

static int
child_asks(struct world *w)
{
    struct session *s = NULL;
    struct pending p = {0};

    if (device_session(&w->device, &s) != CL_SUCCESS || s == w->s)
        return 1;
    return ask(s, &p) == CL_SUCCESS && p.status == 42 ? 0 : 2;
}

static void
a_child_of_a_suspended_parent_has_a_session_of_its_own(void **state)
{
    struct world *w = *state, *other = calloc(1, sizeof *other);
    struct frame_header h;
    struct askers a;
    struct comer c;
    pid_t child;
    int status;

    other->listener = w->listener;
    session_hold(w->s);
    w->device.session = w->s;
    begin(w, &a, 1, ask_own);
    worker_suspends(w);
    c = guest_comes_back(w);
    child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        alarm(PATIENCE_S);
        _exit(child_asks(w));
    }
    worker_accept(other);
    assert_true(worker_next(other, &h, true));
    worker_reply(other, h.tag, 42);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    worker_hangs_up(other);
    free(other);
    worker_takes_over(w, &c);
    answer_all(w, &a, 1);
    session_unhold(w->s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_waits_in_a_word_goes_on),
        TEST(who_waits_by_the_ring_goes_on),
        TEST(an_answer_from_before_is_found),
        TEST(who_waits_for_room_in_the_ring_goes_on),
        TEST(the_service_thread_goes_on_while_nobody_else_waits),
        TEST(messages_that_nobody_waits_for_are_read_afterwards),
        TEST(the_next_worker_is_rung_for_what_was_written_before),
        TEST(the_clock_is_asked_again_afterwards),
        TEST(a_session_is_suspended_again_and_again),
        TEST(many_threads_make_one_connection),
        TEST(threads_that_race_make_one_connection),
        TEST(the_doorbell_keeps_its_number),
        TEST(a_manager_that_starts_again_is_waited_for),
        TEST(a_connection_that_is_hung_up_on_is_made_again),
        TEST(a_refusal_because_too_many_wait_is_no_end),
        TEST(signals_end_no_wait),
        TEST(a_hang_up_without_the_word_is_the_end_after_a_suspension_too),
        TEST(a_refusal_is_the_end),
        TEST(another_version_is_the_end),
        TEST(a_worker_with_another_session_is_the_end),
        TEST(a_worker_with_another_heap_is_the_end),
        TEST(a_refusal_ends_the_wait_for_room),
        TEST(a_socket_that_is_gone_is_the_end_after_a_while),
        TEST(a_vgpu_that_is_deleted_is_the_end_at_once),
        TEST(a_vgpu_of_a_container_that_is_deleted_is_the_end_at_once),
        TEST(who_only_ever_hangs_up_is_the_end_after_a_while),
        TEST(a_session_without_descriptors_of_its_memory_dies),
        cmocka_unit_test(a_session_s_descriptors_end_with_it),
        TEST(a_child_of_a_suspended_parent_keeps_nothing_of_its_session),
        TEST(a_child_of_a_suspended_parent_has_a_session_of_its_own),
    };

    return cmocka_run_group_tests_name("rejoin", tests, NULL, NULL);
}
