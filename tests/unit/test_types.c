/* SPDX-License-Identifier: MIT */
#include "policy/types.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct row {
    const char *name;
    uint64_t framebuffer_bytes;
    unsigned max_instances;
};

static void
assert_has_rows(const char *model, uint64_t memory, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct vgpu_type t;

        assert_int_equal(type_parse(model, memory, rows[i].name, &t), 0);
        assert_string_equal(t.name, rows[i].name);
        assert_int_equal(t.framebuffer_bytes, rows[i].framebuffer_bytes);
        assert_int_equal(t.max_instances, rows[i].max_instances);
    }
}

static void
every_profile_of_a_p40_is_offered(void **state)
{
    static const struct row rows[] = {{"p40-24g", 24 * GIB, 1}, {"p40-12g", 12 * GIB, 2},
                                      {"p40-8g", 8 * GIB, 3},   {"p40-6g", 6 * GIB, 4},
                                      {"p40-4g", 4 * GIB, 6},   {"p40-3g", 3 * GIB, 8},
                                      {"p40-2g", 2 * GIB, 12},  {"p40-1g", 1 * GIB, 24}};

    (void)state;
    assert_has_rows("p40", 24 * GIB, rows, COUNT(rows));
}

static void
every_profile_of_a_v100_is_offered(void **state)
{
    static const struct row small[] = {{"v100-16g", 16 * GIB, 1},
                                       {"v100-8g", 8 * GIB, 2},
                                       {"v100-4g", 4 * GIB, 4},
                                       {"v100-2g", 2 * GIB, 8},
                                       {"v100-1g", 1 * GIB, 16}};
    static const struct row large[] = {
        {"v100-32g", 32 * GIB, 1}, {"v100-16g", 16 * GIB, 2}, {"v100-8g", 8 * GIB, 4},
        {"v100-4g", 4 * GIB, 8},   {"v100-2g", 2 * GIB, 16},  {"v100-1g", 1 * GIB, 32}};

    (void)state;
    assert_has_rows("v100", 16 * GIB, small, COUNT(small));
    assert_has_rows("v100", 32 * GIB, large, COUNT(large));
}

static void
every_profile_of_an_a100_is_offered(void **state)
{
    static const struct row rows[] = {
        {"a100-40g", 40 * GIB, 1}, {"a100-20g", 20 * GIB, 2}, {"a100-10g", 10 * GIB, 4},
        {"a100-8g", 8 * GIB, 5},   {"a100-5g", 5 * GIB, 8},   {"a100-4g", 4 * GIB, 10}};

    (void)state;
    assert_has_rows("a100", 40 * GIB, rows, COUNT(rows));
}

static const struct row h200_rows[] = {
    {"h200-141g", 141 * GIB, 1}, {"h200-70g", 70 * GIB, 2}, {"h200-35g", 35 * GIB, 4},
    {"h200-28g", 28 * GIB, 5},   {"h200-17g", 17 * GIB, 8}, {"h200-14g", 14 * GIB, 10},
    {"h200-8g", 8 * GIB, 16},    {"h200-7g", 7 * GIB, 20},  {"h200-4g", 4 * GIB, 32}};

static void
every_profile_of_an_h200_is_offered(void **state)
{
    (void)state;
    assert_has_rows("h200", 141 * GIB, h200_rows, COUNT(h200_rows));
}

/* The driver of a real one reports 143771 MiB: only the whole board's name is another. */
static void
memory_kept_by_the_driver_changes_no_shared_profile(void **state)
{
    static const struct row whole = {"h200-140g", 140 * GIB, 1};

    (void)state;
    assert_has_rows("h200", 143771 * MIB, &whole, 1);
    assert_has_rows("h200", 143771 * MIB, h200_rows + 1, COUNT(h200_rows) - 1);
}

static void
a_software_gpu_of_2_gib_offers_512m_four_times(void **state)
{
    static const struct row rows[] = {
        {"cpu-2g", 2 * GIB, 1},     {"cpu-1g", 1 * GIB, 2},
        {"cpu-682m", 682 * MIB, 3}, {"cpu-512m", 512 * MIB, 4},
        {"cpu-409m", 409 * MIB, 5}, {"cpu-341m", 341 * MIB, 6},
        {"cpu-256m", 256 * MIB, 8}, {"cpu-64m", 64 * MIB, 32}};
    struct vgpu_type types[TYPES_MAX];

    (void)state;
    assert_has_rows("cpu", 2 * GIB, rows, COUNT(rows));
    assert_int_equal(types_of_gpu("cpu", 2 * GIB, types, TYPES_MAX), 13);
}

