/* SPDX-License-Identifier: MIT */
/* The arithmetic behind the tables: medians, ratios, targets, words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rows.h"
#include "stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct row time_row = {.name = "t",
                                    .unit = ROW_TIME,
                                    .target = TARGET_AT_MOST,
                                    .aim = 1.0,
                                    .aim_discrete = 2.0};
static const struct row copy_row = {.name = "c",
                                    .unit = ROW_BANDWIDTH,
                                    .bytes = 1e6,
                                    .target = TARGET_AT_LEAST,
                                    .aim = 0.98,
                                    .aim_discrete = 0.9};
static const struct row rate_row = {
    .name = "r", .unit = ROW_RATE, .target = TARGET_GROWS};

static void
quantiles_interpolate_and_leave_the_input_alone(void **state)
{
    const double v[] = {4, 1, 3, 2};

    (void)state;
    assert_float_equal(stats_median(v, 4), 2.5, 1e-9);
    assert_float_equal(stats_quantile(v, 4, 0.0), 1, 1e-9);
    assert_float_equal(stats_quantile(v, 4, 1.0), 4, 1e-9);
    assert_float_equal(v[0], 4, 0);
    assert_true(isnan(stats_median(v, 0)));
}

/* The vGPU takes twice as long: a time's ratio doubles, a bandwidth's halves. */
static void
ratios_follow_the_unit(void **state)
{
    struct result *r = calloc(1, sizeof *r);

    (void)state;
    r->row = &time_row;
    result_add(r, (struct figure){100, 100}, (struct figure){200, 200});
    assert_float_equal(result_summary(r).ratio, 2.0, 1e-9);
    r->row = &copy_row;
    assert_float_equal(result_summary(r).ratio, 0.5, 1e-9);
    assert_float_equal(row_speed(&time_row, 2.0), row_speed(&copy_row, 0.5), 1e-9);
    free(r);
}

/* A slow moment of the machine hits both sides of a round, so it does not count. */
static void
the_ratio_is_of_rounds_not_of_medians(void **state)
{
    struct result *r = calloc(1, sizeof *r);

    (void)state;
    r->row = &time_row;
    result_add(r, (struct figure){100, 0}, (struct figure){50, 0});
    result_add(r, (struct figure){900, 0}, (struct figure){450, 0});
    result_add(r, (struct figure){200, 0}, (struct figure){400, 0});
    assert_float_equal(result_summary(r).ratio, 0.5, 1e-9);
    assert_float_equal(result_summary(r).most, 2.0, 1e-9);
    free(r);
}

static void
targets_are_judged_by_kind_of_gpu(void **state)
{
    (void)state;
    assert_true(row_met(&time_row, false, 1.0, NAN));
    assert_false(row_met(&time_row, false, 1.01, NAN));
    assert_true(row_met(&time_row, true, 1.01, NAN));
    assert_false(row_met(&copy_row, false, 0.97, NAN));
    assert_true(row_met(&copy_row, true, 0.97, NAN));
    assert_false(row_met(&time_row, false, NAN, NAN));
}

static void
growth_is_held_against_one_thread_but_not_past_native(void **state)
{
    (void)state;
    assert_true(row_met(&rate_row, false, 0.5, 0.5));
    assert_false(row_met(&rate_row, false, 0.4, 0.5));
    assert_true(row_met(&rate_row, false, 1.0, 3.0));
    assert_false(row_met(&rate_row, false, 0.5, NAN));
}

/* Nothing native to compare with: the vGPU's own figure counts. */
static void
a_share_of_a_core_is_judged_by_itself(void **state)
{
    static const struct row row = {
        .name = "s", .unit = ROW_SHARE, .target = TARGET_BELOW, .aim = 1.0};
    struct result *r = calloc(1, sizeof *r);
    char text[32];

    (void)state;
    r->row = &row;
    result_add(r, (struct figure){NAN, NAN}, (struct figure){0.9, NAN});
    assert_true(isnan(result_summary(r).ratio));
    assert_true(row_met(&row, false, result_summary(r).score, NAN));
    result_add(r, (struct figure){NAN, NAN}, (struct figure){1.1, NAN});
    assert_false(row_met(&row, false, result_summary(r).score, NAN));
    row_value_words(&row, 0.123, text, sizeof text);
    assert_string_equal(text, "0.12 %");
    row_target_words(&row, false, text, sizeof text);
    assert_string_equal(text, "< 1 %");
    free(r);
}

static void
added_time_is_judged_by_the_difference(void **state)
{
    static const struct row row = {
        .name = "a", .unit = ROW_TIME, .target = TARGET_ADDS, .aim = 1e8};
    struct result *r = calloc(1, sizeof *r);
    char text[32];

    (void)state;
    r->row = &row;
    result_add(r, (struct figure){1e9, 1e9}, (struct figure){1.09e9, 2e9});
    assert_true(row_met(&row, false, result_summary(r).score, NAN));
    row_score_words(&row, result_summary(r).score, text, sizeof text);
    assert_string_equal(text, "+90 ms");
    row_target_words(&row, false, text, sizeof text);
    assert_string_equal(text, "< +100 ms");
    r->vgpu[0].median = 1.1e9;
    assert_false(row_met(&row, false, result_summary(r).score, NAN));
    free(r);
}

static void
values_keep_three_digits(void **state)
{
    char text[32];

    (void)state;
    row_value_words(&time_row, 9.996, text, sizeof text);
    assert_string_equal(text, "10.0 ns");
    row_value_words(&time_row, 999.6, text, sizeof text);
    assert_string_equal(text, "1.00 us");
    row_value_words(&copy_row, 1e5, text, sizeof text);
    assert_string_equal(text, "10.00 GB/s");
    row_value_words(&rate_row, 1e5, text, sizeof text);
    assert_string_equal(text, "10.0 k/s");
    row_value_words(&time_row, NAN, text, sizeof text);
    assert_string_equal(text, "-");
}

static void
row_names_are_unique_and_fit(void **state)
{
    unsigned n = 0;

    (void)state;
    for (const struct row *r = rows; r->name; r++, n++) {
        for (const struct row *other = r + 1; other->name; other++)
            assert_string_not_equal(r->name, other->name);
    }
    assert_true(n > 0 && n <= ROWS_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_interpolate_and_leave_the_input_alone),
        cmocka_unit_test(ratios_follow_the_unit),
        cmocka_unit_test(the_ratio_is_of_rounds_not_of_medians),
        cmocka_unit_test(targets_are_judged_by_kind_of_gpu),
        cmocka_unit_test(growth_is_held_against_one_thread_but_not_past_native),
        cmocka_unit_test(a_share_of_a_core_is_judged_by_itself),
        cmocka_unit_test(added_time_is_judged_by_the_difference),
        cmocka_unit_test(values_keep_three_digits),
        cmocka_unit_test(row_names_are_unique_and_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
