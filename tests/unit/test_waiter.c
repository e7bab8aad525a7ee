/* SPDX-License-Identifier: MIT */
#include "wire/waiter.h"

#include "base/io.h"
#include "wire/spin.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 5000 /* what takes longer has hung */
#define ROUNDS 20000

static struct waiter waiters[CHANNEL_WAITERS];

static int
setup(void **state)
{
    (void)state;
    memset(waiters, 0, sizeof waiters);
    return 0;
}

static uint32_t
state_of(const struct waiter *w)
{
    return atomic_load_explicit(&w->state, memory_order_acquire);
}

/* Until the waiter is in the state; false after a long while. */
static bool
reaches(const struct waiter *w, uint32_t state)
{
    const uint64_t end = now_ns() + PATIENCE_MS * 1000000ull;

    while (state_of(w) != state) {
        if (now_ns() > end)
            return false;
        sched_yield();
    }
    return true;
}

/* ---- tags ---------------------------------------------------------------------------------- */

static void
a_tag_carries_number_and_own_part(void **state)
{
    const uint64_t own = 0x7fffdeadbee8, most = (1ull << TAG_WAITER_SHIFT) - 1;

    (void)state;
    for (unsigned n = 1; n <= CHANNEL_WAITERS; n++) {
        assert_int_equal(tag_own(tag_make(own, n)), own);
        assert_int_equal(tag_own(tag_make(most, n)), most);
        assert_ptr_equal(tag_waiter(waiters, tag_make(own, n)), &waiters[n - 1]);
        assert_ptr_equal(tag_waiter(waiters, tag_make(0, n)), &waiters[n - 1]);
    }
}

static void
a_tag_without_a_number_names_no_waiter(void **state)
{
    (void)state;
    assert_int_equal(tag_make(4711, 0), 4711);
    assert_null(tag_waiter(waiters, tag_make(4711, 0)));
    assert_null(tag_waiter(waiters, 0));
}

static void
a_number_too_large_names_no_waiter(void **state)
{
    (void)state;
    for (unsigned n = CHANNEL_WAITERS + 1; n <= UINT16_MAX; n++)
        assert_null(tag_waiter(waiters, tag_make(4711, n)));
}

/* ---- the worker's calls -------------------------------------------------------------------- */

static void
done_gives_the_status_to_a_waiter_that_is_awake(void **state)
{
    struct waiter *w = &waiters[3];

    (void)state;
    atomic_store(&w->state, WAITER_WAITS);
    waiter_done(w, -36);
    assert_int_equal(state_of(w), WAITER_DONE);
    assert_int_equal(atomic_load(&w->status), -36);
}

static void
look_reaches_a_waiter_that_waits_or_sleeps(void **state)
{
    struct waiter *w = &waiters[0];

    (void)state;
    atomic_store(&w->state, WAITER_WAITS);
    waiter_look(w);
    assert_int_equal(state_of(w), WAITER_LOOK);
    atomic_store(&w->state, WAITER_SLEEPS);
    waiter_look(w);
    assert_int_equal(state_of(w), WAITER_LOOK);
}

static void
look_replaces_neither_done_nor_free(void **state)
{
    struct waiter *w = &waiters[0];

    (void)state;
    waiter_look(w);
    assert_int_equal(state_of(w), WAITER_FREE);
    atomic_store(&w->state, WAITER_WAITS);
    waiter_done(w, 42);
    waiter_look(w);
    assert_int_equal(state_of(w), WAITER_DONE);
    assert_int_equal(atomic_load(&w->status), 42);
}

static void
done_replaces_look(void **state)
{
    struct waiter *w = &waiters[0];

    (void)state;
    atomic_store(&w->state, WAITER_WAITS);
    waiter_look(w);
    waiter_done(w, 42);
    assert_int_equal(state_of(w), WAITER_DONE);
}

static void
a_poke_reaches_one_sleeper_only(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CHANNEL_WAITERS; i++)
        atomic_store(&waiters[i].state, i < 10 ? WAITER_WAITS : WAITER_FREE);
    atomic_store(&waiters[5].state, WAITER_SLEEPS);
    atomic_store(&waiters[63].state, WAITER_SLEEPS);
    assert_true(waiters_look(waiters));
    assert_int_equal(state_of(&waiters[5]), WAITER_LOOK);
    assert_int_equal(state_of(&waiters[63]), WAITER_SLEEPS);
    assert_true(waiters_look(waiters));
    assert_int_equal(state_of(&waiters[63]), WAITER_LOOK);
    for (unsigned i = 0; i < CHANNEL_WAITERS - 1; i++) {
        if (i != 5)
            assert_int_equal(state_of(&waiters[i]), i < 10 ? WAITER_WAITS : WAITER_FREE);
    }
}

