/* SPDX-License-Identifier: MIT */
#include "guest/opencl/multi/ranges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SIZE ((size_t)64)
#define HOLDERS 3u

static int held[8]; /* how often each stamp is held; a stamp is a place in here */

static void
hold(void *stamp)
{
    (*(int *)stamp)++;
}

static void
drop(void *stamp)
{
    (*(int *)stamp)--;
}

static const struct stamp_ops ops = {hold, drop};

static int
setup(void **state)
{
    struct ranges *r = malloc(sizeof *r);

    if (!r || !ranges_init(r, SIZE, HOLDERS, &ops))
        return -1;
    for (unsigned i = 0; i < 8; i++)
        held[i] = 0;
    *state = r;
    return 0;
}

/* Whatever was done: no stamp is held after the end. */
static int
teardown(void **state)
{
    ranges_fini(*state);
    free(*state);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(held[i], 0);
    return 0;
}

static void
wrote(struct ranges *r, size_t begin, size_t end, unsigned holder, void *stamp)
{
    assert_true(ranges_cut(r, begin, end));
    ranges_written(r, begin, end, holder, stamp);
}

static void
copied(struct ranges *r, size_t begin, size_t end, unsigned holder, void *stamp)
{
    assert_true(ranges_cut(r, begin, end));
    ranges_copied(r, begin, end, holder, stamp);
}

static void
fresh_bytes_are_valid_everywhere(void **state)
{
    struct ranges *r = *state;

    assert_int_equal(r->n, 1);
    assert_int_equal(r->list[0].end, SIZE);
    assert_int_equal(ranges_at(r, SIZE - 1)->valid, 7);
}

static void
a_writer_is_the_only_holder(void **state)
{
    struct ranges *r = *state;

    wrote(r, 16, 32, 1, &held[0]);
    assert_int_equal(r->n, 3);
    assert_int_equal(ranges_at(r, 15)->valid, 7);
    assert_int_equal(ranges_at(r, 16)->valid, 2);
    assert_int_equal(ranges_at(r, 31)->valid, 2);
    assert_int_equal(ranges_at(r, 32)->valid, 7);
    assert_int_equal(range_source(ranges_at(r, 20)), 1);
    assert_ptr_equal(ranges_at(r, 20)->stamp[1], &held[0]);
    assert_int_equal(held[0], 1);
}

static void
a_copy_adds_a_holder(void **state)
{
    struct ranges *r = *state;

    wrote(r, 0, SIZE, 2, &held[0]);
    copied(r, 8, 24, 0, &held[1]);
    assert_int_equal(ranges_at(r, 0)->valid, 4);
    assert_int_equal(ranges_at(r, 8)->valid, 5);
    assert_ptr_equal(ranges_at(r, 8)->stamp[2], &held[0]);
    assert_ptr_equal(ranges_at(r, 8)->stamp[0], &held[1]);
    assert_int_equal(ranges_at(r, 24)->valid, 4);
}

static void
a_write_over_all_leaves_one_range(void **state)
{
    struct ranges *r = *state;

    for (size_t at = 0; at < SIZE; at += 4)
        wrote(r, at, at + 4, (unsigned)at / 4 % HOLDERS, &held[at % 7]);
    assert_int_equal(r->n, SIZE / 4);
    wrote(r, 0, SIZE, 1, &held[7]);
    assert_int_equal(r->n, 1);
    assert_int_equal(held[7], 1);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(held[i], 0);
}

static void
neighbours_that_say_the_same_are_joined(void **state)
{
    struct ranges *r = *state;

    wrote(r, 0, 16, 0, &held[0]);
    wrote(r, 16, 32, 0, &held[0]);
    assert_int_equal(r->n, 2);
    assert_int_equal(ranges_at(r, 0)->end, 32);
    wrote(r, 32, 48, 0, &held[1]); /* another command: not the same */
    assert_int_equal(r->n, 3);
}

/* Against a plain array of one entry a byte. */
static void
random_commands_agree_with_a_plain_array(void **state)
{
    struct ranges *r = *state;
    uint64_t valid[SIZE];
    uint32_t random = 11;

    for (size_t i = 0; i < SIZE; i++)
        valid[i] = 7;
    for (unsigned n = 0; n < 2000; n++) {
        size_t a = (random = random * 1664525u + 1013904223u) / 65536 % SIZE;
        size_t b = a + 1 + random / 256 % (SIZE - a);
        unsigned holder = random / 4096 % HOLDERS;
        void *stamp = random % 3 ? &held[random / 16 % 8] : NULL;

        if (n % 2)
            wrote(r, a, b, holder, stamp);
        else
            copied(r, a, b, holder, stamp);
        for (size_t i = a; i < b; i++)
            valid[i] = (n % 2 ? 0 : valid[i]) | 1ull << holder;
        for (size_t i = 0; i < SIZE; i++)
            assert_int_equal(ranges_at(r, i)->valid, valid[i]);
    }
    assert_int_equal(r->list[0].begin, 0);
    assert_int_equal(r->list[r->n - 1].end, SIZE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fresh_bytes_are_valid_everywhere, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_writer_is_the_only_holder, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_adds_a_holder, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_over_all_leaves_one_range, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(neighbours_that_say_the_same_are_joined, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(random_commands_agree_with_a_plain_array, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
