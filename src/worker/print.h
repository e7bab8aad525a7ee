/* SPDX-License-Identifier: MIT */
/*
 * The printf of kernels. Drivers print to the process' stdout, from threads of their own:
 *
 *     kernel ─▶ fd 1 ─▶ pipe ─▶ replies ring ─▶ the guest's stdout
 *
 * Text of a kernel is in the pipe before the driver says that the kernel is complete, so that
 * taking what is there before each answer keeps the order (worker/reply.h). A thread takes the
 * rest: text of kernels that run for long, or more than the pipe holds. When the guest does not
 * read, the pipe stays full, and the kernel that prints waits.
 */
#ifndef TESSERA_WORKER_PRINT_H
#define TESSERA_WORKER_PRINT_H

#include "worker/session.h"

/* Puts a pipe in the place of stdout: before the driver is loaded. 0 or a negative errno. */
int print_capture(struct session *s);

/* A thread's main: passes text on, for ever. */
void *print_main(void *session);

/*
 * Dispatcher: the running request makes a program, and this is its recipe. If its kernels could
 * print, answers look for text from now on, and the guest is told that some may come.
 */
void print_expect(struct session *s, const struct recipe *r);

#endif
