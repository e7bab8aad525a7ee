/* SPDX-License-Identifier: MIT */
#include "policy/sim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)
#define HOUR_NS (UINT64_C(3600) * 1000 * MS)

/* A sanitizer sees all of a day in an hour of it, and takes five times as long for each. */
#ifdef __SANITIZE_ADDRESS__
#define DAY_NS (2 * HOUR_NS)
#else
#define DAY_NS (24 * HOUR_NS)
#endif

/* A bully, a guest that launches and waits, one of a few commands, and five that are busy. */
static void
changing_load(struct sim_guest g[8])
{
    static const char *const words[8] = {
        "name=bully,kernel=100ms",
        "name=waits,kernel=exp:500us,arrival=closed:20us",
        "name=seldom,kernel=exp:500us,arrival=open:exp:50ms",
        "name=a,kernel=exp:500us",
        "name=b,kernel=uniform:100us-2ms",
        "name=c,kernel=exp:5ms",
        "name=d,kernel=500us",
        "name=e,kernel=exp:1ms"};
    const char *problem;
    char key[64];

    for (unsigned i = 0; i < 8; i++) {
        g[i] = (struct sim_guest){.share = SCHED_SHARE_ONE / 8};
        assert_int_equal(sim_parse_guest(words[i], &g[i], &problem, key), 0);
    }
}

static double
part_of_day(uint64_t ns)
{
    return (double)ns / (double)DAY_NS;
}

/* A day: what is promised and what is given differ by less than 0.5 % of it. */
static void
check_day(enum sched_policy policy)
{
    const struct sim_params p = {.policy = policy,
                                 .sched = {.slice_ns = 2 * MS},
                                 .length_ns = DAY_NS,
                                 .linger_ns = MS / 20,
                                 .seed = 1};
    static struct sim_result r[8];
    struct sim_guest g[8];
    struct sim_gpu gpu;

    changing_load(g);
    sim_run(&p, g, 8, &gpu, r);
    for (unsigned i = 0; i < 8; i++) {
        /* Best effort: what the two that are not always busy leave is for the six that are. */
        const double promised = policy == SCHED_BEST_EFFORT
                                    ? part_of_day(r[0].used_ns)
                                    : (double)r[i].promised / (double)SCHED_SHARE_ONE;
        const double got =
            part_of_day(policy == SCHED_BEST_EFFORT ? r[i].used_ns : r[i].held_ns);

        if (policy != SCHED_BEST_EFFORT || (i != 1 && i != 2))
            assert_true(got > promised * 0.995 && got < promised * 1.005);
    }
    if (policy == SCHED_BEST_EFFORT)
        assert_true(part_of_day(gpu.idle_ns) < 0.02);
}

static void
a_day_of_best_effort_does_not_drift(void **state)
{
    (void)state;
    check_day(SCHED_BEST_EFFORT);
}

static void
a_day_of_equal_share_does_not_drift(void **state)
{
    (void)state;
    check_day(SCHED_EQUAL_SHARE);
}

static void
a_day_of_fixed_share_does_not_drift(void **state)
{
    (void)state;
    check_day(SCHED_FIXED_SHARE);
}

/* Also when the other comes while the turn is handed over. */
static void
a_turn_under_best_effort_has_a_command(void **state)
{
    const struct sim_params p = {.policy = SCHED_BEST_EFFORT,
                                 .sched = {.slice_ns = 2 * MS},
                                 .length_ns = 1000 * MS,
                                 .handover_ns = MS / 5,
                                 .seed = 1};
    static struct sim_result r[2];
    struct sim_guest g[2] = {0};
    struct sim_gpu gpu;
    const char *problem;
    char key[64];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(sim_parse_guest("kernel=100us,arrival=closed:exp:300us", &g[i],
                                         &problem, key),
                         0);
        g[i].share = SCHED_SHARE_ONE / 2;
    }
    sim_run(&p, g, 2, &gpu, r);
    assert_true(gpu.turns > 500);
    assert_true(gpu.turns <= r[0].commands + r[1].commands);
}

static void
words_are_read(void **state)
{
    struct sim_command c;
    char name[SIM_NAME_MAX];
    const char *problem;
    struct sim_dist d;
    uint64_t v;

    (void)state;
    assert_int_equal(sim_parse_time("1.5ms", &v), 0);
    assert_int_equal(v, 1500000);
    assert_int_equal(sim_parse_time("1.ms", &v), -EINVAL);
    assert_int_equal(sim_parse_time("5", &v), -EINVAL);
    assert_int_equal(sim_parse_time("999999999h", &v), -ERANGE);
    assert_int_equal(sim_parse_share("12.5%", &v), 0);
    assert_int_equal(v, SCHED_SHARE_ONE / 8);
    assert_int_equal(sim_parse_share("9/8", &v), -EINVAL);
    assert_int_equal(sim_parse_dist("uniform:2ms-1ms", &d), -EINVAL);
    assert_int_equal(sim_parse_line("12.5ms a 500us\n", name, &c, &problem), 1);
    assert_int_equal(c.at_ns, 12500000);
    assert_int_equal(c.length_ns, 500000);
    assert_string_equal(name, "a");
    assert_int_equal(sim_parse_line("# a comment", name, &c, &problem), 0);
    assert_int_equal(sim_parse_line("12.5ms a", name, &c, &problem), -EINVAL);
}

static void
jains_index_is_one_when_all_are_alike(void **state)
{
    const double alike[] = {2, 2, 2, 2}, one[] = {1, 0, 0, 0};

    (void)state;
    assert_true(sim_jain(alike, 4) > 0.999999);
    assert_true(sim_jain(one, 4) < 0.250001);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_of_best_effort_does_not_drift),
        cmocka_unit_test(a_day_of_equal_share_does_not_drift),
        cmocka_unit_test(a_day_of_fixed_share_does_not_drift),
        cmocka_unit_test(a_turn_under_best_effort_has_a_command),
        cmocka_unit_test(words_are_read),
        cmocka_unit_test(jains_index_is_one_when_all_are_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
