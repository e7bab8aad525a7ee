/* SPDX-License-Identifier: MIT */
#include "report.h"

#include "base/cleanup.h"

#include <errno.h>
#include <libsmartcols.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CELL_BYTES 64

enum column { WHAT, NATIVE, VGPU, RATIO, SPREAD, TARGET, MET, COLUMNS };

static const struct {
    const char *title;
    bool right;
} columns[COLUMNS] = {
    [WHAT] = {"WHAT", false},   [NATIVE] = {"NATIVE", true}, [VGPU] = {"VGPU", true},
    [RATIO] = {"RATIO", true},  [SPREAD] = {"SPREAD", true}, [TARGET] = {"TARGET", true},
    [MET] = {"REACHED", false},
};

/* One row in words. */
struct cells {
    char text[COLUMNS][CELL_BYTES];
    bool measured, met;
};

/* The ratio at one thread, which the other rates are held against. */
static double
single_ratio(const struct report *r)
{
    for (unsigned i = 0; i < r->n; i++) {
        if (strcmp(r->results[i].row->name, "threads-1") == 0)
            return result_summary(&r->results[i]).ratio;
    }
    return NAN;
}

bool
report_met(const struct report *r, const struct result *result)
{
    return row_met(result->row, r->discrete, result_summary(result).score,
                   single_ratio(r));
}

static void
spread_words(const struct row *row, const struct summary *s, char *buf)
{
    char least[CELL_BYTES / 4], most[CELL_BYTES / 4];

    if (row->target == TARGET_BELOW) {
        row_value_words(row, s->score_least, least, sizeof least);
        row_value_words(row, s->score_most, most, sizeof most);
    } else {
        row_score_words(row, s->score_least, least, sizeof least);
        row_score_words(row, s->score_most, most, sizeof most);
    }
    snprintf(buf, CELL_BYTES, row_is_ratio(row) ? "%s-%s" : "%s to %s", least, most);
}

static struct cells
cells_of(const struct report *r, const struct result *result)
{
    const struct row *row = result->row;
    const struct summary s = result_summary(result);
    struct cells c = {.measured = result->rounds > 0, .met = report_met(r, result)};

    snprintf(c.text[WHAT], CELL_BYTES, "%s", row->what);
    row_target_words(row, r->discrete, c.text[TARGET], CELL_BYTES);
    snprintf(c.text[MET], CELL_BYTES, "%s",
             !c.measured ? "not measured"
             : c.met     ? "yes"
                         : "no");
    if (!c.measured)
        return c;
    row_value_words(row, s.native_ns, c.text[NATIVE], CELL_BYTES);
    row_value_words(row, s.vgpu_ns, c.text[VGPU], CELL_BYTES);
    row_score_words(row, s.score, c.text[RATIO], CELL_BYTES);
    spread_words(row, &s, c.text[SPREAD]);
    return c;
}

/* For a terminal. */

static void
print_problems(const struct report *r)
{
    for (unsigned i = 0; i < r->n; i++) {
        const struct result *result = &r->results[i];

        if (result->problem[0])
            printf("%s, after %u rounds: %s\n", result->row->name, result->rounds,
                   result->problem);
    }
}

static void
add_line(struct libscols_table *t, const struct cells *c)
{
    struct libscols_line *line = scols_table_new_line(t, NULL);

    for (size_t i = 0; line && i < COLUMNS; i++)
        scols_line_set_data(line, i, c->text[i]);
    if (line)
        scols_cell_set_color(scols_line_get_cell(line, MET), c->met ? "green" : "red");
}

void
report_table(const struct report *r)
{
    const char *plain = getenv("NO_COLOR");
    struct libscols_table *t = scols_new_table();

    printf("%s: vGPU against the bare driver\n", r->title);
    if (!t)
        return;
    scols_table_enable_colors(t, isatty(STDOUT_FILENO) && (!plain || !plain[0]));
    for (size_t i = 0; i < COLUMNS; i++)
        scols_table_new_column(t, columns[i].title, 0,
                               columns[i].right ? SCOLS_FL_RIGHT : 0);
    for (unsigned i = 0; i < r->n; i++) {
        const struct cells c = cells_of(r, &r->results[i]);

        add_line(t, &c);
    }
    scols_print_table(t);
    scols_unref_table(t);
    print_problems(r);
}

