/* SPDX-License-Identifier: MIT */
/* bench-sched: for each way to give the software GPU its cores a manager, the rounds, reports. */
#include "base/cleanup.h"
#include "base/io.h"
#include "child.h"
#include "sched_experiments.h"
#include "sched_options.h"
#include "sched_report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct sched_bench {
    struct sched_options o;
    char *folder, *path; /* of the results, of sched.json */
    struct figures figures;
};

static struct sched_bench bench; /* too large for a stack frame */

static void
progress(const struct experiment *x, unsigned round, bool pinned, const char *words)
{
    fprintf(stderr, "%s, round %u, %s%s%s\n", x->name, round + 1,
            pinned ? "a core of its own" : "all cores", words[0] ? ": " : "", words);
}

/* One experiment's failure is its own problem; an interruption is everybody's. */
static int
run_one(struct sched_bench *b, const struct site *s, const struct experiment *x,
        unsigned number, struct err *e)
{
    const struct round r = {.site = s, .figures = &b->figures, .quick = b->o.quick};
    _cleanup_err_ struct err why = ERR_INIT;
    char name[64];

    progress(x, number, s->pinned, "");
    snprintf(name, sizeof name, "%s%s", x->name, s->pinned ? " pinned" : "");
    if (x->run(&r, x, &why) == 0) {
        json_object_del(b->figures.problems, name);
        return 0;
    }
    if (child_signal())
        return err_set(e, -EINTR, "interrupted");
    progress(x, number, s->pinned, err_msg(&why));
    json_object_set_new(b->figures.problems, name, json_string(err_msg(&why)));
    return 0;
}

static int
run_rounds(struct sched_bench *b, const struct site *s, struct err *e)
{
    int rc = 0;

    for (unsigned i = 0; i < b->o.rounds && rc == 0; i++) {
        for (const struct experiment *x = experiments; x->name && rc == 0; x++) {
            if (sched_options_want(&b->o, x))
                rc = run_one(b, s, x, i, e);
        }
    }
    return rc;
}

static int
run_site(struct sched_bench *b, bool pin, struct err *e)
{
    static struct site s;
    int rc;

    for (const struct experiment *x = experiments; x->name && !b->o.add; x++) {
        if (sched_options_want(&b->o, x))
            figures_drop(&b->figures, x->name, pin);
    }
    rc = site_init(&s, b->o.build, pin, e);
    if (rc == 0)
        rc = run_rounds(b, &s, e);
    site_fini(&s);
    return rc;
}

/* Results. */

static void
load_results(struct sched_bench *b)
{
    json_t *o = json_load_file(b->path, 0, NULL);

    figures_load(&b->figures, o);
    json_decref(o);
}

static int
save_results(struct sched_bench *b, struct err *e)
{
    json_t *o = figures_json(&b->figures);
    struct utsname u;
    int rc = mkdir_parents(b->folder, 0755);

    uname(&u);
    json_object_set_new(o, "version", json_string(TESSERA_VERSION));
    json_object_set_new(o, "machine",
                        json_pack("{si ss ss}", "cores",
                                  (int)sysconf(_SC_NPROCESSORS_ONLN), "kernel", u.release,
                                  "architecture", u.machine));
    if (rc == 0 && json_dump_file(o, b->path, JSON_INDENT(1)) < 0)
        rc = -EIO;
    json_decref(o);
    return rc < 0 ? err_set(e, rc, "cannot write %s", b->path) : 0;
}

static int
bench_run(struct sched_bench *b, struct err *e)
{
    _cleanup_err_ struct err plot = ERR_INIT;
    int rc = 0;

    if (b->o.cores & CORES_ALL && !b->o.report)
        rc = run_site(b, false, e);
    if (rc == 0 && b->o.cores & CORES_PINNED && !b->o.report)
        rc = run_site(b, true, e);
    /* What was measured before an interruption is kept. */
    if (rc == -EINTR)
        save_results(b, NULL);
    else if (rc == 0)
        rc = save_results(b, e);
    if (rc == 0)
        rc = sched_report_markdown(&b->figures, b->folder, e);
    if (rc < 0)
        return rc;
    /* Missing gnuplot is worth a word, and no more. */
    if (sched_plot_all(&b->figures, b->folder, &plot) < 0)
        fprintf(stderr, "bench-sched: %s\n", err_msg(&plot));
    sched_report_table(&b->figures);
    return 0;
}

int
main(int argc, char **argv)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct sched_bench *b = &bench;
    int rc;

    sched_options_parse(&b->o, argc, argv);
    child_catch_signals();
    b->folder = b->o.output ? strdup(b->o.output) : str_printf("%s/bench", b->o.build);
    b->path = b->folder ? str_printf("%s/sched.json", b->folder) : NULL;
    rc = b->path ? figures_init(&b->figures) : -ENOMEM;
    if (rc == 0) {
        load_results(b);
        rc = bench_run(b, &e);
    }
    if (rc < 0)
        fprintf(stderr, "bench-sched: %s\n", err_msg(&e));
    figures_fini(&b->figures);
    free(b->path);
    free(b->folder);
    if (child_signal())
        return 128 + child_signal();
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
