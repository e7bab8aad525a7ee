/* SPDX-License-Identifier: MIT */
/*
 * Child processes that are asked by lines and answer by lines. Each leads a process group
 * of its own, so that it can be ended with all it started; it sees the end of its input
 * when we are gone, however we went. A child is one thread's.
 */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child {
    pid_t pid;   /* 0 = none */
    int in, out; /* to its stdin; from its stdout */
    char *text;  /* what came and was not taken yet */
    size_t len, cap;
};

#define CHILD_NONE                                                                       \
    {                                                                                    \
        .in = -1, .out = -1                                                              \
    }

/* From here on SIGINT, SIGTERM and SIGHUP make every wait of this file end: -EINTR. */
void child_catch_signals(void);

/* The signal that came, 0 = none. */
int child_signal(void);

int child_start(struct child *c, const char *const *argv, struct err *e);

/* Writes a line; "\n" is added. */
int child_say(const struct child *c, const char *line, struct err *e);

/* Reads one line and parses it; *ret is the caller's. -EPIPE when it ended instead. */
int child_answer(struct child *c, int timeout_ms, json_t **ret, struct err *e);

/* Closes its input, and ends it if it does not end by itself. Fine on CHILD_NONE. */
void child_stop(struct child *c);

/*
 * Runs a program to its end; *ret (may be NULL) is the JSON of its last line, or of its
 * whole output. -ECHILD when its status is not 0.
 */
int child_run(const char *const *argv, int timeout_ms, json_t **ret, struct err *e);

/* For cleaning up: signals that came do not end it, and what it says is dropped. */
int child_run_always(const char *const *argv, int timeout_ms, struct err *e);

#endif
