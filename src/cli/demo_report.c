/* SPDX-License-Identifier: MIT */
/* What the demo found: a table for the terminal and for a page, all numbers, a plot. */
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/demo.h"
#include "cli/table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#define CELL_BYTES 96
#define SLOW_RATIO 1.04 /* what a vGPU alone may cost */

enum column { COL_RUN, COL_STEP, COL_RATIO, COL_ACCURACY, COLUMNS };

static const struct table_column columns[COLUMNS] = {
    [COL_RUN] = {"RUN", false},
    [COL_STEP] = {"s PER STEP", true},
    [COL_RATIO] = {"AGAINST NATIVE", false},
    [COL_ACCURACY] = {"TEST ACCURACY", true},
};

/* Numbers. */

static int
compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
median(double *v, unsigned n)
{
    if (n == 0)
        return 0.0;
    qsort(v, n, sizeof *v, compare_doubles);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2.0;
}

static double
larger(double a, double b)
{
    return a > b ? a : b;
}

static double
rate_of(const struct demo *d, const struct demo_row *row)
{
    double rates[DEMO_MAX_RESULTS], longest = 0.0;

    for (unsigned i = 0; i < row->n; i++) {
        rates[i] = d->steps / row->results[i].train_s;
        longest = larger(longest, row->results[i].train_s);
    }
    /* At once, all work is done when the last one has ended. */
    return row->at_once == 1 ? median(rates, row->n) : d->steps * row->n / longest;
}

/* Alone, a ratio is that of one round; at once, all are held against all native rounds. */
static void
summarize_row(const struct demo *d, struct demo_row *row)
{
    const struct demo_row *native = &d->rows[DEMO_NATIVE];
    double steps[DEMO_MAX_RESULTS] = {0}, ratios[DEMO_MAX_RESULTS] = {0};

    row->accuracy = -1.0;
    for (unsigned i = 0; i < row->n; i++) {
        const struct demo_result *r = &row->results[i];

        steps[i] = r->step_s;
        ratios[i] =
            r->step_s / (row->at_once == 1 ? native->results[i].step_s : native->step_s);
        row->accuracy = larger(row->accuracy, r->accuracy);
    }
    row->loss = row->results[0].loss;
    row->step_s = median(steps, row->n);
    row->ratio = median(ratios, row->n);
    row->ratio_low = ratios[0]; /* sorted by now */
    row->ratio_high = ratios[row->n - 1];
    row->work = rate_of(d, row) / rate_of(d, native);
}

void
demo_summarize(struct demo *d)
{
    for (unsigned i = 0; i < DEMO_WAYS; i++)
        summarize_row(d, &d->rows[i]);
}

static int
check_row(const struct demo *d, const struct demo_row *row, struct err *e)
{
    const struct demo_row *native = &d->rows[DEMO_NATIVE];

    for (unsigned i = 0; i < row->n; i++) {
        const struct demo_result *r = &row->results[i];

        if (r->loss != native->loss)
            return err_set(e, -EBADMSG, "%s: the loss is %.9g, natively it is %.9g",
                           row->name, r->loss, native->loss);
        if (r->accuracy >= 0.0 && r->accuracy != native->accuracy)
            return err_set(e, -EBADMSG, "%s: the accuracy is %.4f, natively it is %.4f",
                           row->name, r->accuracy, native->accuracy);
    }
    return 0;
}

int
demo_check(const struct demo *d, struct err *e)
{
    const double accuracy = d->rows[DEMO_NATIVE].accuracy;

    for (unsigned i = 0; i < DEMO_WAYS; i++) {
        int rc = check_row(d, &d->rows[i], e);

        if (rc < 0)
            return rc;
    }
    if (!(accuracy >= DEMO_ACCURACY))
        return err_set(e, -EBADMSG,
                       "the accuracy is %.4f, at least %.2f should be reached: more "
                       "--steps?",
                       accuracy, DEMO_ACCURACY);
    return 0;
}

/* Words. */

static void
format_ratio(const struct demo *d, enum demo_way way, char *text, size_t cap)
{
    const struct demo_row *row = &d->rows[way];

    if (way == DEMO_NATIVE)
        snprintf(text, cap, "1.00");
    else if (row->at_once > 1)
        snprintf(text, cap, "each %.2f, sum of work %.2f", row->ratio, row->work);
    else if (row->n == 1)
        snprintf(text, cap, "%.3f", row->ratio);
    else
        snprintf(text, cap, "%.3f (%.3f to %.3f)", row->ratio, row->ratio_low,
                 row->ratio_high);
}

