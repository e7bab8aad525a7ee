/* SPDX-License-Identifier: MIT */
/*
 * The account of one vGPU: a file in the manager's runtime folder, mapped by the manager
 * and by each worker of that vGPU, and by no guest but those that are served in their own
 * process (grant.h). It outlives the manager, so that a new manager finds the sessions that
 * went on without it.
 *
 *   header | lock | framebuffer account | slot 0 | slot 1 | ... one per session
 *
 * A slot is one session (one worker, one gate). The manager hands a slot out before it
 * starts the worker and takes it back, with all bytes that it holds, once the process is
 * gone. A worker writes only its own slot, and the account's sums under the lock. The
 * manager relies on no more of it than it must: on a software GPU a guest's kernels run in
 * workers, and can write here what they like. Then the account is wrong, of that vGPU
 * alone; there are no pointers in it.
 *
 * Bytes are requested bytes (OpenCL 3.0, section 5.2.1: the size given to
 * clCreateBuffer).
 */
#ifndef TESSERA_LINK_ACCOUNT_H
#define TESSERA_LINK_ACCOUNT_H

#include "link/bar_map.h"
#include "link/lengths.h"
#include "link/limit.h"
#include "link/turn.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ACCOUNT_MAGIC 0x61525354u /* "TSRa" */
#define ACCOUNT_VERSION 11u
#define ACCOUNT_SLOTS 64 /* sessions per vGPU; more are refused with a clear error */
#define ACCOUNT_REASON_BYTES 160
#define ACCOUNT_PROGRAM_BYTES 64

enum slot_state {
    SLOT_FREE = 0,
    SLOT_RESERVED = 1, /* handed out by the manager, the worker is not up yet */
    SLOT_LIVE = 2,
    SLOT_ENDED = 3, /* the worker said why it ends, in reason */
};

/* Who serves a session. */
enum slot_kind {
    SLOT_OF_WORKER = 0,
    SLOT_OF_PROGRAM =
        1, /* the guest's own process, which pid is; it never has unused credit */
};

/* A program's whose vGPU is being suspended (grant.h). */
enum slot_hold {
    SLOT_GOES_ON = 0,
    SLOT_HOLDS = 1, /* it waits, and touches neither device nor account */
    SLOT_MOVES =
        2, /* this slot is its no longer: it asks for a grant until it gets one */
};

/*
 * What the gate of one session reports. Relaxed counters: read them, do not reason on
 * them.
 */
struct gate_page {
    _Atomic uint64_t commands;     /* handed to the driver */
    _Atomic uint64_t copied_bytes; /* moved by the worker and by the guest itself */
    _Atomic uint64_t kicks;        /* that woke the guest or the worker */
    _Atomic uint64_t busy_ns;      /* device time, from the device's own clock */
    _Atomic uint64_t kernels;      /* launches among the commands */
    _Atomic uint64_t compile_ns;   /* of first launches: the compiler's, no device time */
    _Atomic uint64_t waited_ns;    /* with commands that waited for a turn */
    _Atomic uint64_t turns;        /* given back */
    _Atomic uint64_t used_ns;      /* of turns, as struct turn_gate has it, and debt_ns */
    _Atomic uint64_t debt_ns;      /* device time outside of turns */
    _Atomic uint64_t overruns;     /* turns that lasted longer than their slice */
    _Atomic uint64_t overrun_ns;   /* by so much in all */
    _Atomic uint32_t lengths[LENGTHS_BUCKETS]; /* of kernels, on the device */
    _Atomic uint32_t
        turn_gate; /* its number in the GPU's turns (link/turn.h) + 1; 0: none */
};

struct account_slot {
    _Alignas(64) _Atomic uint32_t state; /* enum slot_state */
    _Atomic int32_t pid;                 /* the worker */
    _Atomic uint64_t pid_start; /* its start time, /proc/PID/stat field 22: tells reuse */
    _Atomic int32_t guest_pid;  /* as the kernel told (SO_PEERCRED) */
    _Atomic uint32_t kind;      /* enum slot_kind */
    _Atomic uint32_t vm_port;   /* + 1, of a virtual machine; 0: by the vGPU's socket */
    _Atomic uint64_t reserved_bytes;    /* credit taken from the account, used or not */
    _Atomic uint64_t used_bytes;        /* of live memory objects */
    _Atomic uint32_t recall_seen;       /* the last recall that this session answered */
    _Atomic uint32_t limit_reached;     /* the last one, enum limit + 1; 0: none yet */
    _Atomic uint64_t held[LIMIT_COUNT]; /* allowances taken, used or not */
    struct gate_page gate;
    char program[ACCOUNT_PROGRAM_BYTES]; /* the guest's own words: print with care */
    char reason[ACCOUNT_REASON_BYTES];   /* why the session ended; valid in SLOT_ENDED */
    struct turn_gate desk;               /* of a program's gate (link/turn.h) */
    _Atomic uint32_t
        hold; /* enum slot_hold: what a program shall do. The manager's; a futex */
    _Atomic uint32_t
        holds; /* 1: it has seen that, and nothing of its goes to the device */
    _Atomic uint32_t answers; /* 1: somebody in it looks at hold */
};

