/* SPDX-License-Identifier: MIT */
/*
 * A mutex held until the end of the scope:
 *     _cleanup_unlock_ pthread_mutex_t *held = scope_lock(&x->lock);
 */
#ifndef TESSERA_WORKER_SCOPE_H
#define TESSERA_WORKER_SCOPE_H

#include <pthread.h>

static inline pthread_mutex_t *
scope_lock(pthread_mutex_t *m)
{
    pthread_mutex_lock(m);
    return m;
}

static inline void
cleanup_unlockp(pthread_mutex_t **m)
{
    pthread_mutex_unlock(*m);
}

#define _cleanup_unlock_ __attribute__((cleanup(cleanup_unlockp), unused))

#endif
