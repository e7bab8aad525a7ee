/* SPDX-License-Identifier: MIT */
/*
 * Turns of one vGPU of this process: whoever puts work on its device asks the gate (gate/gate.h)
 * before, and leaves an event behind it, by which the gate learns what it took.
 *
 *   alone for a while      nobody asks: a load of turns_asking, and a jump. Now and then one does,
 *                          to see that the program works at all
 *   somebody else wants    a thread of ours, the keeper, sleeps on the turns' words: it sees that,
 *                          has everybody ask, waits for what is on the device, and gives the turn
 *                          back. Who has none sleeps in its call
 *
 * The program co-operates: nothing but this library makes it ask.
 */
#ifndef TESSERA_GUEST_CUDA_TURNS_H
#define TESSERA_GUEST_CUDA_TURNS_H

#include "gate/cost.h"
#include "guest/cuda/flights.h"

#define TURNS_CONTEXTS_MAX 64u

/* Work for the device: what it costs others of its kind, and whether it is a kernel. */
struct turns_work {
    uint64_t key;  /* of this very kind: function and grid, or copy and size */
    uint64_t like; /* of the function with any grid; 0: there is no such */
    bool kernel;
};

struct turns;

/* Whose they are: what the keeper calls. */
struct turns_owner {
    /* The vGPU was suspended, and the slot is another's: waits for a new one, and turns_move()s.
     * false: there will be none. */
    bool (*move)(struct turns *u);
    /* At most once a second, while there is work. */
    void (*reconcile)(struct turns *u);
};

struct turns {
    struct gate gate;
    _Atomic(struct account_slot *) slot; /* ours; NULL: nobody holds us (tests) */
    const struct turns_owner *owner;     /* NULL: nobody's (tests) */
    uint64_t reconcile_ns;               /* when it is due again; the keeper's */
    _Atomic bool lost;                   /* the vGPU is gone for good */
    struct flights flights;
    struct costs *costs;
    pthread_mutex_t lock; /* of what follows */
    bool keeper_runs;
    _Atomic(pthread_t) keeper;
    bool passing;      /* nobody asks, but for a look */
    bool seen;         /* somebody came by since the last look */
    bool idle;         /* nobody did between the last two */
    uint64_t look_ns;  /* the next one */
    _Atomic bool asks; /* counted in turns_asking */
    _Atomic bool keeper_sleeps;
    _Atomic uint32_t kick, news; /* for the keeper; for those who wait */
    _Atomic uint32_t waiting;    /* who wait for a turn */
    /* On this device, to wait for. Too many: it is never passed. */
    void *contexts[TURNS_CONTEXTS_MAX];
    unsigned n_contexts;
    bool too_many;
};

/* How many of the process's turns have to be asked. Read before each command. */
extern _Atomic uint32_t turns_asking;

/* The process is a child: what its parent had is not its own. */
void turns_forget_all(void);

/* The gate's page is in the session's slot. */
void turns_open(struct turns *u, struct gate_page *page, const struct turn_view *view);

/* From now on it can be held there: while its vGPU is suspended. */
void turns_open_slot(struct turns *u, struct account_slot *slot,
                     const struct turns_owner *owner);

/* It has this slot and this view from now on. */
void turns_move(struct turns *u, struct account_slot *slot, const struct turn_view *view);

/* Sleeps while it is held. false: it is lost, nothing may go to the device or the account. */
bool turns_wait_while_held(struct turns *u);

/*
 * Waits until that work may go to the current context's device. What is returned goes to
 * turns_leave() once the driver has it.
 */
struct turns_entry {
    struct turns *turns; /* NULL: there is nothing to tell */
    bool refused;        /* it may not go: the vGPU is gone */
    struct flight flight;
};
void turns_enter(struct turns *u, const struct turns_work *w, struct turns_entry *ret);

/* The driver has taken it into that stream of the current context, or has not. */
void turns_leave(struct turns_entry *e, void *stream, bool taken);

/* A context of the vGPU's device has come, or goes. */
void turns_context_begins(struct turns *u, void *context);
void turns_context_ends(struct turns *u, const void *context);

/* The keeper's way from one sleep to the next; true: there is more to do. For its thread. */
void turns_keep(struct turns *u);

#endif
