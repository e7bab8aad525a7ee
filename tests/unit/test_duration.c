/* SPDX-License-Identifier: MIT */
/* Times as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/duration.h"

#include <errno.h>

static void
times_with_units_are_read(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {
        {"2ms", 2000000},
        {"500us", 500000},
        {"30s", 30000000000},
        {"1.5ms", 1500000},
        {"0s", 0},
        {"7ns", 7},
        {"0.000001s", 1000},
        {"2min", UINT64_C(120000000000)},
        {"0.5h", 1800000000000},
    };
    uint64_t ns;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(duration_parse(good[i].text, &ns), 0);
        assert_int_equal(ns, good[i].ns);
    }
}

static void
what_is_no_time_is_refused(void **state)
{
    static const char *const bad[] = {"",    "2",    "ms",   "2 ms",  " 2ms", "-2ms",
                                      "2m",  "2MS",  "2ms ", "2.ms",  ".5s",  "1e3us",
                                      "off", "0x2s", "2sec", "1.2.3s"};
    uint64_t ns = 42;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(duration_parse(bad[i], &ns), -EINVAL);
    assert_int_equal(ns, 42);
}

static void
what_does_not_fit_is_told_apart(void **state)
{
    uint64_t ns;

    (void)state;
    assert_int_equal(duration_parse("99999999999s", &ns), -ERANGE);
    assert_int_equal(duration_parse("9999999999999999999999ns", &ns), -ERANGE);
}

static void
times_are_written_short(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } times[] = {
        {0, "0 s"},          {1, "1 ns"},           {2000000, "2 ms"},
        {1500000, "1.5 ms"}, {30000000000, "30 s"}, {1234567, "1.235 ms"},
        {100000, "100 us"},
    };
    char text[DURATION_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        duration_format(times[i].ns, text, sizeof text);
        assert_string_equal(text, times[i].text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_with_units_are_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(what_does_not_fit_is_told_apart),
        cmocka_unit_test(times_are_written_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
