/* SPDX-License-Identifier: MIT */
/* tessera-bench: for each kind of GPU a manager, the rounds, and then the reports. */
#include "base/cleanup.h"
#include "base/io.h"
#include "child.h"
#include "fleet.h"
#include "host.h"
#include "measure.h"
#include "options.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define REPORTS_MAX 2

struct bench {
    struct options o;
    char *folder; /* of the results */
    struct report reports[REPORTS_MAX];
    unsigned nreports;
    json_t *gpu; /* the last one measured */
};

static void
progress(const char *round, const char *what)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s: %s", round, what);
    else
        fprintf(stderr, "%s: %s\n", round, what);
}

static void
progress_end(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* Measuring. */

static int
report_init(struct report *r, const struct options *o, bool discrete)
{
    *r = (struct report){.discrete = discrete, .key = discrete ? "discrete" : "shared"};
    r->results = calloc(ROWS_MAX, sizeof *r->results);
    for (const struct row *row = rows; row->name && r->results && r->n < ROWS_MAX;
         row++) {
        /* Rows about many vGPUs are about software GPUs, which hold that many. */
        if (options_want(o, row->name, row->only_long) && !(o->gpu && fleet_has(row)))
            r->results[r->n++].row = row;
    }
    return r->results ? 0 : -ENOMEM;
}

static const char *
title_of(const struct host *h)
{
    if (strcmp(json_string_value(json_object_get(h->gpu, "kind")), "software") != 0)
        return json_string_value(json_object_get(h->gpu, "device"));
    return host_discrete(h) ? "Software GPU, storage of its own"
                            : "Software GPU, storage shared with the guest";
}

static int
measure_on(struct bench *b, const struct host *h, struct err *e)
{
    struct report *r = &b->reports[b->nreports];
    struct measure m = {
        .host = h, .rounds = b->o.rounds, .quick = b->o.quick, .progress = progress};
    int rc;

    if (report_init(r, &b->o, host_discrete(h)) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    b->nreports++;
    json_decref(b->gpu);
    b->gpu = json_incref(h->gpu);
    r->title = title_of(h);
    m.results = r->results;
    m.nresults = r->n;
    rc = measure_run(&m, e);
    progress_end();
    return rc;
}

/* On managers of their own, once that of the rounds is gone. */
static int
measure_fleet(struct bench *b, bool discrete, struct err *e)
{
    const struct report *r = &b->reports[b->nreports - 1];
    const struct fleet f = {.build = b->o.build,
                            .discrete = discrete,
                            .quick = b->o.quick,
                            .results = r->results,
                            .nresults = r->n,
                            .progress = progress};
    int rc = fleet_run(&f, e);

    progress_end();
    return rc;
}

static int
measure_kind(struct bench *b, bool discrete, struct err *e)
{
    const struct host_options o = {
        .build = b->o.build, .gpu = b->o.gpu, .discrete = discrete, .pin = b->o.pin};
    struct host h;
    int rc = host_init(&h, &o, e);

    if (rc == 0)
        rc = measure_on(b, &h, e);
    host_fini(&h);
    return rc == 0 ? measure_fleet(b, discrete, e) : rc;
}

/* Reports. */

static json_t *
machine_json(const struct bench *b)
{
    struct utsname u;

    uname(&u);
    return json_pack("{si ss ss sO}", "cores", (int)sysconf(_SC_NPROCESSORS_ONLN),
                     "kernel", u.release, "architecture", u.machine, "gpu", b->gpu);
}

static json_t *
bench_json(const struct bench *b)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < b->nreports; i++)
        json_array_append_new(list, report_json(&b->reports[i]));
    return json_pack("{ss so s{si sb sb} so}", "version", TESSERA_VERSION, "machine",
                     machine_json(b), "settings", "rounds", (int)b->o.rounds, "quick",
                     (int)b->o.quick, "pin", (int)b->o.pin, "tables", list);
}

/* What a reader must know of the run, in a sentence. */
static char *
bench_words(const struct bench *b)
{
    const char *device = json_string_value(json_object_get(b->gpu, "device"));
    const char *driver = json_string_value(json_object_get(b->gpu, "driver"));

    return str_printf(
        "Tessera %s on %s (driver %s), %ld cores, %s, rounds: %u. A ratio is "
        "the vGPU's time over native's, or its bandwidth or rate over "
        "native's; the median of the rounds, and their range.",
        TESSERA_VERSION, device ? device : "?", driver ? driver : "?",
        sysconf(_SC_NPROCESSORS_ONLN),
        b->o.pin ? "the GPU pinned to its own" : "all of them the GPU's", b->o.rounds);
}

static int
write_json(const struct bench *b, json_t *all, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/bench.json", b->folder);

    if (!path || json_dump_file(all, path, JSON_INDENT(2)) < 0)
        return err_set(e, -EIO, "cannot write %s", path ? path : "bench.json");
    return 0;
}

/* Missing gnuplot is worth a word, and no more. */
static void
write_plots(const struct bench *b)
{
    for (unsigned i = 0; i < b->nreports; i++) {
        _cleanup_err_ struct err e = ERR_INIT;

        if (report_plot(&b->reports[i], i == 0, b->folder, &e) < 0)
            fprintf(stderr, "tessera-bench: %s\n", err_msg(&e));
    }
}

static int
write_reports(const struct bench *b, struct err *e)
{
    _cleanup_free_ char *words = bench_words(b);
    json_t *all = bench_json(b);
    int rc = mkdir_parents(b->folder, 0755);

    if (rc < 0)
        err_set(e, rc, "%s: %s", b->folder, strerror(-rc));
    if (rc == 0)
        rc = write_json(b, all, e);
    if (rc == 0)
        rc = report_markdown(b->reports, b->nreports, words ? words : "", b->folder, e);
    if (rc == 0)
        write_plots(b);
    if (rc == 0 && b->o.json)
        json_dumpf(all, stdout, JSON_INDENT(2));
    for (unsigned i = 0; i < b->nreports && !b->o.json; i++)
        report_table(&b->reports[i]);
    json_decref(all);
    return rc;
}

static int
bench_run(struct bench *b, struct err *e)
{
    int rc = b->o.kinds & KIND_SHARED ? measure_kind(b, false, e) : 0;

    if (rc == 0 && b->o.kinds & KIND_DISCRETE)
        rc = measure_kind(b, true, e);
    return rc == 0 ? write_reports(b, e) : rc;
}

int
main(int argc, char **argv)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct bench b = {0};
    int rc;

    options_parse(&b.o, argc, argv);
    child_catch_signals();
    b.folder = b.o.output ? strdup(b.o.output) : str_printf("%s/bench", b.o.build);
    rc = b.folder ? bench_run(&b, &e) : err_set(&e, -ENOMEM, "out of memory");
    if (rc < 0)
        fprintf(stderr, "tessera-bench: %s\n", err_msg(&e));
    for (unsigned i = 0; i < b.nreports; i++)
        free(b.reports[i].results);
    json_decref(b.gpu);
    free(b.folder);
    if (child_signal())
        return 128 + child_signal();
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
