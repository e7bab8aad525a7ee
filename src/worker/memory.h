/* SPDX-License-Identifier: MIT */
/*
 * The session's part of the vGPU's framebuffer (docs/protocol.md, "Memory"). Invariant, kept under
 * one lock:
 *
 *     reserved (in the account)  >=  used (live buffers) + credit word + taken by the guest and
 *                                    not yet used in a create
 *
 * The credit word is in memory that the guest writes, so it is never believed: what is taken out
 * of it is cut to reserved - used. Nothing here knows OpenCL.
 *
 * Threads: the dispatcher (charge, ask), the driver's (uncharge), the recall thread, the job that
 * waits for memory.
 */
#ifndef TESSERA_WORKER_MEMORY_H
#define TESSERA_WORKER_MEMORY_H

#include "link/account.h"

struct memory {
    struct account_page *account;
    unsigned slot;
    _Atomic uint64_t *credit;   /* in the channel page; the guest takes from it */
    _Atomic uint64_t no_credit; /* stands for the word while the guest is not there */
    uint64_t keep_bytes;        /* credit above this goes back to the account */
    pthread_mutex_t lock;
    pthread_cond_t destroyed_cond;
    uint64_t destroyed; /* buffers that the driver destroyed, ever */
    uint64_t dying;     /* released with all that keeps them, not yet destroyed */
};

/* Gives the guest a first credit. */
void memory_init(struct memory *m, struct account_page *a, unsigned slot,
                 _Atomic uint64_t *credit);

/*
 * The same for a session that is made again: what it had is reserved for it already, its guest's
 * credit too, so nothing is given ahead. The credit word may come later: memory_use_credit().
 */
void memory_adopt(struct memory *m, struct account_page *a, unsigned slot);
void memory_use_credit(struct memory *m, _Atomic uint64_t *credit);

/* A buffer comes to life. false: the guest creates more than it was given. */
bool memory_charge(struct memory *m, uint64_t bytes);

/* It is gone, or could not be made: its bytes are credit again. */
void memory_uncharge(struct memory *m, uint64_t bytes);

/*
 * The guest asks for bytes. true: they are its own now. false: neither its credit nor the account
 * has them. Does not wait.
 */
bool memory_ask(struct memory *m, uint64_t bytes);

/* The same after all other sessions of the vGPU have given up unused credit. Waits for them. */
bool memory_ask_all(struct memory *m, uint64_t bytes);

/* Answers a recall: unused credit goes back to the account. */
void memory_recalled(struct memory *m, uint32_t recall);

/*
 * The guest has released a buffer and its sub-buffers; memory_died() follows when the driver has
 * destroyed it.
 */
void memory_dying(struct memory *m);
void memory_died(struct memory *m, uint64_t bytes);

/* How many buffers were destroyed so far, and are still to be destroyed. */
void memory_counts(struct memory *m, uint64_t *ret_destroyed, uint64_t *ret_dying);

/* Waits until more than `seen` buffers are destroyed, at most timeout_ms. true: they are. */
bool memory_wait_destroyed(struct memory *m, uint64_t seen, unsigned timeout_ms);

#endif
