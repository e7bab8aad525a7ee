/* SPDX-License-Identifier: MIT */
#include "train/options.h"

#include "common/option.h"

enum option_key { KEY_MODEL = 'm', KEY_DATA = 'd', KEY_BATCH = 'b' };

static const struct argp_option option_table[] = {
    {0, 0, 0, 0, "What to train:", 1},
    {"model", KEY_MODEL, "NAME", 0,
     "small (default, 300 steps), mnist-deep (20000 steps) or cifar10 (2000 steps)", 0},
    {"data", KEY_DATA, "DIR", 0,
     "IDX files, plain or .gz (default /usr/share/datasets/fashion-mnist); for cifar10 "
     "CIFAR-10's data_batch_1.bin to 5 and test_batch.bin (default: generated images)",
     0},
    {"batch", KEY_BATCH, "N", 0, "Images per step (default 50, cifar10 128)", 0},
    {0},
};

static const struct model_spec *
parse_model(const char *name, struct argp_state *state)
{
    const struct model_spec *const spec = model_spec_find(name);

    if (!spec)
        argp_error(state, "unknown model \"%s\": there are small, mnist-deep and cifar10",
                   name);
    return spec;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *const o = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->training;
        return 0;
    case KEY_MODEL:
        o->model = parse_model(arg, state);
        return 0;
    case KEY_DATA:
        o->data_dir = arg;
        return 0;
    case KEY_BATCH:
        o->batch = (uint32_t)option_count(arg, 1, 1000, "batch", state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void
options_parse(struct options *ret_options, int argc, char **argv)
{
    static const struct argp_child children[] = {{&training_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        parse_option,
        NULL,
        "Trains a convolutional network on small images with OpenCL and reports "
        "the time of each step and the accuracy.\v"
        "Devices with commas between them, --device 0,1, train together: each has a "
        "batch of "
        "its own, and every step takes the mean of their gradients.",
        children,
        NULL,
        NULL};
    struct options o = {.model = &model_specs[0]};

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (!o.training.steps && o.training.run.duration_s <= 0.0 && !o.training.turns)
        o.training.steps = o.model->default_steps;
    if (!o.batch)
        o.batch = o.model->default_batch;
    if (!o.data_dir)
        o.data_dir = o.model->data->default_dir;
    *ret_options = o;
}
