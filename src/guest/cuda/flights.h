/* SPDX-License-Identifier: MIT */
/*
 * What a program has put on one device and is not known to have ended: each with an event behind it
 * in its stream. They are looked at in the order in which they were put there.
 *
 * A command's device time is what passes from the end of the one before, or from when it was put
 * there, to its own end: on a device that does one after the other that is what it takes.
 */
#ifndef TESSERA_GUEST_CUDA_FLIGHTS_H
#define TESSERA_GUEST_CUDA_FLIGHTS_H

#include "gate/gate.h"

#define FLIGHTS_MAX 1024u
#define FLIGHTS_SPARE_MAX (FLIGHTS_MAX + 1)

struct flight {
    struct gate_ticket ticket;
    uint64_t key, like; /* of what it costs (gate/cost.h); like 0: none */
    uint64_t submit_ns;
    void *context, *event;
};

struct flights {
    pthread_mutex_t lock; /* of all below */
    void *waited_for;     /* the context in which somebody waits; NULL: nobody does */
    struct flight ring[FLIGHTS_MAX];
    unsigned first, n;
    struct {
        void *context, *event;
    } spare[FLIGHTS_SPARE_MAX], last; /* last: of the one that ended last */
    unsigned n_spare;
    uint64_t last_end_ns; /* on the host's clock, as near as the device tells */
};

void flights_init(struct flights *f);

/* One that the driver has taken, into that stream. false: it cannot be followed, no event is to be
 * had. */
bool flights_add(struct flights *f, const struct flight *what, void *stream);

/* One that has ended; what it took is in *ret_at. false: there is none. */
bool flights_collect(struct flights *f, struct flight *ret, struct gate_times *ret_at);

/* Sleeps until the oldest, or all that are there now, have ended. false: there are none. */
bool flights_wait(struct flights *f, bool oldest);

/*
 * Somebody waits for all of a context: until flights_waited() it does not end (flights_let_go()).
 * One at a time; false: another one does.
 */
bool flights_wait_in(struct flights *f, void *context);
void flights_waited(struct flights *f);

/* Before a context ends: nobody waits in it any more. */
void flights_let_go(struct flights *f, const void *context);

/* When the oldest was put there; UINT64_MAX: there are none. */
uint64_t flights_oldest_ns(struct flights *f);

/* The context ends: takes one of its flights. false: none is left, nor an event of it. */
bool flights_take_of_context(struct flights *f, const void *context, struct flight *ret);

unsigned flights_count(struct flights *f);

#endif
