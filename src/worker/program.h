/* SPDX-License-Identifier: MIT */
/* Programs: made here, built in jobs, described to the guest by their metadata. */
#ifndef TESSERA_WORKER_PROGRAM_H
#define TESSERA_WORKER_PROGRAM_H

#include "worker/object.h"

#include <pthread.h>

struct program {
    struct object o;
    struct recipe build; /* the last clBuildProgram */
    char *options;       /* of the last build, as the guest gave them; dispatcher */
    /* One job at a time: a driver tells a binary's size and its bytes in two calls. */
    pthread_mutex_t driver_lock;
    pthread_mutex_t lock; /* all below */
    uint8_t *metadata;    /* of the last build (docs/protocol.md), NULL: none */
    size_t metadata_len;
};

void program_fini(struct session *s, struct object *o);

#endif
