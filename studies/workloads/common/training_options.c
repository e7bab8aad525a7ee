/* SPDX-License-Identifier: MIT */
#include "common/training_options.h"

#include "common/option.h"

enum option_key {
    KEY_STEPS = 'n',
    KEY_SEED = 's',
    KEY_REPORT = 'r',
    KEY_QUIET = 'q',
    KEY_DEVICE = 'D',
    KEY_LIST = 'L',
    KEY_JSON = 'j',
    KEY_DURATION = 't',
    KEY_NO_EVAL = 0x100,
    KEY_WAIT_FOR,
    KEY_RATE_FILE,
    KEY_TURNS,
};

static const struct argp_option option_table[] = {
    {"steps", KEY_STEPS, "N", 0, "Training steps (default: the model's)", 1},
    {"duration", KEY_DURATION, "SECONDS", 0, "Train for a time instead", 0},
    {"seed", KEY_SEED, "N", 0, "Same seed, same result to the bit (default 1)", 0},
    {"no-eval", KEY_NO_EVAL, 0, 0, "Leave out the evaluation at the end", 0},
    {0, 0, 0, 0, "Where:", 2},
    {"device", KEY_DEVICE, "N|PLATFORM:N", 0,
     "The Nth device of all, or of a platform given by number or part of its name "
     "(default 0)",
     0},
    {"list-devices", KEY_LIST, 0, 0, "List the devices and exit", 0},
    {0, 0, 0, 0, "Output:", 3},
    {"json", KEY_JSON, 0, 0, "JSON lines: events \"step\" and \"result\"", 0},
    {"report", KEY_REPORT, "N", 0, "Report every N steps (default 50; 0: never)", 0},
    {"rate-file", KEY_RATE_FILE, "FILE", 0,
     "Write the throughput of each second there: seconds, steps, images or words/s", 0},
    {"quiet", KEY_QUIET, 0, 0, "Print only the result", 0},
    {0, 0, 0, 0, "Together with others:", 4},
    {"wait-for", KEY_WAIT_FOR, "FILE", 0,
     "Compile, create FILE.PID.ready, and start the measured steps when FILE exists", 0},
    {"turns", KEY_TURNS, 0, 0,
     "Take a step for each line on standard input, or as many as it says, until that ends, "
     "and tell their time: an event \"turn\", in JSON",
     0},
    {0},
};

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct training_options *const o = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        *o = (struct training_options){.report_every = 50, .seed = 1};
        return 0;
    case KEY_STEPS:
        o->steps = (uint32_t)option_count(arg, 1, 100000000, "steps", state);
        return 0;
    case KEY_DURATION:
        o->duration_s = option_number(arg, 1e6, "duration", "seconds", state);
        return 0;
    case KEY_SEED:
        o->seed = option_count(arg, 0, UINT64_MAX, "seed", state);
        return 0;
    case KEY_NO_EVAL:
        o->no_eval = true;
        return 0;
    case KEY_DEVICE:
        o->device = arg;
        return 0;
    case KEY_LIST:
        o->list_devices = true;
        return 0;
    case KEY_JSON:
        o->json = true;
        return 0;
    case KEY_REPORT:
        o->report_every = (uint32_t)option_count(arg, 0, 100000000, "report", state);
        return 0;
    case KEY_RATE_FILE:
        o->rate_file = arg;
        return 0;
    case KEY_QUIET:
        o->quiet = true;
        return 0;
    case KEY_WAIT_FOR:
        o->wait_for = arg;
        return 0;
    case KEY_TURNS:
        o->turns = true;
        return 0;
    case ARGP_KEY_END:
        if (o->steps && o->duration_s > 0.0)
            argp_error(state, "--steps and --duration exclude each other");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp training_argp = {option_table, parse_option, 0, 0, 0, 0, 0};
