/* SPDX-License-Identifier: MIT */
#include "cli/table.h"

#include "cli/cli.h"
#include "policy/types.h"

#include <inttypes.h>
#include <libsmartcols.h>

#define CELL_BYTES 32

/* libsmartcols' own objects under our names: nothing else is kept of them. */
static struct libscols_table *
scols_of(struct table *t)
{
    return (struct libscols_table *)(void *)t;
}

static struct libscols_line *
line_of(struct table_row *r)
{
    return (struct libscols_line *)(void *)r;
}

struct table *
table_new(const struct table_column *columns, size_t n)
{
    struct libscols_table *t = scols_new_table();

    if (!t)
        return NULL;
    scols_table_enable_colors(t, cli_colours());
    for (size_t i = 0; i < n; i++)
        scols_table_new_column(t, columns[i].title, 0,
                               columns[i].right ? SCOLS_FL_RIGHT : 0);
    return (struct table *)(void *)t;
}

struct table_row *
table_row(struct table *t)
{
    return t ? (struct table_row *)(void *)scols_table_new_line(scols_of(t), NULL) : NULL;
}

void
table_set(struct table_row *r, size_t column, const char *text)
{
    if (r)
        scols_line_set_data(line_of(r), column, text);
}

void
table_set_size(struct table_row *r, size_t column, uint64_t bytes)
{
    char text[CELL_BYTES];

    size_format(bytes, text, sizeof text);
    table_set(r, column, text);
}

void
table_set_number(struct table_row *r, size_t column, uint64_t v)
{
    char text[CELL_BYTES];

    snprintf(text, sizeof text, "%" PRIu64, v);
    table_set(r, column, text);
}

void
table_colour(struct table_row *r, size_t column, const char *colour)
{
    if (r && colour)
        scols_cell_set_color(scols_line_get_cell(line_of(r), column), colour);
}

void
table_print(struct table *t)
{
    if (!t)
        return;
    scols_print_table(scols_of(t));
    scols_unref_table(scols_of(t));
}
