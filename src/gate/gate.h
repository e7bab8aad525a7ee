/* SPDX-License-Identifier: MIT */
/*
 * One session's gate: may a command be handed to the driver now? And what have they taken?
 *
 *   gate_admit()  ─▶ the driver ─▶ gate_complete()
 *        │ no: it is held back until gate_step() finds a turn, or room in the window
 *
 * The gate hands commands on while its vGPU holds a turn (link/turn.h), and never more than a
 * window of device time ahead: so that whoever comes next waits no longer than that. How long a
 * command will take is the caller's estimate.
 *
 *   shared turn   the rest of the slice, in wall time since the turn was taken
 *   open turn     header.window_ns: nobody else wants the device; more after a while alone
 *   loose         the same: the arbiter is gone
 *   ungoverned    everything passes: there is no arbiter (tests)
 *
 * Where to ask would cost more than the command does (CUDA), who has had the device alone for a
 * while passes: commands go without a word until somebody else wants it, gate_pass().
 *
 * A shared turn is given back a moment before its last command ends, as far as that is known: what
 * the next gate's first command takes to begin passes while ours still runs. It counts up to that
 * end; if ours runs on for longer, that is a debt.
 *
 * A first launch, before which a driver compiles for an unknown time (PoCL), goes alone, and the
 * turn is handed on at once; what it takes of the device then is a debt.
 *
 * Any thread may call any of these; they never block. Times of the host are CLOCK_MONOTONIC, times
 * of commands the device's.
 */
#ifndef TESSERA_GATE_GATE_H
#define TESSERA_GATE_GATE_H

#include "link/account.h"
#include "link/turn.h"

#include <pthread.h>

/* One command between gate_admit() and gate_complete(). */
struct gate_ticket {
    uint64_t est_ns; /* what it is expected to take of the device */
    bool counted; /* takes device time: no marker, no barrier, no map of shared storage */
    bool kernel;
    bool guess;  /* est_ns is of such commands with other arguments */
    bool first;  /* a first launch: compiled before it runs */
    bool passed; /* stands for all that went while the gate was passed */
    bool look;   /* the gate's: gate_step() must follow */
};

/* When a command was handed to the device, began and ended there, by its clock. 0: unknown. */
struct gate_times {
    uint64_t submit_ns, start_ns, end_ns;
};

enum gate_answer {
    GATE_GO,   /* counted from now on: hand it to the driver, or gate_cancel() */
    GATE_FULL, /* what completes makes room */
    GATE_SHUT, /* it is not our turn */
};

struct gate {
    struct gate_page *page;            /* in the session's slot: read by the manager */
    _Atomic uint64_t own_copied_bytes; /* moved by the worker alone */
    pthread_mutex_t lock;              /* all below */
    struct turn_view view;
    /* The turn. */
    uint64_t turn;             /* held now; 0: none */
    uint64_t taken_ns;         /* when; once it is known: when its first command began */
    uint64_t handed_ns;        /* when that was handed on, until then; 0 */
    uint64_t begin_ns;         /* what passes between the two, on average */
    uint64_t open_ns;          /* nobody else has wanted the device since */
    uint64_t wait_ns;          /* since when commands wait for one; 0: none do */
    uint64_t busy_ns, idle_ns; /* the device is ours since; idle since; 0: not */
    uint64_t used_ns;          /* of this turn, up to busy_ns */
    uint64_t
        rest_ns; /* given back while commands ran: when they should end; 0: they have */
    uint64_t ahead_ns; /* so much sooner they ended before: charged in advance */
    /* What is with the driver. */
    uint64_t queued_ns;     /* estimates of counted commands */
    uint64_t front_ns;      /* since when the oldest is the front */
    uint64_t gap_ns;        /* what passes between two, on average */
    uint64_t first_ns;      /* a first launch is there since; 0: none */
    uint64_t device_end_ns; /* the latest end of a command that is counted */
    /* The host's clock less the device's, at most: now, and what it will be after until_ns. */
    int64_t offset_ns, offset_next_ns;
    uint64_t offset_until_ns;
    uint64_t hand_over_ns; /* how long before its end a turn is given back */
    unsigned inflight;     /* counted commands */
    unsigned guesses;      /* of those, with times that are only guessed */
    unsigned rest;         /* of those, from before the turn was given back */
    bool fresh;            /* no command of this turn yet */
    bool governed;         /* view is there */
    bool loose;
    bool passing;   /* commands are not counted; one stands for them all */
    bool passed;    /* that one is with the driver still: nobody knows for how long */
    bool wants;     /* what the arbiter was told */
    bool first_out; /* the first launch runs out of turn */
};

