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
#include "gate/gate.h"
#include "link/account.h"
#include "link/limit.h"
#include "wire/channel.h"
#include "wire/spin.h"
#include "worker/bar.h"
#include "worker/cost.h"
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
    uint8_t *scratch;
    size_t scratch_used;
};

/* The command that has passed the gate and is on its way to the driver. */
struct admitted {
    bool valid;
    struct gate_ticket ticket;
    struct cost_keys keys;
};

struct session {
    const struct session_options *options;
    uint64_t objects_made;
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
    struct replies replies;          /* shared */
    struct watches watches;          /* shared */
    struct jobs builds, asks, waits; /* shared */
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

bool session_is_dispatcher(const struct session *s);

#endif