static void
format_row(const struct demo *d, enum demo_way way, char cells[COLUMNS][CELL_BYTES])
{
    const struct demo_row *row = &d->rows[way];

    snprintf(cells[COL_RUN], CELL_BYTES, "%s", row->name);
    snprintf(cells[COL_STEP], CELL_BYTES, "%.4f", row->step_s);
    format_ratio(d, way, cells[COL_RATIO], CELL_BYTES);
    snprintf(cells[COL_ACCURACY], CELL_BYTES, "%.4f", row->accuracy);
}

void
demo_print_table(const struct demo *d)
{
    struct table *t = table_new(columns, COLUMNS);

    for (enum demo_way way = DEMO_NATIVE; way < DEMO_WAYS; way++) {
        struct table_row *r = table_row(t);
        char cells[COLUMNS][CELL_BYTES];

        format_row(d, way, cells);
        for (unsigned i = 0; i < COLUMNS; i++)
            table_set(r, i, cells[i]);
        if (way == DEMO_ALONE)
            table_colour(r, COL_RATIO,
                         d->rows[way].ratio <= SLOW_RATIO ? "green" : "yellow");
    }
    table_print(t);
}

/* All numbers. */

/* "model name : Intel..." of /proc/cpuinfo, or what the kernel calls the machine. */
static void
processor_name(char *text, size_t cap)
{
    _cleanup_free_ char *all = NULL;
    struct utsname u;
    const char *at;
    size_t len;

    uname(&u);
    snprintf(text, cap, "%s", u.machine);
    if (read_file("/proc/cpuinfo", 1 << 22, &all, &len) < 0)
        return;
    at = strstr(all, "model name");
    at = at ? strchr(at, ':') : NULL;
    if (at)
        snprintf(text, cap, "%.*s", (int)strcspn(at + 2, "\n"), at + 2);
}

static json_t *
machine_json(void)
{
    char processor[128];
    struct sysinfo info;
    struct utsname u;

    processor_name(processor, sizeof processor);
    uname(&u);
    sysinfo(&info);
    return json_pack("{ss si sI ss ss}", "processor", processor, "cores", get_nprocs(),
                     "memory_bytes", (json_int_t)info.totalram * info.mem_unit, "kernel",
                     u.release, "architecture", u.machine);
}

static json_t *
row_json(const struct demo *d, const struct demo_row *row)
{
    json_t *all = json_array();

    for (unsigned i = 0; i < row->n; i++)
        json_array_append(all, row->results[i].raw);
    return json_pack("{ss ss si sf sf sf sf sf sf sf so}", "run", row->key, "name",
                     row->name, "at_once", (int)row->at_once, "step_s", row->step_s,
                     "against_native", row->ratio, "against_native_low", row->ratio_low,
                     "against_native_high", row->ratio_high, "steps_per_s",
                     rate_of(d, row), "sum_of_work", row->work, "accuracy", row->accuracy,
                     "programs", all);
}

json_t *
demo_json(const struct demo *d)
{
    json_t *rows = json_array();

    for (unsigned i = 0; i < DEMO_WAYS; i++)
        json_array_append_new(rows, row_json(d, &d->rows[i]));
    return json_pack("{ss sI so sO ss si si sI sf so}", "tessera", TESSERA_VERSION,
                     "time", (json_int_t)time(NULL), "machine", machine_json(), "gpu",
                     d->gpu, "type", DEMO_TYPE, "steps", (int)d->steps, "rounds",
                     (int)d->rounds, "seed", (json_int_t)d->seed, "seconds", d->seconds,
                     "runs", rows);
}

/* Files. */

static FILE *
open_in(const char *folder, const char *name, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s", folder, name);
    FILE *f = path ? fopen(path, "we") : NULL;

    if (!f)
        err_set(e, errno ? -errno : -ENOMEM, "%s/%s: %s", folder, name, strerror(errno));
    return f;
}

/* Ends the file; what could not be written is told. */
static int
close_file(FILE *f, const char *folder, const char *name, struct err *e)
{
    const bool bad = ferror(f);

    if (fclose(f) != 0 || bad)
        return err_set(e, -EIO, "%s/%s: cannot be written", folder, name);
    return 0;
}

static int
write_json(const struct demo *d, struct err *e)
{
    FILE *f = open_in(d->folder, "demo.json", e);
    json_t *all;

    if (!f)
        return e->code;
    all = demo_json(d);
    json_dumpf(all, f, JSON_INDENT(2));
    fputc('\n', f);
    json_decref(all);
    return close_file(f, d->folder, "demo.json", e);
}

