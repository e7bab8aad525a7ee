/* SPDX-License-Identifier: MIT */
/*
 * Commands that are held back, and what they wait for. Each command comes through held_must():
 * it goes to the driver at once, or it is kept, with all that its message named, and run again as
 * if it came later. What it may wait for:
 *
 *   - a user event that is not set, or the event of a command that is held back itself
 *   - what is before it in its queue and held back: in order, all; else the last barrier. A marker
 *     or a barrier without a wait list waits for all (OpenCL 3.0, section 5.12)
 *   - the gate: a turn, or room in the window
 *
 * So whatever is with the driver can run to its end without any further doing of the guest. Those
 * that wait for the gate alone are *ready*; they go in the order in which they came.
 *
 *   held_must() ──no──▶ driver                    pump: ready ─▶ driver ─▶ unblocks others
 *        └──yes─▶ held_new() … held_done() ─▶ blocked ─▶ ready ─▲
 *
 * All under the session's run lock (runner.h).
 */
#ifndef TESSERA_WORKER_HELD_H
#define TESSERA_WORKER_HELD_H

#include "base/list.h"
#include "gate/cost.h"
#include "gate/gate.h"
#include "worker/object.h"
#include "worker/watch.h"

struct event;
struct held;
struct kernel_args;
struct queue;

typedef int held_fn(struct session *s, struct held *h);

/* Somebody waits for the event of a held command: it is told when the driver has it. */
struct held_waiter {
    struct held_waiter *next;
    cl_int type;
    watch_fn *done;
    void *arg;
};

/* One thing that a held command waits for. */
struct held_edge {
    struct held_edge *next; /* of the same thing */
    struct held *command;
};

struct held {
    struct list node;           /* in its queue's held */
    uint64_t number;            /* the moment of its arrival */
    uint64_t since_ns, went_ns; /* held from, until */
    struct queue *queue;        /* counted */
    struct event *event;        /* counted; NULL: none was wanted */
    held_fn *run;
    struct gate_ticket ticket;
    struct cost_keys keys;
    unsigned blockers; /* 0: ready */
    bool behind;       /* what is before it in its queue: one of the blockers */
    bool barrier;      /* what comes after it in its queue waits for it */
    struct held_edge *dependents; /* others' edges to it */
    struct held_waiter *waiters;
    struct kernel_args *args; /* of a launch, counted */
    const void *frame;        /* the message; in the tail, like the rest */
    uint32_t frame_len, op;
    uint64_t bytes; /* of LIMIT_INFLIGHT_BYTES */
    void *request;
    struct object **uses; /* counted */
    unsigned n_uses;
    struct held_edge *edges;
    unsigned n_edges;
    bool question; /* no command: it only waits for those before it */
    uint64_t tag;  /* its answer's */
    max_align_t tail[];
};

/* A binary heap, the earliest on top. */
struct held_heap {
    struct held **at;
    unsigned n, cap;
};

struct held_commands {
    struct held_heap ready, free; /* that take device time; that take none */
    _Atomic unsigned waiting;     /* how many are ready. Any thread */
    unsigned total;
    struct held
        *running; /* the one being run, NULL: the guest's message is run directly */
};

/* What a message says of itself. */
struct held_spec {
    struct object *queue;
    uint64_t n_waits;
    struct object **waits;
    struct guest_id event;
    struct gate_ticket ticket;
    struct cost_keys keys;
    bool sync; /* a marker or a barrier */
    bool question;
    bool barrier;
    bool answers_now; /* whoever wants an answer does not wait for its end */
    size_t request_bytes;
    unsigned n_uses; /* objects that it names, but for queue and wait list */
};

/*
 * Must the command wait? If not, it has passed the gate: its ticket is in session.admitted, and
 * submission_end() takes it from there. A command that fails anyway need not wait.
 */
bool held_must(struct session *s, struct held_spec *spec);

/*
 * Keeps the running request. NULL: at a limit, and the request has that error: run it, and it
 * fails. Then its parts, then held_done().
 */
struct held *held_new(struct session *s, const struct held_spec *spec);

/* Where p, which points into the request's message, is in the copy. */
const void *held_moved(const struct session *s, const struct held *h, const void *p);

/* An object that it names, NULL: none; a list of them. */
void held_use(struct held *h, struct object *o);
struct object **held_use_all(struct held *h, struct object **objects, uint64_t n);

/* It is whole: finds out what it waits for. run is called when nothing is left. */
int held_done(struct session *s, struct held *h, const struct held_spec *spec,
              held_fn *run);

/* Answers a question to the queue in its order: run is called once all before it are gone. */
int held_ask(struct session *s, struct queue *q, held_fn *run, uint64_t tag);

/*
 * The driver has the command's event, or it failed (rc): those who wait for it are told, and what
 * depends on it may go. event: the driver's, borrowed.
 */
void held_event_is(struct session *s, struct held *h, cl_event event, cl_int rc);

/* A user event is set, or never will be. */
void held_user_event_set(struct session *s, struct event *e);

/* watch_event() on the event of a held command. */
void held_watch(struct session *s, struct held *h, cl_int type, watch_fn *done,
                void *arg);

/* Runs up to n of those that may go; returns how many did. Negative: the session must end. */
int held_pump(struct session *s, unsigned n);

#endif
