/* SPDX-License-Identifier: MIT */
/*
 * tessera demo: one program, five ways. Native, passthrough and a vGPU alone are compared
 * in rounds, one after another and each time in another order, so that what else happens
 * on the machine meets them alike; their ratios are taken within a round.
 */
#include "cli/demo.h"
#include "cli/progress.h"

#include "base/args.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STEPS 300u
#define ROUNDS 5u
#define QUICK_STEPS 100u
#define QUICK_ROUNDS 1u
#define MIN_ROUNDS 3u
#define MAX_STEPS 100000u
/* On a slow machine no more rounds begin after this. */
#define ROUNDS_LIMIT_NS (140 * UINT64_C(1000000000))
/* What start, compiler and test images cost, in steps; for the progress bar alone. */
#define START_UNITS 60u
#define EVAL_UNITS 60u
#define COMPARED 3u /* DEMO_NATIVE, DEMO_PASSTHROUGH, DEMO_ALONE */

struct demo_args {
    struct args args;
    const char *steps, *seed, *folder;
    bool quick;
};

static const struct args_usage usage = {
    .doc = "Trains a small network with a private manager on a software GPU: natively, "
           "passed through, on one vGPU, and on two and four at once. Prints a table and "
           "writes it, all numbers and a plot to a folder.",
    .options =
        {
            {"steps", "N", "training steps of each program (300)",
             offsetof(struct demo_args, steps)},
            {"seed", "N", "where its random numbers start (1)",
             offsetof(struct demo_args, seed)},
            {"folder", "DIR", "where to write (demo, beside the program that runs)",
             offsetof(struct demo_args, folder)},
            {"quick", NULL, "fewer steps, one round: to see it work",
             offsetof(struct demo_args, quick)},
        },
};

static volatile sig_atomic_t stop_signal;

static void
on_signal(int number)
{
    stop_signal = number;
}

bool
demo_stopped(void)
{
    return stop_signal != 0;
}

static void
catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = on_signal};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
    signal(SIGCHLD, SIG_DFL);
}

/* The work. */

static unsigned
units_of(const struct demo *d, unsigned count, bool eval)
{
    return count * (d->steps + START_UNITS + (eval ? EVAL_UNITS : 0));
}

static int
run_phase(struct demo *d, const struct demo_site *s, enum demo_way way, bool eval,
          const char *name, struct err *e)
{
    struct demo_row *row = &d->rows[way];
    const struct demo_job job = {.way = way,
                                 .count = row->at_once,
                                 .steps = d->steps,
                                 .seed = d->seed,
                                 .eval = eval};
    int rc;

    progress_phase(name, units_of(d, job.count, eval));
    rc = demo_run(s, &job, progress_tick, row->results + row->n, e);
    if (rc < 0)
        return err_wrap(e, "%s", row->name);
    row->n += job.count;
    return 0;
}

