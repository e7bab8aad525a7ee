/* SPDX-License-Identifier: MIT */
/* Work in parts, and figures with their rounds, targets and words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "load_track.h"
#include "sched_figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void
work_grows_evenly_between_completions(void **state)
{
    struct track t = {0};

    (void)state;
    track_begin(&t, 1000);
    assert_int_equal(track_done(&t, 1100), 0);
    assert_int_equal(track_done(&t, 1300), 0);
    assert_float_equal(track_at(&t, 1000), 0, 1e-9);
    assert_float_equal(track_at(&t, 1050), 0.5, 1e-9);
    assert_float_equal(track_at(&t, 1100), 1, 1e-9);
    assert_float_equal(track_at(&t, 1250), 1.75, 1e-9);
    track_fini(&t);
}

/* What is under way at the end counts only when its own end is known. */
static void
work_without_an_end_is_not_counted(void **state)
{
    struct track t = {0};

    (void)state;
    track_begin(&t, 1000);
    assert_float_equal(track_at(&t, 5000), 0, 1e-9);
    track_done(&t, 1100);
    assert_float_equal(track_at(&t, 5000), 1, 1e-9);
    assert_float_equal(track_at(&t, 500), 0, 1e-9);
    track_fini(&t);
}

static void
a_new_run_forgets_the_last(void **state)
{
    struct track t = {0};

    (void)state;
    track_begin(&t, 0);
    for (uint64_t i = 1; i <= 5000; i++)
        assert_int_equal(track_done(&t, i * 10), 0);
    assert_float_equal(track_at(&t, 25005), 2500.5, 1e-9);
    track_begin(&t, 100000);
    track_done(&t, 100200);
    assert_float_equal(track_at(&t, 100100), 0.5, 1e-9);
    track_fini(&t);
}

static const struct figure_id error_id = {.experiment = "shares-2",
                                          .policy = "equal-share",
                                          .what = "error",
                                          .unit = FIGURE_POINTS,
                                          .aim = AIM_AT_MOST,
                                          .target = 0.02};

static int
setup(void **state)
{
    struct figures *f = calloc(1, sizeof *f);

    *state = f;
    return f ? figures_init(f) : -1;
}

static int
teardown(void **state)
{
    figures_fini(*state);
    free(*state);
    return 0;
}

static void
rounds_have_a_median_and_a_worst(void **state)
{
    struct figures *f = *state;

    figure_add(f, &error_id, 0.01);
    figure_add(f, &error_id, 0.03);
    figure_add(f, &error_id, NAN);
    figure_add(f, &error_id, 0.015);
    assert_int_equal(f->n, 1);
    assert_float_equal(figure_median(&f->list[0]), 0.015, 1e-9);
    assert_float_equal(figure_worst(&f->list[0]), 0.03, 1e-9);
    assert_true(figure_met(&f->list[0], false));
    assert_false(figure_met(&f->list[0], true));
}

static void
the_worst_of_what_should_be_large_is_the_least(void **state)
{
    struct figures *f = *state;
    struct figure_id id = error_id;

    id.aim = AIM_AT_LEAST;
    id.target = 0.97;
    figure_add(f, &id, 0.99);
    figure_add(f, &id, 0.96);
    figure_add(f, &id, 0.98);
    assert_float_equal(figure_worst(&f->list[0]), 0.96, 1e-9);
    assert_true(figure_met(&f->list[0], false));
    assert_false(figure_met(&f->list[0], true));
}

static void
figures_survive_their_file(void **state)
{
    struct figures *f = *state, *other;
    json_t *o;

    figure_add(f, &error_id, 0.01);
    figure_add(f, &error_id, 0.02);
    json_object_set_new(f->series, "shares-2 equal-share", json_true());
    o = figures_json(f);
    assert_int_equal(setup((void **)&other), 0);
    figures_load(other, o);
    assert_int_equal(other->n, 1);
    assert_int_equal(other->list[0].n, 2);
    assert_int_equal(other->list[0].aim, AIM_AT_MOST);
    assert_int_equal(other->list[0].unit, FIGURE_POINTS);
    assert_float_equal(other->list[0].target, 0.02, 1e-9);
    assert_non_null(json_object_get(other->series, "shares-2 equal-share"));
    json_decref(o);
    teardown((void **)&other);
}

static void
an_experiment_measured_anew_takes_its_old_figures_away(void **state)
{
    static const char *const series[] = {
        "shares-2 equal-share", "shares-2 pinned equal-share", "shares-20 equal-share"};
    struct figures *f = *state;
    struct figure_id pinned = error_id;

    pinned.pinned = true;
    figure_add(f, &error_id, 0.01);
    figure_add(f, &pinned, 0.02);
    for (unsigned i = 0; i < 3; i++)
        json_object_set_new(f->series, series[i], json_true());
    figures_drop(f, "shares-2", false);
    assert_int_equal(f->n, 1);
    assert_true(f->list[0].pinned);
    assert_null(json_object_get(f->series, series[0]));
    assert_non_null(json_object_get(f->series, series[1]));
    assert_non_null(json_object_get(f->series, series[2]));
}

static void
figures_are_told_in_their_unit(void **state)
{
    static const struct {
        enum figure_unit unit;
        double value;
        const char *words;
    } rows[] = {
        {FIGURE_POINTS, 0.0042, "0.42 pt"}, {FIGURE_SHARE, 0.125, "12.50 %"},
        {FIGURE_RATIO, 0.9987, "0.9987"},   {FIGURE_TIME, 1.24e6, "1.24 ms"},
        {FIGURE_TIME, 999.6, "1.00 us"},    {FIGURE_COUNT, 3, "3"},
        {FIGURE_SHARE, NAN, "-"},
    };
    char text[FIGURE_WORDS_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct figure f = {.unit = rows[i].unit};

        figure_words(&f, rows[i].value, text, sizeof text);
        assert_string_equal(text, rows[i].words);
    }
}

int
main(void)
{
#define ON_FIGURES(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_grows_evenly_between_completions),
        cmocka_unit_test(work_without_an_end_is_not_counted),
        cmocka_unit_test(a_new_run_forgets_the_last),
        ON_FIGURES(rounds_have_a_median_and_a_worst),
        ON_FIGURES(the_worst_of_what_should_be_large_is_the_least),
        ON_FIGURES(figures_survive_their_file),
        ON_FIGURES(an_experiment_measured_anew_takes_its_old_figures_away),
        cmocka_unit_test(figures_are_told_in_their_unit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
