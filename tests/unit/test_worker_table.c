/* SPDX-License-Identifier: MIT */
#include "worker/table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct guest_id
id(uint32_t slot, uint32_t generation)
{
    return (struct guest_id){(uint64_t)generation << 32 | slot};
}

static void
an_object_is_found_by_its_id(void **state)
{
    struct table t = {0};
    int a, b;

    (void)state;
    assert_int_equal(table_put(&t, id(1, 0), &a), 0);
    assert_int_equal(table_put(&t, id(70000, 3), &b), 0);
    assert_ptr_equal(table_find(&t, id(1, 0)), &a);
    assert_ptr_equal(table_find(&t, id(70000, 3)), &b);
    assert_int_equal(t.live, 2);
    table_fini(&t);
}

static void
an_id_that_was_never_given_finds_nothing(void **state)
{
    struct table t = {0};
    int a;

    (void)state;
    assert_null(table_find(&t, id(1, 0)));
    assert_int_equal(table_put(&t, id(1, 0), &a), 0);
    assert_null(table_find(&t, id(0, 0)));
    assert_null(table_find(&t, id(2, 0)));
    assert_null(table_find(&t, id(UINT32_MAX, UINT32_MAX)));
    table_fini(&t);
}

static void
a_stale_generation_finds_nothing(void **state)
{
    struct table t = {0};
    int a;

    (void)state;
    assert_int_equal(table_put(&t, id(5, 7), &a), 0);
    assert_null(table_find(&t, id(5, 6)));
    assert_null(table_take(&t, id(5, 8)));
    assert_ptr_equal(table_find(&t, id(5, 7)), &a);
    table_fini(&t);
}

static void
a_taken_slot_is_refused_in_every_generation(void **state)
{
    struct table t = {0};
    int a, b;

    (void)state;
    assert_int_equal(table_put(&t, id(5, 7), &a), 0);
    assert_false(table_is_free(&t, id(5, 8)));
    assert_int_equal(table_put(&t, id(5, 8), &b), -EEXIST);
    assert_ptr_equal(table_find(&t, id(5, 7)), &a);
    table_fini(&t);
}

static void
a_slot_comes_again_after_it_was_taken_out(void **state)
{
    struct table t = {0};
    int a, b;

    (void)state;
    assert_int_equal(table_put(&t, id(5, 7), &a), 0);
    assert_ptr_equal(table_take(&t, id(5, 7)), &a);
    assert_null(table_find(&t, id(5, 7)));
    assert_int_equal(table_put(&t, id(5, 8), &b), 0);
    assert_ptr_equal(table_find(&t, id(5, 8)), &b);
    assert_int_equal(t.live, 1);
    table_fini(&t);
}

static void
slots_end_where_the_protocol_says(void **state)
{
    struct table t = {0};
    int a;

    (void)state;
    assert_false(table_is_free(&t, id(0, 1)));
    assert_int_equal(table_put(&t, id(0, 1), &a), -ERANGE);
    assert_false(table_is_free(&t, id(TABLE_SLOTS + 1, 0)));
    assert_int_equal(table_put(&t, id(TABLE_SLOTS + 1, 0), &a), -ERANGE);
    assert_true(table_is_free(&t, id(TABLE_SLOTS, 0)));
    assert_int_equal(table_put(&t, id(TABLE_SLOTS, 0), &a), 0);
    assert_ptr_equal(table_find(&t, id(TABLE_SLOTS, 0)), &a);
    table_fini(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_found_by_its_id),
        cmocka_unit_test(an_id_that_was_never_given_finds_nothing),
        cmocka_unit_test(a_stale_generation_finds_nothing),
        cmocka_unit_test(a_taken_slot_is_refused_in_every_generation),
        cmocka_unit_test(a_slot_comes_again_after_it_was_taken_out),
        cmocka_unit_test(slots_end_where_the_protocol_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
