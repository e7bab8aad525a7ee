/* SPDX-License-Identifier: MIT */
/*
 * Objects of one kind of a session, which come and go by the thousand. They lie in pages that are
 * aligned to their size, so that the page of a handle is known by its address, and whether it is
 * a live one can be told of any value. A session keeps its pages until it ends. A handle that is
 * stale keeps its dispatch table and no magic number: it is refused.
 *
 *   take (tx_lock) ◀── spare ◀── all that was returned, when spare is empty ◀── put (any thread)
 */
#ifndef TESSERA_GUEST_OPENCL_POOL_H
#define TESSERA_GUEST_OPENCL_POOL_H

#include "guest/opencl/object.h"

struct pool_page;

struct pool {
    size_t bytes; /* of an object; a struct object comes first */
    uint32_t kind;
    void (*page_comes)(const struct pool_page *page); /* these two may be NULL */
    void (*page_goes)(const struct pool_page *page);
    struct object *spare; /* linked by held.next */
    _Atomic(struct object *) returned;
    struct pool_page *pages;
};

/* Zeroed; NULL without memory. The session's tx_lock is held. */
void *pool_take(struct pool *p);

/* What is no object any more, or did not become one. Any thread, no lock. */
void pool_put(struct pool *p, struct object *o);

void pool_fini(struct pool *p);

/* The page that has it, if any does. */
struct pool_page *pool_page_of(const void *p);

/* Is it a live object of this page, which exists? */
bool pool_page_has(const struct pool_page *page, const void *p);

#endif
