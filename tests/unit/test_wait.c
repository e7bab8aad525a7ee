/* SPDX-License-Identifier: MIT */
/* Waiting for answers by a word of one's own, against a worker that the test plays itself. */
#include "guest/opencl/wait.h"

#include "world.h"

#include <unistd.h>

#define THREADS (CHANNEL_WAITERS + 16u)
#define ROUNDS 400u

static struct waiter *
waiter_named(struct world *w, uint64_t tag)
{
    return tag_waiter(w->worker.page->waiters, tag);
}

/* As the worker does: by the word when there is one. */
static void
answer(struct world *w, uint64_t tag, int64_t status)
{
    struct waiter *waiter = waiter_named(w, tag);

    if (waiter)
        waiter_done(waiter, status);
    else
        worker_reply(w, tag, status);
}

static void
assert_all_waiters_free(struct world *w)
{
    assert_int_equal(atomic_load(&w->s->waiters_free), UINT64_MAX);
    for (unsigned i = 0; i < CHANNEL_WAITERS; i++)
        assert_int_equal(atomic_load(&w->worker.page->waiters[i].state), WAITER_FREE);
}

/* Asks once, and expects its own address as the status. */
static void *
ask_own(void *arg)
{
    struct world *w = arg;
    struct pending p = {0};

    if (ask(w->s, &p) != CL_SUCCESS || p.status != (int64_t)(uintptr_t)&p)
        atomic_fetch_add(&w->failures, 1);
    return NULL;
}

/* Until the waiter's thread sleeps. */
static bool
falls_asleep(struct waiter *waiter)
{
    for (unsigned i = 0; i < PATIENCE_S * 1000u; i++) {
        if (atomic_load(&waiter->state) == WAITER_SLEEPS)
            return true;
        usleep(1000);
    }
    return false;
}

/* A thread that asked, and sleeps on its word. Returns the message's tag. */
static uint64_t
sleeping_asker(struct world *w, pthread_t *ret, void *(*main)(void *))
{
    struct frame_header h;

    assert_int_equal(pthread_create(ret, NULL, main, w), 0);
    assert_true(worker_next(w, &h, true));
    assert_non_null(waiter_named(w, h.tag));
    assert_true(falls_asleep(waiter_named(w, h.tag)));
    return h.tag;
}

/* ---- by the word --------------------------------------------------------------------------- */

static void *
answer_by_word(void *arg)
{
    struct frame_header h;

    if (worker_next(arg, &h, true))
        answer(arg, h.tag, -5);
    return NULL;
}

static void
a_status_comes_by_the_word_and_its_waiter_is_free_again(void **state)
{
    struct world *w = *state;
    struct pending p = {0};

    worker_play(w, answer_by_word);
    assert_int_equal(ask(w->s, &p), CL_SUCCESS);
    worker_played(w);
    assert_int_equal(p.status, -5);
    assert_null(p.answer);
    assert_false(ring_hint(&w->s->channel.rx));
    assert_all_waiters_free(w);
}

static void
an_asker_that_sleeps_is_woken_by_its_word(void **state)
{
    struct world *w = *state;
    pthread_t asker;
    uint64_t tag = sleeping_asker(w, &asker, ask_own);

    answer(w, tag, (int64_t)tag_own(tag));
    join_in_time(asker);
    assert_int_equal(atomic_load(&w->failures), 0);
    assert_all_waiters_free(w);
}

static void
not_called(struct pending *p)
{
    (void)p;
    abort();
}

static void
a_pending_with_an_own_end_takes_no_waiter(void **state)
{
    struct world *w = *state;
    struct pending p = {.done = not_called};

    assert_int_equal(wait_take(w->s, &p), 0);
    assert_int_equal(wait_take(w->s, &(struct pending){0}), 1);
    wait_put(w->s, 0);
    wait_put(w->s, 1);
    assert_all_waiters_free(w);
}

/* ---- by the ring --------------------------------------------------------------------------- */

static void
an_asker_that_sleeps_is_told_to_look_into_the_ring(void **state)
{
    struct world *w = *state;
    pthread_t asker;
    uint64_t tag = sleeping_asker(w, &asker, ask_own);

    worker_reply(w, tag, (int64_t)tag_own(tag));
    join_in_time(asker);
    assert_int_equal(atomic_load(&w->failures), 0);
    assert_all_waiters_free(w);
}