static void
a_poke_tells_when_nobody_sleeps(void **state)
{
    (void)state;
    atomic_store(&waiters[0].state, WAITER_WAITS);
    atomic_store(&waiters[1].state, WAITER_LOOK);
    atomic_store(&waiters[2].state, WAITER_DONE);
    assert_false(waiters_look(waiters));
    assert_int_equal(state_of(&waiters[0]), WAITER_WAITS);
    assert_int_equal(state_of(&waiters[2]), WAITER_DONE);
}

/* ---- sleeping ------------------------------------------------------------------------------ */

/* Sleeps once; tells how long in ms. */
static void *
sleep_once(void *arg)
{
    const uint64_t began = now_ns();

    waiter_sleep(arg, 2 * PATIENCE_MS);
    return (void *)(uintptr_t)((now_ns() - began) / 1000000u);
}

/* A thread that sleeps on the waiter. */
static pthread_t
sleeper(struct waiter *w)
{
    pthread_t thread;

    atomic_store(&w->state, WAITER_WAITS);
    assert_int_equal(pthread_create(&thread, NULL, sleep_once, w), 0);
    assert_true(reaches(w, WAITER_SLEEPS));
    usleep(20000); /* and now in the kernel */
    return thread;
}

static void
assert_woken(pthread_t thread)
{
    void *ms;

    pthread_join(thread, &ms);
    assert_true((uintptr_t)ms < PATIENCE_MS);
}

static void
done_wakes_a_sleeper(void **state)
{
    struct waiter *w = &waiters[7];
    pthread_t thread = sleeper(w);

    (void)state;
    waiter_done(w, INT64_MIN);
    assert_woken(thread);
    assert_int_equal(state_of(w), WAITER_DONE);
    assert_int_equal(atomic_load(&w->status), INT64_MIN);
}

static void
look_wakes_a_sleeper(void **state)
{
    struct waiter *w = &waiters[7];
    pthread_t thread = sleeper(w);

    (void)state;
    waiter_look(w);
    assert_woken(thread);
    assert_int_equal(state_of(w), WAITER_LOOK);
}

static void
a_poke_wakes_a_sleeper(void **state)
{
    pthread_t thread = sleeper(&waiters[63]);

    (void)state;
    assert_true(waiters_look(waiters));
    assert_woken(thread);
    assert_int_equal(state_of(&waiters[63]), WAITER_LOOK);
}

static void
a_sleeper_that_its_own_side_wakes_waits_again(void **state)
{
    struct waiter *w = &waiters[7];
    pthread_t thread = sleeper(w);

    (void)state;
    waiter_wake(w);
    assert_woken(thread);
    assert_int_equal(state_of(w), WAITER_WAITS);
}

static void
a_sleep_ends_at_its_timeout_and_waits_again(void **state)
{
    struct waiter *w = &waiters[0];
    const uint64_t began = now_ns();

    (void)state;
    atomic_store(&w->state, WAITER_WAITS);
    waiter_sleep(w, 20);
    assert_true(now_ns() - began >= 19000000u);
    assert_true(now_ns() - began < PATIENCE_MS * 1000000ull);
    assert_int_equal(state_of(w), WAITER_WAITS);
}

static void
who_was_told_already_does_not_sleep(void **state)
{
    struct waiter *w = &waiters[0];
    const uint64_t began = now_ns();

    (void)state;
    atomic_store(&w->state, WAITER_LOOK);
    waiter_sleep(w, PATIENCE_MS);
    assert_int_equal(state_of(w), WAITER_LOOK);
    waiter_done(w, 1);
    waiter_sleep(w, PATIENCE_MS);
    assert_int_equal(state_of(w), WAITER_DONE);
    assert_true(now_ns() - began < PATIENCE_MS * 1000000ull);
}

/* ---- no wake-up is lost -------------------------------------------------------------------- */

static _Atomic uint64_t asked;

/*
 * Answers each question, by turns at once and after a LOOK, while its asker is falling
 * asleep.
 */
static void *
answer_all(void *arg)
{
    struct waiter *w = arg;

    for (uint64_t i = 1; i <= ROUNDS; i++) {
        while (atomic_load_explicit(&asked, memory_order_acquire) != i)
            sched_yield();
        for (uint64_t spin = 0; spin < i % 64; spin++)
            atomic_signal_fence(memory_order_seq_cst);
        if (i % 3 == 0)
            waiter_look(w);
        if (i % 3 == 1)
            waiters_look(waiters);
        waiter_done(w, (int64_t)i);
    }
    return NULL;
}

