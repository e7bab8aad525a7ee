/* SPDX-License-Identifier: MIT */
/*
 * Operations: what takes long, is watched and may be called off (docs/control-api.md). A vGPU is
 * suspended, resumed or cloned; until an operation is done all is as before it, whoever ends
 * meanwhile.
 */
#ifndef TESSERA_CLIENT_OPERATION_H
#define TESSERA_CLIENT_OPERATION_H

#include "client/client.h"

#include <stdint.h>

struct client_operation {
    const char *op;   /* "suspend", "resume", "clone" */
    const char *vgpu; /* its name; resume makes one that does not exist */
    const char *name; /* clone: of the new one; else NULL */
    const char *gpu;  /* resume, clone: NULL: the manager picks one */
    const char *file; /* the path of what fd is, for the record; NULL: it has none */
    /*
     * Where a snapshot is written to, or read from: a file, a pipe or a connected socket; it stays
     * the caller's, and is used up to the snapshot's end. -1: the manager's own file.
     */
    int fd;
    bool
        suspended; /* resume of one that does not exist, clone: it stays so, into a copy */
    int cancel_fd; /* calls the operation off when it can be read from; -1: nothing does */

    /* All are called by client_operate() in its thread, with this. */
    void *user;
    /* What is done of what there is to do (0: not known), once a second at least; may be NULL. */
    void (*progress)(void *user, const char *phase, uint64_t done, uint64_t total);
    /*
     * suspend: all is written and on the disk, and the vGPU waits for what this returns: 0 lets it
     * be suspended, an error, with words, goes on as before. NULL: it is suspended at once.
     */
    int (*written)(void *user, uint64_t bytes, struct err *e);
};

/* After this error of client_operate(): is it not known whether the operation was done? */
bool client_operation_is_open(int rc);

/*
 * Returns when it is over. *ret (may be NULL) is the manager's last line: "vgpu" as of
 * client_vgpu_get(), "bytes", "paused_ms".
 *
 * The manager is found, started and checked as by client_call(), and client_error_code() tells its
 * word for an error. -ECANCELED: called off in time. -ECONNRESET: the manager left in the middle,
 * so that only the vGPU itself tells whether it was done; -EPIPE: it left while it had no answer
 * of `written` yet, so that nothing was. -EPROTO: what it says makes no sense. -EOPNOTSUPP: it is
 * of a version that has no operations. And what `written` returned.
 */
int client_operate(struct client *c, const struct client_operation *o, json_t **ret,
                   struct err *e);

#endif
