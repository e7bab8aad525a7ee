/* SPDX-License-Identifier: MIT */
/*
 * The arbiter's decisions: whose turn it is on one GPU. It knows vGPUs and their sessions' gates,
 * asks a policy (policy/sched.h), and speaks to the gates through the GPU's turns (link/turn.h).
 * It has no clock and no thread: time is an argument, and arbiter_core_step() is called
 * whenever something may have changed (arbiter.c does that). Not thread-safe.
 *
 *     now ──▶ look at the gates ──▶ close turns that are over ──▶ plan ──▶ when to be called again
 *
 * There are at most two turns that are not over: the current one and, offered to open when that
 * one is given back, the next. So a hand-over needs no arbiter.
 *
 *     HELD     offered to a gate; over when that has given it back
 *     PASSING  its owner wants nothing, or nobody owns it: over when its time is. The owner gets
 *              the rest of it as soon as it wants something
 *     PENDING  (the next one) picked, not offered: its owner wants nothing yet
 *
 * When no gate wants anything, nothing rotates and nothing is owed.
 *
 * What a gate's page says is believed within what the arbiter has seen by its own clock: on a
 * software GPU a guest's kernel can write there.
 */
#ifndef TESSERA_MANAGER_ARBITER_CORE_H
#define TESSERA_MANAGER_ARBITER_CORE_H

#include "base/list.h"
#include "link/turn.h"
#include "policy/sched.h"
#include "policy/types.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * How long a gate that has nothing to do keeps a turn that others wait for: a program that launches
 * and waits comes back within some tens of us, and giving the GPU to and fro costs as much.
 */
#define ARBITER_LINGER_NS UINT64_C(60000)
/*
 * A vGPU of several sessions: the next vGPU's turn is offered only that long before the end, as the
 * rest of a turn that one session gives back early is the other sessions'.
 */
#define ARBITER_LATE_NS UINT64_C(300000)
/* Less is left of an owned slice: it passes, as no kernel would fit. */
#define ARBITER_REST_NS UINT64_C(50000)
/* What a turn costs at least, however short: the hand-over. Else empty turns would be free. */
#define ARBITER_TURN_MIN_NS UINT64_C(20000)
/*
 * A page's times are believed as far as they tell what we could not see: how long a gate took to
 * notice its turn, and we to notice its end. More of it than wake-ups cost is the gate's own.
 */
#define ARBITER_TRUST_NS UINT64_C(250000)
/* A turn is given back so long before its last command ends, at most: it counts up to that. */
#define ARBITER_AHEAD_NS UINT64_C(100000)
/* An open turn whose gate has wanted nothing for that long is called back: then all sleep. */
#define ARBITER_OPEN_IDLE_NS UINT64_C(1000000000)

#define ARBITER_LOG 200 /* as NVML keeps */
#define ARBITER_NO_SLOT UINT32_MAX

/* A vGPU of this GPU. The caller's memory from add to remove; the core's to write. */
struct arbiter_vgpu {
    struct sched_vgpu sched; /* joined while it has a gate */
    struct list link;        /* arbiter_core.vgpus */
    struct list gates;       /* struct arbiter_gate by link */
    unsigned n_gates, n_wanting;
    char name[VGPU_NAME_MAX + 1];
    uint64_t had_floor_ns;  /* what its sessions have had, at least */
    uint64_t run_ns;        /* in turns with commands on the device, in all */
    uint64_t preempted_ns;  /* it wanted, and had none, in all */
    uint64_t waits_from_ns; /* since when; 0: it does not wait */
};

/* Why a session must end. */
enum arbiter_sentence {
    SENTENCE_NONE,
    SENTENCE_OVERDUE, /* a command ran longer than the watchdog allows, while others waited */
    SENTENCE_FORGED, /* its page says what its gate cannot have written */
};

/* A session's gate, by its number in the GPU's turns. */
struct arbiter_gate {
    struct list link;             /* arbiter_vgpu.gates */
    struct arbiter_vgpu *vgpu;    /* NULL: the number is free */
    unsigned slot;                /* in the vGPU's account */
    const struct turn_gate *desk; /* its page's original (link/turn.h), or NULL */
    bool wants;
    bool deaf;    /* arbiter.c's: it has a desk, and rings another bell than ours */
    bool adopted; /* a turn from the manager before us is not given back yet */
    enum arbiter_sentence sentence;
    bool sentence_told;
    uint64_t had_ns; /* time in turns, those under way in advance */
    uint64_t registered_ns;
    uint64_t debt_before_ns, debt_seen_ns; /* its page's: when registered; charged */
};

