/* SPDX-License-Identifier: MIT */
/*
 * Turns: how an arbiter and the gates of one GPU hand the device on. One file per GPU
 * (RUNTIME/turns/GPU), mapped by the manager and by each worker of that GPU, never by a guest.
 *
 *   header | bell | offers: one per gate, the arbiter's | gates: one page each, its own
 *
 * Turns are numbered, one after the other. Each is offered to one gate, and opens once the gate of
 * the turn before has given that one back: so at most one gate holds a turn, and the arbiter, who
 * picks the next holder while a turn still runs, need not be awake when it ends. Who gives back
 * wakes the next holder itself (a futex on the giver's page).
 *
 * A guest that is served in its own process (grant.h) can write to nothing that other guests'
 * gates rely on: its page is a desk in its vGPU's account, from which the arbiter copies what is
 * new into the file; and it rings a bell that is not the workers'. Its turns are handed on by way
 * of the arbiter.
 *
 *   arbiter   turn_offer()  ──▶ gate: turn_taken? waits for the giver's page ──▶ runs commands
 *             turn_revoke() ──▶ gate: submits no more, drains                ──▶ turn_give_back()
 *
 * An offered turn is always given back, taken or not; for a gate that died, the arbiter does it.
 * Nothing else ends it, so nothing is lost when both act at once.
 *
 * While the manager is gone nobody offers turns: a gate that has waited for TURN_ORPHANED_NS
 * without a sign of it goes on by itself, and waits again once there is one.
 *
 * A worker maps all of it to read and its own page and the bell to write. The model of this
 * protocol, checked with spin, is tests/models/turn.pml.
 */
#ifndef TESSERA_LINK_TURN_H
#define TESSERA_LINK_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TURN_MAGIC 0x74525354u /* "TSRt" */
#define TURN_VERSION 2u
#define TURN_GATES 4096 /* sessions of one GPU at once */
#define TURN_NO_GATE UINT32_MAX
#define TURN_PAGE_BYTES 4096

#define TURN_OPEN UINT64_MAX    /* a slice without end: until it is revoked */
#define TURN_KEEP UINT64_MAX    /* a linger without end: until the slice is over */
#define TURN_BEAT_NS 200000000u /* how often the arbiter shows that it lives, at least */
#define TURN_ORPHANED_NS 800000000u /* silence after which it is taken for dead */

/* What all gates read. The arbiter writes. */
struct turn_header {
    uint32_t magic, version;
    uint64_t bytes; /* sizeof(struct turn_file) */
    _Atomic uint64_t
        beat_ns; /* CLOCK_MONOTONIC, when the arbiter last showed that it lives */
    _Atomic uint64_t
        epoch; /* another with each manager; 0: there is none (it left in order) */
    _Atomic uint64_t window_ns; /* of queued device time, at most, in an open turn */
};

/* Gates write; the arbiter sleeps on it. */
struct turn_bell {
    _Atomic uint32_t word;
};

/* The latest turn of one gate. The arbiter writes: all else, then turn, then bell. */
struct turn_offer {
    _Alignas(64) _Atomic uint32_t
        bell;                    /* counted up with each change; the gate sleeps on it */
    _Atomic uint32_t after_gate; /* opens when that gate, TURN_NO_GATE: at once, */
    _Atomic uint64_t after_turn; /* has given back this turn */
    _Atomic uint64_t turn;       /* its number; 0: none yet */
    _Atomic uint64_t
        revoked; /* turns up to this one end as soon as the device is drained */
    _Atomic uint64_t
        slice_ns; /* of wall time since it was taken; may change while it runs */
    _Atomic uint64_t linger_ns; /* how long a gate without commands keeps the turn */
    _Atomic uint64_t owner; /* vGPU and slot, for the next manager alone; 0: nobody's */
};

/* What one gate tells. The gate writes; the arbiter on behalf of a dead one. */
struct turn_gate {
    _Alignas(TURN_PAGE_BYTES) _Atomic uint32_t
        given_bell;         /* counted up with each give-back */
    _Atomic uint32_t wants; /* 1: commands wait for a turn, or run in one */
    _Atomic uint64_t given; /* the last turn given back */
    _Atomic uint64_t taken; /* the last turn taken */
    _Atomic uint64_t
        taken_ns; /* when its first command began (CLOCK_MONOTONIC); before that
                                * is known: when it was taken */
    _Atomic uint64_t
        given_ns; /* when its last command has ended, or will within moments */
    _Atomic uint64_t
        used_ns; /* of the last turn given back: with commands on the device, and
                                * gaps between them shorter than TURN_GAP_NS */
    _Atomic uint64_t debt_ns; /* device time outside of turns, in all */
    _Atomic uint64_t
        since_ns; /* when the oldest command on the device was handed to it (a first
                                * launch: when its compiler was done), for the watchdog; 0: none */
};

