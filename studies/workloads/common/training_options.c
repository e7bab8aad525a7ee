/* SPDX-License-Identifier: MIT */
#include "common/training_options.h"

#include "common/option.h"

enum option_key { KEY_STEPS = 'n', KEY_NO_EVAL = RUN_KEYS_END, KEY_TURNS };

static const struct argp_option option_table[] = {
    {"steps", KEY_STEPS, "N", 0, "Training steps (default: the model's)", 1},
    {"duration", RUN_DURATION, "SECONDS", 0, "Train for a time instead", 0},
    {"seed", RUN_SEED, "N", 0, "Same seed, same result to the bit (default 1)", 0},
    {"no-eval", KEY_NO_EVAL, 0, 0, "Leave out the evaluation at the end", 0},
    {0, 0, 0, 0, "Where:", 2},
    RUN_DEVICE_OPTIONS,
    {0, 0, 0, 0, "Output:", 3},
    {"json", RUN_JSON, 0, 0, "JSON lines: events \"step\" and \"result\"", 0},
    {"report", RUN_REPORT, "N", 0, "Report every N steps (default 50; 0: never)", 0},
    {"rate-file", RUN_RATE_FILE, "FILE", 0,
     "Write the throughput of each second there: seconds, steps, images or words/s", 0},
    {"quiet", RUN_QUIET, 0, 0, "Print only the result", 0},
    {0, 0, 0, 0, "Together with others:", 4},
    {"wait-for", RUN_WAIT_FOR, "FILE", 0,
     "Compile, create FILE.PID.ready, and start the measured steps when FILE exists", 0},
    {"turns", KEY_TURNS, 0, 0,
     "Take a step for each line on standard input, or as many as it says, until that "
     "ends, "
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
        *o = (struct training_options){.run = {.report_every = 50, .seed = 1}};
        return 0;
    case KEY_STEPS:
        o->steps = (uint32_t)option_count(arg, 1, 100000000, "steps", state);
        return 0;
    case KEY_NO_EVAL:
        o->no_eval = true;
        return 0;
    case KEY_TURNS:
        o->turns = true;
        return 0;
    case ARGP_KEY_END:
        if (o->steps && o->run.duration_s > 0.0)
            argp_error(state, "--steps and --duration exclude each other");
        return 0;
    default:
        return run_option(key, arg, &o->run, state);
    }
}

const struct argp training_argp = {option_table, parse_option, 0, 0, 0, 0, 0};