enum arbiter_turn_kind { ARBITER_NONE, ARBITER_HELD, ARBITER_PASSING, ARBITER_PENDING };

struct arbiter_turn {
    enum arbiter_turn_kind kind;
    struct sched_turn sched;
    struct arbiter_vgpu *vgpu; /* NULL: nobody's */
    uint64_t opened_ns;  /* of this segment, as far as we know; later is its begin */
    uint64_t begin_ns;   /* of the whole turn; 0: not known before it is taken */
    uint64_t charged_ns; /* of it, already */
    uint64_t end_ns;     /* PASSING */
    /* HELD: */
    unsigned gate;
    uint64_t number, slice_ns, linger_ns; /* as the gate was told */
    uint64_t late_ns;      /* the turn before it ran on for that long, and paid for it */
    uint64_t held_seen_ns; /* when we last looked and it was not given back */
    uint64_t idle_from_ns; /* open, and its gate wants nothing since; 0: it wants */
    bool open;
};

/* One finished turn, as `tessera gpu log` shows it. */
struct arbiter_entry {
    uint64_t time_unix_ns;
    char vgpu[VGPU_NAME_MAX + 1]; /* "": time that nobody owned or used */
    unsigned slot;                /* ARBITER_NO_SLOT with it */
    uint64_t total_run_ns, run_ns, target_ns, preempted_ns;
};

struct arbiter_core {
    struct turn_file *file;
    struct sched sched;
    struct sched_params params;
    uint64_t watchdog_ns;    /* 0: off */
    uint64_t unix_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC, for the log */
    uint64_t now_ns;
    struct list vgpus;
    unsigned n_wanting, n_adopted; /* gates */
    struct arbiter_turn current, next;
    unsigned before_gate; /* had the turn before the current one; GATE_NONE: nobody */
    uint64_t last_number;
    uint64_t turns;     /* that gates have given back */
    uint64_t passed_ns; /* in PASSING turns, in all */
    bool has_sentences; /* some gate has one that is not told */
    struct arbiter_entry log[ARBITER_LOG];
    uint64_t logged;    /* entries ever; the last ARBITER_LOG of them are there */
    unsigned gates_end; /* numbers from here on have never been used */
    struct arbiter_gate gates[TURN_GATES];
};

/* Begins on f, whose numbers go on; adopt and settle_strays before the first step. */
void arbiter_core_init(struct arbiter_core *c, struct turn_file *f,
                       enum sched_policy policy, const struct sched_params *p);

/* share: what fixed share gives it, of SCHED_SHARE_ONE. */
void arbiter_core_add(struct arbiter_core *c, struct arbiter_vgpu *v, const char *name,
                      uint64_t share);

/* All its gates are closed. */
void arbiter_core_remove(struct arbiter_core *c, struct arbiter_vgpu *v);

void arbiter_core_set_share(struct arbiter_core *c, struct arbiter_vgpu *v,
                            uint64_t share);

/* A free number for a new session's gate, or -EBUSY. */
int arbiter_core_open_gate(struct arbiter_core *c, struct arbiter_vgpu *v, unsigned slot,
                           uint64_t now_ns);

/*
 * A gate that was just opened, or adopted, writes there from now on, and not on its page: until it
 * is closed. One that was opened begins there anew.
 */
void arbiter_core_set_desk(struct arbiter_core *c, unsigned number,
                           struct turn_gate *desk, bool anew);

/* The gate of a session that began under a manager before us. -EBUSY: it is another's. */
int arbiter_core_adopt_gate(struct arbiter_core *c, struct arbiter_vgpu *v, unsigned slot,
                            unsigned number, uint64_t now_ns);

/* The session's process is gone. */
void arbiter_core_close_gate(struct arbiter_core *c, unsigned number, uint64_t now_ns);

/* Turns of sessions that are gone without a manager are given back. */
void arbiter_core_settle_strays(struct arbiter_core *c);

void arbiter_core_change(struct arbiter_core *c, enum sched_policy policy,
                         const struct sched_params *p, uint64_t now_ns);

/* Does all there is to do at now_ns; returns when to be called next if no gate rings before. */
uint64_t arbiter_core_step(struct arbiter_core *c, uint64_t now_ns);

/* Has v a command on the device, be it out of turn (a first launch)? */
bool arbiter_core_runs(const struct arbiter_core *c, const struct arbiter_vgpu *v);

/* A gate whose session must end, each told once; -ENOENT: there is none. */
int arbiter_core_next_sentence(struct arbiter_core *c);

/* Entry i of those that are there, the oldest first; NULL past the last. */
const struct arbiter_entry *arbiter_core_entry(const struct arbiter_core *c, unsigned i);

#endif
