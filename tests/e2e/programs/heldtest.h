/* SPDX-License-Identifier: MIT */
/*
 * What the guest_held programs share: tests of commands that cannot run yet. Each runs in two ways:
 *
 *   event   a user event holds back what a test enqueues, until the test opens it. Then it is also
 *           certain that nothing of it has run before
 *   turn    nothing of the program's own holds it back: the test runs beside others who want the
 *           same GPU, and commands wait for their turn
 *
 * With "pocl" behind it nothing is asked for that PoCL itself leaves out.
 */
#ifndef TESSERA_TESTS_HELDTEST_H
#define TESSERA_TESTS_HELDTEST_H

#include "cltest.h"

#define WORDS ((size_t)1000)
#define BYTES (WORDS * 4)
#define WAIT_MS 10000u /* for what must come */

extern struct cl c;
extern cl_program program; /* scramble, put, and others: heldtest.c */
extern cl_kernel scramble;
extern bool by_event, pocl;

/* argv: event|turn [pocl]. */
void held_open(int argc, char **argv);
void held_close(void);

void done(const char *name);

/*
 * What holds commands back: to be their wait list. None in the way `turn`. stays: are these still
 * held back, as far as can be said?
 */
struct hold {
    cl_event event;
    cl_uint n; /* 1 or 0 */
    const cl_event *list;
};

void hold_begin(struct hold *h);
void hold_stays(const struct hold *h, cl_uint n, const cl_event *events);
void hold_open(struct hold *h); /* and is released */

cl_event user_event(void);
cl_int status_of(cl_event e);
bool comes_soon(cl_event e);
void release_events(cl_uint n, const cl_event *events);

/* scramble with these arguments, on `queue`, with an event. */
cl_event launch(cl_command_queue queue, cl_mem b, uint32_t seed, cl_uint n,
                const cl_event *waits);

/* The same without an event, held back by h. */
void launch_held(const struct hold *h, cl_command_queue queue, cl_mem b, uint32_t seed);

/* Of WORDS words with a pattern; host: the same. */
cl_mem new_buffer(uint32_t *host, uint32_t seed);
void compare(cl_mem b, const uint32_t *want, const char *what);

cl_command_queue out_of_order(void);

/* In order, on the context's next device, if it has more than one. */
cl_command_queue next_device_queue(void);

#endif