struct account_page {
    uint32_t magic, version;
    uint64_t bytes;                  /* sizeof(struct account_page) */
    _Atomic uint32_t lock;           /* account.c */
    uint64_t limit_bytes;            /* the type's framebuffer */
    _Atomic uint64_t reserved_bytes; /* the sum over all slots, kept under the lock */
    _Atomic uint32_t recall; /* counted up to ask all sessions for unused credit */
    _Atomic uint64_t held[LIMIT_COUNT]; /* the sums over all slots, kept under the lock */
    _Atomic uint32_t slots_seen; /* so many were ever handed out at once, at most */
    _Atomic uint64_t peak_bytes; /* the most that all slots together have used */
    struct account_slot slot[ACCOUNT_SLOTS];
    _Atomic uint32_t
        suspended;         /* 1: the suspend under way counts, whoever dies (control.h) */
    _Atomic uint64_t boot; /* of that machine's kernel, as its last program told */
    struct bar_map bar; /* of the memory that it shares with a virtual machine, if any */
};

/* Makes the file at path (mode 0600) for a vGPU of limit_bytes, replacing what was there.
 */
int account_create(const char *path, uint64_t limit_bytes, struct account_page **ret,
                   int *ret_fd);

/* Maps an account; -EPROTO when it is not one, or of another version. */
int account_map(int fd, struct account_page **ret);
int account_map_to_read(int fd, const struct account_page **ret);
void account_unmap(struct account_page *a);

/*
 * Takes bytes for slot i out of the framebuffer. 0, or -ENOSPC and nothing changes.
 * Survives the death of another holder of the lock: the sum is then made anew from the
 * slots, at once if there is a manager, else after a second.
 */
int account_reserve(struct account_page *a, unsigned i, uint64_t bytes);

/* Gives back bytes that slot i reserved (at most what it holds). */
void account_release(struct account_page *a, unsigned i, uint64_t bytes);

/*
 * Memory objects of slot i come to life, or are gone: of bytes that it has reserved. The peak is
 * that of all slots together.
 */
void account_use(struct account_page *a, unsigned i, uint64_t bytes);
void account_unuse(struct account_page *a, unsigned i, uint64_t bytes);

/*
 * The same for what else is limited per vGPU: an allowance of n of `which` for slot i, as long as
 * all slots together hold no more than limit. 0, or -ENOSPC and nothing changes.
 */
int account_take(struct account_page *a, unsigned i, enum limit which, uint64_t limit,
                 uint64_t n);
void account_give(struct account_page *a, unsigned i, enum limit which, uint64_t n);

/* Bytes that nobody has reserved. */
uint64_t account_free_bytes(const struct account_page *a);

/*
 * Asks all other live sessions for their unused credit and returns the number of the
 * recall. account_recall_wait() waits until each has answered it or its slot is no longer
 * live, or until timeout_ms have passed (false). Whose process is gone without a word, the
 * manager tells by freeing the slot: a worker in its jail does not see other processes.
 */
uint32_t account_recall_start(struct account_page *a);
bool account_recall_wait(struct account_page *a, uint32_t recall, unsigned self,
                         int timeout_ms);

/* Sleeps until the recall word differs from seen, at most timeout_ms; returns the word.
 */
uint32_t account_recall_sleep(struct account_page *a, uint32_t seen, int timeout_ms);

/* Slot i has answered recall number `recall`. */
void account_recall_answer(struct account_page *a, unsigned i, uint32_t recall);

/* The one manager: a free slot, now SLOT_RESERVED, or -EBUSY when all are taken. */
int account_slot_take(struct account_page *a);

/* Manager: the process of slot i is gone; all its bytes are free again. */
void account_slot_free(struct account_page *a, unsigned i);

/* The start time of a process in clock ticks since boot, 0 when there is none. */
uint64_t process_start_ticks(pid_t pid);

#endif
