/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "rows.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 5
#define ROUNDS_QUICK 2

enum key {
    KEY_BUILD = 0x100,
    KEY_OUTPUT,
    KEY_GPU,
    KEY_ROUNDS,
    KEY_ONLY,
    KEY_LIST,
    KEY_QUICK,
    KEY_LONG,
    KEY_SHARED,
    KEY_DISCRETE,
    KEY_PIN,
};

static const struct argp_option option_table[] = {
    {"build", KEY_BUILD, "DIR", 0, "The build tree to measure (build)", 0},
    {"rounds", KEY_ROUNDS, "N", 0, "Rounds of native and vGPU in turn (5)", 0},
    {"only", KEY_ONLY, "NAME[,NAME...]", 0, "These only; a name may end in *", 0},
    {"list", KEY_LIST, NULL, 0, "List the names", 0},
    {"quick", KEY_QUICK, NULL, 0, "Few samples, two rounds: does it work?", 0},
    {"long", KEY_LONG, NULL, 0, "With 1 GiB transfers and mnist-deep", 0},
    {"shared", KEY_SHARED, NULL, 0,
     "Only a software GPU that shares its storage with guests (both kinds)", 0},
    {"discrete", KEY_DISCRETE, NULL, 0, "Only one that shares none", 0},
    {"gpu", KEY_GPU, "GPU", 0, "This GPU (the software GPU)", 0},
    {"pin", KEY_PIN, NULL, 0, "Give the software GPU a core of its own", 0},
    {"output", KEY_OUTPUT, "DIR", 0, "For bench.json, .md and .svg (BUILD/bench)", 0},
    {NULL, 'o', "FORMAT", 0, "What to print: table or json", 0},
    {0},
};

static unsigned
parse_rounds(const char *text, struct argp_state *state)
{
    char *end;
    const unsigned long n = strtoul(text, &end, 10);

    if (end == text || *end || n < 1 || n > ROUNDS_MAX)
        argp_error(state, "--rounds '%s': a number from 1 to %d", text, ROUNDS_MAX);
    return (unsigned)n;
}

static _Noreturn void
list(void)
{
    for (const struct row *r = rows; r->name; r++)
        printf("%-16s %s%s\n", r->name, r->what, r->only_long ? " (--long)" : "");
    exit(EXIT_SUCCESS);
}

/* "write-*" or a whole name, of `len` characters. */
static bool
pattern_fits(const char *pattern, size_t len, const char *name)
{
    if (len > 0 && pattern[len - 1] == '*')
        return strncmp(name, pattern, len - 1) == 0;
    return strlen(name) == len && strncmp(name, pattern, len) == 0;
}

static bool
fits_any(const char *patterns, const char *name)
{
    for (const char *p = patterns; *p;) {
        const size_t len = strcspn(p, ",");

        if (pattern_fits(p, len, name))
            return true;
        p += len + (p[len] == ',');
    }
    return false;
}

static void
check_only(const char *only, struct argp_state *state)
{
    for (const char *p = only; *p;) {
        const size_t len = strcspn(p, ",");
        bool found = false;

        for (const struct row *r = rows; r->name; r++)
            found = found || pattern_fits(p, len, r->name);
        if (!found)
            argp_error(state, "--only: there is no '%.*s'; --list shows all", (int)len,
                       p);
        p += len + (p[len] == ',');
    }
}

bool
options_want(const struct options *o, const char *name, bool only_long)
{
    return o->only ? fits_any(o->only, name) : o->long_ || !only_long;
}

static bool *
flag_of(struct options *o, int key)
{
    switch (key) {
    case KEY_QUICK:
        return &o->quick;
    case KEY_LONG:
        return &o->long_;
    case KEY_PIN:
        return &o->pin;
    default:
        return NULL;
    }
}

static error_t
option_seen(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    bool *flag = flag_of(o, key);

    if (flag)
        *flag = true;
    else if (key == KEY_SHARED || key == KEY_DISCRETE)
        o->kinds |= key == KEY_SHARED ? KIND_SHARED : KIND_DISCRETE;
    else if (key == KEY_BUILD)
        o->build = arg;
    else if (key == KEY_OUTPUT)
        o->output = arg;
    else if (key == KEY_GPU)
        o->gpu = arg;
    else if (key == KEY_ROUNDS)
        o->rounds = parse_rounds(arg, state);
    else if (key == KEY_ONLY)
        o->only = arg;
    else if (key == KEY_LIST)
        list();
    else if (key == 'o' && strcmp(arg, "json") == 0)
        o->json = true;
    else if (key == 'o' && strcmp(arg, "table") != 0)
        argp_error(state, "-o '%s': table or json", arg);
    else if (key != 'o')
        return ARGP_ERR_UNKNOWN;
    if (key == KEY_ONLY)
        check_only(arg, state);
    return 0;
}

void
options_parse(struct options *ret, int argc, char **argv)
{
    static const struct argp argp = {
        .options = option_table,
        .parser = option_seen,
        .doc = "Measures what a vGPU costs: the same OpenCL programs on the bare driver "
               "and on a vGPU, in turn. Starts a manager of its own and ends it."};
    struct options o = {.build = "build"};

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (o.gpu && (o.kinds || o.pin)) {
        fprintf(stderr,
                "tessera-bench: --shared, --discrete and --pin are for the software GPU, "
                "not for --gpu\n");
        exit(EXIT_FAILURE);
    }
    if (!o.kinds)
        o.kinds = o.gpu ? KIND_SHARED : KIND_SHARED | KIND_DISCRETE;
    if (!o.rounds)
        o.rounds = o.quick ? ROUNDS_QUICK : ROUNDS;
    *ret = o;
}
