/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "office/query.h"
#include "office/sheet.h"

static const char path[] = "sheet.db";
static struct sheet sheet; /* too large for the stack */
static struct rng rng;

static void
make(void)
{
    struct failure why = {0};

    rng = (struct rng){.state = 7};
    assert_int_equal(sheet_make(&sheet, path, &rng, &why), 0);
}

static void
execute(const char *sql)
{
    struct failure why = {0};
    struct query q;

    query_init(&q, path, &why);
    query_execute(&q, sql);
    assert_int_equal(query_fini(&q), 0);
}

static uint64_t
total(void)
{
    uint64_t sum = 0;

    for (int row = 0; row < SHEET_ROWS; row++)
        for (int col = 0; col < SHEET_COLUMNS; col++)
            sum += (uint64_t)sheet.values[row][col];
    return sum;
}

static void
sum_is_that_of_all_cells(void **state)
{
    struct failure why = {0};
    uint64_t answer = 0;

    (void)state;
    make();
    assert_int_equal(sheet_sum(&sheet, &answer, &why), 0);
    assert_int_equal(answer, total());
}

/* The median is known by counting, too: as many rows are before it as behind. */
static void
sort_finds_the_median_of_its_column(void **state)
{
    const struct rng before = (make(), rng);
    struct rng same = before;
    const uint32_t col = rng_below(&same, SHEET_COLUMNS);
    struct failure why = {0};
    uint64_t answer = 0;
    int smaller = 0, equal = 0;

    (void)state;
    assert_int_equal(sheet_sort(&sheet, &rng, &answer, &why), 0);
    for (int row = 0; row < SHEET_ROWS; row++) {
        smaller += sheet.values[row][col] < (int64_t)answer;
        equal += sheet.values[row][col] == (int64_t)answer;
    }
    assert_true(smaller <= SHEET_ROWS / 2 && smaller + equal > SHEET_ROWS / 2);
}

static void
formula_adds_up_products(void **state)
{
    const struct rng before = (make(), rng);
    struct rng same = before;
    const uint32_t a = rng_below(&same, SHEET_COLUMNS);
    const uint32_t b = rng_below(&same, SHEET_COLUMNS);
    const int64_t limit = rng_below(&same, SHEET_VALUE_MAX);
    struct failure why = {0};
    uint64_t answer = 0, sum = 0;

    (void)state;
    assert_int_equal(sheet_formula(&sheet, &rng, &answer, &why), 0);
    for (int row = 0; row < SHEET_ROWS; row++)
        if (sheet.values[row][a] > limit)
            sum += (uint64_t)(sheet.values[row][a] * sheet.values[row][b]);
    assert_true(sum > 0);
    assert_int_equal(answer, sum);
}

static void
update_changes_cells_in_the_file(void **state)
{
    struct failure why = {0};
    const uint64_t before = (make(), total());
    struct query q;
    uint64_t answer = 0;

    (void)state;
    assert_int_equal(sheet_update(&sheet, &rng, &answer, &why), 0);
    assert_int_not_equal(answer, before);
    assert_int_equal(answer, total());

    query_init(&q, path, &why);
    query_begin(&q, "SELECT value FROM cell ORDER BY row, col", NULL, 0);
    for (int row = 0; row < SHEET_ROWS; row++)
        for (int col = 0; col < SHEET_COLUMNS; col++)
            query_expect(&q, &sheet.values[row][col], 1);
    query_expect_end(&q);
    assert_int_equal(query_fini(&q), 0);
}

/* Each kind by itself finds that, and says so. */
static void
assert_all_fail(int code, const char *text)
{
    for (int kind = 0; kind < 4; kind++) {
        struct failure why = {0};
        uint64_t answer;
        const int r = kind == 0   ? sheet_sum(&sheet, &answer, &why)
                      : kind == 1 ? sheet_sort(&sheet, &rng, &answer, &why)
                      : kind == 2 ? sheet_formula(&sheet, &rng, &answer, &why)
                                  : sheet_update(&sheet, &rng, &answer, &why);

        assert_int_equal(r, code);
        assert_int_equal(strncmp(why.text, "sheet.db: ", 10), 0);
        assert_non_null(strstr(why.text, text));
    }
}

static void
file_that_is_no_database_is_refused(void **state)
{
    (void)state;
    make();
    fixture_write(path, 0, "not a database !", 16);
    assert_all_fail(-EIO, "file is not a database");
}

static void
file_cut_short_is_refused(void **state)
{
    (void)state;
    make();
    assert_int_equal(truncate(path, 4096), 0);
    assert_all_fail(-EIO, "malformed");
}

static void
value_changed_behind_its_back_is_noticed(void **state)
{
    struct failure why = {0};
    uint64_t answer;

    (void)state;
    make();
    execute("UPDATE cell SET value = value + 1 WHERE row = 17 AND col = 3");
    assert_int_equal(sheet_sum(&sheet, &answer, &why), -EBADMSG);
    assert_non_null(strstr(why.text, "sheet.db: sum(value) is "));
}

static void
missing_and_added_rows_are_noticed(void **state)
{
    struct failure fewer = {0}, more = {0};
    uint64_t answer;

    (void)state;
    make();
    execute("DELETE FROM cell WHERE col = 9");
    assert_int_equal(sheet_sum(&sheet, &answer, &fewer), -EBADMSG);
    assert_string_equal(fewer.text, "sheet.db: fewer rows than there should be");

    unlink(path);
    make();
    execute("INSERT INTO cell VALUES (0, 99, 5)");
    assert_int_equal(sheet_sum(&sheet, &answer, &more), -EBADMSG);
    assert_string_equal(more.text, "sheet.db: more rows than there should be");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(sum_is_that_of_all_cells),
        FOLDER_TEST(sort_finds_the_median_of_its_column),
        FOLDER_TEST(formula_adds_up_products),
        FOLDER_TEST(update_changes_cells_in_the_file),
        FOLDER_TEST(file_that_is_no_database_is_refused),
        FOLDER_TEST(file_cut_short_is_refused),
        FOLDER_TEST(value_changed_behind_its_back_is_noticed),
        FOLDER_TEST(missing_and_added_rows_are_noticed),
    };

    return cmocka_run_group_tests_name("sheet", tests, NULL, NULL);
}
