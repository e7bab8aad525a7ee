/* SPDX-License-Identifier: MIT */
/* crew.h - the processes of all workers: started, listened to, and none left behind. */
#ifndef OFFICE_CREW_H
#define OFFICE_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/failure.h"
#include "office/message.h"
#include "office/options.h"

struct member {
    pid_t pid; /* 0: not started, or gone */
    bool done;
};

enum { CREW_MESSAGES = 64 }; /* read at once */

struct crew {
    struct member *members; /* owned */
    unsigned count, ready, done;
    int messages; /* read end of the pipe */
    int start;    /* write end of the pipe whose end starts the work */
    struct message buffer[CREW_MESSAGES];
    size_t buffered_bytes;
    double cpu_s; /* of the workers that are done */

    /* Returns 0 or a negative errno, which ends the turn. */
    int (*on_operation)(void *data, const struct message *message, struct failure *why);
    void *data;
};

/*
 * Starts all of them, each with a seed of its own drawn from the one of the options. To be
 * followed by crew_fini in any case.
 */
int crew_init(struct crew *c, const struct options *options, const char *folder,
              struct failure *why);

/* Lets those that are ready start. */
void crew_start(struct crew *c);

/*
 * Waits a moment for messages and takes them. Fails when a worker could not make its
 * files, or has ended before it was done.
 */
int crew_turn(struct crew *c, struct failure *why);

/* Kills what still runs, and waits for it. */
void crew_fini(struct crew *c);

#endif
