/* SPDX-License-Identifier: MIT */
/* The guest's session against a worker that the test plays itself, over a real socket. */
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#define ASKERS 8

/* ---- connecting ---------------------------------------------------------------------------- */

static void
a_connection_brings_channel_and_information(void **state)
{
    struct world *w = *state;

    assert_false(session_is_dead(w->s));
    assert_int_equal(w->device.info_len, 8);
    assert_memory_equal(w->device.info, "12345678", 8);
    w->s->channel.heap[5] = 42;
    assert_int_equal(w->worker.heap[5], 42);
}

static void
a_socket_that_nobody_serves_is_an_error_with_words(void **state)
{
    static struct device d = {.route.socket_path = "/nowhere/socket"};
    struct session *s = NULL;
    char reason[160] = "";

    (void)state;
    assert_int_equal(session_connect(&d, &s, reason), -ENOENT);
    assert_non_null(strstr(reason, "cannot connect to its socket"));
    assert_null(s);
}

/* ---- replies ------------------------------------------------------------------------------- */

static void *
answer_one_with_42(void *arg)
{
    struct frame_header h;

    if (worker_next(arg, &h, true))
        worker_reply(arg, h.tag, h.op == OP_clFinish ? 42 : -1);
    return NULL;
}

static void
a_reply_reaches_its_asker(void **state)
{
    struct world *w = *state;
    struct pending p = {0};

    worker_play(w, answer_one_with_42);
    assert_int_equal(ask(w->s, &p), CL_SUCCESS);
    assert_int_equal(p.status, 42);
    assert_null(p.answer);
    worker_played(w);
}

static void *
answer_with_bytes(void *arg)
{
    struct {
        struct reply_header r;
        uint64_t len, place, inline_len;
        char bytes[8];
    } reply = {{{sizeof reply, FRAME_REPLY, 0, 0}, 0}, 5, REPLY_INLINE, 5, "abcd"};
    struct frame_header h;

    if (worker_next(arg, &h, true)) {
        reply.r.frame.tag = h.tag;
        worker_send(arg, &reply.r.frame);
    }
    return NULL;
}

static void
an_answer_in_bytes_belongs_to_the_asker(void **state)
{
    struct world *w = *state;
    struct pending p = {0};

    worker_play(w, answer_with_bytes);
    assert_int_equal(ask(w->s, &p), CL_SUCCESS);
    assert_int_equal(p.answer_len, 5);
    assert_string_equal((char *)p.answer, "abcd");
    free(p.answer);
    worker_played(w);
}

#define ROUNDS 400

/* Answers in the reverse of the order in which they came, with the tag as status. */
static void *
answer_in_reverse(void *arg)
{
    struct frame_header h[ASKERS];
    unsigned left = ASKERS * ROUNDS;

    while (left > 0) {
        unsigned n = 0;

        while (n < ASKERS && worker_next(arg, &h[n], n == 0))
            n++;
        if (n == 0)
            break;
        left -= n;
        while (n-- > 0)
            worker_reply(arg, h[n].tag, (int64_t)tag_own(h[n].tag));
    }
    return NULL;
}

static void *
ask_many(void *arg)
{
    struct world *w = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct pending p = {0};

        if (ask(w->s, &p) != CL_SUCCESS || p.status != (int64_t)(uintptr_t)&p)
            atomic_fetch_add(&w->failures, 1);
    }
    return NULL;
}

static void
each_of_many_waiting_threads_gets_its_own_reply(void **state)
{
    struct world *w = *state;
    pthread_t asker[ASKERS];

    worker_play(w, answer_in_reverse);
    for (unsigned i = 0; i < ASKERS; i++)
        pthread_create(&asker[i], NULL, ask_many, w);
    for (unsigned i = 0; i < ASKERS; i++)
        join_in_time(asker[i]);
    worker_played(w);
    assert_int_equal(atomic_load(&w->failures), 0);
}

