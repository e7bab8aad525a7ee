/* SPDX-License-Identifier: MIT */
/* What the commands about containers share. */
#ifndef TESSERA_CLI_CONTAINER_H
#define TESSERA_CLI_CONTAINER_H

#include "base/args.h"
#include "cli/cli.h"

/*
 * All that a container needs which uses the vGPUs of these names; prints what went wrong, wrapped
 * in the task. Returns 0 or EXIT_FAILED.
 */
int container_edits_named(char **names, unsigned n, const char *task, json_t **ret);

#endif
