/* SPDX-License-Identifier: MIT */
/*
 * What a session may use of its vGPU's limits (link/limit.h). The account counts for all sessions;
 * each takes an allowance from it in batches, so that a call that creates or enqueues compares two
 * numbers of its own and goes to the account once in a while. A limit below LIMIT_BATCHES is kept
 * to the unit, without batches.
 */
#ifndef TESSERA_WORKER_LIMIT_H
#define TESSERA_WORKER_LIMIT_H

#include "link/limit.h"

#include <stdbool.h>

struct session;

struct allowance {
    uint64_t held; /* in the account */
    uint64_t used; /* of that */
};

/*
 * Dispatcher: n more of `which`. false: the vGPU is at its limit, which the log is told, once a
 * second at most.
 */
bool allowance_take(struct session *s, enum limit which, uint64_t n);
void allowance_give(struct session *s, enum limit which, uint64_t n);

/*
 * LIMIT_INFLIGHT_BYTES: taken by the dispatcher, given back by any thread: the dispatcher finds it
 * when it needs it.
 */
bool inflight_take(struct session *s, uint64_t bytes);
void inflight_give(struct session *s, uint64_t bytes);

/* Dispatcher, idle: back to the account goes what other threads gave back. */
void inflight_settle(struct session *s);

/* What one wait costs, of the driver's memory too: a callback, a finish, an event waited for. */
#define WAIT_INFLIGHT_BYTES 256u

#endif
