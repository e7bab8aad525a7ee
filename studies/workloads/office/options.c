/* SPDX-License-Identifier: MIT */
#include "office/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/option.h"

enum option_key {
    KEY_WORKERS = 'w',
    KEY_OPERATIONS = 'n',
    KEY_THINK = 'T',
    KEY_FOLDER = 'f',
    KEY_TEXT = RUN_KEYS_END,
};

static const struct argp_option option_table[] = {
    {0, 0, 0, 0, "Who works, and how long:", 1},
    {"workers", KEY_WORKERS, "N", 0, "Workers, each a process (default 1, at most 1000)",
     0},
    {"duration", RUN_DURATION, "SECONDS", 0, "For how long (default 60)", 0},
    {"operations", KEY_OPERATIONS, "N", 0, "Operations of each worker instead", 0},
    {"think", KEY_THINK, "SECONDS", 0,
     "Mean time to think before an operation (default 2; 0: none)", 0},
    {"seed", RUN_SEED, "N", 0, "Same seed, same operations and pauses (default 1)", 0},
    {0, 0, 0, 0, "On what:", 2},
    {"folder", KEY_FOLDER, "DIR", 0,
     "Make the files in a new folder there, removed at the end (default $TMPDIR or /tmp)",
     0},
    {"text", KEY_TEXT, "FILE", 0, "Search in this text instead of one that is made", 0},
    {0, 0, 0, 0, "Output:", 3},
    {"json", RUN_JSON, 0, 0, "JSON lines: events \"operation\" and \"result\"", 0},
    {"report", RUN_REPORT, "N", 0,
     "Report every Nth operation of each worker (default 0: none)", 0},
    {"quiet", RUN_QUIET, 0, 0, "Print only the result", 0},
    {0, 0, 0, 0, "Together with others:", 4},
    {"wait-for", RUN_WAIT_FOR, "FILE", 0,
     "Make all files, create FILE.PID.ready, and start when FILE exists", 0},
    {0},
};

/* Absolute, since the workers have folders of their own. Freed with the process. */
static const char *
parse_text(const char *path, struct argp_state *state)
{
    const char *const absolute = realpath(path, NULL);

    if (!absolute)
        argp_error(state, "--text %s: %s", path, strerror(errno));
    return absolute;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *const o = state->input;

    switch (key) {
    case KEY_WORKERS:
        o->workers = (uint32_t)option_count(arg, 1, 1000, "workers", state);
        return 0;
    case KEY_OPERATIONS:
        o->operations = (uint32_t)option_count(arg, 1, 100000000, "operations", state);
        return 0;
    case KEY_THINK:
        o->think_s = option_number_or_0(arg, 3600, "think", "seconds", state);
        return 0;
    case KEY_FOLDER:
        o->folder = arg;
        return 0;
    case KEY_TEXT:
        o->text_file = parse_text(arg, state);
        return 0;
    case ARGP_KEY_END:
        if (o->operations && o->run.duration_s > 0.0)
            argp_error(state, "--operations and --duration exclude each other");
        return 0;
    default:
        return run_option(key, arg, &o->run, state);
    }
}

void
options_parse(struct options *ret_options, int argc, char **argv)
{
    static const struct argp argp = {
        option_table,
        parse_option,
        NULL,
        "Works like people in an office, without a GPU: spreadsheets, searches, "
        "documents "
        "and pictures, with pauses to think, and reports how long each operation took.",
        NULL,
        NULL,
        NULL};
    struct options o = {.workers = 1, .think_s = 2.0, .run.seed = 1};

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (!o.operations && o.run.duration_s <= 0.0)
        o.run.duration_s = 60.0;
    *ret_options = o;
}
