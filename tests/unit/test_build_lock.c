/* SPDX-License-Identifier: MIT */
/* Who builds a program while others want to: one, then the others together. */
#include "worker/build_lock.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY UINT64_C(0xfedcba9876543210)
#define WAITERS 4
#define A_WHILE_US 30000

static char folder[] = "/tmp/tessera-test-XXXXXX";

struct waiter {
    pthread_t thread;
    pthread_barrier_t *all; /* where those meet who have the turn together; NULL: alone */
    _Atomic bool began, got;
    int turn;
};

static void *
waiter_main(void *arg)
{
    struct waiter *w = arg;

    atomic_store(&w->began, true);
    w->turn = build_lock(folder, KEY);
    atomic_store(&w->got, true);
    if (w->all)
        pthread_barrier_wait(w->all);
    return NULL;
}

static void
waiter_start(struct waiter *w)
{
    assert_int_equal(pthread_create(&w->thread, NULL, waiter_main, w), 0);
}

static void
waiter_end(struct waiter *w)
{
    assert_int_equal(pthread_join(w->thread, NULL), 0);
    assert_true(w->turn >= 0);
    assert_int_equal(close(w->turn), 0);
}

static int
make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
    char path[sizeof folder + 32];

    (void)state;
    snprintf(path, sizeof path, "%s/tessera-builds", folder);
    return unlink(path) == 0 ? rmdir(folder) : -1;
}

static void
one_program_has_one_builder(void **state)
{
    struct waiter w = {0};
    int turn = build_lock(folder, KEY);

    (void)state;
    assert_true(turn >= 0);
    waiter_start(&w);
    usleep(A_WHILE_US);
    assert_false(atomic_load(&w.got));
    close(turn);
    waiter_end(&w);
}

static void
other_programs_do_not_wait(void **state)
{
    int one = build_lock(folder, KEY), other = build_lock(folder, KEY + 2);

    (void)state;
    assert_true(one >= 0 && other >= 0);
    close(other);
    close(one);
}

static void
who_waited_goes_on_with_all_others_who_did(void **state)
{
    struct waiter w[WAITERS] = {0};
    pthread_barrier_t all;
    int turn = build_lock(folder, KEY);

    (void)state;
    pthread_barrier_init(&all, NULL, WAITERS);
    for (unsigned i = 0; i < WAITERS; i++) {
        w[i].all = &all;
        waiter_start(&w[i]);
    }
    for (unsigned i = 0; i < WAITERS; i++) {
        while (!atomic_load(&w[i].began))
            usleep(A_WHILE_US);
    }
    usleep(10 * A_WHILE_US); /* who comes too late has not waited */
    close(turn);
    for (unsigned i = 0; i < WAITERS; i++)
        waiter_end(&w[i]);
    pthread_barrier_destroy(&all);
}

static void
who_is_killed_leaves_the_turn(void **state)
{
    int ready[2], turn;
    char byte;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (build_lock(folder, KEY) >= 0 && write(ready[1], "", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    turn = build_lock(folder, KEY);
    assert_true(turn >= 0);
    close(turn);
    close(ready[0]);
    close(ready[1]);
}

static void
without_a_cache_there_is_no_turn(void **state)
{
    (void)state;
    assert_int_equal(build_lock(NULL, KEY), -1);
    assert_int_equal(build_lock("/nonexistent", KEY), -1);
}

static void
key_tells_where_a_part_ends(void **state)
{
    const uint64_t one = build_key_add(build_key_add(BUILD_KEY_NONE, "ab", 2), "c", 1);
    const uint64_t other = build_key_add(build_key_add(BUILD_KEY_NONE, "a", 1), "bc", 2);

    (void)state;
    assert_true(one != other);
    assert_true(one == build_key_add(build_key_add(BUILD_KEY_NONE, "ab", 2), "c", 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_program_has_one_builder),
        cmocka_unit_test(other_programs_do_not_wait),
        cmocka_unit_test(who_waited_goes_on_with_all_others_who_did),
        cmocka_unit_test(who_is_killed_leaves_the_turn),
        cmocka_unit_test(without_a_cache_there_is_no_turn),
        cmocka_unit_test(key_tells_where_a_part_ends),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