static void *
answer_after_a_nap(void *arg)
{
    struct frame_header h;

    if (worker_next(arg, &h, true)) {
        usleep(30000); /* long enough for the asker to sleep */
        worker_reply(arg, h.tag, 7);
    }
    return NULL;
}

static void
a_sleeping_asker_is_woken(void **state)
{
    struct world *w = *state;
    struct pending p = {0};

    worker_play(w, answer_after_a_nap);
    assert_int_equal(ask(w->s, &p), CL_SUCCESS);
    assert_int_equal(p.status, 7);
    worker_played(w);
}

/* ---- a full ring --------------------------------------------------------------------------- */

#define MANY 2000

static void *
read_slowly(void *arg)
{
    struct world *w = arg;
    struct frame_header h;

    for (unsigned i = 0; i < MANY && worker_next(w, &h, true); i++) {
        if (i % 256 == 0)
            usleep(5000);
        atomic_fetch_add(&w->count, h.op == OP_clFlush);
    }
    return NULL;
}

static void
a_full_ring_makes_the_sender_wait(void **state)
{
    struct world *w = *state;

    worker_play(w, read_slowly);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(send_op(w->s, OP_clFlush, NULL), CL_SUCCESS);
    worker_played(w);
    assert_int_equal(atomic_load(&w->count), MANY);
}

static void *
send_until_room(void *arg)
{
    struct world *w = arg;

    while (atomic_load(&w->count) == 0) {
        if (send_op(w->s, OP_clFlush, NULL) != CL_SUCCESS)
            atomic_fetch_add(&w->failures, 1);
    }
    return NULL;
}

static void *
ask_for_success(void *arg)
{
    struct world *w = arg;
    struct pending p = {0};

    if (ask(w->s, &p) != CL_SUCCESS)
        atomic_fetch_add(&w->failures, 1);
    return NULL;
}

/* Who waits for room and who sleeps on the doorbell share it; neither may take the other's bell. */
static void
waiting_for_room_robs_no_sleeper_of_its_wake_up(void **state)
{
    struct world *w = *state;
    struct frame_header h, asked = {0};
    pthread_t asker, sender;

    pthread_create(&asker, NULL, ask_for_success, w);
    assert_true(worker_next(w, &asked, true));
    usleep(20000); /* it sleeps now */
    pthread_create(&sender, NULL, send_until_room, w);
    usleep(20000); /* the ring is full now */
    for (unsigned i = 0; i < 50; i++) {
        worker_reclaim(w, HEAP_BYTES); /* news for nobody */
        usleep(1500);
    }
    atomic_store(&w->count, 1);
    while (worker_next(w, &h, false))
        ;
    join_in_time(sender);
    worker_reply(w, asked.tag, 0);
    join_in_time(asker);
    assert_int_equal(atomic_load(&w->failures), 0);
}

static void
a_hang_up_ends_the_wait_for_room(void **state)
{
    struct world *w = *state;
    pthread_t sender;

    pthread_create(&sender, NULL, send_until_room, w);
    usleep(20000);
    atomic_store(&w->count, 1);
    worker_hangs_up(w);
    join_in_time(sender);
    assert_int_equal(atomic_load(&w->failures), 1);
}

/* ---- callbacks ----------------------------------------------------------------------------- */

struct noted {
    struct pending pending;
    struct callback callback;
    struct world *world;
    pthread_t thread;
};

static void
noted_run(struct callback *c)
{
    struct noted *n = container_of(c, struct noted, callback);

    n->thread = pthread_self();
    atomic_fetch_add(&n->world->count, 1);
}

static void
noted_due(struct pending *p)
{
    struct noted *n = container_of(p, struct noted, pending);

    if (session_is_dead(n->world->s))
        usleep(100); /* the service thread overtakes who posts */
    session_post_callback(n->world->s, &n->callback);
}

static void
ask_with_callback(struct world *w, struct noted *n)
{
    *n = (struct noted){.pending.done = noted_due, .callback.run = noted_run, .world = w};
    assert_int_equal(session_need_service(w->s), CL_SUCCESS);
    assert_int_equal(send_op(w->s, OP_clFinish, &n->pending), CL_SUCCESS);
}