static void
looking_for_nothing_ends_no_wait(void **state)
{
    struct world *w = *state;
    pthread_t asker;
    uint64_t tag = sleeping_asker(w, &asker, ask_own);

    for (unsigned i = 0; i < 20; i++) {
        waiter_look(waiter_named(w, tag));
        usleep(500);
    }
    assert_true(falls_asleep(waiter_named(w, tag)));
    answer(w, tag, (int64_t)tag_own(tag));
    join_in_time(asker);
    assert_int_equal(atomic_load(&w->failures), 0);
}

static void
an_answer_in_the_ring_that_nobody_told_of_is_found(void **state)
{
    struct world *w = *state;
    pthread_t asker;
    uint64_t tag = sleeping_asker(w, &asker, ask_own);
    struct reply_header r = {{sizeof r, FRAME_REPLY, 0, tag}, (int64_t)tag_own(tag)};
    int err;
    void *at = ring_reserve(&w->worker.tx, sizeof r, &err);

    memcpy(at, &r, sizeof r);
    ring_commit(&w->worker.tx, sizeof r);
    join_in_time(asker);
    assert_int_equal(atomic_load(&w->failures), 0);
}

static void
a_crowded_ring_is_read_by_a_sleeper_that_is_poked(void **state)
{
    struct world *w = *state;
    pthread_t asker;
    uint64_t tag = sleeping_asker(w, &asker, ask_own);

    while (!ring_crowded(&w->worker.tx))
        worker_reclaim(w, HEAP_BYTES); /* news for nobody */
    assert_true(waiters_look(w->worker.page->waiters));
    for (unsigned i = 0; i < PATIENCE_S * 1000 && ring_crowded(&w->worker.tx); i++)
        usleep(1000);
    assert_false(ring_crowded(&w->worker.tx));
    answer(w, tag, (int64_t)tag_own(tag));
    join_in_time(asker);
    assert_int_equal(atomic_load(&w->failures), 0);
}

/* ---- many ---------------------------------------------------------------------------------- */

static void
more_threads_than_waiters_wait_by_the_ring(void **state)
{
    struct world *w = *state;
    pthread_t askers[THREADS];
    uint64_t tags[THREADS], taken = 0;
    unsigned by_ring = 0;

    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&askers[i], NULL, ask_own, w);
    for (unsigned i = 0; i < THREADS; i++) {
        struct frame_header h;

        assert_true(worker_next(w, &h, true));
        tags[i] = h.tag;
        by_ring += waiter_named(w, h.tag) == NULL;
        if (waiter_named(w, h.tag))
            taken |= 1ull << (waiter_named(w, h.tag) - w->worker.page->waiters);
    }
    assert_int_equal(by_ring, THREADS - CHANNEL_WAITERS);
    assert_int_equal(taken, UINT64_MAX); /* each by one thread */
    for (unsigned i = THREADS; i-- > 0;)
        answer(w, tags[i], (int64_t)tag_own(tags[i]));
    for (unsigned i = 0; i < THREADS; i++)
        join_in_time(askers[i]);
    assert_int_equal(atomic_load(&w->failures), 0);
    assert_all_waiters_free(w);
}

#define ASKERS 8u

/* By turns in the word, in the ring, and in the word after a look for nothing. */
static void *
answer_all_ways(void *arg)
{
    struct world *w = arg;
    struct frame_header h;

    for (unsigned i = 0; i < ASKERS * ROUNDS && worker_next(w, &h, true); i++) {
        if (i % 64 == 63)
            usleep(500); /* they fall asleep */
        if (i % 3 == 0)
            waiters_look(w->worker.page->waiters);
        if (i % 3 == 1)
            worker_reply(w, h.tag, (int64_t)tag_own(h.tag));
        else
            answer(w, h.tag, (int64_t)tag_own(h.tag));
    }
    return NULL;
}

static void *
ask_own_often(void *arg)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        ask_own(arg);
    return NULL;
}

