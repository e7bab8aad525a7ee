/* SPDX-License-Identifier: MIT */
/* What is read from a vGPU's counters, and what is advised of that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/advise.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define MS UINT64_C(1000000)
#define MIB (UINT64_C(1) << 20)
#define ABOUT(is, wanted) assert_true(fabs((is) - (wanted)) < 0.01)

/* ---- figures of readings --------------------------------------------------------------- */

/* A reading at so many ms, after so many of device time, and of the compiler. */
static struct advise_reading
at(uint64_t ms, uint64_t used_ms, uint64_t compile_ms)
{
    return (struct advise_reading){.time_ns = ms * MS,
                                   .used_ns = used_ms * MS,
                                   .busy_ns = used_ms * MS,
                                   .compile_ns = compile_ms * MS,
                                   .commands = used_ms,
                                   .kernels = used_ms,
                                   .peak_bytes = used_ms * MIB};
}

static struct advise_measured
measured(const struct advise_reading *readings, unsigned n)
{
    struct advise_track t = {0};

    for (unsigned i = 0; i < n; i++)
        advise_track_add(&t, &readings[i]);
    return advise_measure(&t, 10, 5);
}

static void
start_and_end_do_not_thin_the_duty_cycle(void **state)
{
    const struct advise_reading readings[] = {
        at(1000, 0, 0),   at(1100, 0, 0),   at(2000, 0, 0),   at(2100, 50, 0),
        at(2200, 100, 0), at(2300, 150, 0), at(5000, 150, 0),
    };
    const struct advise_measured m = measured(readings, 7);

    (void)state;
    ABOUT(m.active_s, 0.3);
    ABOUT(m.duty, 0.5);
    ABOUT(m.launches, 500);
    ABOUT(m.host_cores, 0.5);
    ABOUT(m.variation, 0);
    assert_int_equal(m.peak_bytes, 150 * MIB);
}

static void
the_compiler_takes_no_time_of_the_gpu(void **state)
{
    const struct advise_reading readings[] = {at(1000, 0, 0), at(5000, 100, 3800),
                                              at(5100, 200, 3800)};
    const struct advise_measured m = measured(readings, 3);

    (void)state;
    ABOUT(m.active_s, 0.3);
    ABOUT(m.duty, 0.667);
    ABOUT(m.compile_s, 3.8);
}

/* Then a program copies its data in, and builds. */
static void
what_passes_before_the_first_kernel_is_a_start(void **state)
{
    struct advise_reading readings[] = {at(1000, 0, 0), at(1100, 20, 0), at(3000, 20, 0),
                                        at(3100, 70, 0), at(3200, 120, 0)};
    struct advise_measured m;

    (void)state;
    readings[1].kernels = readings[2].kernels = 0;
    m = measured(readings, 5);
    ABOUT(m.active_s, 0.2);
    ABOUT(m.duty, 0.5);
    assert_int_equal(m.intervals, 1);
}

static void
pauses_count_once_work_goes_on(void **state)
{
    const struct advise_reading readings[] = {at(1000, 0, 0),   at(1100, 80, 0),
                                              at(1200, 80, 0),  at(1300, 80, 0),
                                              at(1400, 160, 0), at(1500, 160, 0)};
    const struct advise_measured m = measured(readings, 6);

    (void)state;
    ABOUT(m.duty, 0.4);
    assert_int_equal(m.intervals, 3);
    ABOUT(m.variation, sqrt(3)); /* of 0, 0 and 0.8 */
}

static void
who_does_nothing_has_no_figures(void **state)
{
    const struct advise_reading readings[] = {at(1000, 0, 0), at(1100, 0, 0)};
    const struct advise_measured m = measured(readings, 2);

    (void)state;
    assert_int_equal(m.commands, 0);
    ABOUT(m.duty, 0);
    ABOUT(m.launches, 0);
}

static void
readings_are_of_one_vgpu(void **state)
{
    json_t *stats =
        json_pack("{sI s[{s[{ss sI}{ss sI sI}]}]}", "time_ns", (json_int_t)7, "gpus",
                  "vgpus", "name", "a", "used_ns", (json_int_t)1, "name", "b", "used_ns",
                  (json_int_t)2, "peak_bytes", (json_int_t)3);
    struct advise_reading r;

    (void)state;
    assert_int_equal(advise_read(stats, "b", &r), 0);
    assert_int_equal(r.time_ns, 7);
    assert_int_equal(r.used_ns, 2);
    assert_int_equal(r.peak_bytes, 3);
    assert_int_equal(r.kernel_p50_ns, 0);
    assert_int_equal(advise_read(stats, "c", &r), -ENOENT);
    json_decref(stats);
}

