/* SPDX-License-Identifier: MIT */
/*
 * The plots: sched-shares (what k busy vGPUs got), sched-waits (how long the small one waits
 * beside a bully), sched-bully (who had what, over time). One panel per policy or program.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "child.h"
#include "sched_experiments.h"
#include "sched_report.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PLOT_MS 60000

struct plot {
    const struct figures *figures;
    const char *name; /* sched-NAME.svg */
    bool pinned;
    /* Writes data and commands; false: there is nothing to show. */
    bool (*write)(FILE *out, const struct plot *p);
    unsigned width, height;
};

static const json_t *
series_of(const struct plot *p, const char *experiment, const char *policy)
{
    char name[96];

    snprintf(name, sizeof name, "%s%s %s", experiment, p->pinned ? " pinned" : "",
             policy);
    return json_object_get(p->figures->series, name);
}

static const char *
cores_words(const struct plot *p)
{
    return p->pinned ? "software GPU on a core of its own" : "software GPU on all cores";
}

/* Shares. */

static const unsigned crowds[] = {1, 2, 4, 8};

/* A point for each program of each crowd; lines of promised, share and account. */
static bool
write_share_data(FILE *out, const struct plot *p, const char *policy, unsigned block)
{
    bool any = false;
    double x = 0;

    fprintf(out, "$shares%u << END\nNaN NaN NaN NaN\n", block);
    for (size_t k = 0; k < sizeof crowds / sizeof *crowds; k++, x += 1.5) {
        char name[32];
        const json_t *s;

        snprintf(name, sizeof name, "shares-%u", crowds[k]);
        s = series_of(p, name, policy);
        for (unsigned i = 0; i < crowds[k]; i++, x++) {
            const json_t *account = json_array_get(json_object_get(s, "account"), i);

            if (!s)
                continue;
            any = true;
            fprintf(out, "%g %g %g %s%g\n", x,
                    json_number_value(json_array_get(json_object_get(s, "promised"), i)),
                    json_number_value(json_array_get(json_object_get(s, "share"), i)),
                    json_is_number(account) ? "" : "NaN # ", json_number_value(account));
        }
    }
    fputs("END\n", out);
    return any;
}

static bool
write_shares(FILE *out, const struct plot *p)
{
    bool any = false;

    for (unsigned i = 0; i < 3; i++)
        any = write_share_data(out, p, policy_words[i], i) || any;
    fprintf(out,
            "set multiplot layout 1,3 title 'Share of the GPU: each busy vGPU, 1 to 8 of "
            "them (%s)'\n"
            "set xtics ('1' 0, '2' 3, '4' 7.5, '8' 15)\n"
            "set xrange [-1:20]\nset yrange [0:105]\nset ytics 25\n"
            "set grid y lc rgb '#e4e4e4' lt 1\nset tics nomirror out\n"
            "set xlabel 'busy vGPUs'\nset key top right\n",
            cores_words(p));
    for (unsigned i = 0; i < 3; i++)
        fprintf(
            out,
            "set title '%s'\nset ylabel '%s'\n"
            "plot $shares%u using 1:($3*100):(0.8) with boxes fs solid 0.6 lc rgb "
            "'#1f6fb4' title 'work done', "
            "$shares%u using 1:($4*100) with points pt 6 ps 0.6 lc rgb '#d1495b' title "
            "'accounted', "
            "$shares%u using 1:($2*100):(0.45) with xerrorbars pt 0 lw 2 lc rgb "
            "'#222222' title 'promised'\n",
            policy_words[i], i ? "" : "share of the GPU, %", i, i, i);
    fputs("unset multiplot\n", out);
    return any;
}

/* Waiting. */

static const char *const wait_policies[] = {
    "alone, bare driver", "bare driver", "alone",
    "best-effort",        "equal-share", "fixed-share"};
#define WAIT_POLICIES (sizeof wait_policies / sizeof *wait_policies)

static double
wait_ms(const struct plot *p, const char *experiment, const char *policy,
        const char *what)
{
    const struct figure *f = figure_find(p->figures, experiment, p->pinned, policy, what);

    return f ? figure_median(f) / 1e6 : NAN;
}

static bool
write_wait_data(FILE *out, const struct plot *p, const char *experiment, unsigned block)
{
    bool any = false;

    fprintf(out, "$waits%u << END\n", block);
    for (size_t i = 0; i < WAIT_POLICIES; i++) {
        const double p50 = wait_ms(p, experiment, wait_policies[i], "launch to end, p50");
        const double p99 = wait_ms(p, experiment, wait_policies[i], "launch to end, p99");

        any = any || !isnan(p50);
        fprintf(out, "\"%s\" %g %g\n", wait_policies[i], p50, p99);
    }
    fputs("END\n", out);
    return any;
}

