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
#define FRAME_PIXELS 90
#define PLOT_MS 60000

static bool
has_gnuplot(void)
{
    const char *const argv[] = {"gnuplot", "--version", NULL};
    _cleanup_err_ struct err e = ERR_INIT;

    return child_run(argv, PLOT_MS, NULL, &e) == 0;
}

static void
write_points(FILE *f, const struct report *r)
{
    unsigned y = 0;

    fputs("$points << END\n", f);
    for (unsigned i = 0; i < r->n; i++) {
        const struct summary s = result_summary(&r->results[i]);
        const struct row *row = r->results[i].row;

        if (isnan(s.ratio))
            continue;
        fprintf(f, "\"%s\" %g %g %g %u %d\n", row->name, row_speed(row, s.ratio),
                fmin(row_speed(row, s.least), row_speed(row, s.most)),
                fmax(row_speed(row, s.least), row_speed(row, s.most)), y++,
                row->target == TARGET_GROWS);
    }
    fputs("END\n", f);
}

static void
write_targets(FILE *f, const struct report *r)
{
    unsigned y = 0;

    fputs("$targets << END\n", f);
    for (unsigned i = 0; i < r->n; i++) {
        const struct row *row = r->results[i].row;

        if (r->results[i].rounds == 0)
            continue;
        if (row->target == TARGET_GROWS)
            fprintf(f, "NaN %u\n", y++);
        else
            fprintf(f, "%g %u\n",
                    row_speed(row, r->discrete ? row->aim_discrete : row->aim), y++);
    }
    fputs("END\n", f);
}

static unsigned
rows_measured(const struct report *r)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->n; i++)
        n += r->results[i].rounds > 0;
    return n;
}

static void
write_script(FILE *f, const struct report *r, const char *svg)
{
    const unsigned n = rows_measured(r);

    write_points(f, r);
    write_targets(f, r);
    fprintf(f,
            "set terminal svg size 760,%u font 'sans,12' background rgb 'white'\n"
            "set output '%s'\n"
            "set title '%s: speed of the vGPU (1 = bare driver)'\n"
            "set logscale x\n"
            "set xtics (0.1, 0.2, 0.5, 0.7, 0.9, 1, 1.1, 1.5, 2, 5, 10, 20, 50)\n"
            "set yrange [%u.5:-0.5]\n"
            "set grid x lc rgb '#dddddd'\n"
            "set key below\n"
            "set arrow from 1,graph 0 to 1,graph 1 nohead lc rgb '#888888'\n"
            "plot $points using 2:5:3:4:ytic(1) with xerrorbars pt 7 ps 0.7 "
            "lc rgb '#1f6fb4' title 'median and range of the rounds', "
            "$targets using 1:2 with points pt 2 ps 0.9 lc rgb '#c0392b' "
            "title 'to reach'\n",
            FRAME_PIXELS + n * ROW_PIXELS, svg, r->title, n ? n - 1 : 0);
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
    if (rows_measured(r) == 0)
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
