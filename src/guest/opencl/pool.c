/* SPDX-License-Identifier: MIT */
#include "guest/opencl/pool.h"

#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define PAGE_BYTES (64u << 10)

struct pool_page {
    struct pool_page *next;
    const struct pool *pool;
    _Atomic uint32_t n_used; /* places that ever were an object */
    _Alignas(64) char objects[];
};

struct pool_page *
pool_page_of(const void *p)
{
    return (struct pool_page *)((uintptr_t)p & ~(uintptr_t)(PAGE_BYTES - 1));
}

bool
pool_page_has(const struct pool_page *page, const void *p)
{
    const size_t at = (size_t)((const char *)p - page->objects);
    const size_t bytes = page->pool->bytes;
    const uint32_t used = atomic_load_explicit(&page->n_used, memory_order_acquire);

    return (const char *)p >= page->objects && at % bytes == 0 && at / bytes < used &&
           ((const struct object *)p)->magic == OBJECT_MAGIC + page->pool->kind;
}

static struct pool_page *
page_new(struct pool *p)
{
    struct pool_page *page = aligned_alloc(PAGE_BYTES, PAGE_BYTES);

    if (!page)
        return NULL;
    page->next = p->pages;
    page->pool = p;
    atomic_init(&page->n_used, 0);
    p->pages = page;
    if (p->page_comes)
        p->page_comes(page);
    return page;
}

/* A place that never was an object. */
static struct object *
page_take(struct pool *p)
{
    const size_t most = (PAGE_BYTES - sizeof(struct pool_page)) / p->bytes;
    struct pool_page *page = p->pages;
    struct object *o;
    uint32_t used;

    if (!page || atomic_load_explicit(&page->n_used, memory_order_relaxed) == most)
        page = page_new(p);
    if (!page)
        return NULL;
    used = atomic_load_explicit(&page->n_used, memory_order_relaxed);
    o = (struct object *)(void *)(page->objects + used * p->bytes);
    o->magic = 0;
    /* Its partner is in pool_page_has(): there is no magic number yet. */
    atomic_store_explicit(&page->n_used, used + 1, memory_order_release);
    return o;
}

void *
pool_take(struct pool *p)
{
    struct object *o = p->spare;

    /* Pairs with pool_put(): who put it no longer looks at it. */
    if (!o)
        o = atomic_exchange_explicit(&p->returned, NULL, memory_order_acquire);
    if (o)
        p->spare = (struct object *)(void *)o->held.next;
    else
        o = page_take(p);
    if (!o)
        return NULL;
    ASAN_UNPOISON_MEMORY_REGION(o, p->bytes);
    return memset(o, 0, p->bytes);
}

void
pool_put(struct pool *p, struct object *o)
{
    struct object *first = atomic_load_explicit(&p->returned, memory_order_relaxed);

    ASAN_POISON_MEMORY_REGION(o + 1, p->bytes - sizeof *o);
    do {
        o->held.next = (struct list *)(void *)first;
    } while (!atomic_compare_exchange_weak_explicit(
        &p->returned, &first, o, memory_order_release, memory_order_relaxed));
}

void
pool_fini(struct pool *p)
{
    while (p->pages) {
        struct pool_page *page = p->pages;

        p->pages = page->next;
        if (p->page_goes)
            p->page_goes(page);
        ASAN_UNPOISON_MEMORY_REGION(page, PAGE_BYTES);
        free(page);
    }
}