static void
a_callback_runs_in_a_thread_of_the_library(void **state)
{
    struct world *w = *state;
    struct noted first, second;

    worker_play(w, answer_one_with_42);
    ask_with_callback(w, &first);
    assert_true(reaches(&w->count, 1));
    worker_played(w);
    assert_int_equal(first.pending.status, 42);
    assert_false(pthread_equal(first.thread, pthread_self()));
    worker_play(w, answer_one_with_42);
    ask_with_callback(w, &second);
    assert_true(reaches(&w->count, 2));
    worker_played(w);
    assert_true(pthread_equal(first.thread, second.thread));
    worker_hangs_up(w); /* ends the service thread */
}

static void
a_callback_that_is_due_already_is_called(void **state)
{
    struct world *w = *state;
    struct noted n = {.callback.run = noted_run, .world = w};

    assert_int_equal(session_need_service(w->s), CL_SUCCESS);
    usleep(10000); /* the service thread sleeps */
    session_post_callback(w->s, &n.callback);
    assert_true(reaches(&w->count, 1));
    worker_hangs_up(w);
}

#define CALLBACKS 64u

/* Who sees the end is the asker: it posts, while the service thread is about to go. */
static void
callbacks_are_called_when_the_worker_dies(void **state)
{
    struct world *w = *state;
    struct noted n[CALLBACKS];
    struct frame_header h;
    pthread_t asker;

    pthread_create(&asker, NULL, ask_once, w);
    assert_true(worker_next(w, &h, true));
    usleep(20000); /* it sleeps on the doorbell */
    for (unsigned i = 0; i < CALLBACKS; i++)
        ask_with_callback(w, &n[i]);
    worker_hangs_up(w);
    assert_true(reaches(&w->count, CALLBACKS));
    join_in_time(asker);
    for (unsigned i = 0; i < CALLBACKS; i++)
        assert_int_equal(n[i].pending.status, CL_OUT_OF_RESOURCES);
}

static void
a_callback_posted_after_the_end_is_called(void **state)
{
    struct world *w = *state;
    struct noted n = {.callback.run = noted_run, .world = w};
    struct pending p = {0};

    assert_int_equal(session_need_service(w->s), CL_SUCCESS);
    worker_hangs_up(w);
    assert_int_equal(ask(w->s, &p), CL_OUT_OF_RESOURCES);
    usleep(10000); /* the service thread is gone */
    session_post_callback(w->s, &n.callback);
    assert_true(reaches(&w->count, 1));
}

/* ---- hang-up ------------------------------------------------------------------------------- */

static void
a_hang_up_ends_all_waits_at_once(void **state)
{
    struct world *w = *state;
    pthread_t asker[ASKERS];
    struct frame_header h;
    uint64_t start;

    for (unsigned i = 0; i < ASKERS; i++)
        pthread_create(&asker[i], NULL, ask_once, w);
    for (unsigned i = 0; i < ASKERS; i++)
        assert_true(worker_next(w, &h, true));
    usleep(20000);
    start = now_ns();
    worker_hangs_up(w);
    for (unsigned i = 0; i < ASKERS; i++)
        join_in_time(asker[i]);
    assert_true(now_ns() - start < 1000000000u);
    assert_int_equal(atomic_load(&w->failures), 0);
    assert_true(session_is_dead(w->s));
}

static void
a_dead_session_answers_at_once(void **state)
{
    struct world *w = *state;
    struct pending p = {0};

    worker_hangs_up(w);
    assert_int_equal(ask(w->s, &p), CL_OUT_OF_RESOURCES);
    assert_true(session_is_dead(w->s));
    assert_int_equal(ask(w->s, &p), CL_OUT_OF_RESOURCES);
    assert_int_equal(send_op(w->s, OP_clFlush, NULL), CL_OUT_OF_RESOURCES);
    assert_int_equal(session_heap_alloc(w->s, 64), EXTENT_NONE);
}

