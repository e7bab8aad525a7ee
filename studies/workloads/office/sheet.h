/* SPDX-License-Identifier: MIT */
/*
 * sheet.h - a spreadsheet: cells of rows and columns in an SQLite database, opened for
 * each operation, as by a program that does not stay. Every answer is compared with one
 * in plain C over a copy of the cells.
 */
#ifndef OFFICE_SHEET_H
#define OFFICE_SHEET_H

#include <stdint.h>

#include "common/failure.h"
#include "common/rng.h"

enum { SHEET_ROWS = 3000, SHEET_COLUMNS = 10, SHEET_VALUE_MAX = 1000000 };

struct sheet {
    const char *path; /* borrowed */
    int64_t values[SHEET_ROWS][SHEET_COLUMNS];
};

/* Makes the file, with drawn values. */
int sheet_make(struct sheet *s, const char *path, struct rng *rng, struct failure *why);

/* Sorts all rows by a column. The answer: the median of it. */
int sheet_sort(const struct sheet *s, struct rng *rng, uint64_t *ret_answer,
               struct failure *why);

/* Count, sum, minimum and maximum of each column. The answer: the sum of all. */
int sheet_sum(const struct sheet *s, uint64_t *ret_answer, struct failure *why);

/* A column times another and the running total, where the first exceeds a drawn limit. */
int sheet_formula(const struct sheet *s, struct rng *rng, uint64_t *ret_answer,
                  struct failure *why);

/* Changes some cells in one transaction. The answer: the sum of all. */
int sheet_update(struct sheet *s, struct rng *rng, uint64_t *ret_answer,
                 struct failure *why);

#endif