/* ---- advice ---------------------------------------------------------------------------- */

/* Of a program that holds so much and works so much of the time, in steps of 1 ms. */
static struct advise_measured
program(uint64_t mib, double duty)
{
    return (struct advise_measured){.active_s = 10,
                                    .duty = duty,
                                    .launches = duty * 1000,
                                    .variation = 0.5,
                                    .intervals = 100,
                                    .peak_bytes = mib * MIB,
                                    .commands = 1000,
                                    .kernels = 1000};
}

/* Launches of 1 ms that are so far apart, evenly. */
static struct advise_measured
paced(uint64_t mib, double duty)
{
    struct advise_measured m = program(mib, duty);

    m.variation = 0.1;
    m.launches = 30;
    return m;
}

static struct advice
pick(struct advise_measured m, enum advise_need need)
{
    static struct advise_site site; /* the type in the advice is one of its */
    struct advice a;

    site = (struct advise_site){.cores = 64};
    site.ntypes = (unsigned)types_of_gpu("x", 2048 * MIB, site.types, TYPES_MAX);
    advise_pick(&m, &site, need, &a);
    return a;
}

static void
the_smallest_type_with_a_margin(void **state)
{
    (void)state;
    assert_string_equal(pick(program(0, 0.9), ADVISE_GUESS).type->name, "x-64m");
    assert_string_equal(pick(program(48, 0.9), ADVISE_GUESS).type->name, "x-64m");
    assert_string_equal(pick(program(49, 0.9), ADVISE_GUESS).type->name, "x-85m");
    assert_string_equal(pick(program(460, 0.9), ADVISE_GUESS).type->name, "x-512m");
    assert_string_equal(pick(program(470, 0.9), ADVISE_GUESS).type->name, "x-682m");
}

static void
what_no_type_holds_with_a_margin_gets_the_largest(void **state)
{
    const struct advice a = pick(program(2000, 0.9), ADVISE_GUESS);

    (void)state;
    assert_string_equal(a.type->name, "x-2g");
    assert_non_null(strstr(a.why_type, "no type is larger"));
    assert_null(pick(program(4000, 0.9), ADVISE_GUESS).type);
}

static void
who_keeps_the_gpu_busy_is_alone_under_best_effort(void **state)
{
    const struct advice a = pick(program(10, 0.95), ADVISE_GUESS);

    (void)state;
    assert_int_equal(a.policy, SCHED_BEST_EFFORT);
    assert_int_equal(a.guests, 1);
    assert_int_equal(a.by_memory, 32);
    ABOUT(a.slowdown, 1);
    assert_non_null(strstr(a.why_guests, "Two would take about 1.9 times"));
}

static void
who_visits_is_best_under_best_effort(void **state)
{
    const struct advice a = pick(program(100, 0.05), ADVISE_GUESS);

    (void)state;
    assert_int_equal(a.policy, SCHED_BEST_EFFORT);
    assert_int_equal(a.by_time, 20);
    assert_int_equal(a.guests, 16); /* by memory */
}

static void
who_works_in_step_gets_short_slices_of_an_equal_share(void **state)
{
    const struct advice a = pick(program(100, 0.4), ADVISE_GUESS);

    (void)state;
    assert_int_equal(a.policy, SCHED_EQUAL_SHARE);
    assert_int_equal(a.slice_us, 1000);
    assert_int_equal(a.guests, 2);
}

static void
an_even_rate_gets_a_fixed_share_that_is_large_enough(void **state)
{
    const struct advice a = pick(paced(10, 0.23), ADVISE_GUESS);

    (void)state;
    assert_int_equal(a.policy, SCHED_FIXED_SHARE);
    assert_string_equal(a.type->name, "x-512m"); /* 1/4 of the time */
    assert_int_equal(a.guests, 4);
    assert_non_null(strstr(a.why_type, "x-64m would hold that"));
}