static void
a_reply_before_the_hang_up_still_counts(void **state)
{
    struct world *w = *state;
    struct pending p = {0};
    struct frame_header h;

    assert_int_equal(send_op(w->s, OP_clFinish, &p), CL_SUCCESS);
    assert_true(worker_next(w, &h, true));
    worker_reply(w, h.tag, 42);
    worker_hangs_up(w);
    assert_int_equal(session_wait(w->s, &p), CL_SUCCESS);
    assert_int_equal(p.status, 42);
}

static void *
ask_until_dead(void *arg)
{
    struct world *w = arg;
    cl_int rc = CL_SUCCESS;

    while (rc == CL_SUCCESS) {
        struct pending p = {0};

        rc = ask(w->s, &p);
        memset(&p, 0xa5, sizeof p); /* who still looks at it shall stumble */
    }
    return NULL;
}

static void *
answer_some_and_hang_up(void *arg)
{
    struct frame_header h;

    for (unsigned i = 0; i < 50 && worker_next(arg, &h, true); i++)
        worker_reply(arg, h.tag, 0);
    worker_hangs_up(arg);
    return NULL;
}

static void
a_hang_up_amid_replies_leaves_nobody_behind(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        pthread_t asker[ASKERS];
        void *world;
        struct world *w;

        setup(&world);
        w = world;
        worker_play(w, answer_some_and_hang_up);
        for (unsigned i = 0; i < ASKERS; i++)
            pthread_create(&asker[i], NULL, ask_until_dead, w);
        for (unsigned i = 0; i < ASKERS; i++)
            join_in_time(asker[i]);
        worker_played(w);
        teardown(&world);
    }
}

static void
a_worker_that_forges_its_tail_is_dead(void **state)
{
    struct world *w = *state;
    struct pending p = {0};

    assert_int_equal(send_op(w->s, OP_clFinish, &p), CL_SUCCESS);
    atomic_store(&w->worker.tx.shared->tail, RING_BYTES + 8);
    assert_int_equal(session_wait(w->s, &p), CL_OUT_OF_RESOURCES);
    assert_true(session_is_dead(w->s));
}

/* ---- fork ---------------------------------------------------------------------------------- */

/* In the child, where all locks are held for ever: no way leads in, and it can be left. */
static int
child_main(struct world *w)
{
    struct pending p = {0};

    if (!session_is_dead(w->s) || ask(w->s, &p) != CL_OUT_OF_RESOURCES)
        return 1;
    if (session_heap_alloc(w->s, 64) != EXTENT_NONE)
        return 2;
    session_drop_id(w->s, session_new_id(w->s));
    session_release_id(w->s, (struct guest_id){1});
    session_pump(w->s);
    session_unhold(w->s);
    session_unhold(w->s);
    return 0;
}

static void
a_forked_child_sees_a_dead_session_and_can_leave_it(void **state)
{
    struct world *w = *state;
    pthread_mutex_t *const locks[] = {&w->s->tx_lock, &w->s->rx_lock, &w->s->wait_lock,
                                      &w->s->heap.lock};
    struct pending p = {0};
    pid_t child;
    int status;

    session_hold(w->s);
    for (unsigned i = 0; i < 4; i++)
        pthread_mutex_lock(locks[i]);
    child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* not the test's own */
        alarm(PATIENCE_S);
        _exit(child_main(w));
    }
    for (unsigned i = 0; i < 4; i++)
        pthread_mutex_unlock(locks[i]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    session_unhold(w->s);
    worker_play(w, answer_one_with_42);
    assert_int_equal(ask(w->s, &p), CL_SUCCESS); /* the parent's goes on */
    worker_played(w);
}

