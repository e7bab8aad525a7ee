/* SPDX-License-Identifier: MIT */
#include "language/options.h"

enum option_key { KEY_MODEL = 'm', KEY_TEXT = 'f' };

#define DEFAULT_TEXT "/usr/share/doc/jargon-text/jargon.txt.gz"

const char options_default_text[] = DEFAULT_TEXT;

static const struct argp_option option_table[] = {
    {0, 0, 0, 0, "What to train:", 1},
    {"model", KEY_MODEL, "NAME", 0,
     "small (default), medium, large (200, 650, 1500 units), or tiny, for tests", 0},
    {"text", KEY_TEXT, "FILE", 0,
     "A text, plain or .gz (default " DEFAULT_TEXT ", of the package jargon-text)", 0},
    {0},
};

static const struct model_spec *
parse_model(const char *name, struct argp_state *state)
{
    const struct model_spec *const spec = model_spec_find(name);

    if (!spec)
        argp_error(state, "unknown model \"%s\": there are small, medium, large and tiny",
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
    case KEY_TEXT:
        o->text = arg;
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
        "Trains an LSTM language model on a text with OpenCL and reports the time of "
        "each step and the perplexity.",
        children,
        NULL,
        NULL};
    struct options o = {.model = &model_specs[0], .text = options_default_text};

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (!o.training.steps && o.training.run.duration_s <= 0.0 && !o.training.turns)
        o.training.steps = o.model->default_steps;
    *ret_options = o;
}
