/* SPDX-License-Identifier: MIT */
/*
 * Command queues and submissions. A queue remembers the commands that are not known to be complete,
 * oldest first; harvesting them charges their device time to the gate and finds the errors of
 * those that failed.
 */
#ifndef TESSERA_WORKER_QUEUE_H
#define TESSERA_WORKER_QUEUE_H

#include "base/list.h"
#include "gate/cost.h"
#include "gate/gate.h"
#include "worker/object.h"
#include "worker/watch.h"

#include <pthread.h>

/* Commands of one queue that are under way at once; more is CL_OUT_OF_RESOURCES. */
#define QUEUE_COMMANDS (1u << 20)

struct held;

struct queue {
    struct object o;
    struct list node;     /* in the session's queues */
    bool out_of_order;    /* of the guest's making */
    bool profiling;       /* the guest asked for it; the driver's queue always profiles */
    bool released;        /* by the guest: lives on until its commands are complete */
    struct lane lane;     /* unless it is out of order */
    pthread_mutex_t lock; /* all below */
    struct tracked *running;    /* a ring */
    uint32_t first, count, cap; /* cap: a power of two or 0 */
    cl_int error;               /* of a command that failed, until a finish tells it */
    uint32_t allowed;           /* of LIMIT_COMMANDS; under the run lock */
    _Atomic uint32_t n_held;    /* written under the run lock, as what follows */
    struct list held;           /* struct held by node, in order */
    struct held *held_barrier;  /* the last of them that is one; out of order alone */
};

/* A command that the driver has. */
struct tracked {
    cl_event event; /* a reference of our own */
    struct gate_ticket ticket;
    struct cost_keys keys;
};

/* One command on its way to the driver. */
struct submission {
    struct queue *queue;
    cl_uint n_waits;
    const cl_event *waits; /* NULL when there are none */
    cl_event stand_in;     /* in waits, ours; NULL when not needed */
    cl_event event;        /* the driver's; every command has one */
    struct guest_id event_id;
};

/* A new queue under that id, without the driver's. NULL: no memory, the session ends. */
struct queue *queue_new(struct session *s, struct guest_id id);

/* The driver's queue with these properties. */
cl_command_queue queue_create(struct session *s, cl_context context, cl_device_id device,
                              cl_command_queue_properties properties, cl_int *ret_rc);

/* Checks the request's objects and its wait list. CL_SUCCESS: call the driver. */
cl_int submission_begin(struct session *s, struct submission *sub, struct object *queue,
                        uint64_t n_waits, struct object **waits,
                        struct guest_id event_id);

/* The same for a marker or a barrier, whose empty wait list has a meaning of its own. */
cl_int submission_begin_sync(struct session *s, struct submission *sub,
                             struct object *queue, uint64_t n_waits,
                             struct object **waits, struct guest_id event_id);

/* After the driver's call: its event, its error. Answers rc if tag is not 0. Returns 0. */
int submission_end(struct session *s, struct submission *sub, cl_int rc, uint64_t tag);

/* Room for one more command of the queue, held or not; or why there is none. */
cl_int queue_admit(struct session *s, struct queue *q);

void queue_count_held(struct queue *q, int more);

/* Hands what was enqueued to the device, and lets go of the queue. */
void queue_flush_unref(struct session *s, struct queue *q);

/* The newest command under way that takes device time, of any queue, counted; NULL: none. */
cl_event queues_newest_counted(struct session *s);

/* Charges and forgets the commands that are complete. Any thread. */
void queue_harvest(struct session *s, struct queue *q);

/*
 * Dispatcher: calls done(arg) once, when all that the driver has of every queue is complete; now,
 * if that is nothing.
 */
void queues_when_complete(struct session *s, watch_fn *done, void *arg);

/* The error that commands of the queue left behind; told once. */
cl_int queue_take_error(struct queue *q);
void queue_remember_error(struct queue *q, cl_int error);

/* Harvests all queues. Returns whether any has commands under way. Any thread. */
bool queues_busy(struct session *s);

/* The same, but for commands that are held back. */
bool queues_run(struct session *s);

/* Dispatcher: lets go of released queues that are idle. */
void queues_retire(struct session *s);

/* Dispatcher: what idle queues may have under way, other queues and sessions may. */
void queues_give_back(struct session *s);

/* Dispatcher: submits everything to the device. */
void queues_flush(struct session *s);

void queue_released(struct session *s, struct object *o);
void queue_fini(struct session *s, struct object *o);

#endif
