/* SPDX-License-Identifier: MIT */
/* The plot: one line per row, the vGPU's speed to the right, 1 = the bare driver's. */
#include "base/cleanup.h"
#include "base/io.h"
#include "child.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROW_PIXELS 22
#define FRAME_PIXELS 150
#define WIDTH_PIXELS 960
#define PLOT_MS 60000

static bool
has_gnuplot(void)
{
    const char *const argv[] = {"gnuplot", "--version", NULL};
    _cleanup_err_ struct err e = ERR_INIT;

    return child_run(argv, PLOT_MS, NULL, &e) == 0;
}

/* Rows that have a ratio have a line in the plot. */
static bool
is_plotted(const struct result *result)
{
    return result->rounds > 0 && !isnan(result_summary(result).ratio);
}

static unsigned
rows_plotted(const struct report *r)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->n; i++)
        n += is_plotted(&r->results[i]);
    return n;
}

/* Median and range of those that have reached their target, or of those that have not. */
static void
write_points(FILE *f, const struct report *r, bool met)
{
    unsigned y = 0;

    fprintf(f, "$%s << END\n", met ? "reached" : "missed");
    fputs("NaN NaN NaN NaN\n", f); /* gnuplot wants a line */
    for (unsigned i = 0; i < r->n; i++) {
        const struct summary s = result_summary(&r->results[i]);
        const struct row *row = r->results[i].row;

        if (!is_plotted(&r->results[i]))
            continue;
        if (report_met(r, &r->results[i]) == met)
            fprintf(f, "%g %g %g %u\n", row_speed(row, s.ratio),
                    fmin(row_speed(row, s.least), row_speed(row, s.most)),
                    fmax(row_speed(row, s.least), row_speed(row, s.most)), y);
        y++;
    }
    fputs("END\n", f);
}

static void
write_targets(FILE *f, const struct report *r)
{
    unsigned y = 0;

    fputs("$targets << END\nNaN NaN\n", f);
    for (unsigned i = 0; i < r->n; i++) {
        const struct row *row = r->results[i].row;

        if (!is_plotted(&r->results[i]))
            continue;
        if (row_is_ratio(row) && row->target != TARGET_GROWS)
            fprintf(f, "%g %u\n",
                    row_speed(row, r->discrete ? row->aim_discrete : row->aim), y);
        y++;
    }
    fputs("END\n", f);
}

static void
write_labels(FILE *f, const struct report *r)
{
    unsigned y = 0;

    fputs("set ytics (", f);
    for (unsigned i = 0; i < r->n; i++) {
        if (is_plotted(&r->results[i])) {
            fprintf(f, "%s\"%s\" %u", y ? ", " : "", r->results[i].row->what, y);
            y++;
        }
    }
    fputs(")\n", f);
}

/* What has no ratio, as words below. */
static void
write_notes(FILE *f, const struct report *r)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->n; i++) {
        const struct result *result = &r->results[i];
        char value[32], target[32];

        if (result->rounds == 0 || is_plotted(result))
            continue;
        row_value_words(result->row, result_summary(result).vgpu_ns, value, sizeof value);
        row_target_words(result->row, r->discrete, target, sizeof target);
        fprintf(f,
                "set label %u \"%s: %s (to reach: %s)\" at screen 0.5,character %g "
                "center\n",
                n + 1, result->row->what, value, target, 0.8 + 1.3 * n);
        n++;
    }
}

static void
write_script(FILE *f, const struct report *r, const char *svg)
{
    const unsigned n = rows_plotted(r);

    write_points(f, r, true);
    write_points(f, r, false);
    write_targets(f, r);
    fprintf(f,
            "set terminal svg size %u,%u font 'sans,12' background rgb 'white'\n"
            "set output '%s'\n"
            "set title '%s (median and range of the rounds)'\n",
            WIDTH_PIXELS, FRAME_PIXELS + n * ROW_PIXELS, svg, r->title);
    write_labels(f, r);
    write_notes(f, r);
    fprintf(f,
            "set logscale x\n"
            "set xtics (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, "
            "500, 1000)\n"
            "set xlabel 'slower   <   speed of the vGPU, 1 = bare driver   >   faster'\n"
            "set xrange [*<0.4:2.5<*]\n"
            "set yrange [%u.5:-0.5]\n"
            "set grid x y lc rgb '#e4e4e4' lt 1\n"
            "set tics nomirror out\n"
            "set bmargin 6\n"
            "set key tmargin center horizontal\n"
            "set arrow from 1,graph 0 to 1,graph 1 nohead lc rgb '#888888'\n"
            "plot $targets using 1:2 with points pt 2 ps 0.8 lw 2 lc rgb '#222222' title "
            "'to reach', "
            "$reached using 1:4:2:3 with xerrorbars pt 7 ps 0.7 lc rgb '#1f6fb4' title "
            "'reached', "
            "$missed using 1:4:2:3 with xerrorbars pt 7 ps 0.7 lc rgb '#d1495b' title "
            "'not reached'\n",
            n ? n - 1 : 0);
}

int
report_plot(const struct report *r, bool first, const char *folder, struct err *e)
{
    _cleanup_free_ char *svg =
        str_printf("%s/bench%s%s.svg", folder, first ? "" : "-", first ? "" : r->key);
    _cleanup_free_ char *script = svg ? str_printf("%s.gnuplot", svg) : NULL;
    const char *const argv[] = {"gnuplot", script, NULL};
    FILE *f;
    int rc;

    if (!script)
        return err_set(e, -ENOMEM, "out of memory");
    if (rows_plotted(r) == 0)
        return 0;
    if (!has_gnuplot())
        return err_set(e, -ENOENT, "no plot: gnuplot is missing");
    f = fopen(script, "we");
    if (!f)
        return err_set(e, -errno, "%s: %s", script, strerror(errno));
    write_script(f, r, svg);
    fclose(f);
    rc = child_run(argv, PLOT_MS, NULL, e);
    unlink(script);
    return rc < 0 ? err_wrap(e, "gnuplot") : 0;
}
