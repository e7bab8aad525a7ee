/* SPDX-License-Identifier: MIT */
/* Commands whose end has consequences: an answer, an extent that is the guest's again, memory. */
#ifndef TESSERA_WORKER_TRANSFER_H
#define TESSERA_WORKER_TRANSFER_H

#include "worker/request.h"

struct transfer {
    uint64_t tag;     /* answered when complete; 0: not at all */
    uint64_t tag_now; /* answered at once; at most one of both */
    uint64_t reclaim; /* heap offset, or EXTENT_NONE */
    void *memory;     /* freed; may be NULL */
    uint64_t bytes;   /* of LIMIT_INFLIGHT_BYTES */
};

/*
 * submission_end() with a continuation: what t says happens when the command is complete, or at
 * once when rc is an error. Flushes the queue. Copies *t. Returns 0 or a negative errno.
 */
int transfer_end(struct session *s, struct submission *sub, cl_int rc,
                 const struct transfer *t);

#endif
