/* SPDX-License-Identifier: MIT */
/*
 * cl_khr_command_buffer: the driver's command buffers. Each keeps what its commands use for as long
 * as it lives, so that a driver which does not count them stays safe, and the messages that it was
 * recorded with.
 */
#ifndef TESSERA_WORKER_COMMAND_BUFFER_H
#define TESSERA_WORKER_COMMAND_BUFFER_H

#include "worker/object.h"
#include "worker/queue.h"

/* Drivers keep something per command on their stack while they replay. */
#define COMMANDS_MAX (1u << 16)

/* A recorded command: its message, and the sync point that the driver gave it. */
struct command {
    struct recipe recipe;
    uint64_t moment; /* of the message */
    cl_sync_point_khr sync_point;
    cl_kernel kernel;         /* owned: the copy that holds the arguments as they were */
    struct object *launched;  /* the guest's kernel, counted; NULL: it is no launch */
    struct kernel_args *args; /* its arguments then, counted */
    struct object **used;     /* counted */
    unsigned n_used;
};

struct command_buffer {
    struct object o;
    struct queue *queue; /* counted */
    struct command *commands;
    unsigned n_commands, cap_commands;
    unsigned allowed;   /* of LIMIT_COMMANDS */
    uint64_t finalized; /* the moment; 0: it is not yet */
    cl_event
        *runs; /* replays not known to be over, oldest first; references of our own */
    unsigned first_run, n_runs, cap_runs;
    unsigned n_held; /* replays that are held back */
};

/* A command being recorded. */
struct recording {
    struct command_buffer *buffer;
    cl_int rc;
    cl_uint n_syncs;
    const cl_sync_point_khr *syncs; /* the driver's; NULL when there are none */
    cl_sync_point_khr sync_point;   /* from the driver */
    cl_kernel kernel;               /* owned until recording_end, as the next two */
    struct object *launched;
    struct kernel_args *args;
};

/*
 * 0, or a negative errno that ends the session: a sync point that the guest was never given. With
 * 0, rc tells whether to call the driver.
 */
int recording_begin(struct session *s, struct recording *rec, struct object *buffer,
                    const uint64_t *points, uint64_t n_points);

/* After the driver's call: keeps the objects used by the command, answers rc. Returns 0. */
int recording_end(struct session *s, struct recording *rec, struct object *const *used,
                  unsigned n_used, uint64_t tag);

void command_buffer_fini(struct session *s, struct object *o);

#endif
