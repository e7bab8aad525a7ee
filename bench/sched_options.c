/* SPDX-License-Identifier: MIT */
#include "sched_options.h"

#include "sched_experiments.h"

#include <argp.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 3

enum key {
    KEY_BUILD = 0x100,
    KEY_OUTPUT,
    KEY_ONLY,
    KEY_ROUNDS,
    KEY_CORES,
    KEY_LIST,
    KEY_QUICK,
    KEY_ADD,
    KEY_REPORT,
};

static const struct argp_option option_table[] = {
    {"build", KEY_BUILD, "DIR", 0, "The build tree to measure (build)", 0},
    {"output", KEY_OUTPUT, "DIR", 0, "For sched.json, .md and .svg (BUILD/bench)", 0},
    {"only", KEY_ONLY, "NAME[,NAME...]", 0, "These only; a name may end in *", 0},
    {"list", KEY_LIST, NULL, 0, "List the names", 0},
    {"rounds", KEY_ROUNDS, "N", 0, "How often each is measured (3; quick: 1)", 0},
    {"cores", KEY_CORES, "WHICH", 0,
     "all: the software GPU has every core; one: a core of its own; both (both; quick: "
     "one)",
     0},
    {"quick", KEY_QUICK, NULL, 0, "Seconds instead of minutes: does it work?", 0},
    {"add", KEY_ADD, NULL, 0,
     "Add rounds to those in sched.json, instead of measuring anew", 0},
    {"report", KEY_REPORT, NULL, 0, "Measure nothing: tables and plots of sched.json", 0},
    {0},
};

static unsigned
parse_cores(const char *text, struct argp_state *state)
{
    if (strcmp(text, "all") == 0)
        return CORES_ALL;
    if (strcmp(text, "one") == 0)
        return CORES_PINNED;
    if (strcmp(text, "both") != 0)
        argp_error(state, "--cores '%s': all, one or both", text);
    return CORES_ALL | CORES_PINNED;
}

static unsigned
parse_rounds(const char *text, struct argp_state *state)
{
    char *end;
    const unsigned long n = strtoul(text, &end, 10);

    if (end == text || *end || n < 1 || n > FIGURE_ROUNDS_MAX)
        argp_error(state, "--rounds '%s': a number from 1 to %d", text,
                   FIGURE_ROUNDS_MAX);
    return (unsigned)n;
}

static _Noreturn void
list(void)
{
    for (const struct experiment *x = experiments; x->name; x++)
        printf("%-16s %s\n", x->name, x->about);
    exit(EXIT_SUCCESS);
}

static bool
fits_any(const char *patterns, const char *name)
{
    for (const char *p = patterns; *p;) {
        const size_t len = strcspn(p, ",");
        char pattern[64];

        snprintf(pattern, sizeof pattern, "%.*s", (int)len, p);
        if (fnmatch(pattern, name, 0) == 0)
            return true;
        p += len + (p[len] == ',');
    }
    return false;
}

bool
sched_options_want(const struct sched_options *o, const struct experiment *x)
{
    return o->only ? fits_any(o->only, x->name) : x->quick || !o->quick;
}

static void
check_only(const char *only, struct argp_state *state)
{
    for (const struct experiment *x = experiments; x->name; x++) {
        if (fits_any(only, x->name))
            return;
    }
    argp_error(state, "--only '%s': there is no such experiment; --list shows all", only);
}

static error_t
option_seen(int key, char *arg, struct argp_state *state)
{
    struct sched_options *o = state->input;

    if (key == KEY_BUILD)
        o->build = arg;
    else if (key == KEY_OUTPUT)
        o->output = arg;
    else if (key == KEY_ONLY)
        o->only = arg;
    else if (key == KEY_ROUNDS)
        o->rounds = parse_rounds(arg, state);
    else if (key == KEY_CORES)
        o->cores = parse_cores(arg, state);
    else if (key == KEY_LIST)
        list();
    else if (key == KEY_QUICK)
        o->quick = true;
    else if (key == KEY_ADD)
        o->add = true;
    else if (key == KEY_REPORT)
        o->report = true;
    else
        return ARGP_ERR_UNKNOWN;
    if (key == KEY_ONLY)
        check_only(arg, state);
    return 0;
}

void
sched_options_parse(struct sched_options *ret, int argc, char **argv)
{
    static const struct argp argp = {
        .options = option_table,
        .parser = option_seen,
        .doc =
            "Measures, from outside, what part of a software GPU programs on vGPUs get, "
            "and holds it against what the policy promises. Starts a manager of its own "
            "and ends it. A run renews what it measures in sched.json, and leaves the "
            "rest."};
    struct sched_options o = {.build = "build"};

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (!o.rounds)
        o.rounds = o.quick ? 1 : ROUNDS;
    if (!o.cores)
        o.cores = o.quick ? CORES_PINNED : CORES_ALL | CORES_PINNED;
    *ret = o;
}
