/* SPDX-License-Identifier: MIT */
#include "cad/options.h"

#include <math.h>
#include <stdlib.h>

#include "common/option.h"

enum option_key {
    KEY_MESH = 'm',
    KEY_SIZE = 'S',
    KEY_RATE = 'R',
    KEY_FRAMES = 'n',
    KEY_PNG = 'p',
    KEY_NO_EDGES = RUN_KEYS_END,
};

enum { SIDE_MIN = 16, SIDE_MAX = 4096, FRAMES_DEFAULT = 300 };

static const struct argp_option option_table[] = {
    {0, 0, 0, 0, "What to draw:", 1},
    {"mesh", KEY_MESH, "FILE", 0, "A Wavefront OBJ file (default: a gear train)", 0},
    {"size", KEY_SIZE, "WxH", 0, "Pixels, each side 16 to 4096 (default 960x540)", 0},
    {"no-edges", KEY_NO_EDGES, 0, 0, "No lines where surfaces meet", 0},
    {"seed", RUN_SEED, "N", 0, "The camera's way (default 1)", 0},
    {0, 0, 0, 0, "How often:", 2},
    {"rate", KEY_RATE, "HZ", 0, "Frames that are due per second (default 30)", 0},
    {"frames", KEY_FRAMES, "N", 0, "End after so many were due (default 300)", 0},
    {"duration", RUN_DURATION, "SECONDS", 0, "End after a time instead", 0},
    {0, 0, 0, 0, "Where:", 3},
    RUN_DEVICE_OPTIONS,
    {0, 0, 0, 0, "Output:", 4},
    {"json", RUN_JSON, 0, 0, "JSON lines: events \"frame\" and \"result\"", 0},
    {"report", RUN_REPORT, "N", 0, "Report every N frames (default 0: never)", 0},
    {"rate-file", RUN_RATE_FILE, "FILE", 0,
     "Write what was drawn each second there: seconds, frames, missed", 0},
    {"png", KEY_PNG, "FILE", 0,
     "Write the last frame, or with %d in the name each frame, which takes time", 0},
    {"quiet", RUN_QUIET, 0, 0, "Print only the result", 0},
    {0, 0, 0, 0, "Together with others:", 5},
    {"wait-for", RUN_WAIT_FOR, "FILE", 0,
     "Compile, create FILE.PID.ready, and start the measured frames when FILE exists", 0},
    {0},
};

/* One side of WxH, up to the character that ends it. */
static uint32_t
parse_side(const char *text, char end, const char **ret_rest)
{
    char *rest;
    const unsigned long value = strtoul(text, &rest, 10);

    *ret_rest = rest + 1;
    if (*text < '0' || *text > '9' || *rest != end || value < SIDE_MIN ||
        value > SIDE_MAX)
        return 0;
    return (uint32_t)value;
}

static void
parse_size(struct options *o, const char *text, struct argp_state *state)
{
    const char *rest;

    o->width = parse_side(text, 'x', &rest);
    o->height = o->width ? parse_side(rest, '\0', &rest) : 0;
    if (!o->height)
        argp_error(state, "--size %s: WxH is needed, with sides from %d to %d", text,
                   SIDE_MIN, SIDE_MAX);
}

static void
check_length(struct options *o, struct argp_state *state)
{
    if (o->frames && o->run.duration_s > 0.0)
        argp_error(state, "--frames and --duration exclude each other");
    if (o->run.duration_s > 0.0)
        o->frames = (uint64_t)ceil(o->run.duration_s * o->rate);
    else if (!o->frames)
        o->frames = FRAMES_DEFAULT;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *const o = state->input;

    switch (key) {
    case KEY_MESH:
        o->mesh_file = arg;
        return 0;
    case KEY_SIZE:
        parse_size(o, arg, state);
        return 0;
    case KEY_NO_EDGES:
        o->no_edges = true;
        return 0;
    case KEY_RATE:
        o->rate = option_number(arg, 1e6, "rate", "frames per second", state);
        return 0;
    case KEY_FRAMES:
        o->frames = option_count(arg, 1, 1000000000, "frames", state);
        return 0;
    case KEY_PNG:
        o->png = arg;
        return 0;
    case ARGP_KEY_END:
        check_length(o, state);
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
        "Draws a shaded assembly at a fixed rate with OpenCL and reports the time of "
        "each frame and the frames that it missed.",
        NULL,
        NULL,
        NULL};
    struct options o = {.rate = 30.0, .width = 960, .height = 540, .run.seed = 1};

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    *ret_options = o;
}
