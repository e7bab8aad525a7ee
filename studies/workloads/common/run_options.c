/* SPDX-License-Identifier: MIT */
#include "common/run_options.h"

#include "common/option.h"

error_t
run_option(int key, char *arg, struct run_options *o, struct argp_state *state)
{
    switch (key) {
    case RUN_SEED:
        o->seed = option_count(arg, 0, UINT64_MAX, "seed", state);
        return 0;
    case RUN_DURATION:
        o->duration_s = option_number(arg, 1e6, "duration", "seconds", state);
        return 0;
    case RUN_DEVICE:
        o->device = arg;
        return 0;
    case RUN_LIST:
        o->list_devices = true;
        return 0;
    case RUN_JSON:
        o->json = true;
        return 0;
    case RUN_REPORT:
        o->report_every = (uint32_t)option_count(arg, 0, 100000000, "report", state);
        return 0;
    case RUN_QUIET:
        o->quiet = true;
        return 0;
    case RUN_RATE_FILE:
        o->rate_file = arg;
        return 0;
    case RUN_WAIT_FOR:
        o->wait_for = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "what is \"%s\"? There are only options", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}
