/* SPDX-License-Identifier: MIT */
#include "sched_report.h"

#include "base/cleanup.h"
#include "sched_experiments.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CELL_BYTES 128

enum column { WHAT, POLICY, CORES, MEDIAN, WORST, ROUNDS, TARGET, MET, COLUMNS };

static const struct {
    const char *title;
    bool right;
} columns[] = {
    [WHAT] = {"WHAT", false},    [POLICY] = {"POLICY", false},
    [CORES] = {"CORES", false},  [MEDIAN] = {"MEDIAN", true},
    [WORST] = {"WORST", true},   [ROUNDS] = {"ROUNDS", true},
    [TARGET] = {"TARGET", true}, [MET] = {"REACHED", false},
};

struct cells {
    char text[COLUMNS][CELL_BYTES];
};

static const char *
met_words(const struct figure *f)
{
    if (f->aim == AIM_NONE)
        return "-";
    if (figure_met(f, true))
        return "yes";
    return figure_met(f, false) ? "median only" : "no";
}

static struct cells
cells_of(const struct figure *f)
{
    struct cells c;

    snprintf(c.text[WHAT], CELL_BYTES, "%s", f->what);
    snprintf(c.text[POLICY], CELL_BYTES, "%s", f->policy[0] ? f->policy : "-");
    snprintf(c.text[CORES], CELL_BYTES, "%s", f->pinned ? "own" : "all");
    figure_words(f, figure_median(f), c.text[MEDIAN], CELL_BYTES);
    figure_words(f, figure_worst(f), c.text[WORST], CELL_BYTES);
    snprintf(c.text[ROUNDS], CELL_BYTES, "%u", f->n);
    figure_target_words(f, c.text[TARGET], CELL_BYTES);
    snprintf(c.text[MET], CELL_BYTES, "%s", met_words(f));
    return c;
}

static bool
has_figures(const struct figures *f, const struct experiment *x)
{
    for (unsigned i = 0; i < f->n; i++) {
        if (strcmp(f->list[i].experiment, x->name) == 0)
            return true;
    }
    return false;
}

static const char *
problem_of(const struct figures *f, const char *name, bool pinned)
{
    char key[64];

    snprintf(key, sizeof key, "%s%s", name, pinned ? " pinned" : "");
    return json_string_value(json_object_get(f->problems, key));
}

/* For a terminal. */

static void
add_line(struct libscols_table *t, const struct figure *f)
{
    const struct cells c = cells_of(f);
    struct libscols_line *line = scols_table_new_line(t, NULL);

    for (size_t i = 0; line && i < COLUMNS; i++)
        scols_line_set_data(line, i, c.text[i]);
    if (line && f->aim != AIM_NONE)
        scols_cell_set_color(scols_line_get_cell(line, MET), figure_met(f, true) ? "green"
                                                             : figure_met(f, false)
                                                                 ? "yellow"
                                                                 : "red");
}

static void
print_experiment(const struct figures *f, const struct experiment *x)
{
    const char *plain = getenv("NO_COLOR");
    struct libscols_table *t = scols_new_table();

    printf("\n%s: %s\n", x->name, x->about);
    if (!t)
        return;
    scols_table_enable_colors(t, isatty(STDOUT_FILENO) && (!plain || !plain[0]));
    for (size_t i = 0; i < COLUMNS; i++)
        scols_table_new_column(t, columns[i].title, 0,
                               columns[i].right ? SCOLS_FL_RIGHT : 0);
    for (unsigned i = 0; i < f->n; i++) {
        if (strcmp(f->list[i].experiment, x->name) == 0)
            add_line(t, &f->list[i]);
    }
    scols_print_table(t);
    scols_unref_table(t);
}

void
sched_report_table(const struct figures *f)
{
    for (const struct experiment *x = experiments; x->name; x++) {
        if (has_figures(f, x))
            print_experiment(f, x);
        for (int pinned = 0; pinned < 2; pinned++) {
            const char *problem = problem_of(f, x->name, pinned);

            if (problem)
                printf("%s, %s: %s\n", x->name,
                       pinned ? "a core of its own" : "all cores", problem);
        }
    }
}

/* For documents. */

static void
count_targets(const struct figures *f, bool pinned, unsigned *ret_all, unsigned *ret_met)
{
    *ret_all = *ret_met = 0;
    for (unsigned i = 0; i < f->n; i++) {
        if (f->list[i].pinned != pinned || f->list[i].aim == AIM_NONE)
            continue;
        ++*ret_all;
        *ret_met += figure_met(&f->list[i], false);
    }
}

static void
markdown_head(FILE *out, const struct figures *f)
{
    unsigned all, met;

    fputs("# Schedulers: what vGPUs get, against what the policy promises\n\n"
          "Measured from outside: work done, over what the same program does alone right "
          "before and after. `pt`: hundredths of the GPU's time. CORES: the software GPU "
          "has all cores, or one of its own while everything else runs on the others. "
          "MEDIAN and WORST are of the rounds.\n\n",
          out);
    for (int pinned = 0; pinned < 2; pinned++) {
        count_targets(f, pinned, &all, &met);
        if (all)
            fprintf(out, "- %s: %u of %u targets reached (median).\n",
                    pinned ? "a core of its own" : "all cores", met, all);
    }
}

static void
markdown_experiment(FILE *out, const struct figures *f, const struct experiment *x)
{
    fprintf(out, "\n## %s: %s\n\n|", x->name, x->about);
    for (size_t i = 0; i < COLUMNS; i++)
        fprintf(out, " %s |", columns[i].title);
    fputs("\n|", out);
    for (size_t i = 0; i < COLUMNS; i++)
        fputs(columns[i].right ? "---:|" : "---|", out);
    fputc('\n', out);
    for (unsigned i = 0; i < f->n; i++) {
        const struct cells c = cells_of(&f->list[i]);

        if (strcmp(f->list[i].experiment, x->name) != 0)
            continue;
        fputc('|', out);
        for (size_t k = 0; k < COLUMNS; k++)
            fprintf(out, " %s |", c.text[k]);
        fputc('\n', out);
    }
}

int
sched_report_markdown(const struct figures *f, const char *folder, struct err *e)
{
    char path[4096];
    const char *name;
    json_t *why;
    FILE *out;
    bool bad;

    snprintf(path, sizeof path, "%s/sched.md", folder);
    out = fopen(path, "we");
    if (!out)
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    markdown_head(out, f);
    for (const struct experiment *x = experiments; x->name; x++) {
        if (has_figures(f, x))
            markdown_experiment(out, f, x);
    }
    if (json_object_size(f->problems) > 0)
        fputs("\n## Not measured\n\n", out);
    json_object_foreach(f->problems, name, why)
        fprintf(out, "- %s: %s\n", name, json_string_value(why));
    bad = ferror(out) != 0;
    if (fclose(out) || bad)
        return err_set(e, -EIO, "cannot write %s", path);
    return 0;
}
