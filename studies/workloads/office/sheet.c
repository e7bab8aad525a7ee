/* SPDX-License-Identifier: MIT */
#include "office/sheet.h"

#include <stdlib.h>
#include <string.h>

#include "office/query.h"

enum { UPDATES = 50 };

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

static int64_t
draw_value(struct rng *rng)
{
    return rng_below(rng, SHEET_VALUE_MAX);
}

int
sheet_make(struct sheet *s, const char *path, struct rng *rng, struct failure *why)
{
    struct query q;

    s->path = path;
    query_init(&q, path, why);
    query_execute(&q, "BEGIN; CREATE TABLE cell (row INTEGER, col INTEGER, value INTEGER,"
                      " PRIMARY KEY (row, col)) WITHOUT ROWID");
    query_begin(&q, "INSERT INTO cell VALUES (?1, ?2, ?3)", NULL, 0);
    for (int row = 0; row < SHEET_ROWS && !q.error; row++)
        for (int col = 0; col < SHEET_COLUMNS && !q.error; col++) {
            const int64_t value = s->values[row][col] = draw_value(rng);

            query_repeat(&q, (const int64_t[]){row, col, value}, 3);
        }
    query_execute(&q, "COMMIT");
    return query_fini(&q);
}

struct row {
    int64_t value, row;
};

static int
compare_rows(const void *a, const void *b)
{
    const struct row *const x = a, *const y = b;

    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The whole rows, as they are to be: the place of each, and what its cells come to. */
static int
expect_sorted(struct query *q, const struct sheet *s, const struct row *rows)
{
    for (int i = 0; i < SHEET_ROWS && !q->error; i++) {
        int64_t sum = 0;

        for (int col = 0; col < SHEET_COLUMNS; col++)
            sum += s->values[rows[i].row][col];
        query_expect(q, (const int64_t[]){rows[i].row, rows[i].value, sum}, 3);
    }
    return query_expect_end(q);
}

int
sheet_sort(const struct sheet *s, struct rng *rng, uint64_t *ret_answer,
           struct failure *why)
{
    const int64_t col = rng_below(rng, SHEET_COLUMNS);
    static struct row rows[SHEET_ROWS]; /* too large for the stack */
    struct query q;

    for (int i = 0; i < SHEET_ROWS; i++)
        rows[i] = (struct row){.value = s->values[i][col], .row = i};
    qsort(rows, SHEET_ROWS, sizeof rows[0], compare_rows);

    query_init(&q, s->path, why);
    query_begin(&q,
                "SELECT row, sum(value * (col = ?1)) AS key, sum(value) FROM cell"
                " GROUP BY row ORDER BY key, row",
                &col, 1);
    expect_sorted(&q, s, rows);
    *ret_answer = (uint64_t)rows[SHEET_ROWS / 2].value;
    return query_fini(&q);
}

/* count, sum, min, max */
static void
summarize(const struct sheet *s, int col, int64_t *ret_numbers)
{
    int64_t sum = 0, min = INT64_MAX, max = INT64_MIN;

    for (int row = 0; row < SHEET_ROWS; row++) {
        const int64_t value = s->values[row][col];

        sum += value;
        min = value < min ? value : min;
        max = value > max ? value : max;
    }
    memcpy(ret_numbers, (const int64_t[]){SHEET_ROWS, sum, min, max},
           4 * sizeof *ret_numbers);
}

int
sheet_sum(const struct sheet *s, uint64_t *ret_answer, struct failure *why)
{
    struct query q;
    uint64_t total = 0;

    query_init(&q, s->path, why);
    query_begin(&q,
                "SELECT count(*), sum(value), min(value), max(value) FROM cell"
                " GROUP BY col ORDER BY col",
                NULL, 0);
    for (int col = 0; col < SHEET_COLUMNS && !q.error; col++) {
        int64_t numbers[4];

        summarize(s, col, numbers);
        query_expect(&q, numbers, COUNT(numbers));
        total += (uint64_t)numbers[1];
    }
    query_expect_end(&q);
    *ret_answer = total;
    return query_fini(&q);
}

int
sheet_formula(const struct sheet *s, struct rng *rng, uint64_t *ret_answer,
              struct failure *why)
{
    const int64_t a = rng_below(rng, SHEET_COLUMNS), b = rng_below(rng, SHEET_COLUMNS);
    const int64_t limit = draw_value(rng);
    struct query q;
    int64_t total = 0;

    query_init(&q, s->path, why);
    query_begin(&q,
                "SELECT a.row, a.value * b.value,"
                " sum(a.value * b.value) OVER (ORDER BY a.row)"
                " FROM cell a JOIN cell b ON b.row = a.row AND b.col = ?2"
                " WHERE a.col = ?1 AND a.value > ?3 ORDER BY a.row",
                (const int64_t[]){a, b, limit}, 3);
    for (int row = 0; row < SHEET_ROWS && !q.error; row++) {
        const int64_t product = s->values[row][a] * s->values[row][b];

        if (s->values[row][a] <= limit)
            continue;
        total += product;
        query_expect(&q, (const int64_t[]){row, product, total}, 3);
    }
    query_expect_end(&q);
    *ret_answer = (uint64_t)total;
    return query_fini(&q);
}

/* A cell and what it gets; the same cell may be drawn twice. */
struct change {
    int64_t row, col, value;
};

static int
commit(const struct sheet *s, const struct change *changes, struct failure *why)
{
    struct query q;

    query_init(&q, s->path, why);
    query_execute(&q, "BEGIN IMMEDIATE");
    query_begin(&q, "UPDATE cell SET value = ?3 WHERE row = ?1 AND col = ?2", NULL, 0);
    for (int i = 0; i < UPDATES; i++)
        query_repeat(
            &q, (const int64_t[]){changes[i].row, changes[i].col, changes[i].value}, 3);
    query_execute(&q, "COMMIT");
    return query_fini(&q);
}

/* Each changed cell by itself, and all of them summed. */
static int
verify(const struct sheet *s, const struct change *changes, uint64_t *ret_answer,
       struct failure *why)
{
    struct query q;

    query_init(&q, s->path, why);
    for (int i = 0; i < UPDATES; i++) {
        const int64_t row = changes[i].row, col = changes[i].col;

        query_begin(&q, "SELECT value FROM cell WHERE row = ?1 AND col = ?2",
                    (const int64_t[]){row, col}, 2);
        query_expect(&q, &s->values[row][col], 1);
    }
    if (query_fini(&q))
        return q.error;
    return sheet_sum(s, ret_answer, why);
}

int
sheet_update(struct sheet *s, struct rng *rng, uint64_t *ret_answer, struct failure *why)
{
    struct change changes[UPDATES];
    int r;

    for (int i = 0; i < UPDATES; i++) {
        changes[i].row = rng_below(rng, SHEET_ROWS);
        changes[i].col = rng_below(rng, SHEET_COLUMNS);
        changes[i].value = draw_value(rng);
    }
    r = commit(s, changes, why);
    if (r < 0)
        return r;
    for (int i = 0; i < UPDATES; i++)
        s->values[changes[i].row][changes[i].col] = changes[i].value;
    return verify(s, changes, ret_answer, why);
}