/* Few readings, or pauses of a program's own steps, are no rate. */
static void
a_rate_is_not_guessed_of_little(void **state)
{
    struct advise_measured m = paced(10, 0.23);

    (void)state;
    m.intervals = 9;
    assert_int_equal(pick(m, ADVISE_GUESS).policy, SCHED_EQUAL_SHARE);
    m = paced(10, 0.23);
    m.launches = 1000;
    assert_int_equal(pick(m, ADVISE_GUESS).policy, SCHED_EQUAL_SHARE);
}

static void
what_is_asked_for_is_not_guessed(void **state)
{
    const struct advice a = pick(program(10, 0.95), ADVISE_RATE);

    (void)state;
    assert_int_equal(a.policy, SCHED_FIXED_SHARE);
    assert_string_equal(a.type->name, "x-2g"); /* the whole GPU's time */
    assert_non_null(strstr(a.why_policy, "asked for"));
    assert_int_equal(pick(program(10, 0.95), ADVISE_LATENCY).policy, SCHED_EQUAL_SHARE);
}

static void
the_host_can_be_what_is_short(void **state)
{
    struct advise_site site = {.cores = 4, .gpu_cores = 4};
    struct advise_measured m = program(10, 0.1);
    struct advice a;

    (void)state;
    site.ntypes = (unsigned)types_of_gpu("x", 2048 * MIB, site.types, TYPES_MAX);
    m.host_cores = 0.6; /* and 0.4 of the cores that the software GPU computes on */
    advise_pick(&m, &site, ADVISE_GUESS, &a);
    assert_int_equal(a.by_time, 10);
    assert_int_equal(a.by_host, 4);
    assert_int_equal(a.guests, 4);
    m.host_cores = 9;
    advise_pick(&m, &site, ADVISE_GUESS, &a);
    assert_int_equal(a.guests, 1);
}

static void
who_gave_it_nothing_to_do_is_told_so(void **state)
{
    const struct advice a = pick((struct advise_measured){0}, ADVISE_GUESS);
    const struct advice held =
        pick((struct advise_measured){.peak_bytes = 7}, ADVISE_GUESS);

    (void)state;
    assert_null(a.type);
    assert_non_null(strstr(a.why_type, "nothing to do"));
    assert_string_equal(held.type->name, "x-64m");
    assert_int_equal(held.guests, 32);
}

static void
slowdowns_are_those_of_a_closed_system(void **state)
{
    (void)state;
    ABOUT(advise_slowdown(0.7, 1), 1);
    ABOUT(advise_slowdown(1, 3), 3);
    ABOUT(advise_slowdown(0.5, 2), 1.25);
    ABOUT(advise_slowdown(0, 32), 1);
}

static void
needs_have_words(void **state)
{
    enum advise_need need;

    (void)state;
    assert_true(advise_need_parse("rate", &need));
    assert_int_equal(need, ADVISE_RATE);
    assert_string_equal(advise_need_word(ADVISE_LATENCY), "latency");
    assert_false(advise_need_parse("guess", &need));
    assert_false(advise_need_parse("", &need));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_and_end_do_not_thin_the_duty_cycle),
        cmocka_unit_test(the_compiler_takes_no_time_of_the_gpu),
        cmocka_unit_test(what_passes_before_the_first_kernel_is_a_start),
        cmocka_unit_test(pauses_count_once_work_goes_on),
        cmocka_unit_test(who_does_nothing_has_no_figures),
        cmocka_unit_test(readings_are_of_one_vgpu),
        cmocka_unit_test(the_smallest_type_with_a_margin),
        cmocka_unit_test(what_no_type_holds_with_a_margin_gets_the_largest),
        cmocka_unit_test(who_keeps_the_gpu_busy_is_alone_under_best_effort),
        cmocka_unit_test(who_visits_is_best_under_best_effort),
        cmocka_unit_test(who_works_in_step_gets_short_slices_of_an_equal_share),
        cmocka_unit_test(an_even_rate_gets_a_fixed_share_that_is_large_enough),
        cmocka_unit_test(a_rate_is_not_guessed_of_little),
        cmocka_unit_test(what_is_asked_for_is_not_guessed),
        cmocka_unit_test(the_host_can_be_what_is_short),
        cmocka_unit_test(who_gave_it_nothing_to_do_is_told_so),
        cmocka_unit_test(slowdowns_are_those_of_a_closed_system),
        cmocka_unit_test(needs_have_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
