/* SPDX-License-Identifier: MIT */
#ifndef TESSERA_TESTS_DIFFERENTIAL_SAY_H
#define TESSERA_TESTS_DIFFERENTIAL_SAY_H

#include "world.h"

#include "../e2e/programs/api_status.h"

#include <stdio.h>

/*
 * The transcript. step() begins a line before the call is made, so that a crash is found;
 * answer() ends it. note() is a line of its own.
 */
void step(struct world *w, const char *call, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
cl_int answer(const struct world *w, cl_int status);
void note(const struct world *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void note_bytes(const struct world *w, const char *what, const void *p, size_t bytes);

/*
 * A wrong call: its status is compared, or taken from docs/opencl-differences.md where it
 * has an id there (NULL: none).
 */
void wrong(struct world *w, const char *id, const char *call, cl_int status);

#endif
