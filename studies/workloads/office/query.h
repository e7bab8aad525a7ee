/* SPDX-License-Identifier: MIT */
/*
 * query.h - a database of SQLite and one statement at a time. Errors stick: after the
 * first, calls do nothing and return it again.
 */
#ifndef OFFICE_QUERY_H
#define OFFICE_QUERY_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "common/failure.h"

struct query {
    const char *path;
    sqlite3 *db;
    sqlite3_stmt *statement;
    struct failure *why;
    int error; /* 0 or a negative errno */
};

/* Opens, or makes, the database. Always to be followed by query_fini. */
int query_init(struct query *q, const char *path, struct failure *why);

/* Rolls back what is not committed. Returns the error. */
int query_fini(struct query *q);

/* Runs statements that have no answer. */
int query_execute(struct query *q, const char *sql);

/* Begins a statement in place of the one before, with numbers for ?1, ?2, ... */
int query_begin(struct query *q, const char *sql, const int64_t *numbers, int count);

/* The same statement once more, with other numbers; it has no answer. */
int query_repeat(struct query *q, const int64_t *numbers, int count);

/* The next row is to be these numbers, else -EBADMSG. */
int query_expect(struct query *q, const int64_t *numbers, int count);

/* There is to be no further row. */
int query_expect_end(struct query *q);

#endif
