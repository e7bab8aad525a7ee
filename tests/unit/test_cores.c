/* SPDX-License-Identifier: MIT */
/* In threads of their own: nothing that a test does to itself is left to the next. */
#include "worker/cores.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void
in_a_thread(void *(*body)(void *), void *arg)
{
    pthread_t t;

    assert_int_equal(pthread_create(&t, NULL, body, arg), 0);
    assert_int_equal(pthread_join(t, NULL), 0);
}

struct seen {
    const char *list;
    int rc, policy_before, policy, policy_after;
    cpu_set_t before, pinned, after;
};

static void *
pin_and_restore(void *arg)
{
    struct seen *s = arg;
    struct cores_saved saved;

    sched_getaffinity(0, sizeof s->before, &s->before);
    s->policy_before = sched_getscheduler(0);
    s->rc = cores_pin(s->list, &saved);
    sched_getaffinity(0, sizeof s->pinned, &s->pinned);
    s->policy = sched_getscheduler(0);
    cores_restore(&saved);
    sched_getaffinity(0, sizeof s->after, &s->after);
    s->policy_after = sched_getscheduler(0);
    return NULL;
}

static int
first_core(void)
{
    cpu_set_t set;
    int core = 0;

    sched_getaffinity(0, sizeof set, &set);
    while (!CPU_ISSET(core, &set))
        core++;
    return core;
}

static void
a_thread_is_moved_and_keeps_off_those_cores_later(void **state)
{
    const int core = first_core();
    char list[16];
    struct seen s = {.list = list};

    (void)state;
    snprintf(list, sizeof list, "%d", core);
    in_a_thread(pin_and_restore, &s);
    assert_int_equal(s.rc, 0);
    assert_int_equal(CPU_COUNT(&s.pinned), 1);
    assert_true(CPU_ISSET(core, &s.pinned));
    assert_int_equal(s.policy, SCHED_BATCH);
    assert_int_equal(s.policy_after, s.policy_before);
    if (CPU_COUNT(&s.before) == 1) {
        assert_true(CPU_EQUAL(&s.after, &s.before));
        return;
    }
    CPU_SET(core, &s.after);
    assert_true(CPU_EQUAL(&s.after, &s.before));
}

static void
nothing_is_left_of_all_cores_so_it_may_use_all(void **state)
{
    struct seen s = {.list = "0-1023"};

    (void)state;
    in_a_thread(pin_and_restore, &s);
    assert_int_equal(s.rc, 0);
    assert_true(CPU_EQUAL(&s.pinned, &s.before));
    assert_true(CPU_EQUAL(&s.after, &s.before));
}

static void
without_a_list_nothing_changes(void **state)
{
    struct seen s = {.list = NULL};

    (void)state;
    in_a_thread(pin_and_restore, &s);
    assert_int_equal(s.rc, 0);
    assert_int_equal(s.policy, s.policy_before);
    assert_true(CPU_EQUAL(&s.after, &s.before));
}

static void
what_is_no_list_is_refused(void **state)
{
    struct seen s = {.list = "0-"};

    (void)state;
    in_a_thread(pin_and_restore, &s);
    assert_int_equal(s.rc, -EINVAL);
    assert_true(CPU_EQUAL(&s.after, &s.before));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_is_moved_and_keeps_off_those_cores_later),
        cmocka_unit_test(nothing_is_left_of_all_cores_so_it_may_use_all),
        cmocka_unit_test(without_a_list_nothing_changes),
        cmocka_unit_test(what_is_no_list_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
