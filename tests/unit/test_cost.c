/* SPDX-License-Identifier: MIT */
#include "gate/cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static int
setup(void **state)
{
    *state = calloc(1, sizeof(struct costs));
    return *state ? 0 : -1;
}

static int
teardown(void **state)
{
    free(*state);
    return 0;
}

static void
what_was_never_measured_is_unknown(void **state)
{
    uint64_t ns;

    assert_false(cost_known(*state, 7, &ns));
    cost_learn(*state, 8, MS);
    assert_false(cost_known(*state, 7, &ns));
}

static void
an_estimate_follows_what_is_measured(void **state)
{
    uint64_t ns = 0;

    cost_learn(*state, 7, MS);
    assert_true(cost_known(*state, 7, &ns));
    assert_int_equal(ns, MS);
    for (unsigned i = 0; i < 30; i++)
        cost_learn(*state, 7, 3 * MS);
    assert_true(cost_known(*state, 7, &ns));
    assert_in_range(ns, 3 * MS - MS / 100, 3 * MS);
}

/* All of these have the same places. */
static void
what_was_met_least_gives_way(void **state)
{
    uint64_t ns;

    for (unsigned i = 0; i < 10; i++)
        cost_learn(*state, 7, MS);
    for (uint64_t key = 7 + COSTS; key < 7 + UINT64_C(20) * COSTS; key += COSTS)
        cost_learn(*state, key, 2 * MS);
    assert_true(cost_known(*state, 7, &ns));
    assert_int_equal(ns, MS);
    assert_true(cost_known(*state, 7 + UINT64_C(19) * COSTS, &ns));
}

static void
asking_compiles_nothing(void **state)
{
    assert_false(cost_compiled(*state, 7));
    assert_false(cost_compiled(*state, 7));
    cost_note_compiled(*state, 7);
    assert_true(cost_compiled(*state, 7));
    assert_false(cost_compiled(*state, 9));
}

static void
the_latest_is_known_to_be_compiled(void **state)
{
    for (uint64_t key = 7; key < 7 + UINT64_C(20) * COSTS; key += COSTS) {
        assert_false(cost_compiled(*state, key));
        cost_note_compiled(*state, key);
        assert_true(cost_compiled(*state, key));
    }
    assert_true(cost_compiled(*state, 7));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_never_measured_is_unknown),
        TEST(an_estimate_follows_what_is_measured),
        TEST(what_was_met_least_gives_way),
        TEST(asking_compiles_nothing),
        TEST(the_latest_is_known_to_be_compiled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
