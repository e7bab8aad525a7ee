/* SPDX-License-Identifier: MIT */
/*
 * Holes: whole pages of the heap that belong to buffers and images which are not mapped. While the
 * session is paused nobody touches them, so they can be given back to the host.
 */
#ifndef TESSERA_WORKER_HOLES_H
#define TESSERA_WORKER_HOLES_H

#include "wire/codec.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct session;

struct holes {
    struct extent *all; /* by their offsets; owned */
    size_t n;
};

/* 0, or -ENOMEM. The session is paused. */
int holes_find(struct session *s, struct holes *ret);
void holes_fini(struct holes *h);

/* The first that ends after off; NULL: none does. */
const struct extent *holes_at(const struct holes *h, uint64_t off);

/* Gives the pages of all back; what cannot be given back is logged. */
void holes_give_back(const struct holes *h, int fd);

/*
 * The same of ranges that are zero, by a thread, while others are looked at: who reads them later
 * reads zeros all the same.
 */
struct zero_pages {
    int fd;
    const struct holes *holes;
    bool started, stop; /* stop and range: under the lock */
    struct extent range;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

void zero_pages_init(struct zero_pages *z, int fd, const struct holes *h);

/* What of it is in a hole. */
void zero_pages_give_back(struct zero_pages *z, uint64_t off, uint64_t len);

/* Waits until all are. */
void zero_pages_fini(struct zero_pages *z);

#endif
