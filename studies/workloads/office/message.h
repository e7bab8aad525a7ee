/* SPDX-License-Identifier: MIT */
/* message.h - what a worker tells the parent, through a pipe that all of them share. */
#ifndef OFFICE_MESSAGE_H
#define OFFICE_MESSAGE_H

#include <limits.h>
#include <stdint.h>

enum message_type {
    MESSAGE_READY,     /* all files are made */
    MESSAGE_FAILED,    /* they could not be made: why */
    MESSAGE_OPERATION, /* one is over */
    MESSAGE_DONE,      /* the last one is over */
};

struct message {
    enum message_type type;
    uint32_t worker;
    uint32_t number, kind; /* of the operation; the first is 1 */
    uint64_t answer;
    double seconds; /* that it took */
    double late_s;  /* how late it woke up from thinking; negative: did not think */
    double cpu_s;   /* with MESSAGE_DONE: of all operations and pauses */
    char why[256];  /* not empty: the operation failed */
};

/* So that a write of one is never mixed with another's: pipe(7). */
_Static_assert(sizeof(struct message) <= PIPE_BUF, "a message is written in one piece");

#endif