static void
each_thread_gets_its_own_answer_whichever_way_it_comes(void **state)
{
    struct world *w = *state;
    pthread_t askers[ASKERS];

    worker_play(w, answer_all_ways);
    for (unsigned i = 0; i < ASKERS; i++)
        pthread_create(&askers[i], NULL, ask_own_often, w);
    for (unsigned i = 0; i < ASKERS; i++)
        join_in_time(askers[i]);
    worker_played(w);
    assert_int_equal(atomic_load(&w->failures), 0);
    assert_all_waiters_free(w);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void
a_session_that_dies_ends_every_wait(void **state)
{
    struct world *w = *state;
    pthread_t askers[THREADS];
    struct frame_header h;
    uint64_t start;

    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&askers[i], NULL, ask_once, w);
    for (unsigned i = 0; i < THREADS; i++)
        assert_true(worker_next(w, &h, true));
    usleep(20000);
    start = now_ns();
    session_die(w->s);
    for (unsigned i = 0; i < THREADS; i++)
        join_in_time(askers[i]);
    assert_true(now_ns() - start < 1000000000u);
    assert_int_equal(atomic_load(&w->failures), 0);
    assert_int_equal(atomic_load(&w->s->waiters_free), UINT64_MAX);
}

static void
a_worker_that_hangs_up_under_a_sleeper_ends_its_wait_within_a_second(void **state)
{
    struct world *w = *state;
    pthread_t asker;
    uint64_t start;

    sleeping_asker(w, &asker, ask_once);
    usleep(300000); /* it looks but seldom now */
    start = now_ns();
    worker_hangs_up(w);
    join_in_time(asker);
    assert_true(now_ns() - start < 1000000000u);
    assert_int_equal(atomic_load(&w->failures), 0);
    assert_true(session_is_dead(w->s));
}

static void
an_answer_in_the_word_before_the_hang_up_still_counts(void **state)
{
    struct world *w = *state;
    struct pending p = {0};
    struct frame_header h;

    assert_int_equal(send_op(w->s, OP_clFinish, &p), CL_SUCCESS);
    assert_true(worker_next(w, &h, true));
    answer(w, h.tag, 42);
    worker_hangs_up(w);
    session_die(w->s);
    assert_int_equal(session_wait(w->s, &p), CL_SUCCESS);
    assert_int_equal(p.status, 42);
}

/* Whoever holds rx_lock may have looked for the last time before the answer came. */
static void
an_answer_in_the_ring_before_the_hang_up_still_counts_beside_a_reader(void **state)
{
    struct world *w = *state;
    pthread_t asker;
    uint64_t tag = sleeping_asker(w, &asker, ask_own);
    struct reply_header r = {{sizeof r, FRAME_REPLY, 0, tag}, (int64_t)tag_own(tag)};
    int err;

    pthread_mutex_lock(&w->s->rx_lock);
    memcpy(ring_reserve(&w->worker.tx, sizeof r, &err), &r, sizeof r);
    ring_commit(&w->worker.tx, sizeof r);
    worker_hangs_up(w);
    usleep(300000); /* the asker sees the end */
    pthread_mutex_unlock(&w->s->rx_lock);
    join_in_time(asker);
    assert_int_equal(atomic_load(&w->failures), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_status_comes_by_the_word_and_its_waiter_is_free_again),
        TEST(an_asker_that_sleeps_is_woken_by_its_word),
        TEST(a_pending_with_an_own_end_takes_no_waiter),
        TEST(an_asker_that_sleeps_is_told_to_look_into_the_ring),
        TEST(looking_for_nothing_ends_no_wait),
        TEST(an_answer_in_the_ring_that_nobody_told_of_is_found),
        TEST(a_crowded_ring_is_read_by_a_sleeper_that_is_poked),
        TEST(more_threads_than_waiters_wait_by_the_ring),
        TEST(each_thread_gets_its_own_answer_whichever_way_it_comes),
        TEST(a_session_that_dies_ends_every_wait),
        TEST(a_worker_that_hangs_up_under_a_sleeper_ends_its_wait_within_a_second),
        TEST(an_answer_in_the_word_before_the_hang_up_still_counts),
        TEST(an_answer_in_the_ring_before_the_hang_up_still_counts_beside_a_reader),
    };

    return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
