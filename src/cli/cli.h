/* SPDX-License-Identifier: MIT */
/* What the commands of `tessera` share. */
#ifndef TESSERA_CLI_CLI_H
#define TESSERA_CLI_CLI_H

#include "base/args.h" /* EXIT_USAGE */
#include "base/err.h"
#include "client/client.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Beside 0 and EXIT_USAGE; EXIT_TESSERA, 126 and 127 are those of env(1) and docker. */
#define EXIT_FAILED 1
#define EXIT_TESSERA 125 /* run: Tessera itself failed */
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND 127

/* argv[0] is "tessera NAME", as argp shows it. run returns the exit status. */
struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
};

/* The table of all commands, ended by a row without a name. */
extern const struct command commands[];

/* A client whose notes go to stderr; exits with `status` when there is no memory. */
struct client *cli_client(bool no_start, int status);

/* One request; prints what went wrong, and a hint, as "tessera: TASK: words". */
int cli_get(struct client *c, const char *path, json_t **ret, const char *task);

/* Prints the error, wrapped in the task, and returns EXIT_FAILED. */
int cli_fail(const struct client *c, struct err *e, const char *task, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints an answer for programs or, by `table`, for people. */
void cli_print(const json_t *answer, bool json, void (*table)(const json_t *answer));

/* GETs, prints and returns the exit status: all that most commands do. */
int cli_show(const char *path, const char *task, bool json,
             void (*table)(const json_t *answer));

/*
 * Prints on stderr what the manager has to complain of: state files set aside, drivers
 * that fail.
 */
void cli_warn(void);

/* Are colours wanted? On a terminal, unless NO_COLOR is set. */
bool cli_colours(void);

/* Members of an answer, with defaults where they are missing. */
const char *json_text_of(const json_t *o, const char *key, const char *fallback);
uint64_t json_u64_of(const json_t *o, const char *key);

/* One file per command. */
int cmd_gpus(int argc, char **argv);
int cmd_types(int argc, char **argv);
int cmd_create(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_delete(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_suspend(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_clone(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_receive(int argc, char **argv);
int cmd_snapshot(int argc, char **argv);
int cmd_cdi(int argc, char **argv);
int cmd_oci_edit(int argc, char **argv);
int cmd_container_args(int argc, char **argv);
int cmd_gpu(int argc, char **argv);
int cmd_vm(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_advise(int argc, char **argv);
int cmd_simulate(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_study(int argc, char **argv);
int cmd_shutdown(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);

#endif
