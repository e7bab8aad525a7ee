/* SPDX-License-Identifier: MIT */
/*
 * Programs of CUDA's, put aside by the driver: it copies what they have on the GPU into their own
 * memory, and lets go of the GPU (CUDA driver API, 12.8 and later, "Checkpointing"). To begin with
 * the driver takes seconds, so this is a process of its own for all of a vGPU's programs.
 */
#ifndef TESSERA_WORKER_CHECKPOINT_H
#define TESSERA_WORKER_CHECKPOINT_H

#include <sys/types.h>

#define CHECKPOINT_PIDS_MAX 64

/*
 * Actions: freeze, all or none; again, as many as can be; restore, all or none, and none of them
 * goes on; unlock, they go on; thaw, both, of what is left of a freeze or a restore.
 */
struct checkpoint_options {
    const char *action; /* NULL: not asked for */
    const char *driver; /* the library's path */
    const char *gpus;   /* OLD=NEW: by UUID, where they have another GPU now; or NULL */
    pid_t pids[CHECKPOINT_PIDS_MAX];
    unsigned n;
};

/* Says what went wrong on stdout. Returns the process's exit status. */
int checkpoint_main(const struct checkpoint_options *o);

#endif
