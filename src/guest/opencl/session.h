/* SPDX-License-Identifier: MIT */
/*
 * A session: this process's use of one vGPU. It owns the channel, the ids, the shared heap's
 * allocator, and the receiving side:
 *
 *   submit (any thread, tx_lock) ──▶ commands ring ──▶ worker
 *   pump   (any thread, rx_lock) ◀── replies ring  ◀──
 *
 * There is no receiver thread in the fast path. Who waits for one answer has a word of
 * its own that the worker writes and wakes it by (wait.h). What else is waited for comes
 * through the ring: who waits reads the replies, also those of others, for a short while
 * by spinning; then one sleeps on the doorbell for all. A service thread exists once
 * there are callbacks to call or transfers to finish behind the program's back.
 *
 * A worker may also leave because the vGPU is suspended. Whoever notices waits for the next one
 * (rejoin.h), and all goes on.
 *
 * A dead session (worker gone, or inherited by fork) answers every call with an error, at once.
 * Nothing of it is locked or freed in a forked child.
 */
#ifndef TESSERA_GUEST_OPENCL_SESSION_H
#define TESSERA_GUEST_OPENCL_SESSION_H

#include "base/list.h"
#include "guest/opencl/heap.h"
#include "guest/opencl/object.h"
#include "guest/opencl/pool.h"
#include "wire/channel.h"
#include "wire/spin.h"

#include <pthread.h>

struct device;

/* An answer that somebody waits for. Lives with the waiter, or on the heap if `done` frees it. */
struct pending {
    struct list node;
    /*
     * Called by whatever thread reads the reply, with rx_lock held: it must not block, nor submit.
     * When set, it is the last that touches the pending.
     */
    void (*done)(struct pending *p);
    _Atomic bool complete;
    bool flushes;    /* by held_send_all(), which has tx_lock; nobody waits */
    unsigned waiter; /* its number (wait.h); 0: waits by the replies ring */
    int64_t status;  /* CL_OUT_OF_RESOURCES when the session died */
    uint32_t place;  /* enum reply_place */
    uint64_t answer_len;
    uint8_t *answer; /* inline answer, malloc'ed, NULL if none; owned by the waiter */
};

/* A callback of the program, to be called from the service thread. */
struct callback {
    struct list node;
    void (*run)(struct callback *c); /* frees c */
};

/* Those of a session (window.h). */
struct windows {
    pthread_mutex_t lock;
    struct list idle; /* struct window, the longest unused first */
    uint64_t bytes;   /* of the heap, all together */
};

struct session {
    struct device *device;
    struct channel channel;
    struct heap heap;
    struct windows windows;
    bool shared_storage;
    bool heap_grows; /* grant.c */
    uint8_t token[TOKEN_BYTES];
    int memory[2]; /* the channel's and the heap's; -1: a virtual machine's BAR */
    uint64_t framebuffer_bytes;
    uint64_t spin_ns; /* how long a wait for the replies ring spins before it sleeps */
    struct spin wait_spin;         /* the same for a waiter's word (wait.c) */
    _Atomic uint32_t spinning;     /* a thread spins on its word: one is enough */
    _Atomic uint64_t waiters_free; /* a bit each */
    _Atomic bool dead;
    _Atomic bool text_comes; /* kernels may print */
    _Atomic uint32_t holds;  /* the device, and each object */
    _Atomic int64_t reclaims_due;
    _Atomic int64_t user_events_open; /* not set yet */
    _Atomic int64_t clock_offset_ns;  /* clock.c */
    _Atomic uint64_t clock_asked_ns;
    _Atomic uint32_t rejoins; /* how many workers took over from the one before */

    pthread_mutex_t rejoin_lock; /* who has it may have tx_lock, but none of the others */
    int rejoin_fd; /* a socket on its way to be channel.fd; under forks_lock() */
    unsigned rejoin_ms;
    char *moved_to; /* its vGPU's socket since it has moved to another manager; owned */

    pthread_mutex_t tx_lock; /* the commands ring, all to the next lock */
    uint32_t tx_len;
    bool tx_wake;     /* the worker slept before one of the frames that are in the ring */
    struct list held; /* struct object, oldest first */
    uint32_t id_slots, id_cap, id_nspare; /* ids.c */
    struct pool mems, events;             /* of the objects of these kinds */
    uint32_t *id_generation;              /* by slot (ids.c) */
    uint32_t *id_spare;

