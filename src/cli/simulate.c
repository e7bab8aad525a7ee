/* SPDX-License-Identifier: MIT */
/* tessera simulate: what the schedulers would give to made-up vGPUs, on a virtual clock. */
#include "cli/simulate.h"

#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct args_usage usage = {
    .words = "[VGPU...]",
    .doc = "Foretells what the schedulers give to vGPUs that are described by words: "
           "name=a,share=1/8,kernel=exp:500us,arrival=busy|closed:THINK|open:INTERVAL,"
           "start=10s. Keys may be left out. No manager and no GPU is used.",
    .max_words = SIM_VGPUS_MAX,
    .options =
        {
            {"policy", "POLICY", "best-effort, equal-share, fixed-share or all (all)",
             offsetof(struct simulate_args, policy)},
            {"slice", "TIME", "how long a turn is, from 1ms to 30ms (2ms)",
             offsetof(struct simulate_args, slice)},
            {"elastic", "PERCENT", "fixed share: by how much a share may grow (0)",
             offsetof(struct simulate_args, elastic)},
            {"gpus", "N", "that many GPUs with the same vGPUs each (1)",
             offsetof(struct simulate_args, gpus)},
            {"vgpus", "N", "vGPUs of a GPU, the last one described again (8 if one is)",
             offsetof(struct simulate_args, vgpus)},
            {"max-instances", "N", "shares that are not given are 1/N (all vGPUs)",
             offsetof(struct simulate_args, max_instances)},
            {"time", "TIME", "how long to simulate (60s, or as long as the trace)",
             offsetof(struct simulate_args, time)},
            {"seed", "N", "where random numbers start (1)",
             offsetof(struct simulate_args, seed)},
            {"handover", "TIME", "lost from one vGPU's turn to another's (20us)",
             offsetof(struct simulate_args, handover)},
            {"linger", "TIME", "best effort: an idle vGPU keeps its turn so long (50us)",
             offsetof(struct simulate_args, linger)},
            {"trace", "FILE",
             "recorded commands, a line each: TIME VGPU LENGTH; - is stdin",
             offsetof(struct simulate_args, trace)},
            {"plot", "FILE", "draw shares and waiting times (SVG, by gnuplot)",
             offsetof(struct simulate_args, plot)},
        },
};

void
simulate_fini(struct simulate *s)
{
    for (unsigned i = 0; i < SIM_VGPUS_MAX; i++)
        free(s->traces[i]);
}

/* The bar goes; then the signal does what it always does. */
static void
leave(int number)
{
    static const char clear[] = "\r\033[K";

    if (write(STDERR_FILENO, clear, sizeof clear - 1) < 0)
        _exit(128 + number);
    raise(number);
}

static void
leave_a_clean_terminal(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = leave, .sa_flags = SA_RESETHAND};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
}

static void
print(const struct simulate *s, const struct simulate_outcome *o, unsigned n, bool json)
{
    json_t *answer;

    if (!json) {
        simulate_print(s, o, n);
        return;
    }
    answer = simulate_json(s, o, n);
    cli_print(answer, true, NULL);
    json_decref(answer);
}

static int
simulate(struct simulate *s, const struct simulate_args *a, struct err *e)
{
    struct simulate_outcome *outcomes;
    unsigned n;
    int rc;

    if (isatty(STDERR_FILENO))
        leave_a_clean_terminal();
    rc = simulate_run(s, &outcomes, &n, e);
    if (rc < 0)
        return rc;
    print(s, outcomes, n, a->args.json);
    if (a->plot)
        rc = simulate_plot(s, outcomes, n, a->plot, e);
    simulate_outcomes_free(outcomes, n);
    return rc;
}

int
cmd_simulate(int argc, char **argv)
{
    static struct simulate s;
    struct simulate_args a = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    int rc = 0;

    args_parse(&usage, argc, argv, &a);
    simulate_take_options(&s, &a, argv);
    simulate_take_guests(&s, &a, argv);
    if (a.trace)
        rc = simulate_load_trace(&s, a.trace, &e);
    if (rc == 0) {
        simulate_complete(&s, &a, argv);
        rc = a.plot ? simulate_plot_check(a.plot, &e) : 0;
    }
    if (rc == 0)
        rc = simulate(&s, &a, &e);
    simulate_fini(&s);
    return rc < 0 ? cli_fail(NULL, &e, "simulate") : 0;
}