static void
a_child_that_lives_on_does_not_hide_the_parents_end(void **state)
{
    struct world *w = *state;
    int pipes[2], status;
    char byte;
    pid_t child;

    assert_int_equal(pipe(pipes), 0);
    child = fork();
    if (child == 0)
        _exit(read(pipes[0], &byte, 1) == 1 ? 0 : 1);
    session_hold(w->s);
    shutdown(w->s->channel.fd, SHUT_RD); /* not yet an end for the worker */
    assert_int_equal(w->worker.transport->wait(&w->worker, 0), 0);
    close(w->s->channel.fd);
    w->s->channel.fd = -1;
    assert_int_equal(w->worker.transport->wait(&w->worker, 5000), -EPIPE);
    session_unhold(w->s);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    waitpid(child, &status, 0);
    close(pipes[0]);
    close(pipes[1]);
}

/* ---- ids and heap -------------------------------------------------------------------------- */

static void
a_slot_comes_again_with_another_generation(void **state)
{
    struct world *w = *state;
    struct guest_id a = session_new_id(w->s), b = session_new_id(w->s), c;

    assert_int_equal(a.v, 1);
    assert_int_equal(b.v, 2);
    session_release_id(w->s, a);
    c = session_new_id(w->s);
    assert_int_equal(c.v, 1ull << 32 | 1);
}

static void
ids_are_given_out_up_to_the_bound(void **state)
{
    struct world *w = *state;
    unsigned n = 0;

    while (session_new_id(w->s).v != 0)
        n++;
    assert_int_equal(n, (1u << 20) - 1);
}

static void
a_full_heap_with_nothing_on_its_way_back_says_so(void **state)
{
    struct world *w = *state;

    assert_int_equal(session_heap_alloc(w->s, 0), EXTENT_NONE);
    assert_int_equal(session_heap_alloc(w->s, HEAP_BYTES + 1), EXTENT_NONE);
    assert_int_equal(session_heap_alloc(w->s, HEAP_BYTES), 0);
    assert_int_equal(session_heap_alloc(w->s, 1), EXTENT_NONE);
}

static void *
reclaim_after_a_nap(void *arg)
{
    usleep(20000);
    worker_reclaim(arg, 0);
    return NULL;
}

static void
a_full_heap_waits_for_what_is_on_its_way_back(void **state)
{
    struct world *w = *state;

    assert_int_equal(session_heap_alloc(w->s, HEAP_BYTES), 0);
    session_expect_reclaim(w->s);
    worker_play(w, reclaim_after_a_nap);
    assert_int_equal(session_heap_alloc(w->s, 4096), 0);
    worker_played(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_brings_channel_and_information),
        cmocka_unit_test(a_socket_that_nobody_serves_is_an_error_with_words),
        TEST(a_reply_reaches_its_asker),
        TEST(an_answer_in_bytes_belongs_to_the_asker),
        TEST(each_of_many_waiting_threads_gets_its_own_reply),
        TEST(a_sleeping_asker_is_woken),
        TEST(a_full_ring_makes_the_sender_wait),
        TEST(waiting_for_room_robs_no_sleeper_of_its_wake_up),
        TEST(a_hang_up_ends_the_wait_for_room),
        TEST(a_callback_runs_in_a_thread_of_the_library),
        TEST(a_callback_that_is_due_already_is_called),
        TEST(callbacks_are_called_when_the_worker_dies),
        TEST(a_callback_posted_after_the_end_is_called),
        TEST(a_hang_up_ends_all_waits_at_once),
        TEST(a_dead_session_answers_at_once),
        TEST(a_reply_before_the_hang_up_still_counts),
        cmocka_unit_test(a_hang_up_amid_replies_leaves_nobody_behind),
        TEST(a_worker_that_forges_its_tail_is_dead),
        TEST(a_forked_child_sees_a_dead_session_and_can_leave_it),
        TEST(a_child_that_lives_on_does_not_hide_the_parents_end),
        TEST(a_slot_comes_again_with_another_generation),
        TEST(ids_are_given_out_up_to_the_bound),
        TEST(a_full_heap_with_nothing_on_its_way_back_says_so),
        TEST(a_full_heap_waits_for_what_is_on_its_way_back),
    };

    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
