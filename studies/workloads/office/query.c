/* SPDX-License-Identifier: MIT */
#include "office/query.h"

#include <errno.h>
#include <inttypes.h>

static int
check(struct query *q, int code)
{
    if (q->error || code == SQLITE_OK)
        return q->error;
    q->error = failure_set(q->why, -EIO, "%s: %s", q->path,
                           q->db ? sqlite3_errmsg(q->db) : sqlite3_errstr(code));
    return q->error;
}

int
query_init(struct query *q, const char *path, struct failure *why)
{
    *q = (struct query){.path = path, .why = why};
    return check(q, sqlite3_open(path, &q->db));
}

int
query_fini(struct query *q)
{
    sqlite3_finalize(q->statement);
    check(q, sqlite3_close(q->db));
    return q->error;
}

int
query_execute(struct query *q, const char *sql)
{
    return q->error ? q->error : check(q, sqlite3_exec(q->db, sql, NULL, NULL, NULL));
}

static void
bind(struct query *q, const int64_t *numbers, int count)
{
    for (int i = 0; i < count && !q->error; i++)
        check(q, sqlite3_bind_int64(q->statement, i + 1, numbers[i]));
}

int
query_begin(struct query *q, const char *sql, const int64_t *numbers, int count)
{
    if (q->error)
        return q->error;
    sqlite3_finalize(q->statement);
    q->statement = NULL;
    check(q, sqlite3_prepare_v2(q->db, sql, -1, &q->statement, NULL));
    bind(q, numbers, count);
    return q->error;
}

int
query_repeat(struct query *q, const int64_t *numbers, int count)
{
    if (q->error)
        return q->error;
    check(q, sqlite3_reset(q->statement));
    bind(q, numbers, count);
    return query_expect_end(q);
}

/* Whether there is a row, as is to be. */
static int
step(struct query *q, int expected)
{
    int code;

    if (q->error)
        return q->error;
    code = sqlite3_step(q->statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return check(q, code);
    if (code != expected)
        q->error = failure_set(q->why, -EBADMSG, "%s: %s rows than there should be",
                               q->path, code == SQLITE_ROW ? "more" : "fewer");
    return q->error;
}

int
query_expect(struct query *q, const int64_t *numbers, int count)
{
    if (step(q, SQLITE_ROW))
        return q->error;
    for (int i = 0; i < count && !q->error; i++) {
        const int64_t got = sqlite3_column_int64(q->statement, i);

        if (got != numbers[i])
            q->error = failure_set(q->why, -EBADMSG,
                                   "%s: %s is %" PRId64 ", not %" PRId64, q->path,
                                   sqlite3_column_name(q->statement, i), got, numbers[i]);
    }
    return q->error;
}

int
query_expect_end(struct query *q)
{
    return step(q, SQLITE_DONE);
}
