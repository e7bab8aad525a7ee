/* SPDX-License-Identifier: MIT */
/*
 * Memory objects come and go by the thousand. Their shadows lie in pages that are aligned to
 * their size, so that the page of a handle is known by its address, and whether it is a live
 * one can be told of any value (mem_set.c). A handle that is stale keeps its dispatch table
 * and no magic number: it is refused.
 *
 *   take (tx_lock) ◀── spare ◀── all that was returned, when spare is empty ◀── put (any thread)
 */
#include "guest/opencl/mem.h"

#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define PAGE_BYTES (64u << 10)
#define PAGE_MEMS                                                                        \
    ((uint32_t)((PAGE_BYTES - sizeof(struct mem_page)) / sizeof(struct _cl_mem)))

struct mem_page {
    struct mem_page *next;
    _Atomic uint32_t n_used; /* places that ever were an object */
    _Alignas(64) struct _cl_mem mems[];
};

struct mem_page *
mem_page_of(const void *p)
{
    return (struct mem_page *)((uintptr_t)p & ~(uintptr_t)(PAGE_BYTES - 1));
}

bool
mem_page_has(const struct mem_page *page, const void *p)
{
    const size_t at = (size_t)((const char *)p - (const char *)page->mems);
    const uint32_t used = atomic_load_explicit(&page->n_used, memory_order_acquire);

    return (const char *)p >= (const char *)page->mems &&
           at % sizeof page->mems[0] == 0 && at / sizeof page->mems[0] < used &&
           ((const struct object *)p)->magic == OBJECT_MAGIC + KIND_mem;
}

static struct mem_page *
page_new(struct session *s)
{
    struct mem_page *page = aligned_alloc(PAGE_BYTES, PAGE_BYTES);

    if (!page)
        return NULL;
    page->next = s->mem_pages;
    atomic_init(&page->n_used, 0);
    s->mem_pages = page;
    mem_set_add_page(page);
    return page;
}

/* A place that never was an object. */
static struct _cl_mem *
page_take(struct session *s)
{
    struct mem_page *page = s->mem_pages;
    struct _cl_mem *m;
    uint32_t used;

    if (!page || atomic_load_explicit(&page->n_used, memory_order_relaxed) == PAGE_MEMS)
        page = page_new(s);
    if (!page)
        return NULL;
    used = atomic_load_explicit(&page->n_used, memory_order_relaxed);
    m = &page->mems[used];
    m->o.magic = 0;
    /* Its partner is in mem_page_has(): there is no magic number yet. */
    atomic_store_explicit(&page->n_used, used + 1, memory_order_release);
    return m;
}

struct _cl_mem *
mem_pool_take(struct session *s)
{
    struct _cl_mem *m = s->mem_spare;

    /* Pairs with mem_pool_put(): who put it no longer looks at it. */
    if (!m)
        m = atomic_exchange_explicit(&s->mem_returned, NULL, memory_order_acquire);
    if (m)
        s->mem_spare = m->next_spare;
    else
        m = page_take(s);
    if (!m)
        return NULL;
    ASAN_UNPOISON_MEMORY_REGION(m, sizeof *m);
    return memset(m, 0, sizeof *m);
}

void
mem_pool_put(struct session *s, struct _cl_mem *m)
{
    struct _cl_mem *first = atomic_load_explicit(&s->mem_returned, memory_order_relaxed);

    ASAN_POISON_MEMORY_REGION(&m->context, offsetof(struct _cl_mem, next_spare) -
                                               offsetof(struct _cl_mem, context));
    do {
        m->next_spare = first;
    } while (!atomic_compare_exchange_weak_explicit(
        &s->mem_returned, &first, m, memory_order_release, memory_order_relaxed));
}

void
mem_pool_fini(struct session *s)
{
    while (s->mem_pages) {
        struct mem_page *page = s->mem_pages;

        s->mem_pages = page->next;
        mem_set_remove_page(page);
        ASAN_UNPOISON_MEMORY_REGION(page, PAGE_BYTES);
        free(page);
    }
}
