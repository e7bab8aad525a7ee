/* SPDX-License-Identifier: MIT */
/* failure.h - why something did not work, in words for the person at the terminal. */
#ifndef WORKLOADS_FAILURE_H
#define WORKLOADS_FAILURE_H

struct failure {
    char text[1024]; /* empty: nothing failed */
};

/*
 * Keeps the text and returns code (a negative errno), so that a caller can write
 * `return failure_set(why, -EINVAL, ...)`. The first failure wins: what follows from
 * it is of no interest.
 */
int failure_set(struct failure *why, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