static void
print_page(const struct demo *d, FILE *f)
{
    char processor[128];

    processor_name(processor, sizeof processor);
    fprintf(f, "# tessera demo\n\n"
               "| run | s per step (median) | against native | test accuracy |\n"
               "|---|---|---|---|\n");
    for (enum demo_way way = DEMO_NATIVE; way < DEMO_WAYS; way++) {
        char cells[COLUMNS][CELL_BYTES];

        format_row(d, way, cells);
        fprintf(f, "| %s | %s | %s | %s |\n", cells[COL_RUN], cells[COL_STEP],
                cells[COL_RATIO], cells[COL_ACCURACY]);
    }
    fprintf(f,
            "\nModel `small` on Fashion-MNIST: %u steps, seed %llu, the same data and "
            "kernels in "
            "every row. Native,\npassthrough and vGPU alone took turns, rounds: %u; "
            "\"against "
            "native\" is the median of the rounds' ratios\n(lowest to highest). At once, "
            "\"sum "
            "of work\" is the steps per second of all together, native alone being 1.\n\n"
            "Tessera %s, vGPU type %s, %s, %d cores. All numbers: demo.json.\n\n"
            "![plot](demo.svg)\n",
            d->steps, (unsigned long long)d->seed, d->rounds, TESSERA_VERSION, DEMO_TYPE,
            processor, get_nprocs());
}

static int
write_page(const struct demo *d, struct err *e)
{
    FILE *f = open_in(d->folder, "demo.md", e);

    if (!f)
        return e->code;
    print_page(d, f);
    return close_file(f, d->folder, "demo.md", e);
}

/* The plot. */

static const char *const plot_labels[DEMO_WAYS] = {
    [DEMO_NATIVE] = "native",          [DEMO_PASSTHROUGH] = "pass-\\nthrough",
    [DEMO_ALONE] = "vGPU\\nalone",     [DEMO_TWO] = "2 vGPUs\\nat once",
    [DEMO_FOUR] = "4 vGPUs\\nat once",
};

static void
print_plot(const struct demo *d, FILE *f)
{
    fprintf(f,
            "set terminal svg size 900,380 dynamic font 'sans,13' background 'white'\n"
            "set output '%s/demo.svg'\n"
            "set style fill solid 0.85 noborder\n"
            "set boxwidth 0.65\nset grid ytics lc rgb '#dddddd'\nset border 3\n"
            "set xtics nomirror\nset ytics nomirror\nset yrange [0:*]\nunset key\nset "
            "bmargin 4\n"
            "set multiplot layout 1,2\n$d << EOD\n",
            d->folder);
    for (unsigned i = 0; i < DEMO_WAYS; i++)
        fprintf(f, "%u \"%s\" %.9g %.9g\n", i, plot_labels[i], d->rows[i].step_s * 1e3,
                d->rows[i].work);
    fputs("EOD\n"
          "set title 'time of a step, each (ms)'\n"
          "plot $d using 1:3:xtic(2) with boxes lc rgb '#3b6ea5', \\\n"
          "  $d using 1:3:(sprintf('%.1f', $3)) with labels offset 0,0.6\n"
          "set title 'work of all together (native = 1)'\n"
          "plot $d using 1:4:xtic(2) with boxes lc rgb '#5b9a68', \\\n"
          "  $d using 1:4:(sprintf('%.2f', $4)) with labels offset 0,0.6, \\\n"
          "  1 with lines lc rgb '#888888' dt 2\n",
          f);
}

static int
run_gnuplot(const char *script, const char *log)
{
    char *const argv[] = {"/usr/bin/env", "gnuplot", (char *)script, NULL};
    pid_t pid = demo_spawn(argv, NULL, log, log);
    int status;

    if (pid < 0)
        return pid;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return status == 0 ? 0 : -EIO;
}

/* Without gnuplot there is a table all the same. */
static int
write_plot(const struct demo *d, const char *tmp, struct err *e)
{
    _cleanup_free_ char *script = str_printf("%s/plot.gp", tmp);
    _cleanup_free_ char *log = str_printf("%s/plot.log", tmp);
    FILE *f = open_in(tmp, "plot.gp", e);
    int rc;

    if (!f || !script || !log) {
        cleanup_fclosep(&f);
        return e->code ? e->code : err_set(e, -ENOMEM, "out of memory");
    }
    print_plot(d, f);
    rc = close_file(f, tmp, "plot.gp", e);
    if (rc == 0 && run_gnuplot(script, log) < 0)
        fputs("tessera: demo: no plot: gnuplot failed or is not installed "
              "(gnuplot-nox)\n",
              stderr);
    return rc;
}

int
demo_write(const struct demo *d, const char *tmp, struct err *e)
{
    int rc = mkdir_parents(d->folder, 0755);

    if (rc < 0)
        return err_set(e, rc, "%s: %s", d->folder, strerror(-rc));
    rc = write_page(d, e);
    if (rc == 0)
        rc = write_json(d, e);
    return rc == 0 ? write_plot(d, tmp, e) : rc;
}
