/* SPDX-License-Identifier: MIT */
/* Buckets of kernels' lengths, and what is read from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "link/lengths.h"

static void
each_bucket_ends_where_the_next_begins(void **state)
{
    (void)state;
    for (unsigned i = 0; i + 1 < LENGTHS_BUCKETS; i++) {
        assert_int_equal(lengths_bucket(lengths_most_ns(i)), i);
        assert_int_equal(lengths_bucket(lengths_most_ns(i) + 1), i + 1);
    }
    assert_int_equal(lengths_bucket(0), 0);
    assert_int_equal(lengths_bucket(UINT64_MAX), LENGTHS_BUCKETS - 1);
}

static void
what_is_told_is_right_to_a_quarter(void **state)
{
    (void)state;
    for (uint64_t ns = 1024; ns < UINT64_C(60000000000); ns += ns / 7) {
        const uint64_t told = lengths_most_ns(lengths_bucket(ns));

        assert_true(told >= ns);
        assert_true(told - ns <= ns / 4);
    }
}

static void
quantiles_are_by_nearest_rank(void **state)
{
    uint64_t n[LENGTHS_BUCKETS] = {0};

    (void)state;
    assert_int_equal(lengths_quantile_ns(n, 0.5), 0);
    n[lengths_bucket(1000000)] = 98;
    n[lengths_bucket(50000000)] = 2;
    assert_int_equal(lengths_quantile_ns(n, 0.5),
                     lengths_most_ns(lengths_bucket(1000000)));
    assert_int_equal(lengths_quantile_ns(n, 0.98),
                     lengths_most_ns(lengths_bucket(1000000)));
    assert_int_equal(lengths_quantile_ns(n, 0.99),
                     lengths_most_ns(lengths_bucket(50000000)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bucket_ends_where_the_next_begins),
        cmocka_unit_test(what_is_told_is_right_to_a_quarter),
        cmocka_unit_test(quantiles_are_by_nearest_rank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
