/* SPDX-License-Identifier: MIT */
/*
 * virtual.h - threads on a virtual clock. One runs at a time, until it sleeps; when all do, the
 * clock goes to where the first of them wakes up. So a run is the same each time, and takes no
 * longer than what is computed in it.
 *
 * now_ns() and what base/futex.h sleeps by are linked in from here.
 */
#ifndef TESSERA_TESTS_VIRTUAL_H
#define TESSERA_TESTS_VIRTUAL_H

#include <stdbool.h>
#include <stdint.h>

typedef void virtual_fn(void *arg);

/* A thread that begins with virtual_run(). It must return once the time is over. */
void virtual_thread(virtual_fn *run, void *arg);
bool virtual_is_over(void);

/* One that serves those, until they have returned. */
void virtual_servant(virtual_fn *run, void *arg);
bool virtual_serves_nobody(void);

/* Runs all of them; the time is over when the clock has moved by so much. */
void virtual_run(uint64_t for_ns);

void virtual_sleep_until(uint64_t ns);

#endif