/* Also where rounding makes two sizes one: 24 GiB / 5 and / 6 are both 4 GiB. */
static void
types_are_distinct_fall_in_size_and_all_fit(void **state)
{
    (void)state;
    for (uint64_t memory = 64 * MIB; memory < 200 * GIB;
         memory += memory / 13 + 7 * KIB) {
        struct vgpu_type types[TYPES_MAX], t;
        const int n = types_of_gpu("gpu", memory, types, TYPES_MAX);

        assert_true(n >= 1);
        for (int i = 0; i < n; i++) {
            const uint64_t size = types[i].framebuffer_bytes;

            assert_true(size >= 64 * MIB && size * types[i].max_instances <= memory);
            assert_int_equal(size % (size >= 4 * GIB ? GIB : MIB), 0);
            assert_true(i == 0 || size < types[i - 1].framebuffer_bytes);
            assert_true(i == 0 || types[i].max_instances > types[i - 1].max_instances);
            assert_int_equal(type_parse("gpu", memory, types[i].name, &t), 0);
            assert_int_equal(t.framebuffer_bytes, size);
            assert_int_equal(t.max_instances, types[i].max_instances);
        }
    }
}

static void
a_gpu_under_64_mib_has_no_type(void **state)
{
    struct vgpu_type types[TYPES_MAX];

    (void)state;
    assert_int_equal(types_of_gpu("cpu", 64 * MIB - 1, types, TYPES_MAX), 0);
    assert_int_equal(types_of_gpu("cpu", 64 * MIB, types, TYPES_MAX), 1);
    assert_string_equal(types[0].name, "cpu-64m");
}

static void
no_more_types_than_room_are_written(void **state)
{
    struct vgpu_type types[3];

    (void)state;
    memset(types, 0, sizeof(types));
    assert_int_equal(types_of_gpu("cpu", 2 * GIB, types, 0), 0);
    assert_int_equal(types_of_gpu("cpu", 2 * GIB, types, 2), 2);
    assert_string_equal(types[1].name, "cpu-1g");
    assert_string_equal(types[2].name, "");
}

static void
a_model_that_would_not_fit_a_name_is_refused(void **state)
{
    static const char longest[] = "abcdefghijklmnopqrstuvwxyz0123";
    static const char too_long[] = "abcdefghijklmnopqrstuvwxyz01234";
    struct vgpu_type types[TYPES_MAX];

    (void)state;
    assert_int_equal(types_of_gpu("", GIB, types, TYPES_MAX), -EINVAL);
    assert_int_equal(types_of_gpu(too_long, GIB, types, TYPES_MAX), -EINVAL);
    assert_int_equal(type_parse(too_long, GIB, "x-1g", types), -EINVAL);
    assert_true(types_of_gpu(longest, UINT64_MAX, types, TYPES_MAX) > 0);
    assert_string_equal(types[0].name, "abcdefghijklmnopqrstuvwxyz0123-17179869183g");
}

static void
only_exact_type_names_are_known(void **state)
{
    static const char *const unknown[] = {
        "cpu-513m", "cpu-512", "cpu-0512m", "cpu-512M", "cpu",
        "512m",     "",        "cpu-512m ", "gpu-512m", "cpu-512mx"};
    struct vgpu_type t;

    (void)state;
    for (size_t i = 0; i < COUNT(unknown); i++)
        assert_int_equal(type_parse("cpu", 2 * GIB, unknown[i], &t), -ENOENT);
}

static void
sizes_read_well_and_never_promise_too_much(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {{0, "0 B"},
                 {1023, "1023 B"},
                 {KIB, "1 KiB"},
                 {512 * MIB, "512 MiB"},
                 {MIB + MIB / 2, "1.5 MiB"},
                 {GIB, "1 GiB"},
                 {3413 * MIB, "3413 MiB"},
                 {4 * GIB - 1, "4095.9 MiB"},
                 {17 * GIB, "17 GiB"},
                 {18 * GIB - 1, "17.9 GiB"},
                 {141 * GIB / 8, "17.6 GiB"},
                 {UINT64_MAX, "17179869183.9 GiB"}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char buf[24];

        size_format(cases[i].bytes, buf, sizeof(buf));
        assert_string_equal(buf, cases[i].text);
    }
}

static void
the_largest_size_has_room(void **state)
{
    char buf[SIZE_TEXT_BYTES];

    (void)state;
    size_format(UINT64_MAX, buf, sizeof(buf));
    assert_string_equal(buf, "17179869183.9 GiB");
}

static void
a_short_buffer_is_still_ended(void **state)
{
    char buf[4] = "xxx";

    (void)state;
    size_format(512 * MIB, buf, sizeof(buf));
    assert_string_equal(buf, "512");
}

static void
sizes_as_people_write_them_are_read(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {{"512m", 512 * MIB},
                 {"512M", 512 * MIB},
                 {"2g", 2 * GIB},
                 {"2GiB", 2 * GIB},
                 {"2giB", 2 * GIB},
                 {"17 GiB", 17 * GIB},
                 {"1.5g", GIB + GIB / 2},
                 {"0.25m", 256 * KIB},
                 {"1.1k", 1126},
                 {"1.000001m", MIB + 1},
                 {"1t", 1024 * GIB},
                 {"64k", 64 * KIB},
                 {"1073741824", GIB},
                 {"512 B", 512},
                 {"0", 0},
                 {"007m", 7 * MIB},
                 {"18446744073709551615", UINT64_MAX},
                 {"16777215t", UINT64_MAX - 1024 * GIB + 1}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t v = 1;

        assert_int_equal(size_parse(cases[i].text, &v), 0);
        assert_int_equal(v, cases[i].bytes);
    }
}

