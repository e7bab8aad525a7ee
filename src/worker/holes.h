/* SPDX-License-Identifier: MIT */
/*
 * Holes: whole pages of the heap that belong to buffers and images which are not mapped. While the
 * session is paused nobody touches them, so they can be given back to the host.
 */
#ifndef TESSERA_WORKER_HOLES_H
#define TESSERA_WORKER_HOLES_H

#include "wire/codec.h"

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

#endif
