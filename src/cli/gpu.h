/* SPDX-License-Identifier: MIT */
/* `tessera gpu set` and `tessera gpu log` share a command line; one file each does the work. */
#ifndef TESSERA_CLI_GPU_H
#define TESSERA_CLI_GPU_H

#include "base/args.h"

#include <jansson.h>

/* A GPU's settings as words of the command line; NULL: stays as it is. */
struct gpu_settings {
    const char *mode, *placement, *policy, *slice, *elastic, *watchdog;
};

/* A GPU, or the list of all, one line each. */
void gpu_print_settings(const json_t *answer);

/*
 * The body of the request, the caller's. NULL: a word is wrong, and `mistake` (of cap bytes)
 * says which.
 */
json_t *gpu_settings_json(const struct gpu_settings *s, char *mistake, size_t cap);

/* Prints the log of a GPU; returns the exit status. */
int gpu_log(const char *gpu, bool json);

#endif