void gate_init(struct gate *g, struct gate_page *page);

/*
 * How long before its last command ends a turn is given back. Two threads wake up until the next
 * one's first command begins, 60 to 150 us on two cores of a virtual machine; but where commands of
 * two vGPUs overlap, each seems longer. _QUEUED: the device runs one after the other.
 */
#define GATE_HAND_OVER_NS 25000u
#define GATE_HAND_OVER_QUEUED_NS 50000u

/* From now on an arbiter decides. */
void gate_govern(struct gate *g, const struct turn_view *view, uint64_t hand_over_ns);

/*
 * Another page, and another arbiter's view, or none (its file is NULL): of the turns that it had
 * nothing is left. Not while it is passed.
 */
void gate_move(struct gate *g, struct gate_page *page, const struct turn_view *view);

/* May the command go? Takes a turn that is open for us. */
enum gate_answer gate_admit(struct gate *g, struct gate_ticket *t);

/*
 * What is with the driver may wait for this very command (of another queue). It goes if it was
 * answered GATE_FULL, and what is there has long been expected to have ended: by by_ns. false: not
 * yet.
 */
bool gate_force(struct gate *g, struct gate_ticket *t, uint64_t by_ns);

/* It did not go after all. */
void gate_cancel(struct gate *g, const struct gate_ticket *t);

/* It has ended. */
void gate_complete(struct gate *g, const struct gate_ticket *t,
                   const struct gate_times *at);

/* A first launch runs now: its compiler is done. */
void gate_first_runs(struct gate *g);

/*
 * From now on commands may go without gate_admit() and gate_complete(). false: not yet, or no
 * longer. Ends with gate_pass_ends(), which somebody must call when gate_step() says so.
 */
bool gate_pass(struct gate *g);

/* Whether commands have come lately, while the gate is passed. */
void gate_pass_is_idle(struct gate *g, bool idle);

/*
 * No command goes by itself any more. *ret stands for all that did: it is with the driver until
 * they have ended, gate_complete() without times. false: the gate was not passed.
 */
bool gate_pass_ends(struct gate *g, struct gate_ticket *ret);

/* What gate_step() found. */
struct gate_state {
    uint64_t look_ns; /* look again then; UINT64_MAX: not until something happens */
    bool drain;       /* look again as soon as what is with the driver has ended */
    bool pass_ends;   /* gate_pass_ends() must follow */
};

/*
 * Takes the turn that is open, gives back the one that is over, tells the arbiter whether commands
 * wait (`waiting`: some are held back that could go).
 */
struct gate_state gate_step(struct gate *g, bool waiting);

/*
 * From a driver's thread, after gate_complete(): gives back a turn that is over, without waiting
 * for whoever calls gate_step(). false: there is something to do for them.
 */
bool gate_drained(struct gate *g, bool waiting);

/* How many counted commands are with the driver. */
unsigned gate_inflight(struct gate *g);

/* Words to sleep on, in shared memory, and what they were before the last look. */
struct gate_words {
    _Atomic uint32_t *offer, *given; /* NULL: there is none */
    uint32_t offer_seen, given_seen;
};

/* Before gate_step(): what to sleep on after it. */
void gate_words(struct gate *g, struct gate_words *ret);

/* The worker has moved bytes between guest and device. */
void gate_copied(struct gate *g, uint64_t bytes);

/*
 * The guest says it has moved so many bytes itself, in all. Its word is for statistics alone, and
 * only ever raises the count.
 */
void gate_guest_copied(struct gate *g, uint64_t total_bytes);

#endif