    pthread_mutex_t rx_lock; /* the replies ring and its buffer */
    uint64_t *rx_buf;

    pthread_mutex_t wait_lock; /* all below */
    pthread_cond_t wait_cond;
    bool sleeper; /* one thread sleeps on the doorbell, until this holds: */
    bool (*sleeper_holds)(void *arg);
    void *sleeper_arg;
    struct list pendings;
    struct list callbacks;
    struct list deaths;             /* callbacks that become due when the session dies */
    _Atomic uint32_t callbacks_due; /* how many; also read without the lock */
    bool service_running;
    struct session *next; /* all sessions of the process, for fork (session.c) */
};

/* Connects to the device's vGPU. On failure a negative errno and words in reason. */
int session_connect(struct device *d, struct session **ret, char *reason);
void session_hold(struct session *s);
void session_unhold(struct session *s);

static inline bool
session_is_dead(const struct session *s)
{
    return atomic_load_explicit(&s->dead, memory_order_acquire);
}

/* Inherited by fork: its locks may be held for ever, its mappings are not there. */
static inline bool
session_is_inherited(const struct session *s)
{
    return session_is_dead(s) && s->channel.fd < 0;
}

/* Ids (docs/protocol.md). 0 when there are no more; a dead session's are never sent. */
struct guest_id session_new_id(struct session *s);
void session_drop_id(struct session *s, struct guest_id id);    /* never sent */
void session_release_id(struct session *s, struct guest_id id); /* tells the worker */

/* The first two for who has tx_lock. */
struct guest_id id_take(struct session *s);
void id_drop(struct session *s, struct guest_id id);

/* Waits for the answer: CL_SUCCESS with p filled, or CL_OUT_OF_RESOURCES when the session died. */
cl_int session_wait(struct session *s, struct pending *p);

/* Waits until the condition holds (looked at after each batch of replies) or the session died. */
cl_int session_wait_until(struct session *s, bool (*holds)(void *arg), void *arg);

/* Reads what has come, without waiting, but for the program's stdout if kernels print. */
void session_pump(struct session *s);

/*
 * The same, but waits for a thread that is reading already: what is in the ring now is
 * read then.
 */
void session_read(struct session *s);

/* The worker is gone: ends every wait. Any thread. */
void session_die(struct session *s);

/*
 * session_pump() for calls that must not wait at all: where kernels may print, the
 * service thread reads, since whoever should empty a full stdout may be the caller.
 */
static inline void
session_pump_silently(struct session *s)
{
    if (!atomic_load_explicit(&s->text_comes, memory_order_relaxed))
        session_pump(s);
}

/* Sees to it that replies are read and callbacks called while the program does other things. */
cl_int session_need_service(struct session *s);

/* From `done` functions and elsewhere: the service thread will run it. */
void session_post_callback(struct session *s, struct callback *c);

/* The service thread will run it when the session dies. false: it is dead already. */
bool session_tell_death(struct session *s, struct callback *c);

/* true: it will not be run. false: it was, or will be soon. */
bool session_untell_death(struct session *s, struct callback *c);

/*
 * Heap space for a message or a transfer, waiting for extents that are on their way back if need
 * be. EXTENT_NONE: there is none, and none will come.
 */
uint64_t session_heap_alloc(struct session *s, uint64_t len);

/*
 * In a virtual machine the heap is all sessions', and comes in parts: asks the worker for one
 * unless there is room for len. One round trip, so nothing that replies need may be locked. true:
 * there may be room.
 */
bool session_heap_grow(struct session *s, uint64_t len);

/* Gives parts back that nothing uses, if they are many. The same holds. */
void session_heap_trim(struct session *s);

/* Gives back space that the worker was told of and is done with (session_expect_reclaim). */
void session_heap_free(struct session *s, uint64_t off);

/* No fork happens in between: for descriptors that a child must close. Never held for long. */
void forks_lock(void);
void forks_unlock(void);

/* Something changed that others may wait for in session_wait_until(). */
void session_tell(struct session *s);

/* An extent went to the worker, which will reclaim it. */
static inline void
session_expect_reclaim(struct session *s)
{
    atomic_fetch_add_explicit(&s->reclaims_due, 1, memory_order_relaxed);
}

#endif
