/* SPDX-License-Identifier: MIT */
#include "train/options.h"

#include <argp.h>

#include "common/option.h"

enum option_key {
    KEY_MODEL = 'm',
    KEY_DATA = 'd',
    KEY_STEPS = 'n',
    KEY_BATCH = 'b',
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
};

static const struct argp_option option_table[] = {
    {0, 0, 0, 0, "What to train:", 1},
    {"model", KEY_MODEL, "NAME", 0, "small (default) or mnist-deep", 0},
    {"data", KEY_DATA, "DIR", 0,
     "IDX files, plain or .gz (default /usr/share/datasets/fashion-mnist)", 0},
    {"steps", KEY_STEPS, "N", 0, "Training steps (default 300, mnist-deep 20000)", 0},
    {"duration", KEY_DURATION, "SECONDS", 0, "Train for a time instead", 0},
    {"batch", KEY_BATCH, "N", 0, "Images per step (default 50)", 0},
    {"seed", KEY_SEED, "N", 0, "Same seed, same result to the bit (default 1)", 0},
    {"no-eval", KEY_NO_EVAL, 0, 0, "Leave out the test images at the end", 0},
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
     "Write the throughput of each second there: seconds, steps, images/s", 0},
    {"quiet", KEY_QUIET, 0, 0, "Print only the result", 0},
    {0, 0, 0, 0, "Together with others:", 4},
    {"wait-for", KEY_WAIT_FOR, "FILE", 0,
     "Compile, create FILE.PID.ready, and start the measured steps when FILE exists", 0},
    {0},
};

static const struct model_spec *
parse_model(const char *name, struct argp_state *state)
{
    const struct model_spec *const spec = model_spec_find(name);

    if (!spec)
        argp_error(state, "unknown model \"%s\": there are small and mnist-deep", name);
    return spec;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *const o = state->input;

    switch (key) {
    case KEY_MODEL:
        o->model = parse_model(arg, state);
        return 0;
    case KEY_DATA:
        o->data_dir = arg;
        return 0;
    case KEY_STEPS:
        o->steps = (uint32_t)option_count(arg, 1, 100000000, "steps", state);
        return 0;
    case KEY_DURATION:
        o->duration_s = option_number(arg, 1e6, "duration", "seconds", state);
        return 0;
    case KEY_BATCH:
        o->batch = (uint32_t)option_count(arg, 1, 1000, "batch", state);
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
    case ARGP_KEY_ARG:
        argp_error(state, "what is \"%s\"? There are only options", arg);
        return 0;
    case ARGP_KEY_END:
        if (o->steps && o->duration_s > 0.0)
            argp_error(state, "--steps and --duration exclude each other");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void
options_parse(struct options *ret_options, int argc, char **argv)
{
    static const struct argp argp = {
        option_table,
        parse_option,
        NULL,
        "Trains a convolutional network on MNIST-like images with OpenCL and reports "
        "the time of each step and the accuracy.",
        NULL,
        NULL,
        NULL};
    struct options o = {.model = &model_specs[0],
                        .data_dir = "/usr/share/datasets/fashion-mnist",
                        .batch = 50,
                        .report_every = 50,
                        .seed = 1};

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (!o.steps && o.duration_s <= 0.0)
        o.steps = o.model->default_steps;
    *ret_options = o;
}
