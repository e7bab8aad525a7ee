/* SPDX-License-Identifier: MIT */
/* What suspend, resume, clone, send and receive share. */
#ifndef TESSERA_CLI_OPERATION_H
#define TESSERA_CLI_OPERATION_H

#include "client/operation.h"

/*
 * From here on SIGINT, SIGTERM and SIGHUP call off what is under way, unless whoever started us has
 * them ignored; a second one ends the process. Returns the descriptor that can be read from after
 * one, the same for each call.
 */
int operation_cancel_fd(void);

/*
 * client_operate() with these signals, and a bar on a terminal after a second. cancel_fd and
 * progress of *o are filled in; ret may be NULL.
 */
int operation_run(struct client *c, struct client_operation *o, json_t **ret,
                  struct err *e);

/* The same bar for what a command itself moves, between these two. */
void operation_progress_begin(void);
void operation_progress(void *user, const char *phase, uint64_t done, uint64_t total);
void operation_progress_end(void);

/* cli_fail(), and the exit status: 128 + the signal where it was called off by one. */
int operation_fail(const struct client *c, int rc, struct err *e, const char *task,
                   const char *name);

/*
 * A snapshot to read: "-" is stdin. *ret_path (may be NULL, and become NULL) is where it lies, the
 * caller's.
 */
int operation_open(const char *from, char **ret_path, struct err *e);

/*
 * The same of what a vGPU was suspended to. *ret_fd stays as it is where nothing needs to be
 * opened: the manager has it, or the vGPU is not suspended.
 */
int operation_open_noted(struct client *c, const json_t *vgpu, int *ret_fd,
                         char **ret_path, struct err *e);

/* For people, of an operation's answer: "a: cpu-512m on gpu0, 2 sessions". */
void operation_print_on(const json_t *answer);

#endif
