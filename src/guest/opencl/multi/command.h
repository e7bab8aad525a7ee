/* SPDX-License-Identifier: MIT */
/*
 * One enqueue: what it waits for and the memory it uses, said in terms of its vGPU.
 *
 *   rc = command_begin(&c, queue, CL_COMMAND_…, n, waits, event);   checks, locks the context
 *   if (rc != CL_SUCCESS) return rc;
 *   rc = command_use(&c, mem, offset, size, USE_…, &inner);         moves bytes there if need be
 *   if (rc == CL_SUCCESS)
 *       rc = ordinary->clEnqueue…(c.queue->inner, inner, …, c.n_waits, c.waits, &c.inner);
 *   return command_end(&c, rc, event);                              who wrote what; unlocks
 */
#ifndef TESSERA_GUEST_OPENCL_MULTI_COMMAND_H
#define TESSERA_GUEST_OPENCL_MULTI_COMMAND_H

#include "guest/opencl/multi/event.h"
#include "guest/opencl/multi/mem.h"

enum use {
    USE_READ,      /* its bytes must be valid */
    USE_UPDATE,    /* the same, and it changes them */
    USE_OVERWRITE, /* all of them are made new */
};

struct written {
    struct multi_mem *root;
    size_t begin, end;
};

struct command {
    struct multi_queue *queue;
    struct multi_context *context;
    struct multi_event *event; /* NULL when none is wanted */
    cl_event inner;            /* set by the ordinary enqueue */
    bool locked;

    cl_uint n_waits, waits_cap;
    cl_uint n_given; /* of them: the program's, the first; the others are arrivals */
    cl_event
        *waits; /* inner events of the queue's vGPU, retained; NULL when n_waits is 0 */

    unsigned n_written, written_cap;
    struct written *written;
};

/*
 * As OpenCL 3.0 says at every command, first in section 5.2.2: CL_INVALID_COMMAND_QUEUE,
 * CL_INVALID_CONTEXT, CL_INVALID_EVENT_WAIT_LIST. On failure there is nothing to end.
 */
cl_int command_begin(struct command *c, cl_command_queue queue, cl_command_type type,
                     cl_uint n_waits, const cl_event *waits, cl_event *event);

/*
 * Bytes [offset, offset + size) of a memory object; a range that is not inside is for the
 * ordinary function to refuse. CL_INVALID_MEM_OBJECT, CL_INVALID_CONTEXT, or why there is no
 * replica.
 */
cl_int command_use(struct command *c, cl_mem memobj, size_t offset, size_t size,
                   enum use use, cl_mem *ret);

/* All of it. */
cl_int command_use_all(struct command *c, cl_mem memobj, enum use use, cl_mem *ret);

/* The stamp of what `e` writes on the queue's vGPU; NULL without memory. */
struct stamp *command_stamp(const struct command *c, cl_event e);

/* Lets other threads enqueue while this one blocks; nothing may be used or written after it. */
void command_unlock(struct command *c);

/* Gives the event out when rc is CL_SUCCESS; cleans up, and returns rc. */
cl_int command_end(struct command *c, cl_int rc, cl_event *event);

/* The same, and waits for the command. */
cl_int command_end_blocking(struct command *c, cl_int rc, cl_event *event);

#endif
