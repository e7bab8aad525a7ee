/* SPDX-License-Identifier: MIT */
#include "link/account.h"
#include "link/limit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void
what_is_not_set_is_the_default(void **state)
{
    const struct limits l = {0};

    (void)state;
    assert_int_equal(limit_of(&l, LIMIT_SESSIONS), ACCOUNT_SLOTS);
    assert_int_equal(limit_of(&l, LIMIT_PROGRAM_BYTES), 1u << 30);
}

static void
numbers_may_have_a_unit(void **state)
{
    struct limits l = {0};

    (void)state;
    assert_int_equal(limits_set(&l, "objects=1000"), 0);
    assert_int_equal(limit_of(&l, LIMIT_OBJECTS), 1000);
    assert_int_equal(limits_set(&l, "program-bytes=3M"), 0);
    assert_int_equal(limit_of(&l, LIMIT_PROGRAM_BYTES), 3u << 20);
    assert_int_equal(limits_set(&l, "sessions=64"), 0);
    assert_int_equal(limits_set(&l, "process-sessions=2"), 0);
    assert_int_equal(limits_set(&l, "inflight-bytes=1k"), 0);
    assert_int_equal(limit_of(&l, LIMIT_SESSIONS), 64);
    assert_int_equal(limit_of(&l, LIMIT_INFLIGHT_BYTES), 1024);
}

static void
other_words_change_nothing(void **state)
{
    static const char *const wrong[] = {
        "objects",
        "objects=",
        "objects=0",
        "objects=-1",
        "objects= 1",
        "objects=1x",
        "objects=1kk",
        "object=1",
        "=1",
        "",
        "sessions=65",
        "objects=65m",
        "objects=1k ",
        "objects=18446744073709551617",
        "program-bytes=18014398509481985g",
    };
    struct limits l = {0};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(limits_set(&l, wrong[i]), -EINVAL);
    for (unsigned i = 0; i < LIMIT_COUNT; i++)
        assert_int_equal(l.value[i], 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_set_is_the_default),
        cmocka_unit_test(numbers_may_have_a_unit),
        cmocka_unit_test(other_words_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
