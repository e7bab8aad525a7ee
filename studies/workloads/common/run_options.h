/* SPDX-License-Identifier: MIT */
/*
 * run_options.h - options that programs to measure with have in common. Each program's table has
 * those that it takes, with its own words; what they mean is here.
 */
#ifndef WORKLOADS_RUN_OPTIONS_H
#define WORKLOADS_RUN_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

/* A program's own keys without a letter begin at RUN_KEYS_END. */
enum run_option_key {
    RUN_SEED = 's',
    RUN_DURATION = 't',
    RUN_DEVICE = 'D',
    RUN_LIST = 'L',
    RUN_JSON = 'j',
    RUN_REPORT = 'r',
    RUN_QUIET = 'q',
    RUN_RATE_FILE = 0x100,
    RUN_WAIT_FOR,
    RUN_KEYS_END,
};

struct run_options {
    const char *device;    /* as gpu_find takes it; NULL: the first */
    const char *wait_for;  /* file to wait for before what is measured, or NULL */
    const char *rate_file; /* file for a line a second, or NULL */
    uint64_t seed;
    double duration_s;     /* 0: not given */
    uint32_t report_every; /* 0: never */
    bool list_devices, json, quiet;
};

#define RUN_DEVICE_OPTIONS                                                               \
    {"device",                                                                           \
     RUN_DEVICE,                                                                         \
     "N|PLATFORM:N",                                                                     \
     0,                                                                                  \
     "The Nth device of all, or of a platform given by number or part of its name "      \
     "(default 0)",                                                                      \
     0},                                                                                 \
    {                                                                                    \
        "list-devices", RUN_LIST, 0, 0, "List the devices and exit", 0                   \
    }

/*
 * For argp's parsers, in place of ARGP_ERR_UNKNOWN: takes one of the options above, and refuses
 * words that are no option.
 */
error_t run_option(int key, char *arg, struct run_options *o, struct argp_state *state);

#endif