#define TURN_GAP_NS 100000u

struct turn_file {
    _Alignas(TURN_PAGE_BYTES) struct turn_header header;
    _Alignas(TURN_PAGE_BYTES) struct turn_bell bell;
    _Alignas(TURN_PAGE_BYTES) struct turn_offer offer[TURN_GATES];
    _Alignas(TURN_PAGE_BYTES) struct turn_gate gate[TURN_GATES];
};

/* The manager: opens the file at path, or makes it (mode 0600). Keeps what one before left. */
int turn_create(const char *path, struct turn_file **ret, int *ret_fd);
void turn_unmap(struct turn_file *f);

/*
 * The bell of gates that have desks: memory that whoever has the descriptor can ring, but neither
 * shorten nor lengthen. It ends with the manager, and the next one has another.
 */
int turn_bell_create(struct turn_bell **ret, int *ret_fd);
void turn_bell_unmap(struct turn_bell *b);

/* A worker's view: all to read, two pages to write. */
struct turn_view {
    const struct turn_file *file; /* to read */
    struct turn_bell *bell;
    struct turn_gate *own;
    unsigned gate;
};

/* Maps a worker's view of gate number `gate`. Both descriptors are of the file: what is mapped by
 * one that can only read stays so. -EPROTO when it is no such file. */
int turn_view_map(int read_fd, int write_fd, unsigned gate, struct turn_view *ret);

/* The view of a gate that has a desk. */
int turn_view_map_desk(int read_fd, int bell_fd, unsigned gate, struct turn_gate *desk,
                       struct turn_view *ret);
void turn_view_unmap(struct turn_view *v);

/* ---- the arbiter's side ------------------------------------------------------------ */

struct turn_terms {
    uint64_t turn, slice_ns, linger_ns;
    unsigned after_gate;
    uint64_t after_turn;
};

void turn_offer(struct turn_file *f, unsigned gate, const struct turn_terms *t);
void turn_revoke(struct turn_file *f, unsigned gate, uint64_t turn);
/* Wakes the gate, as if its offer had changed. */
void turn_nudge(struct turn_file *f, unsigned gate);
/* Shorter than what has passed: then the turn ends as its commands on the device do. */
void turn_set_slice(struct turn_file *f, unsigned gate, uint64_t slice_ns);
void turn_set_linger(struct turn_file *f, unsigned gate, uint64_t linger_ns);
bool turn_given(const struct turn_file *f, unsigned gate, uint64_t turn);

/* The gate is dead: all its turns are given back, it wants nothing. */
void turn_bury(struct turn_file *f, unsigned gate);

/* What is new on a gate's desk is on its page from now on; a turn stays given back. */
void turn_copy_desk(struct turn_file *f, unsigned gate, const struct turn_gate *desk);

/* Sleeps until a bell differs from what it was seen at, or until until_ns (CLOCK_MONOTONIC). */
void turn_bells_wait(struct turn_bell *file_bell, uint32_t file_seen,
                     struct turn_bell *desk_bell, uint32_t desk_seen, uint64_t until_ns);

/* ---- a gate's side ----------------------------------------------------------------- */

/* The terms of the turn that is offered and not given back. false: there is none. */
bool turn_offered(const struct turn_view *v, struct turn_terms *ret);

/* Has the turn before it been given back? */
bool turn_is_open(const struct turn_view *v, const struct turn_terms *t);

bool turn_is_revoked(const struct turn_view *v, uint64_t turn);

/* Notes that it is taken, and began at begin_ns; may be called again when that is known better. */
void turn_take(const struct turn_view *v, uint64_t turn, uint64_t begin_ns);

/* Gives it back, wakes who waits for it, and rings for the arbiter. end_ns: of its last command. */
void turn_give_back(const struct turn_view *v, uint64_t turn, uint64_t used_ns,
                    uint64_t end_ns);

/* Says that commands wait, or none, and rings for the arbiter if that is news. */
void turn_want(const struct turn_view *v, bool wants);

void turn_ring(const struct turn_view *v);

/* No arbiter has been seen for TURN_ORPHANED_NS, or it left in order. */
bool turn_orphaned(const struct turn_view *v, uint64_t now_ns);

#endif
