/* SPDX-License-Identifier: MIT */
/*
 * One session: everything that the worker keeps for its one guest process.
 *
 *   commands ring ─▶ dispatcher (main thread) ─▶ handlers ─▶ driver
 *   replies ring  ◀─ dispatcher, driver's threads (callbacks), jobs
 *
 * Whoever holds the run lock (runner.h) owns all fields that are not said to be shared: the
 * dispatcher while it runs a message, or the runner's thread. Neither ever waits for the device.
 */
#ifndef TESSERA_WORKER_SESSION_H
#define TESSERA_WORKER_SESSION_H

#include "base/cleanup.h"
#include "base/list.h"
#include "gate/cost.h"
#include "gate/gate.h"
#include "link/account.h"
#include "link/limit.h"
#include "wire/channel.h"
#include "wire/spin.h"
#include "worker/bar.h"
#include "worker/device.h"
#include "worker/held.h"
#include "worker/jail.h"
#include "worker/jobs.h"
#include "worker/limit.h"
#include "worker/memory.h"
#include "worker/object.h"
#include "worker/reply.h"
#include "worker/runner.h"
#include "worker/table.h"
#include "worker/watch.h"

#include <CL/cl_icd.h>

struct session_options {
    int session_fd, account_fd; /* owned by the session once it starts */
    int turns_fd, gate_fd; /* of the GPU's turns, to read and to write; -1: ungoverned */
    unsigned gate;         /* the session's number there */
    unsigned slot;
    int control_fd; /* listens to the manager (link/control.h); -1: nobody controls it */
    bool restore;   /* the session is made from a snapshot; there is no session_fd */
    int bar_fd; /* shared with the virtual machine that the guest is in; -1: it is in none */
    const char *vgpu;
    uint64_t framebuffer_bytes;
    bool discrete; /* no storage shared with the guest, whatever the device is */
    struct device_options device;
    struct jail_options jail;
    struct limits limits;
};

/* The request being run (worker/request.h). */
struct request {
    const void *frame;
    size_t len;
    unsigned op;
    bool recipe;
    void *blob; /* copied out of the heap; owned until an object takes it */
    uint64_t blob_len;
    cl_int error;    /* of the first failed object that it names, other than events */
    const char *why; /* what is wrong with a bad field, if more can be said */
    struct object **named; /* with a recipe: the objects in it, but for the root; owned */
    uint32_t n_named, cap_named;
    uint8_t *scratch;
    size_t scratch_used;
};

/* A session that is being made again (restore.h): its messages come from a snapshot. */
struct restoring {
    bool active; /* no answers, no content, and nothing reaches the driver's queues */
    struct held *held; /* the last command that was held back */
    void *blob; /* the bytes that were in the heap; owned until the request takes them */
    uint64_t blob_len;
};

/* The command that has passed the gate and is on its way to the driver. */
struct admitted {
    bool valid;
    struct gate_ticket ticket;
    struct cost_keys keys;
};

struct restored;

struct session {
    const struct session_options *options;
    int session_fd; /* the guest's connection; -1: it is not there yet */
    uint8_t token[TOKEN_BYTES];
    int memory_fds[2]; /* channel and heap, -1 in a virtual machine; owned */
    struct restored
        *restored; /* what waits for the guest of a restored session (restore.h) */
    bool copies_stay_closed; /* the heap is not where the device keeps buffers */
    uint64_t
        moments; /* what happened in which order: creations, held commands, releases */
    struct list objects; /* that live, by node, the oldest first */
    struct device device;
    const struct _cl_icd_dispatch *cl; /* the driver's own table: no loader in between */
    bool shared_storage;
    struct channel channel;
    struct bar bar;
    uint64_t boot; /* of the virtual machine's kernel */
    struct account_page *account;
    struct account_slot *slot;
    struct gate gate;     /* shared */
    struct runner runner; /* shared; its lock is held for all that is not */
    struct held_commands held;
    struct admitted admitted;
    struct costs costs;   /* shared */
    struct memory memory; /* shared */
    struct table table;
    struct object root_device; /* under ROOT_DEVICE_ID, not in the table */
    struct request request;
    struct restoring restoring;
    struct replies replies;          /* shared */
    struct watches watches;          /* shared */
    struct jobs builds, asks, waits; /* shared */
    pthread_mutex_t asks_lock;
    struct list parked_asks; /* struct ask by node, under asks_lock */
    pthread_mutex_t queues_lock;
    struct list queues;                /* struct queue by link, under queues_lock */
    _Atomic(struct object *) graves;   /* shared */
    _Atomic unsigned open_user_events; /* shared */
    unsigned mappings;
    uint64_t *frame; /* the frame being run, ring_max_frame() bytes */
    struct spin spin;
    uint64_t guest_seen_ns; /* when the doorbell was last looked at */
    unsigned frames;        /* that were run */
    char reason[ACCOUNT_REASON_BYTES];
    struct allowance allowances[LIMIT_COUNT];
    _Atomic uint64_t inflight_given;     /* shared: by other threads, to be settled */
    uint64_t limit_told_ns[LIMIT_COUNT]; /* when the log was last told of each */
    _Atomic bool greeted;                /* shared: the hello is there */
    _Atomic bool ended;
};

/* Runs a session to its end and exits the process. */
_Noreturn void session_run(const struct session_options *options);

/* Dispatcher: notes why the session must end (the first reason counts) and returns -EPROTO. */
int session_fail(struct session *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Any thread: ends the session now, with the reason in the slot and in the log. */
_Noreturn void session_end(struct session *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The file that the heap is a mapping of, from its beginning. */
static inline int
session_heap_fd(const struct session *s)
{
    return bar_is_used(&s->bar) ? s->bar.fd : s->memory_fds[1];
}

bool session_is_dispatcher(const struct session *s);

/* This thread has the run lock whenever it touches the session, as a dispatcher. */
void session_acts_as_dispatcher(void);

/* A thread of the session's, which ends with the process. */
void session_thread(struct session *s, void *(*run)(void *arg), void *arg);

/* Restoring: everything that messages need, but for memory's account. 0 or -ENOMEM. */
int session_prepare_restored(struct session *s);

/* It is all there: others may see it. */
void session_is_restored(struct session *s);

/* A guest that is back. */
struct rejoining {
    int fd;
    const int *memory; /* two descriptors, or NULL: it brought none */
    const struct hello *hello;
};

/*
 * Its guest is there; fd is the session's then. 0, or a negative errno when the memory that it
 * brought is not the session's.
 */
int session_join(struct session *s, const struct rejoining *g);

/* It waits, in a virtual machine, for a program that has ended, or whose kernel has. */
bool session_is_deserted(const struct session *s);

/* The guest has left, or will not come: ends in order. */
_Noreturn void session_left(struct session *s);

/* Dispatcher: the number of what happens now, later than all before. */
static inline uint64_t
session_moment(struct session *s)
{
    return ++s->moments;
}

#endif
