/* SPDX-License-Identifier: MIT */
/*
 * Workers that an earlier manager started. A slot of the account names its worker by number and
 * start time, but on a software GPU guests' kernels run in workers, and can write there what they
 * like: without more proof a manager, maybe root's, would watch and kill what a guest names.
 */
#ifndef TESSERA_MANAGER_WORKER_FIND_H
#define TESSERA_MANAGER_WORKER_FIND_H

#include "link/account.h"

struct manager;

enum worker_state {
    WORKER_GONE, /* or never was: another process has the number, which the log may tell */
    WORKER_FOUND, /* a worker of that vGPU and slot */
    /*
     * /proc does not show who has the number (hidepid), but we may send it signals: maybe a
     * worker of a user's manager. Not one to be killed, nor one whose memory is free.
     */
    WORKER_HIDDEN,
    /* A guest served in its own process, by the slot's word. Not one to be killed, either. */
    WORKER_PROGRAM,
};

/* The slot says that too only once: somebody else may write there meanwhile. */
struct worker {
    pid_t pid; /* as the slot says, whoever that is */
    int pidfd; /* of the caller; -1 when it is gone */
};

/*
 * The process that slot i of vGPU `name` names. It is the slot's worker if it runs the worker's
 * program, for this vGPU and slot by its command line, as our user or the one that its command
 * line says it becomes.
 */
enum worker_state worker_find(const struct manager *m, const char *name,
                              const struct account_page *a, unsigned i,
                              struct worker *ret);

#endif