static void
what_is_not_a_size_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "m",
                                      "-1",
                                      "+1",
                                      " 1g",
                                      "1g ",
                                      "1  g",
                                      "1 ",
                                      "1.5",
                                      "1.g",
                                      ".5g",
                                      "1.5.5g",
                                      "1.1234567g",
                                      "1e9",
                                      "0x10",
                                      "2GB",
                                      "2gb",
                                      "2Gi",
                                      "2GIB",
                                      "2ib",
                                      "2giBs",
                                      "2 bytes",
                                      "1,5g",
                                      "1.5 B",
                                      "1g1",
                                      "2b",
                                      "nan",
                                      "inf",
                                      "1 . 5g",
                                      "1.99999999999999999999g"};

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint64_t v = 42;

        assert_int_equal(size_parse(bad[i], &v), -EINVAL);
        assert_int_equal(v, 42);
    }
}

static void
sizes_beyond_64_bits_are_out_of_range(void **state)
{
    static const char *const big[] = {"18446744073709551616", "99999999999999999999999",
                                      "16777216t", "17179869184g",
                                      "18446744073709551615k"};

    (void)state;
    for (size_t i = 0; i < COUNT(big); i++) {
        uint64_t v = 42;

        assert_int_equal(size_parse(big[i], &v), -ERANGE);
        assert_int_equal(v, 42);
    }
}

static void
a_formatted_type_size_reads_back_the_same(void **state)
{
    struct vgpu_type types[TYPES_MAX];
    const int n = types_of_gpu("h", 40 * GIB, types, TYPES_MAX);

    (void)state;
    for (int i = 0; i < n; i++) {
        char buf[24];
        uint64_t v = 0;

        size_format(types[i].framebuffer_bytes, buf, sizeof(buf));
        assert_int_equal(size_parse(buf, &v), 0);
        assert_int_equal(v, types[i].framebuffer_bytes);
    }
}

static void
good_vgpu_names_are_valid(void **state)
{
    static const char *const good[] = {
        "a",    "0",    "train-0",
        "a--b", "all0", "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijkl"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(vgpu_name_valid(good[i]));
        assert_null(vgpu_name_problem(good[i]));
    }
}

static void
bad_vgpu_names_are_refused_with_the_reason(void **state)
{
    static const char chars[] = "may hold only a-z, 0-9 and '-'";
    static const char ends[] = "must begin and end with a letter or a digit";
    static const struct {
        const char *name, *problem;
    } cases[] = {{NULL, "is empty"},
                 {"", "is empty"},
                 {"all", "is reserved"},
                 {"-", ends},
                 {"-a", ends},
                 {"a-", ends},
                 {"Train", chars},
                 {"a_b", chars},
                 {"a/b", chars},
                 {"..", chars},
                 {"a b", chars},
                 {"a\n", chars},
                 {"\xc3\xa4", chars},
                 {"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklm",
                  "is longer than 48 characters"}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_false(vgpu_name_valid(cases[i].name));
        assert_string_equal(vgpu_name_problem(cases[i].name), cases[i].problem);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_profile_of_a_p40_is_offered),
        cmocka_unit_test(every_profile_of_a_v100_is_offered),
        cmocka_unit_test(every_profile_of_an_a100_is_offered),
        cmocka_unit_test(every_profile_of_an_h200_is_offered),
        cmocka_unit_test(memory_kept_by_the_driver_changes_no_shared_profile),
        cmocka_unit_test(a_software_gpu_of_2_gib_offers_512m_four_times),
        cmocka_unit_test(types_are_distinct_fall_in_size_and_all_fit),
        cmocka_unit_test(a_gpu_under_64_mib_has_no_type),
        cmocka_unit_test(no_more_types_than_room_are_written),
        cmocka_unit_test(a_model_that_would_not_fit_a_name_is_refused),
        cmocka_unit_test(only_exact_type_names_are_known),
        cmocka_unit_test(sizes_read_well_and_never_promise_too_much),
        cmocka_unit_test(the_largest_size_has_room),
        cmocka_unit_test(a_short_buffer_is_still_ended),
        cmocka_unit_test(sizes_as_people_write_them_are_read),
        cmocka_unit_test(what_is_not_a_size_is_refused),
        cmocka_unit_test(sizes_beyond_64_bits_are_out_of_range),
        cmocka_unit_test(a_formatted_type_size_reads_back_the_same),
        cmocka_unit_test(good_vgpu_names_are_valid),
        cmocka_unit_test(bad_vgpu_names_are_refused_with_the_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
