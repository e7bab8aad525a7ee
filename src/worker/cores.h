/* SPDX-License-Identifier: MIT */
/* Where the threads that the driver makes may run, and what they may interrupt. */
#ifndef TESSERA_WORKER_CORES_H
#define TESSERA_WORKER_CORES_H

#include <sched.h>
#include <stdbool.h>

/* "0,2-3" to a set; -EINVAL when it is no such list. */
int cores_parse(const char *list, cpu_set_t *ret);

struct cores_saved {
    cpu_set_t set; /* to go back to */
    bool pinned, batch;
};

/*
 * Moves this thread to the cores of the list (NULL: leaves it), so that new threads start there; as
 * SCHED_BATCH: a kernel that becomes ready does not interrupt the one of another vGPU that runs
 * there, as on a device, but begins when that ends.
 */
int cores_pin(const char *list, struct cores_saved *ret_saved);

/* Moves it back; to the cores that are not of the list, if there are any: compilers, copies and
 * messages take no time of the device. */
void cores_restore(const struct cores_saved *saved);

#endif
