/* SPDX-License-Identifier: MIT */
/*
 * tessera simulate, in parts: simulate.c has the command, simulate_options.c reads what is wanted,
 * simulate_trace.c a recorded trace, simulate_run.c runs the schedulers on the virtual clock
 * (policy/sim.h), simulate_report.c and simulate_plot.c show what came of it. Inside
 * src/cli/simulate*.c only. No manager is asked for anything.
 */
#ifndef TESSERA_CLI_SIMULATE_H
#define TESSERA_CLI_SIMULATE_H

#include "base/args.h"
#include "base/err.h"
#include "policy/sim.h"

#include <jansson.h>
#include <stdio.h>

/* As the command line has it. */
struct simulate_args {
    struct args args;
    const char *policy, *slice, *elastic, *gpus, *vgpus, *max_instances, *time, *seed;
    const char *handover, *linger, *trace, *plot;
};

/* What is to be simulated: gpus times the same guests, their chance apart. */
struct simulate {
    bool policies[SCHED_POLICIES];
    struct sim_params p; /* its policy is set by simulate_run() */
    unsigned gpus, max_instances, n;
    struct sim_guest guests[SIM_VGPUS_MAX];
    struct sim_command *traces[SIM_VGPUS_MAX]; /* of the guests that have one, owned */
};

void simulate_fini(struct simulate *s);

/* ---- simulate_options.c: mistakes end the program, with EXIT_USAGE ------------------ */

/* All but the guests; max_instances and length_ns are 0 where they are to follow from others. */
void simulate_take_options(struct simulate *s, const struct simulate_args *a,
                           char **argv);

/* The guests that the words describe, and as many more of the last one as --vgpus says. */
void simulate_take_guests(struct simulate *s, const struct simulate_args *a, char **argv);

/* After the trace: shares that nobody gave, and what follows from the number of guests. */
void simulate_complete(struct simulate *s, const struct simulate_args *a, char **argv);

/* ---- simulate_trace.c --------------------------------------------------------------- */

/*
 * Reads a trace, and hands its commands to the guests of their names; those that are missing are
 * added. -EINVAL: "NAME:LINE: words".
 */
int simulate_read_trace(struct simulate *s, FILE *in, const char *name, struct err *e);

/* The same of a file; "-" is stdin. */
int simulate_load_trace(struct simulate *s, const char *path, struct err *e);

/* ---- simulate_run.c ----------------------------------------------------------------- */

/* Parts of the time of one GPU. */
struct simulate_gpu {
    double
        jain; /* of vGPUs that always have work, by what they are promised; NAN: no two */
    double idle, handover;
    uint64_t turns;
};

/* One guest, over all GPUs; parts of the time since its start. */
struct simulate_vgpu {
    double promised; /* NAN: nothing in particular */
    double got, got_least, got_most;
    double held;       /* its turns, with what it let pass in them */
    double commands_s; /* of one GPU */
    uint64_t commands; /* of all */
    struct sim_waits waits;
    uint64_t p99_worst_ns;
};

struct simulate_outcome {
    enum sched_policy policy;
    struct simulate_vgpu *vgpus; /* as many as guests */
    struct simulate_gpu *gpus;
};

/*
 * Simulates each policy that is wanted, one after the other; a bar on stderr if that is a
 * terminal. *ret_n outcomes, to be freed by simulate_outcomes_free(). -ENOMEM
 */
int simulate_run(struct simulate *s, struct simulate_outcome **ret, unsigned *ret_n,
                 struct err *e);
void simulate_outcomes_free(struct simulate_outcome *o, unsigned n);

/* ---- simulate_report.c -------------------------------------------------------------- */

/* Means and extremes over the GPUs of one outcome. */
struct simulate_total {
    double jain, jain_least; /* NAN: none */
    double idle, idle_most, handover;
    double turns_s; /* of one GPU */
    uint64_t turns; /* of all */
};

void simulate_sum_up(const struct simulate *s, const struct simulate_outcome *o,
                     struct simulate_total *ret);
json_t *simulate_json(const struct simulate *s, const struct simulate_outcome *o,
                      unsigned n);
void simulate_print(const struct simulate *s, const struct simulate_outcome *o,
                    unsigned n);

/* ---- simulate_plot.c ---------------------------------------------------------------- */

/* Could a plot be made there? To be asked before long work. */
int simulate_plot_check(const char *path, struct err *e);
int simulate_plot(const struct simulate *s, const struct simulate_outcome *o, unsigned n,
                  const char *path, struct err *e);

#endif
