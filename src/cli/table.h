/* SPDX-License-Identifier: MIT */
/* A table on stdout, by libsmartcols. Running out of memory leaves cells empty. */
#ifndef TESSERA_CLI_TABLE_H
#define TESSERA_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table;
struct table_row;

struct table_column {
    const char *title;
    bool right; /* numbers */
};

struct table *table_new(const struct table_column *columns, size_t n);
struct table_row *table_row(struct table *t);

/* Fills a cell; colour (a libsmartcols name, "red") may be NULL. */
void table_set(struct table_row *r, size_t column, const char *text);
void table_set_size(struct table_row *r, size_t column, uint64_t bytes);
void table_set_number(struct table_row *r, size_t column, uint64_t v);
void table_colour(struct table_row *r, size_t column, const char *colour);

/* Prints it and gives its memory back. */
void table_print(struct table *t);

#endif
