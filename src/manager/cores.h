/* SPDX-License-Identifier: MIT */
/* Sets of CPU cores and their spelling: "0,2-3". Pure but for cores_of_process(). */
#ifndef TESSERA_MANAGER_CORES_H
#define TESSERA_MANAGER_CORES_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

#define CORES_TEXT_BYTES 256

/* The cores that this process may run on. */
int cores_of_process(cpu_set_t *ret);

/*
 * The share of `all` that belongs to number i of n, in order and without gaps;
 * sizes differ by one at most. n must not be larger than the number of cores.
 */
void cores_share(const cpu_set_t *all, unsigned i, unsigned n, cpu_set_t *ret);

/* "0,2-3"; cut off where the room ends. */
void cores_format(const cpu_set_t *set, char *buf, size_t cap);

#endif