/* Asks, and sleeps until it is DONE. false: slept to the timeout, or another's status came. */
static bool
ask_and_sleep(struct waiter *w, uint64_t i)
{
    uint64_t began = now_ns();
    uint32_t seen;

    atomic_store_explicit(&w->state, WAITER_WAITS, memory_order_relaxed);
    atomic_store_explicit(&asked, i, memory_order_release);
    while ((seen = state_of(w)) != WAITER_DONE) {
        if (seen == WAITER_LOOK)
            atomic_compare_exchange_strong(&w->state, &seen, WAITER_WAITS);
        else
            waiter_sleep(w, PATIENCE_MS);
        if (now_ns() - began > PATIENCE_MS * 900000ull)
            return false;
    }
    return atomic_load_explicit(&w->status, memory_order_relaxed) == (int64_t)i;
}

static void
no_wake_up_is_lost_however_the_two_sides_meet(void **state)
{
    struct waiter *w = &waiters[1];
    pthread_t worker;

    (void)state;
    atomic_store(&asked, 0);
    assert_int_equal(pthread_create(&worker, NULL, answer_all, w), 0);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        if (!ask_and_sleep(w, i))
            fail_msg("round %llu: the answer did not wake its asker",
                     (unsigned long long)i);
    }
    pthread_join(worker, NULL);
}

/* ---- how long to spin ---------------------------------------------------------------------- */

#define MOST_NS 100000u

static void
spinning_begins_at_the_most_that_waiting_is_worth(void **state)
{
    struct spin s;

    (void)state;
    spin_init(&s, MOST_NS);
    assert_int_equal(spin_ns(&s), MOST_NS);
}

static void
spinning_halves_and_ends_where_waits_are_long(void **state)
{
    struct spin s;

    (void)state;
    spin_init(&s, MOST_NS);
    for (uint64_t ns = MOST_NS / 2; ns > SPIN_FIRST_NS; ns /= 2) {
        spin_learn(&s, MOST_NS + 1);
        assert_int_equal(spin_ns(&s), ns);
    }
    spin_learn(&s, MOST_NS + 1);
    spin_learn(&s, UINT64_MAX);
    assert_int_equal(spin_ns(&s), 0);
    spin_learn(&s, MOST_NS + 1);
    assert_int_equal(spin_ns(&s), 0);
}

static void
spinning_grows_to_its_bound_where_waits_are_short(void **state)
{
    struct spin s = {0, MOST_NS};
    uint64_t before = 0;

    (void)state;
    spin_learn(&s, MOST_NS);
    assert_int_equal(spin_ns(&s), SPIN_FIRST_NS);
    for (unsigned i = 0; i < 20; i++) {
        spin_learn(&s, i);
        assert_true(spin_ns(&s) > before || spin_ns(&s) == MOST_NS);
        assert_true(spin_ns(&s) <= MOST_NS);
        before = spin_ns(&s);
    }
    assert_int_equal(spin_ns(&s), MOST_NS);
}

static void
a_bound_below_the_first_step_holds(void **state)
{
    struct spin s = {0, SPIN_FIRST_NS / 2};

    (void)state;
    spin_learn(&s, 1);
    assert_int_equal(spin_ns(&s), SPIN_FIRST_NS / 2);
}

static void
where_waiting_is_worth_nothing_nobody_ever_spins(void **state)
{
    struct spin s;

    (void)state;
    spin_init(&s, 0);
    assert_int_equal(spin_ns(&s), 0);
    spin_learn(&s, 0);
    assert_int_equal(spin_ns(&s), 0);
    spin_learn(&s, 1000);
    assert_int_equal(spin_ns(&s), 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_tag_carries_number_and_own_part),
        TEST(a_tag_without_a_number_names_no_waiter),
        TEST(a_number_too_large_names_no_waiter),
        TEST(done_gives_the_status_to_a_waiter_that_is_awake),
        TEST(look_reaches_a_waiter_that_waits_or_sleeps),
        TEST(look_replaces_neither_done_nor_free),
        TEST(done_replaces_look),
        TEST(a_poke_reaches_one_sleeper_only),
        TEST(a_poke_tells_when_nobody_sleeps),
        TEST(done_wakes_a_sleeper),
        TEST(look_wakes_a_sleeper),
        TEST(a_poke_wakes_a_sleeper),
        TEST(a_sleeper_that_its_own_side_wakes_waits_again),
        TEST(a_sleep_ends_at_its_timeout_and_waits_again),
        TEST(who_was_told_already_does_not_sleep),
        TEST(no_wake_up_is_lost_however_the_two_sides_meet),
        TEST(spinning_begins_at_the_most_that_waiting_is_worth),
        TEST(spinning_halves_and_ends_where_waits_are_long),
        TEST(spinning_grows_to_its_bound_where_waits_are_short),
        TEST(a_bound_below_the_first_step_holds),
        TEST(where_waiting_is_worth_nothing_nobody_ever_spins),
    };

    return cmocka_run_group_tests_name("waiter", tests, NULL, NULL);
}
