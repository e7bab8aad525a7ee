/* SPDX-License-Identifier: MIT */
/*
 * The live handles of memory objects and samplers of the process, for one question: is this 8-byte
 * kernel argument a handle, where the driver told nothing of the kernel's arguments? An
 * open-addressing hash set of handles, and of the pages that memory objects lie in: those are
 * many, and a page is told by the address. The value is only compared, unless it lies in such a
 * page.
 */
#include "guest/opencl/mem.h"

#include <stdlib.h>

static pthread_mutex_t set_lock = PTHREAD_MUTEX_INITIALIZER;
static const void **set;
static size_t set_cap, set_used; /* used counts removed places too */

static const char removed_place;
#define REMOVED ((const void *)&removed_place)

static size_t
set_index(const void *p, size_t cap)
{
    return (size_t)(((uintptr_t)p >> 4) * 0x9e3779b97f4a7c15ull >> 20) & (cap - 1);
}

static const void **
set_find(const void *p)
{
    if (set_cap == 0)
        return NULL;
    for (size_t i = set_index(p, set_cap);; i = (i + 1) & (set_cap - 1)) {
        if (set[i] == p)
            return &set[i];
        if (!set[i])
            return NULL;
    }
}

static void
set_put(const void **to, size_t cap, const void *p)
{
    size_t i = set_index(p, cap);

    while (to[i])
        i = (i + 1) & (cap - 1);
    to[i] = p;
}

static bool
set_make_room(void)
{
    size_t cap = 256, live = 0;
    const void **bigger;

    if (set_used + 1 < set_cap / 2)
        return true;
    for (size_t i = 0; i < set_cap; i++)
        live += set[i] && set[i] != REMOVED;
    while (cap < live * 4 + 4)
        cap *= 2;
    bigger = calloc(cap, sizeof *bigger);
    if (!bigger)
        return false;
    for (size_t i = 0; i < set_cap; i++) {
        if (set[i] && set[i] != REMOVED)
            set_put(bigger, cap, set[i]);
    }
    free(set);
    set = bigger;
    set_cap = cap;
    set_used = live;
    return true;
}

void
mem_set_add(const void *handle)
{
    pthread_mutex_lock(&set_lock);
    if (set_make_room()) {
        set_put(set, set_cap, handle);
        set_used++;
    }
    pthread_mutex_unlock(&set_lock);
}

void
mem_set_remove(const void *handle)
{
    const void **place;

    pthread_mutex_lock(&set_lock);
    place = set_find(handle);
    if (place)
        *place = REMOVED;
    pthread_mutex_unlock(&set_lock);
}

/* No object is there: a page is told from a handle. */
static const void *
page_key(const struct pool_page *page)
{
    return (const char *)page + 1;
}

void
mem_set_add_page(const struct pool_page *page)
{
    mem_set_add(page_key(page));
}

void
mem_set_remove_page(const struct pool_page *page)
{
    mem_set_remove(page_key(page));
}

/* Locked: the page does not go meanwhile. */
static bool
set_has_object(const void *p)
{
    const struct pool_page *page = pool_page_of(p);

    if (!page || (uintptr_t)p % sizeof(void *) != 0)
        return false;
    return set_find(p) || (set_find(page_key(page)) && pool_page_has(page, p));
}

bool
handle_is_mem(const void *p)
{
    bool found;

    pthread_mutex_lock(&set_lock);
    found = set_has_object(p);
    pthread_mutex_unlock(&set_lock);
    return found;
}

void
mem_set_lock(void)
{
    pthread_mutex_lock(&set_lock);
}

void
mem_set_unlock(void)
{
    pthread_mutex_unlock(&set_lock);
}