static int
run_round(struct demo *d, const struct demo_site *s, unsigned round, struct err *e)
{
    char name[64];

    for (unsigned i = 0; i < COMPARED; i++) {
        const enum demo_way way = (enum demo_way)((round + i) % COMPARED);
        int rc;

        snprintf(name, sizeof name, "%s, round %u of %u", d->rows[way].name, round + 1,
                 d->rounds);
        rc = run_phase(d, s, way, round == 0, name, e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int
run_all(struct demo *d, const struct demo_site *s, struct err *e)
{
    const uint64_t begin = now_ns();
    int rc = 0;

    progress_start(d->rounds * COMPARED * units_of(d, 1, false) + COMPARED * EVAL_UNITS +
                   units_of(d, 2, true) + units_of(d, 4, true));
    for (unsigned i = 0; i < d->rounds && rc == 0; i++) {
        if (i >= MIN_ROUNDS && now_ns() - begin > ROUNDS_LIMIT_NS) {
            progress_skip((d->rounds - i) * COMPARED * units_of(d, 1, false));
            d->rounds = i;
        } else {
            rc = run_round(d, s, i, e);
        }
    }
    for (enum demo_way way = DEMO_TWO; way <= DEMO_FOUR && rc == 0; way++)
        rc = run_phase(d, s, way, true, d->rows[way].name, e);
    progress_end();
    d->seconds = (double)(now_ns() - begin) / 1e9;
    return rc;
}

static int
report(struct demo *d, const struct demo_site *s, bool json, struct err *e)
{
    int rc;

    d->gpu = s->gpu;
    demo_summarize(d);
    rc = demo_write(d, s->folder, e);
    if (json) {
        json_t *all = demo_json(d);

        cli_print(all, true, NULL);
        json_decref(all);
    } else {
        demo_print_table(d);
        if (rc == 0)
            printf("\n%s: demo.md, demo.json, demo.svg\n", d->folder);
    }
    return rc < 0 ? rc : demo_check(d, e);
}

static void
demo_fini(struct demo *d)
{
    for (unsigned i = 0; i < DEMO_WAYS; i++) {
        for (unsigned j = 0; j < d->rows[i].n; j++)
            json_decref(d->rows[i].results[j].raw);
    }
}

static int
demo(struct demo *d, bool json)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct demo_site s = {0};
    int rc;

    catch_signals();
    rc = demo_site_open(&s, &e);
    if (rc == 0)
        rc = run_all(d, &s, &e);
    if (rc == 0)
        rc = report(d, &s, json, &e);
    demo_site_close(&s);
    demo_fini(d);
    if (demo_stopped())
        fputs("tessera: demo: stopped, nothing is left behind\n", stderr);
    else if (rc < 0)
        fprintf(stderr, "tessera: demo: %s\n", err_msg(&e));
    return demo_stopped() ? 128 + stop_signal : rc < 0 ? EXIT_FAILED : 0;
}

/* The command line. */

static uint64_t
number_of(const char *text, uint64_t fallback, uint64_t max, const char *name,
          char **argv)
{
    unsigned long long v;
    char *end;

    if (!text)
        return fallback;
    errno = 0;
    v = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || v > max)
        args_mistake(argv, "--%s '%s': a number up to %llu", name, text,
                     (unsigned long long)max);
    return v;
}

/* In a build tree it is the tree's own folder, else one where we are. */
static char *
usual_folder(void)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    _cleanup_free_ char *ninja = NULL;

    if (n <= 0)
        return strdup("tessera-demo");
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    ninja = str_printf("%s/build.ninja", self);
    return ninja && access(ninja, F_OK) == 0 ? str_printf("%s/demo", self)
                                             : strdup("tessera-demo");
}

int
cmd_demo(int argc, char **argv)
{
    struct demo d = {.rows = {
                         [DEMO_NATIVE] = {"native", "native (PoCL, no Tessera)", 1},
                         [DEMO_PASSTHROUGH] = {"passthrough", "passthrough", 1},
                         [DEMO_ALONE] = {"alone", "vGPU, alone", 1},
                         [DEMO_TWO] = {"two", "2 vGPUs at once", 2},
                         [DEMO_FOUR] = {"four", "4 vGPUs at once", 4},
                     }};
    _cleanup_free_ char *folder = NULL;
    struct demo_args a = {0};

    args_parse(&usage, argc, argv, &a);
    d.steps = (unsigned)number_of(a.steps, a.quick ? QUICK_STEPS : STEPS, MAX_STEPS,
                                  "steps", argv);
    d.seed = number_of(a.seed, 1, UINT64_MAX, "seed", argv);
    d.rounds = a.quick ? QUICK_ROUNDS : ROUNDS;
    if (d.steps == 0)
        args_mistake(argv, "--steps 0: at least one");
    folder = a.folder ? strdup(a.folder) : usual_folder();
    if (!folder)
        return EXIT_FAILED;
    d.folder = folder;
    return demo(&d, a.args.json);
}