static bool
write_waits(FILE *out, const struct plot *p)
{
    static const char *const experiment[] = {"wait-20", "wait-100"};
    static const char *const title[] = {"beside 20 ms kernels", "beside 100 ms kernels"};
    bool has[2];

    for (unsigned i = 0; i < 2; i++)
        has[i] = write_wait_data(out, p, experiment[i], i);
    fprintf(out,
            "set multiplot layout 1,2 title 'A 0.5 ms kernel, launch to end (%s)'\n"
            "set logscale y\nset yrange [0.3:3000]\n"
            "set ytics ('0.5' 0.5, '1' 1, '2' 2, '5' 5, '10' 10, '20' 20, '50' 50, '100' "
            "100, '200' 200, '500' 500, '1000' 1000)\n"
            "set grid y lc rgb '#e4e4e4' lt 1\nset tics nomirror out\n"
            "set xtics rotate by -30\nset style data histograms\n"
            "set style histogram clustered gap 1\nset style fill solid 0.8 noborder\n"
            "set key top left\nset ylabel 'milliseconds'\n",
            cores_words(p));
    for (unsigned i = 0; i < 2; i++) {
        /* gnuplot takes a histogram without a bar for a mistake. */
        if (has[i])
            fprintf(
                out,
                "set title '%s'\n"
                "plot $waits%u using 2:xtic(1) lc rgb '#1f6fb4' title 'median', '' using "
                "3 lc rgb '#d1495b' title '99 %%'\n",
                title[i], i);
    }
    fputs("unset multiplot\n", out);
    return has[0] || has[1];
}

/* The bully over time. */

static const char *const bully_policies[] = {"bare driver", "best-effort", "equal-share",
                                             "fixed-share"};

static bool
write_bully_data(FILE *out, const struct plot *p, unsigned block)
{
    const json_t *s = series_of(p, "bully-event", bully_policies[block]);
    const json_t *bully = json_object_get(s, "bully"),
                 *small = json_object_get(s, "small");

    fprintf(out, "$bully%u << END\nNaN NaN NaN\n", block);
    for (size_t i = 0; i < json_array_size(bully); i++)
        fprintf(out, "%g %g %g\n", (double)i / 10,
                json_number_value(json_array_get(bully, i)) * 100,
                json_number_value(json_array_get(small, i)) * 100);
    fputs("END\n", out);
    return json_array_size(bully) > 0;
}

static bool
write_bully(FILE *out, const struct plot *p)
{
    bool any = false;

    for (unsigned i = 0; i < 4; i++)
        any = write_bully_data(out, p, i) || any;
    fprintf(out,
            "set multiplot layout 1,4 title '200 kernels of 20 ms behind a user event, "
            "beside "
            "0.5 ms kernels (%s)'\n"
            "set yrange [0:140]\nset ytics 25\nset grid y lc rgb '#e4e4e4' lt 1\n"
            "set tics nomirror out\nset xlabel 'seconds'\nset key top right\n",
            cores_words(p));
    for (unsigned i = 0; i < 4; i++)
        fprintf(out,
                "set title '%s'\nset ylabel '%s'\n"
                "plot $bully%u using 1:2 with lines lw 2 lc rgb '#d1495b' title '20 ms', "
                "$bully%u using 1:3 with lines lw 2 lc rgb '#1f6fb4' title '0.5 ms'\n",
                bully_policies[i], i ? "" : "share of the GPU, %", i, i);
    fputs("unset multiplot\n", out);
    return any;
}

/* All of them. */

static int
plot_one(const struct plot *p, const char *folder, struct err *e)
{
    _cleanup_free_ char *svg =
        str_printf("%s/sched-%s%s.svg", folder, p->name, p->pinned ? "-pinned" : "");
    _cleanup_free_ char *script = svg ? str_printf("%s.gnuplot", svg) : NULL;
    const char *const argv[] = {"gnuplot", script, NULL};
    FILE *out = script ? fopen(script, "we") : NULL;
    bool any;
    int rc = 0;

    if (!out)
        return err_set(e, -EIO, "%s: cannot be written", script ? script : "a plot");
    fprintf(out,
            "set terminal svg size %u,%u font 'sans,12' background rgb 'white'\n"
            "set output '%s'\n",
            p->width, p->height, svg);
    any = p->write(out, p);
    fclose(out);
    if (any)
        rc = child_run(argv, PLOT_MS, NULL, e);
    unlink(script);
    return rc < 0 ? err_wrap(e, "gnuplot, %s", p->name) : 0;
}

int
sched_plot_all(const struct figures *f, const char *folder, struct err *e)
{
    const char *const version[] = {"gnuplot", "--version", NULL};
    const struct plot plots[] = {
        {f, "shares", false, write_shares, 1100, 380},
        {f, "waits", false, write_waits, 1000, 420},
        {f, "bully", false, write_bully, 1300, 340},
    };
    int rc = 0;

    if (child_run(version, PLOT_MS, NULL, e) < 0)
        return err_set(e, -ENOENT, "no plots: gnuplot is missing");
    for (size_t i = 0; i < sizeof plots / sizeof *plots && rc == 0; i++) {
        struct plot p = plots[i];

        rc = plot_one(&p, folder, e);
        p.pinned = true;
        if (rc == 0)
            rc = plot_one(&p, folder, e);
    }
    return rc;
}