/* For programs. */

static json_t *
number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *
figures_json(const struct figure *v, unsigned n, bool p99)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < n; i++)
        json_array_append_new(list, number(p99 ? v[i].p99 : v[i].median));
    return list;
}

static json_t *
ratios_json(const struct result *r)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < r->rounds; i++)
        json_array_append_new(list, number(result_ratio(r, i)));
    return list;
}

static json_t *
result_json(const struct report *r, const struct result *result)
{
    static const char *const units[] = {"time", "bandwidth", "rate", "core"};
    const struct summary s = result_summary(result);
    const struct cells c = cells_of(r, result);
    const bool share = result->row->unit == ROW_SHARE;
    json_t *o = json_pack("{ss ss ss so so so so so}", "name", result->row->name, "what",
                          result->row->what, "ratio_of", units[result->row->unit],
                          "native_ns", number(s.native_ns), "vgpu_ns",
                          number(share ? NAN : s.vgpu_ns), "ratio", number(s.ratio),
                          "ratio_min", number(s.least), "ratio_max", number(s.most));

    if (share)
        json_object_set_new(o, "vgpu_core_percent", number(s.vgpu_ns));
    if (result->row->target == TARGET_ADDS)
        json_object_set_new(o, "added_ns", number(s.score));
    json_object_set_new(o, "target", json_string(c.text[TARGET]));
    json_object_set_new(o, "reached", c.measured ? json_boolean(c.met) : json_null());
    json_object_set_new(o, "problem",
                        result->problem[0] ? json_string(result->problem) : json_null());
    if (row_has_native(result->row))
        json_object_set_new(o, "rounds_native_ns",
                            figures_json(result->native, result->rounds, false));
    json_object_set_new(o, share ? "rounds_core_percent" : "rounds_vgpu_ns",
                        figures_json(result->vgpu, result->rounds, false));
    if (share)
        return o;
    json_object_set_new(o, "rounds_native_p99_ns",
                        figures_json(result->native, result->rounds, true));
    json_object_set_new(o, "rounds_vgpu_p99_ns",
                        figures_json(result->vgpu, result->rounds, true));
    json_object_set_new(o, "rounds_ratio", ratios_json(result));
    return o;
}

json_t *
report_json(const struct report *r)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < r->n; i++)
        json_array_append_new(list, result_json(r, &r->results[i]));
    return json_pack("{ss ss so}", "storage", r->key, "title", r->title, "rows", list);
}

/* For documents. */

static void
markdown_table(FILE *f, const struct report *r)
{
    fprintf(f, "\n## %s\n\n|", r->title);
    for (size_t i = 0; i < COLUMNS; i++)
        fprintf(f, " %s |", columns[i].title);
    fputs("\n|", f);
    for (size_t i = 0; i < COLUMNS; i++)
        fputs(columns[i].right ? "---:|" : "---|", f);
    fputc('\n', f);
    for (unsigned i = 0; i < r->n; i++) {
        const struct cells c = cells_of(r, &r->results[i]);

        fputc('|', f);
        for (size_t k = 0; k < COLUMNS; k++)
            fprintf(f, " %s |", c.text[k]);
        fputc('\n', f);
    }
}

int
report_markdown(const struct report *r, unsigned n, const char *words, const char *folder,
                struct err *e)
{
    char path[4096];
    FILE *f;
    bool bad;

    snprintf(path, sizeof path, "%s/bench.md", folder);
    f = fopen(path, "we");
    if (!f)
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    fprintf(f, "# Benchmarks: vGPU against the bare driver\n\n%s\n", words);
    for (unsigned i = 0; i < n; i++)
        markdown_table(f, &r[i]);
    bad = ferror(f) != 0;
    if (fclose(f) || bad)
        return err_set(e, -EIO, "cannot write %s", path);
    return 0;
}
